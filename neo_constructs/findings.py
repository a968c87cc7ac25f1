"""What a check has to say: one finding per fault, with its place and its fix."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from neo_constructs.codes import CODES

MAX_TEXT: Final = 4_000  # of a finding: a policy document that is to be pasted fits


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault, or one piece of advice.

    Parameters
    ----------
    code
        One of ``neo_constructs.codes``. It never changes its meaning between releases.
    where
        The construct path, argument or file in which it was found.
    message
        What is wrong, with the value and what is allowed.
    fix
        What to do about it.
    level
        Default: an error.
    """

    code: str
    where: str
    message: str
    fix: str = ""
    level: Level = Level.ERROR

    def __post_init__(self) -> None:
        """Hold the code to the list of all codes."""
        if self.code not in CODES:
            raise KeyError(f"{self.code!r} is not among neo_constructs.codes")
        for name in ("where", "message", "fix"):
            # Whatever was given may be quoted in it, and that may be of any length.
            object.__setattr__(self, name, shortened(getattr(self, name), MAX_TEXT))

    def __str__(self) -> str:
        """Return the finding as one paragraph a person can act on."""
        fix = f" Fix: {self.fix}" if self.fix else ""
        return f"{self.where}: {self.message}{fix} [{self.code}]"


def shortened(text: str, length: int) -> str:
    """Return a text, cut in its middle if it is longer than so many characters."""
    if len(text) <= length:
        return text
    end = length // 4
    return f"{text[: length - end - 5]} ... {text[-end:]}"


def parse_json(text: str | bytes) -> Any:
    """Return what JSON says, of whatever depth and length it is.

    Raises
    ------
    ValueError
        If it is not JSON, or no one could read it.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def listed(values: Iterable[str]) -> str:
    """Return the allowed values as one phrase."""
    return ", ".join(values) or "none"


def suggestion(value: str, allowed: Iterable[str]) -> str:
    """Return ``Did you mean 'x'?`` for the nearest allowed value, or nothing."""
    by_lower = {name.lower(): name for name in allowed}
    given = value.lower()
    # Slips are rarely in the first letters, and comparing with every name takes its time.
    alike = [name for name in by_lower if name[:2] == given[:2]]
    for names in (alike, by_lower):
        near = difflib.get_close_matches(given, list(names), n=1, cutoff=0.6)
        if near:
            return f"Did you mean {by_lower[near[0]]!r}?"
    return ""
