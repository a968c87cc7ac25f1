"""The fence between the requests of one resource: the newest wins, and nothing runs beside it.

CloudFormation sends a new request for a resource while an older one is still being served: when
a deploy is cancelled, or rolled back after a sibling failed. It then deletes by an id that the
engine may never have given. So each request, before it acts, stops the older executions of its
resource and their jobs, waits until what they were doing is done, and removes what they have left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from neo_jobs.cloudformation import Request
from neo_jobs.job_spec import destroys, is_ours, job_name
from neo_jobs.reconcile import RUNNING, TERMINAL, Clock, Fail, Wait

SETTLE_SECONDS = 2  # an execution that has just given its answer ends by itself
STEP_SECONDS = 160  # how long a step can run after its execution was stopped
STOPPING_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Execution:
    """Another execution of the same resource.

    Parameters
    ----------
    arn
        What to stop.
    status
        As Step Functions names it.
    began, ended
        Seconds since the epoch; None if it runs.
    request
        What it serves; None for one that was started by hand.
    """

    arn: str
    status: str
    began: float
    ended: float | None = None
    request: Request | None = None

    def was_heard_before(self, request: Request) -> bool:
        """Whether it gave its answer before CloudFormation asked for something else.

        The time that is signed into a request has no fractions of a second, so an answer of the
        same second counts as unheard. What comes of one that was heard is in the request itself:
        its id is the one to update, or to delete.
        """
        return (
            self.status == "SUCCEEDED"
            and self.ended is not None
            and (request.signed is None or self.ended <= request.signed)
        )


@dataclass(frozen=True, slots=True)
class OtherJob:
    """A job of the same resource that is not the one in question."""

    name: str
    status: str


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies in the artifact bucket of such a job.

    Parameters
    ----------
    name
        The job's.
    has_input
        Whether its copy of the model is there.
    has_result
        Whether its result is on record. One without was never reported to CloudFormation.
    """

    name: str
    has_input: bool
    has_result: bool


@dataclass(frozen=True, slots=True)
class StopExecutions:
    """Stop older executions."""

    arns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeleteOtherJobs:
    """Remove the records of what has ended and was not reported."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiscardInputs:
    """Remove the models that were copied for jobs nobody will make any more."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DestroyFolders:
    """Remove all that jobs have left which nobody will delete by their names."""

    names: tuple[str, ...]


JobsAction: TypeAlias = DeleteOtherJobs | DiscardInputs | DestroyFolders | Wait


def fence_executions(
    request: Request, executions: Sequence[Execution], clock: Clock
) -> StopExecutions | Wait | Fail | None:
    """Return what to do about the other executions; None if nothing."""
    if any(e.request and _is_newer(e.request, request) for e in executions):
        return Fail("Superseded: CloudFormation has sent a newer request for this resource.")
    running = tuple(e.arn for e in executions if e.status == "RUNNING")
    # By an id that it made up, CloudFormation deletes what it has never heard of.
    if running and clock.polls == 0 and (request.type != "Delete" or is_ours(request)):
        return Wait(SETTLE_SECONDS, "an older request of this resource is being ended")
    return StopExecutions(running) if running else None


def settle(executions: Sequence[Execution], clock: Clock) -> Wait | None:
    """Return how long the last step of an execution that was stopped may still act."""
    if clock.has_settled:
        return None
    quiet = [e.ended + STEP_SECONDS for e in executions if e.ended and e.status != "SUCCEEDED"]
    left = math.ceil(max(quiet, default=clock.now) - clock.now)
    why = "the last step of an older request may still run"
    return Wait(left, why, is_settling=True) if left > 0 else None


def _is_newer(other: Request, request: Request) -> bool:
    """Whether CloudFormation sent the other request later. In one second, a Delete comes last."""
    if other.signed is None or request.signed is None:
        return False
    return (other.signed, other.type == "Delete") > (request.signed, request.type == "Delete")


def unheard_jobs(request: Request, executions: Sequence[Execution]) -> frozenset[str]:
    """Return the jobs of executions that reported nothing, or nothing that was heard.

    Nobody will delete those by their names. A Delete of an id that was reported finds none: what
    comes right before it is the update that has replaced the id, and that one was heard.
    """
    if request.type == "Delete" and is_ours(request):
        return frozenset()
    return frozenset(
        job_name(replace(execution.request, attempt=attempt))
        for execution in executions
        if execution.request
        and execution.request.type != "Delete"
        and not execution.was_heard_before(request)
        for attempt in (0, 1)
    )


def active_jobs(jobs: Sequence[OtherJob]) -> tuple[str, ...]:
    """Return the jobs that are to be stopped."""
    return tuple(job.name for job in jobs if job.status in RUNNING)


def fence_jobs(
    request: Request,
    jobs: Sequence[OtherJob],
    folders: Sequence[Folder],
    unheard: frozenset[str] = frozenset(),
) -> JobsAction | None:
    """Return what to do about the resource's other jobs; None if nothing.

    A job whose result is on record may be what an endpoint serves: its own Delete comes for it.
    One without was never reported, so no Delete will ever name it.

    Parameters
    ----------
    request
        What is being served.
    jobs, folders
        What there is of other jobs.
    unheard
        Jobs that were not reported, although their results may be on record.
    """
    if any(job.status not in TERMINAL for job in jobs):
        return Wait(STOPPING_SECONDS, "a job of an older request is being stopped")
    names = {f.name for f in folders if not f.has_result or f.name in unheard}
    unreported = names - {request.physical_id}
    ended = tuple(
        job.name for job in jobs if job.status in {"FAILED", "STOPPED"} or job.name in unreported
    )
    if ended:
        return DeleteOtherJobs(ended)
    inputs = tuple(folder.name for folder in folders if folder.has_input)
    if inputs:
        return DiscardInputs(inputs)
    if unreported and destroys(request):
        return DestroyFolders(tuple(sorted(unreported)))
    return None
