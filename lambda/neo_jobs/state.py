"""What one step of an execution hands to the next, as a value and as the machine's JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from neo_jobs.actions import (
    Action,
    Fail,
    RetryUnderNewName,
    RunInWorker,
    StepContext,
    Succeed,
    Wait,
)
from neo_jobs.cloudformation import Request

State: TypeAlias = Mapping[str, Any]

# The version of the fields below.
STATE_VERSION = 1
# The oldest engine that can go on from them: an execution may outlive the function's code, and a
# rollback puts older code in its place. Fields that are only added need no other number; with
# one, both are raised.
READABLE_FROM = 1
# How long the machine waits for the worker at most, in seconds.
WORKER_TASK_TIMEOUT = 910
# Seconds after the deadline that are kept for the abort.
ABORT_RESERVE_SECONDS = 150


class UnknownStateError(Exception):
    """The state was written by a release that this one cannot follow."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an execution has come.

    Parameters
    ----------
    polls
        How many steps it has had.
    missing_artifact_polls
        How many of them found the job completed without its artifact.
    last_wait_reason
        What the last step waited for.
    settled
        Until when the last steps of older executions have been waited for, in seconds since the
        epoch.
    is_fenced
        Whether older requests of the resource are out of the way.
    is_superseded
        Whether a newer request has come: this one only undoes what it has made.
    kept
        Keys and prefixes that S3 refuses to delete.
    lists_failed
        Whether executions could not be listed in this step: it begins nothing. Not handed on.
    """

    polls: int = 0
    missing_artifact_polls: int = 0
    last_wait_reason: str = ""
    settled: float = 0
    is_fenced: bool = False
    is_superseded: bool = False
    kept: tuple[str, ...] = ()
    lists_failed: bool = False

    @classmethod
    def of(cls, state: State) -> Progress:
        """Read a step's state.

        Raises
        ------
        UnknownStateError
            If a newer release has written it, in a way that this one cannot go on from.
        """
        needed = int(state.get("ReadableFrom") or STATE_VERSION)
        if needed > STATE_VERSION:
            raise UnknownStateError(
                f"A newer release wrote the state, for engines of version {needed} or later; this "
                f"one is {STATE_VERSION}. Deploy again with that release of neo_constructs."
            )
        return cls(
            polls=int(state.get("Polls", 0)),
            missing_artifact_polls=int(state.get("Missing", 0)),
            last_wait_reason=str(state.get("Why", "")),
            settled=float(state.get("Settled") or 0),
            is_fenced=bool(state.get("Fenced")),
            is_superseded=bool(state.get("Superseded")),
            kept=tuple(state.get("Kept") or ()),
        )

    def context(self, *, now: float, deadline: float, started: float) -> StepContext:
        """Return the moment of a step, for its decisions."""
        return StepContext(
            now=now,
            deadline=deadline,
            started=started,
            polls=self.polls,
            missing=self.missing_artifact_polls,
            why=self.last_wait_reason,
            settled=self.settled,
            kept=self.kept,
        )

    def after(self, action: Action, context: StepContext) -> tuple[Progress, Wait]:
        """Return the progress that an action makes, and how long to wait then."""
        wait = action if isinstance(action, Wait) else Wait(context.soon(), "")
        if isinstance(action, RetryUnderNewName):
            wait = Wait(action.seconds, action.why)
        made = replace(
            self,
            polls=self.polls + 1,
            missing_artifact_polls=self.missing_artifact_polls + wait.is_missing_artifact,
            last_wait_reason=wait.why,
            settled=max(self.settled, wait.settles),
        )
        return made, wait


def written(
    event: Mapping[str, Any],
    request: Request,
    progress: Progress,
    action: Action,
    context: StepContext,
) -> dict[str, Any]:
    """Return the state for the next step, and what the machine decides by."""
    progress, wait = progress.after(action, context)
    return {
        "Version": STATE_VERSION,
        "ReadableFrom": READABLE_FROM,
        "Event": event,
        "Attempt": request.attempt + isinstance(action, RetryUnderNewName),
        "Polls": progress.polls,
        "Missing": progress.missing_artifact_polls,
        "Why": progress.last_wait_reason,
        "Settled": progress.settled,
        "Fenced": progress.is_fenced,
        "Superseded": progress.is_superseded,
        "Kept": list(progress.kept),
        "Done": isinstance(action, Succeed | Fail),
        "Work": isinstance(action, RunInWorker),
        "WorkSeconds": _seconds_for_work(context),
        "WaitSeconds": wait.seconds,
    }


def _seconds_for_work(context: StepContext) -> int:
    """Return how long the machine waits for the worker, less as CloudFormation's hour ends."""
    left = math.ceil(context.deadline - context.now) + ABORT_RESERVE_SECONDS
    return max(ABORT_RESERVE_SECONDS, min(WORKER_TASK_TIMEOUT, left))
