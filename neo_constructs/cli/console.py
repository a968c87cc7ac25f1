"""Write to a terminal safely, and end the command: unusable, interrupted, without an extra."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from types import FrameType
from typing import NoReturn

import click

from neo_constructs.findings.wording import shortened

# Control characters, and those that turn the direction of what follows.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def say(text: str, *, err: bool = False) -> None:
    """Print text, whatever is in it: names of files may hold bytes that no terminal should see."""
    try:
        click.echo(_plain(text), err=err)
    except BrokenPipeError:  # the reader has seen enough, as in ``| head -1``
        os._exit(0)
    except OSError as error:  # a full disk, a terminal that is gone
        with contextlib.suppress(OSError):
            click.echo(f"The output cannot be written: {error}.", err=True)
        # Without another try to write what is left.
        os._exit(2)


def say_all(texts: Iterable[str], limit: int) -> None:
    """Print texts as long as they are no more than so many bytes, and how many are left."""
    left = size = 0
    for text in texts:
        size += len(_plain(text).encode())
        if size > limit:
            left += 1
        else:
            say(text)
    if left:
        say(f"... and {left} more")


def shown(text: str) -> str:
    """Return a name in one line, of a length that can be read."""
    return shortened(text.encode("unicode_escape").decode(), 200) if _odd(text) else text


def _odd(text: str) -> bool:
    return len(text) > 200 or not text.isprintable()


def _plain(text: str) -> str:
    escaped = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return escaped.encode("utf-8", "backslashreplace").decode()


def exit_unusable(text: str) -> NoReturn:
    """Say why nothing can be done, and exit with 2."""
    say(text, err=True)
    sys.exit(2)


def require_extra(extra: str, *modules: str) -> None:
    """Exit with 2, and one line that names an extra, unless what it brings is installed."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        exit_unusable(
            f"This needs {', '.join(missing)}, which the extra {extra!r} brings: "
            f"pip install 'neo-constructs[{extra}]'"
        )


def raise_keyboard_interrupt_on_signal() -> None:
    """Let whoever ends this process by a signal end what it has started, too."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
