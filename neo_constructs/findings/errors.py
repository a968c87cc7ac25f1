"""The error that carries findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from neo_constructs.findings.finding import Finding, Level


class ValidationError(ValueError):
    """Every fault of one thing, raised together.

    Parameters
    ----------
    findings
        The faults; at least one.
    subject
        The thing that has them, such as a construct path. Default: none is named.

    Examples
    --------
    >>> raise_errors([], subject="Stack/Digits")
    """

    def __init__(self, findings: Sequence[Finding], *, subject: str = "") -> None:
        self.findings = tuple(findings)
        self.subject = subject
        head = f"{subject} has {_count(len(self.findings))}:\n" if subject else ""
        super().__init__(head + "\n".join(f"  - {finding}" for finding in self.findings))


def raise_errors(findings: Iterable[Finding], *, subject: str = "") -> tuple[Finding, ...]:
    """Raise if any finding is an error; return the warnings otherwise.

    Raises
    ------
    ValidationError
        With all the errors among the findings.
    """
    found = tuple(findings)
    errors = errors_among(found)
    if errors:
        raise ValidationError(errors, subject=subject)
    return found


def errors_among(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are errors."""
    return [finding for finding in findings if finding.level is Level.ERROR]


def _count(number: int) -> str:
    return "1 error" if number == 1 else f"{number} errors"
