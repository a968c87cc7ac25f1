"""A probe: what finds out whether one assumption holds, and what that takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neo_constructs.verification.answers import Answer
from neo_constructs.verification.kit import Kit
from neo_constructs.verification.stack_names import BASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What finds out whether one assumption holds.

    Parameters
    ----------
    id
        The assumption's, as in ``docs/assumptions.md``.
    does
        What it does, in a sentence.
    run
        Does it.
    minutes
        About how long that takes: for the estimate, and for the order.
    dollars
        About what it costs. Default: 0, as compilation jobs, stacks and requests of this number do.
    stacks
        Those that it needs. Default: the one with the buckets.
    also
        Those that it looks at where they are there. Default: none.
    is_of_start
        Whether an endpoint that does not come into service is an answer. Default: False.
    """

    id: str
    does: str
    run: Callable[[Kit], Answer]
    minutes: float
    dollars: float = 0.0
    stacks: tuple[str, ...] = (BASE,)
    also: tuple[str, ...] = ()
    is_of_start: bool = False
