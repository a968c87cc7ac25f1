"""The fence between the requests of one resource: the newest wins, and nothing runs beside it.

CloudFormation sends a new request for a resource while an older one is still being served: when
a deploy is cancelled, or rolled back after a sibling failed. It then deletes by an id that the
engine may never have given. So each request, before it acts, stops the older executions of its
resource, waits until what they were doing is done, and ends the jobs they have left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from neo_jobs.cloudformation import Request
from neo_jobs.reconcile import RUNNING, TERMINAL, Clock, Fail, Wait

SETTLE_SECONDS = 2  # an execution that has just given its answer ends by itself
STEP_SECONDS = 160  # stopping an execution does not end a step that is running
STOPPING_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Execution:
    """Another execution of the same resource.

    Parameters
    ----------
    arn
        What to stop.
    is_running
        Whether it has not ended.
    signed
        When CloudFormation signed its request; None if the request does not say.
    """

    arn: str
    is_running: bool
    signed: float | None


@dataclass(frozen=True, slots=True)
class OtherJob:
    """A job of the same resource that is not the one in question."""

    name: str
    status: str


@dataclass(frozen=True, slots=True)
class StopExecutions:
    """Stop older executions, and wait for their last steps."""

    arns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopOtherJobs:
    """Stop what older executions have left running, and wait for it to end."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeleteOtherJobs:
    """Remove the records of what has ended without a result."""

    names: tuple[str, ...]


FenceAction: TypeAlias = StopExecutions | StopOtherJobs | DeleteOtherJobs | Wait | Fail


def fence_executions(
    request: Request, executions: Sequence[Execution], clock: Clock
) -> FenceAction | None:
    """Return what to do about the other executions; None if nothing."""
    newer = [e for e in executions if request.signed and e.signed and e.signed > request.signed]
    if newer:
        return Fail("Superseded: CloudFormation has sent a newer request for this resource.")
    running = tuple(e.arn for e in executions if e.is_running)
    if not running:
        return None
    if clock.polls == 0:
        return Wait(SETTLE_SECONDS, "an older request of this resource is being ended")
    return StopExecutions(running)


def fence_jobs(jobs: Sequence[OtherJob]) -> FenceAction | None:
    """Return what to do about the resource's other jobs; None if nothing.

    A completed one may be what an endpoint serves: its own Delete comes for it.
    """
    active = tuple(job.name for job in jobs if job.status in RUNNING)
    if active:
        return StopOtherJobs(active)
    if any(job.status not in TERMINAL for job in jobs):
        return Wait(STOPPING_SECONDS, "a job of an older request is being stopped")
    ended = tuple(job.name for job in jobs if job.status in {"FAILED", "STOPPED"})
    return DeleteOtherJobs(ended) if ended else None
