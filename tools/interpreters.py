"""Print the oldest and the newest supported Python of this machine, one a line.

    python tools/interpreters.py

Those on the PATH, the distribution's own, and pyenv's, that can make a virtual environment. One
line if there is only one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parent.parent
_NAME = re.compile(r"python3\.\d+")
_ASK = (
    "import ensurepip, venv, sys, json; "
    "print(json.dumps([list(sys.version_info[:3]), sys.prefix == sys.base_prefix]))"
)


def candidates() -> Iterator[Path]:
    """Yield what may be an interpreter."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = [
        *map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep)),
        Path("/usr/bin"),
        Path("/usr/local/bin"),
        *sorted(pyenv.glob("*/bin")),
    ]
    for folder in folders:
        if folder.is_dir():
            yield from (f for f in sorted(folder.iterdir()) if _NAME.fullmatch(f.name))


def version_of(interpreter: Path) -> tuple[int, ...] | None:
    """Return an interpreter's version; None if it does not run, or is of an environment."""
    try:
        done = subprocess.run(
            [interpreter, "-c", _ASK], capture_output=True, text=True, timeout=30, check=True
        )
        version, is_base = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return tuple(version) if is_base else None


def supported() -> tuple[int, ...]:
    """Return the oldest version that the project claims."""
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return tuple(int(part) for part in declared["requires-python"].removeprefix(">=").split("."))


def main() -> int:
    """Print the two."""
    found = {v: path for path in candidates() if (v := version_of(path)) and v >= supported()}
    if not found:
        print("no supported Python with venv was found", file=sys.stderr)
        return 1
    for version in dict.fromkeys([min(found), max(found)]):
        print(found[version])
    return 0


if __name__ == "__main__":
    sys.exit(main())
