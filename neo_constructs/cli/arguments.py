"""Arguments that several verbs take, and what is said of those that say nothing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.util import find_spec
from types import FrameType
from typing import Any, Final, NoReturn

import click

from neo_constructs.catalog import support
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.errors import ValidationError
from neo_constructs.findings import Finding, parse_json, shortened

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


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


def fail(text: str) -> NoReturn:
    """Say why nothing can be done, and exit with 2."""
    say(text, err=True)
    sys.exit(2)


def on_command_line(finding: Finding) -> Finding:
    """Return a finding with the arguments named as they are written on the command line."""
    where = f"--{finding.where.replace('_', '-')}" if finding.where in _OPTIONS else finding.where
    fix = _CALL.sub(r"--framework \1:\2", finding.fix)
    fix = _GIVE.sub(lambda found: f"--data-input-config '{found[1]}'", fix)
    fix = _NAME.sub(lambda found: f"--{found[0].replace('_', '-')}", fix)
    return replace(finding, where=where, fix=fix)


_OPTIONS: Final = ("framework", "target", "data_input_config")
_CALL: Final = re.compile(r'Framework\.(\w+)\("([\d.]+)"\)')
_GIVE: Final = re.compile(r"data_input_config=(\{.*?\})(?=[,.]| and \d)")
_NAME: Final = re.compile(r"(?<!-)\bdata_input_config\b|(?<=leave )framework\b")


def require_extra(extra: str, *modules: str) -> None:
    """Exit with 2, and one line that names an extra, unless what it brings is installed."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        fail(
            f"This needs {', '.join(missing)}, which the extra {extra!r} brings: "
            f"pip install 'neo-constructs[{extra}]'"
        )


def end_as_interrupted() -> None:
    """Let whoever ends this process by a signal end what it has started, too."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def parse_all(
    *given: tuple[str | None, Callable[[str], Any]],
    refuse: Callable[[ValidationError], NoReturn] | None = None,
) -> list[Any]:
    """Return parsed arguments, None for those not given; exit with 2 if one says nothing.

    Parameters
    ----------
    given
        Texts and what parses them. All that say nothing are named together.
    refuse
        Says what is wrong. Default: as text.
    """
    parsed, unusable = [], list[Finding]()
    for text, parse in given:
        try:
            parsed.append(None if text is None else parse(text))
        except ValidationError as error:
            unusable += error.findings
    if unusable and refuse:
        refuse(ValidationError(unusable))
    if unusable:
        fail(str(ValidationError(unusable)))
    return parsed


def any_version(text: str) -> Framework:
    """Return the framework that a text names, with the newest version if it says none.

    Raises
    ------
    ValidationError
        If there is no such framework.
    """
    try:
        return Framework.parse(text)
    except ValidationError as error:
        if error.findings[0].code != "framework-version-missing" or ":" in text:
            raise
        return support.newest(text.upper(), TargetDevice.ML_C5)


def data_input_config(text: str) -> DataInputConfig:
    """Return the shapes that a text of JSON names.

    Raises
    ------
    ValidationError
        If it is no JSON.
    """
    try:
        return DataInputConfig.coerce(parse_json(text))
    except (ValueError, RecursionError) as error:
        finding = Finding(
            code="data-input-config-form",
            where="--data-input-config",
            message=f"{text!r} is not JSON: {error}.",
            fix="""write it as '{"input": [1, 3, 224, 224]}'.""",
        )
        raise ValidationError([finding]) from error
