"""Install into this interpreter's environment, and show what is being done.

    python tools/install.py [PIP'S ARGUMENTS]

Runs pip, whose own progress is either hundreds of lines or none. What pip said is kept in the
environment's folder, as install.log. Nothing but the standard library is there yet.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))
from neo_constructs.cli.progress import Progress

FOLDER: Final = Path(sys.prefix)
LOG: Final = FOLDER / "install.log"
UNFINISHED: Final = FOLDER / ".installing"  # tools/check_venv.sh makes the environment anew
# pip's own are five and fifteen seconds: more than a minute of silence without a network.
PATIENCE: Final = {"PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "10"}
UNREACHABLE: Final = ("Retrying (", "No matching distribution", "NewConnectionError", "timed out")


def main() -> int:
    """Install, and return pip's exit code."""
    UNFINISHED.touch()
    command = [
        sys.executable, "-m", "pip", "install", "--disable-pip-version-check",
        "--progress-bar", "off", *sys.argv[1:],
    ]  # fmt: skip
    said: list[str] = []
    with (
        Progress(sys.stdout) as progress,
        subprocess.Popen(
            command,
            env={**PATIENCE, **os.environ},  # what is set already counts
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as pip,
    ):
        progress.step("starting pip")
        assert pip.stdout  # noqa: S101 - asked for above
        for line in pip.stdout:
            said.append(line)
            if step := step_of(line):
                progress.step(step)
    print(f"{progress.seconds:5.0f} s  {'failed' if pip.returncode else 'installed'}", flush=True)
    LOG.write_text("".join(said))
    if pip.returncode == 0:
        UNFINISHED.unlink()
    else:
        print(explained("".join(said)))
        print(f"All that pip said: {LOG}")
    return pip.returncode


def step_of(line: str) -> str:
    """Return what a line of pip's says it is doing, in a few words; empty for the rest."""
    words = line.split()
    if line.startswith("Collecting") and len(words) > 1:
        return f"collecting {words[1]}"
    if line.startswith(("  Downloading", "Downloading")) and len(words) > 1:
        return f"downloading {words[1].rpartition('/')[2]}"
    if line.startswith("Installing collected"):
        return f"installing {line.count(',') + 1} packages"
    return ""


def explained(said: str) -> str:
    """Return the cause first: that the index is not reached, or pip's own error."""
    errors = [line for line in said.splitlines() if line.startswith("ERROR")]
    text = "\n".join(errors) or said[-1000:]
    if any(sign in said for sign in UNREACHABLE):
        text = f"The package index was not reached, or lacks a package.\n{text}\n"
        text += "A proxy or an index of your own goes into HTTPS_PROXY and PIP_INDEX_URL."
    return text


if __name__ == "__main__":
    sys.exit(main())
