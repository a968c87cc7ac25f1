"""The order of the requests of one resource: the newest wins, and nothing runs beside it.

CloudFormation sends a new request for a resource while an older one is still being served: when
a deploy is cancelled, or rolled back after a sibling failed. It then deletes by an id that the
engine may never have given. So each request, before it acts, stops the older executions of its
resource and their jobs, waits until what they were doing is done, and removes what they have left.
Lists of executions may be behind: so each step also looks for a newer request, and gives way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from neo_jobs import s3_objects
from neo_jobs.cloudformation import Request
from neo_jobs.job_spec import deletes_artifacts, may_ignore_bucket_error, owns_physical_id
from neo_jobs.reconcile import TERMINAL, StepContext, Wait, can_stop

SETTLE_SECONDS = 2  # an execution that has just given its answer ends by itself
STEP_SECONDS = 160  # how long a step can run after its execution was stopped
STOPPING_SECONDS = 10
SUPERSEDED = "Superseded: CloudFormation has sent a newer request for this resource."
STOP_CAUSE = "A newer request for the same resource has come."


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


@dataclass(frozen=True, slots=True)
class OtherJob:
    """A job of the same resource that is not the one in question."""

    name: str
    status: str


@dataclass(frozen=True, slots=True)
class Leavings:
    """What lies in the artifact bucket of such a job.

    Parameters
    ----------
    name
        The job's.
    has_input
        Whether its copy of the model is there.
    has_result
        Whether its result is on record. One without was never reported to CloudFormation.
    has_output
        Whether Neo has written something.
    """

    name: str
    has_input: bool = False
    has_result: bool = False
    has_output: bool = False


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
class DestroyOutputs:
    """Remove what jobs have written that nobody will delete by their names."""

    names: tuple[str, ...]


JobsAction: TypeAlias = DeleteOtherJobs | DiscardInputs | DestroyOutputs | Wait


# --- executions -----------------------------------------------------------------------------


def concerns(execution: Execution, request: Request) -> bool:
    """Whether an execution and a request stand in each other's way.

    Two Deletes of two ids that a resource has had do not: each is for itself.
    """
    other = execution.request
    return other is None or not (
        other.type == request.type == "Delete" and other.physical_id != request.physical_id
    )


def is_superseded(request: Request, executions: Sequence[Execution], began: float) -> bool:
    """Whether CloudFormation has sent another request later.

    Both requests come to the same answer, so they cannot give way to, or stop, each other.

    Parameters
    ----------
    request
        The one that asks.
    executions
        The others that concern it.
    began
        When its own execution began, in seconds since the epoch.
    """
    return any(_is_later(each, each.request, request, began) for each in executions)


def _is_later(execution: Execution, other: Request | None, request: Request, began: float) -> bool:
    if other is None:
        return False
    theirs, ours = (execution.began, other.request_id), (began, request.request_id)
    if other.signed is not None and request.signed is not None:
        # Seconds only. Of one second, a Delete is the last that CloudFormation sends.
        return (other.signed, other.type == "Delete", *theirs) > (
            request.signed,
            request.type == "Delete",
            *ours,
        )
    # What has ended says nothing about the order. CloudFormation sends no Create while a Delete
    # or an Update of the resource is pending: a Create beside one was held up on its way.
    is_running = execution.status == "RUNNING"
    return is_running and (other.type != "Create", *theirs) > (request.type != "Create", *ours)


def stop_executions(
    executions: Sequence[Execution], clock: StepContext
) -> StopExecutions | Wait | None:
    """Return what to do about the older executions; None if nothing."""
    running = tuple(e.arn for e in executions if e.status == "RUNNING")
    if running and clock.polls == 0:
        return Wait(SETTLE_SECONDS, "an older request of this resource is being ended")
    return StopExecutions(running) if running else None


def wait_for_stragglers(executions: Sequence[Execution], clock: StepContext) -> Wait | None:
    """Return how long the last step of an execution that was stopped may still act."""
    stopped = [e.ended + STEP_SECONDS for e in executions if e.ended and e.status != "SUCCEEDED"]
    quiet = max(stopped, default=clock.now)
    left = math.ceil(quiet - clock.now)
    if left <= 0 or quiet <= clock.settled:
        return None
    return Wait(left, "the last step of an older request may still run", settles=quiet)


# --- what older requests have left ----------------------------------------------------------


def former_buckets(
    request: Request, older: Sequence[Request], bucket_of: Callable[[Request], str]
) -> tuple[str, ...]:
    """Return the buckets beside its own that earlier requests of a resource have named."""
    former = replace(request, properties=request.old_properties)
    own = bucket_of(request)
    named = dict.fromkeys(bucket for each in (former, *older) if (bucket := bucket_of(each)))
    return tuple(bucket for bucket in named if bucket != own)


def abort_older(
    s3: Any,
    request: Request,
    older: Sequence[Request],
    *,
    bucket_of: Callable[[Request], str],
    prefix: str,
) -> bool:
    """Abort what older requests are uploading, in whichever bucket; say if there was something.

    Parameters
    ----------
    s3
        A client.
    request, older
        The newest request of a resource, and others that it has met.
    bucket_of
        Returns a request's bucket, empty where it says none.
    prefix
        What the keys of all uploads of the resource start with; the newest request has none yet.
    """
    own = bucket_of(request)
    found = False
    if own:
        try:
            found = s3_objects.abort_uploads(s3, own, prefix)
        except ClientError as error:
            if not may_ignore_bucket_error(request, s3_objects.error_code(error)):
                raise
    for bucket in former_buckets(request, older, bucket_of):
        found |= while_allowed(partial(s3_objects.abort_uploads, s3, bucket, prefix))
    return found


def while_allowed(act: Callable[[], bool]) -> bool:
    """Do something in a former bucket; the rights on it may be gone, and so may it."""
    try:
        return act()
    except ClientError as error:
        if s3_objects.error_code(error) not in {"AccessDenied", "NoSuchBucket"}:
            raise
        return False


def active_jobs(jobs: Sequence[OtherJob]) -> tuple[str, ...]:
    """Return the jobs that are to be stopped."""
    return tuple(job.name for job in jobs if can_stop(job.status))


def fence_jobs(
    request: Request, jobs: Sequence[OtherJob], leavings: Sequence[Leavings]
) -> JobsAction | None:
    """Return what to do about the resource's other jobs; None if nothing.

    A job whose result is on record may be what an endpoint serves, and is never touched: its own
    Delete comes for it. One without was not reported, so no Delete will name it. Its record goes;
    its files go with DESTROY, unless this is the Delete of another id: of what else there is, one
    then lives, and someone may have removed its result by hand.
    """
    if any(job.status not in TERMINAL for job in jobs):
        return Wait(STOPPING_SECONDS, "a job of an older request is being stopped")
    unreported = {each.name for each in leavings if not each.has_result} - {request.physical_id}
    ended = tuple(
        job.name for job in jobs if job.status in {"FAILED", "STOPPED"} or job.name in unreported
    )
    if ended:
        return DeleteOtherJobs(ended)
    inputs = tuple(each.name for each in leavings if each.has_input)
    if inputs:
        return DiscardInputs(inputs)
    written = {each.name for each in leavings if each.has_output} & unreported
    is_of_another = request.type == "Delete" and owns_physical_id(request)
    if written and deletes_artifacts(request) and not is_of_another:
        return DestroyOutputs(tuple(sorted(written)))
    return None
