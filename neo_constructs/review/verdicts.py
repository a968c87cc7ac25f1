"""What happens to resources when one assembly is deployed after another: the values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from neo_constructs.review.values import Key

EVERY: Final = "*"  # attribute


class Verdict(StrEnum):
    """What happens to a resource."""

    ADDED = "added"
    REMOVED = "removed"
    RETAINED = "retained"
    REPLACED = "replaced"
    UPDATED = "updated"
    OPEN = "decided at deploy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to one resource, and why.

    Parameters
    ----------
    key
        The resource; a removed one's stack is named as the newer assembly names it.
    path, type
        Its construct path, and its type.
    verdict
        What happens.
    properties
        The properties that change.
    because
        The resources whose replacement or answers are a reason, as paths; or the engine's inputs.
    keeps_old
        Whether what a replacement leaves behind is kept.
    answers
        The attributes that get another value though the resource stays.
    open_answers
        The attributes that may.
    refused
        Why CloudFormation refuses it; empty if it does not.
    """

    key: Key
    path: str
    type: str
    verdict: Verdict
    properties: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    keeps_old: bool = False
    answers: frozenset[str] = frozenset()
    open_answers: frozenset[str] = frozenset()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One consequence: the resource, and what happens to it, in words."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """What happens if one assembly is deployed after another.

    Parameters
    ----------
    refused
        What CloudFormation would refuse: the deploy fails and goes back.
    jobs
        For each job and archive, whether it runs or is written again.
    endpoints
        For each endpoint, what happens to it.
    stacks
        Stacks that come, and those that are no longer in the assembly.
    changes
        What happens to each resource that does not stay, in the order of their paths.
    """

    refused: tuple[Sentence, ...]
    jobs: tuple[Sentence, ...]
    endpoints: tuple[Sentence, ...]
    stacks: tuple[Sentence, ...]
    changes: tuple[Change, ...]


def counts(changes: tuple[Change, ...]) -> str:
    """Return how many resources meet each fate: ``2 replaced, 1 added``."""
    number = Counter(change.verdict for change in changes)
    return ", ".join(f"{number[verdict]} {verdict}" for verdict in Verdict if number[verdict])
