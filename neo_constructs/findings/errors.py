"""The errors of the library: one base, and the one that carries findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from neo_constructs.findings.finding import Finding, Level


class NeoConstructsError(Exception):
    """The base of every error that the library raises.

    ::

        NeoConstructsError
        ├── ValidationError        what is given is wrong; carries the findings (also a ValueError)
        ├── ArchiveRejectedError   an archive is not read further
        ├── BudgetExceededError    a file asks for more work than it may (also a ValueError)
        ├── ContainerError         a model or a script cannot be run here (also a RuntimeError)
        ├── SandboxError           the emulated AWS does not come up (also a RuntimeError)
        └── CommandTimeoutError    a command was ended for its time (also a RuntimeError)
    """


class ValidationError(NeoConstructsError, ValueError):
    """Every fault of one thing, raised together.

    Parameters
    ----------
    findings
        The faults; at least one.
    subject
        The thing that has them, such as a construct path. Default: none is named.

    Examples
    --------
    >>> from neo_constructs.findings.finding import Finding
    >>> finding = Finding(code="max-runtime", where="max_runtime", message="0 seconds are given.")
    >>> print(ValidationError([finding], subject="Stack/Digits"))
    Stack/Digits has 1 error:
      - max_runtime: 0 seconds are given. [max-runtime]
    """

    def __init__(self, findings: Sequence[Finding], *, subject: str = "") -> None:
        self.findings = tuple(findings)
        self.subject = subject
        head = f"{subject} has {_count(len(self.findings))}:\n" if subject else ""
        super().__init__(head + "\n".join(f"  - {finding}" for finding in self.findings))

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the findings when it goes to another process."""
        return _validation_error, (self.findings, self.subject)


def _validation_error(findings: Sequence[Finding], subject: str) -> ValidationError:
    return ValidationError(findings, subject=subject)


def raise_errors(
    findings: Iterable[Finding], *, subject: str | Callable[[], str] = ""
) -> tuple[Finding, ...]:
    """Raise if any finding is an error; return the warnings otherwise.

    Parameters
    ----------
    findings
        What was found.
    subject
        The thing that has them, or what says it: a construct's path costs time to ask for.

    Raises
    ------
    ValidationError
        With all the errors among the findings.
    """
    found = tuple(findings)
    errors = errors_among(found)
    if errors:
        raise ValidationError(errors, subject=subject if isinstance(subject, str) else subject())
    return found


def errors_among(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are errors."""
    return [finding for finding in findings if finding.level is Level.ERROR]


def _count(number: int) -> str:
    return "1 error" if number == 1 else f"{number} errors"
