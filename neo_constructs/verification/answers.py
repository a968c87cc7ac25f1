"""What a probe answers: an assumption held, AWS does otherwise, or neither is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How an assumption fared."""

    HELD = "held"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """A probe's answer.

    Parameters
    ----------
    verdict
        How the assumption fared.
    said
        What was seen, in a sentence.
    evidence
        What it rests on: request ids, texts of the service, values. It goes to JSON.

    Examples
    --------
    >>> held("The job reported an image.", image="1.dkr.ecr/x:1").verdict
    <Verdict.HELD: 'held'>
    """

    verdict: Verdict
    said: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def held(said: str, **evidence: Any) -> Answer:
    """Return that the assumption held."""
    return Answer(Verdict.HELD, said, evidence)


def differs(said: str, **evidence: Any) -> Answer:
    """Return that AWS does otherwise."""
    return Answer(Verdict.DIFFERS, said, evidence)


def unknown(said: str, **evidence: Any) -> Answer:
    """Return that it could not be seen either way."""
    return Answer(Verdict.UNKNOWN, said, evidence)


def compared(is_as_assumed: bool, said: str, **evidence: Any) -> Answer:
    """Return that the assumption held, or that AWS does otherwise."""
    return Answer(Verdict.HELD if is_as_assumed else Verdict.DIFFERS, said, evidence)
