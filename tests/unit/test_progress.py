"""What a terminal, and what a file, sees of long work; and an installation that does not end."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from neo_constructs.cli import progress as module
from neo_constructs.cli.progress import Progress

TOOLS = Path(__file__).parents[2] / "tools"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_gets_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_REDRAWN_SECONDS", "_WRITTEN_SECONDS"):
        monkeypatch.setattr(module, name, 0.05)
    monkeypatch.setattr(module, "_REPEATED_SECONDS", 0.2)
    out = io.StringIO()
    with Progress(out) as progress:
        for number in range(200):
            progress.step(f"step {number}")
        time.sleep(0.6)
    lines = out.getvalue().splitlines()
    assert lines[0].endswith("step 0"), "the first line comes at once"
    assert lines[-1].endswith("step 199")
    assert 3 <= len(lines) <= 12, "neither silent nor a line for each"
    assert "\x1b" not in out.getvalue()


def test_a_terminal_has_one_line_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = Terminal()
    with Progress(out) as progress:
        progress.step("x" * 100)
    drawn = out.getvalue().split("\r\x1b[K")
    assert drawn[-1] == ""
    assert all(len(line) < 40 for line in drawn)
    assert "\n" not in out.getvalue()


def test_a_reader_that_is_gone_ends_nothing() -> None:
    out = io.StringIO()
    with Progress(out) as progress:
        out.close()
        progress.step("goes on")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(TOOLS / "check_venv.sh"), str(folder), sys.executable],
        capture_output=True,
        text=True,
        check=True,
    )


def test_an_index_that_is_not_reached_is_said_and_the_environment_is_made_anew(
    environment: Path,
) -> None:
    assert checked(environment).stdout == ""
    without = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    began = time.monotonic()
    done = subprocess.run(
        [
            str(environment / "bin" / "python"),
            str(TOOLS / "install.py"),
            "no-such-package-anywhere",
        ],
        env={**without, "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert time.monotonic() - began < 60, "not a minute of silence"
    assert done.returncode != 0
    lines = done.stdout.splitlines()
    assert "starting pip" in lines[0]
    assert "index was not reached" in lines[2], "the cause comes first"
    assert lines[-1] == f"All that pip said: {environment / 'install.log'}"
    assert "is made anew" in checked(environment).stdout
    assert not environment.exists()
