"""One case of the corpus: something a person wrote, and all that is said about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from neo_constructs.catalog.compilation_request import JobSettings
from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case.

    Parameters
    ----------
    about
        The code the case is about.
    title
        What was written.
    run
        Writes it, in a folder of its own, and returns the findings.
    errors, warnings
        The codes of all findings, in any order. A case with ``about`` in neither is a good one:
        it lies just inside the boundary.
    says
        What the finding about it must name: the value, what is allowed, or the fix.
    model
        Writes the model that it is about, for every way to ask. Default: it is about something
        else.
    settings
        What a job is asked for, likewise.
    """

    about: str
    title: str
    run: Callable[[Path], list[Finding]]
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    model: Callable[[Path], Path] | None = None
    settings: JobSettings | None = None

    @property
    def is_bad(self) -> bool:
        """Whether the case has the fault it is about."""
        return self.about in {*self.errors, *self.warnings}


def findings_of(work: Callable[[], list[Finding] | tuple[Finding, ...]]) -> list[Finding]:
    """Return what is found, whether it is returned or raised."""
    try:
        return list(work())
    except ValidationError as error:
        return list(error.findings)


def codes(findings: list[Finding], level: Level) -> list[str]:
    """Return the codes of one level, sorted."""
    return sorted(finding.code for finding in findings if finding.level is level)
