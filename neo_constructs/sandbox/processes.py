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

from neo_constructs.findings.errors import NeoConstructsError

_PATIENCE_SECONDS = 5.0
_TERMINAL = 0


class CommandTimeoutError(NeoConstructsError, RuntimeError):
    """A command took longer than it was given, and was ended."""


def start(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path | None = None,
    output: IO[bytes] | int | None = None,
    keep_open: tuple[int, ...] = (),
    keeps_terminal: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a command as the leader of a new process group.

    Parameters
    ----------
    command, environment, folder, output, keep_open
        As ``subprocess.Popen`` takes them.
    keeps_terminal
        Whether it stays in the session of this terminal, as a shell with job control needs.
    """
    return subprocess.Popen(
        command,
        env=dict(environment),
        cwd=folder,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=not keeps_terminal,
        process_group=0 if keeps_terminal else None,
        # Before the command begins: it may read, or be interrupted, at once.
        preexec_fn=_take_terminal if keeps_terminal else None,  # noqa: PLW1509 - two calls of the system's
        pass_fds=keep_open,
    )


def _take_terminal() -> None:
    """Make this process's group the one that Ctrl-C is for."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # or it would be stopped for asking
    with contextlib.suppress(OSError):
        os.tcsetpgrp(_TERMINAL, os.getpgrp())
    signal.signal(signal.SIGTTOU, before)


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
    seconds: float | None,
    folder: Path | None = None,
    output: IO[bytes] | int | None = None,
    watched: Path | None = None,
) -> int:
    """Run a command to its end and return its exit code, 128 + n where a signal ended it.

    Nothing of it stays behind. In a terminal that is its own, it has the terminal. While it runs,
    its process group's number is the name of a file in the folder ``watched``, if that is given:
    whoever sees that this process was killed ends the group.

    Raises
    ------
    CommandTimeoutError
        After ``seconds``; None waits for ever.
    """
    has_terminal = output is None and is_in_terminal()
    process = start(
        command,
        environment=environment,
        folder=folder,
        output=output,
        keeps_terminal=has_terminal,
    )
    group = watched / str(process.pid) if watched else None
    try:
        if group:
            group.touch()
        code = process.wait(timeout=seconds)
        return code if code >= 0 else 128 - code
    except subprocess.TimeoutExpired as expired:
        message = f"{' '.join(command)} was ended: it took longer than {seconds or 0:.0f} s"
        raise CommandTimeoutError(message) from expired
    finally:
        if has_terminal:
            _take_terminal()
        end(process)
        if group:
            group.unlink(missing_ok=True)


def end_watched(folder: Path) -> None:
    """End the groups that are named in a folder, at once."""
    for file in folder.glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(int(file.name), signal.SIGKILL)


def is_in_terminal() -> bool:
    """Whether somebody types what this process reads."""
    try:
        return os.isatty(_TERMINAL) and os.tcgetpgrp(_TERMINAL) == os.getpgrp()
    except OSError:
        return False


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
