"""A finding: one fault or one piece of advice, with its place and its fix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from neo_constructs.findings.codes import CODES
from neo_constructs.findings.wording import shortened

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
        One of ``neo_constructs.findings.codes``. It never changes its meaning between releases.
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
            raise KeyError(f"{self.code!r} is not among neo_constructs.findings.codes")
        for name in ("where", "message", "fix"):
            # Whatever was given may be quoted in it, and that may be of any length.
            object.__setattr__(self, name, shortened(getattr(self, name), MAX_TEXT))

    def __str__(self) -> str:
        """Return the finding as one paragraph a person can act on."""
        fix = f" Fix: {self.fix}" if self.fix else ""
        return f"{self.where}: {self.message}{fix} [{self.code}]"
