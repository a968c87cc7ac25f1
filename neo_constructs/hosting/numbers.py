"""Check numbers and times against what the service takes; tokens are accepted."""

from __future__ import annotations

from typing import cast

from aws_cdk import Duration

from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding


def check_number(
    value: float | None, where: str, least: float, most: float, *, unit: str = ""
) -> list[Finding]:
    """Say if a number is outside of its limits; None is accepted.

    Parameters
    ----------
    value, where
        The number, and the argument it is given as.
    least, most
        The limits, both allowed.
    unit
        Such as ``seconds``. Default: none.
    """
    if value is None or is_unresolved(value) or least <= value <= most:
        return []
    after = f" {unit}" if unit else ""
    return [
        Finding(
            code="number-range",
            where=where,
            message=f"{value:g}{after} is given. Allowed: {least:g} to {most:g}.",
            fix="give a number within these limits, or leave it out to take the default.",
        )
    ]


def seconds_of(value: Duration | None) -> int | None:
    """Return a time in seconds, a token for one that is known only at deploy."""
    return None if value is None else int(value.to_seconds()) if _known(value) else _token(value)


def check_seconds(value: Duration | None, where: str, least: int, most: int) -> list[Finding]:
    """Say if a time is outside of its limits in seconds; None is accepted."""
    if value is None:
        return []
    if not _known(value):
        return _check_unit(value, where)
    return check_number(
        value.to_seconds(integral=False), where, least, most, unit="seconds"
    ) or _whole(value, where)


def _check_unit(value: Duration, where: str) -> list[Finding]:
    """Say if a time that is known only at deploy is not in seconds, as it is sent."""
    if value.unit_label() == "seconds":
        return []
    return [
        Finding(
            code="known-at-synth",
            where=where,
            message=f"It is known only at deploy, in {value.unit_label()}.",
            fix="give it as Duration.seconds.",
        )
    ]


def _whole(value: Duration, where: str) -> list[Finding]:
    seconds = value.to_seconds(integral=False)
    if seconds == int(seconds):
        return []
    return [
        Finding(
            code="number-range",
            where=where,
            message=f"{seconds:g} seconds is given. Allowed: whole seconds.",
            fix="round it.",
        )
    ]


def _known(value: Duration) -> bool:
    return not value.is_unresolved()


def _token(value: Duration) -> int:
    """Return what stands for a time that is known only at deploy: a number of its own."""
    return cast(int, value.to_seconds())
