"""Commands in a process group of their own, ended together.

Ending a launcher alone leaves the real process behind: npx, for one, is a wrapper.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_PATIENCE_SECONDS = 5.0


class CommandTimeoutError(RuntimeError):
    """A command took longer than it was given, and was ended."""


def start(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path | None = None,
    output: IO[bytes] | int | None = None,
    keep_open: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
    """Start a command as the leader of a new process group."""
    return subprocess.Popen(
        command,
        env=dict(environment),
        cwd=folder,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
        pass_fds=keep_open,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started: politely, then for good."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        until = time.monotonic() + _PATIENCE_SECONDS
        while _group_exists(process.pid) and time.monotonic() < until:
            process.poll()
            time.sleep(0.02)
        if not _group_exists(process.pid):
            break
    process.wait()


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    seconds: float,
    folder: Path | None = None,
    output: IO[bytes] | int | None = None,
) -> int:
    """Run a command to its end and return its exit code; nothing of it stays behind.

    Raises
    ------
    CommandTimeoutError
        After ``seconds``.
    """
    process = start(command, environment=environment, folder=folder, output=output)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired as expired:
        message = f"{' '.join(command)} was ended: it took longer than {seconds:.0f} s"
        raise CommandTimeoutError(message) from expired
    finally:
        end(process)


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
