"""The fence between the requests of one resource: the newest wins, and nothing runs beside it.

CloudFormation sends a new request for a resource while an older one is still being served: when
a deploy is cancelled, or rolled back after a sibling failed. It then deletes by an id that the
engine may never have given. So each request, before it acts, stops the older executions of its
resource and their jobs, waits until what they were doing is done, and removes what they have left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from neo_jobs import storage
from neo_jobs.cloudformation import Request
from neo_jobs.job_spec import destroys, is_ours, needs_no_bucket
from neo_jobs.reconcile import RUNNING, TERMINAL, Clock, Fail, Wait

SETTLE_SECONDS = 2  # an execution that has just given its answer ends by itself
STEP_SECONDS = 160  # how long a step can run after its execution was stopped
STOPPING_SECONDS = 10
SUPERSEDED = "Superseded: CloudFormation has sent a newer request for this resource."


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
        The newest request of a resource, and others that the fence has met.
    bucket_of
        Returns a request's bucket, empty where it says none.
    prefix
        What the keys of all uploads of the resource start with; the newest request has none yet.
    """
    former = replace(request, properties=request.old_properties)
    own = bucket_of(request)
    found = False
    for bucket in dict.fromkeys([own, *map(bucket_of, [former, *older])]):
        try:
            found |= bool(bucket) and storage.abort_uploads(s3, bucket, prefix)
        except ClientError as error:
            code = storage.error_code(error)
            # The rights on a bucket that is no longer used may be gone, and so may it.
            is_former = bucket != own and code in {"AccessDenied", "NoSuchBucket"}
            if not is_former and not needs_no_bucket(request, code):
                raise
    return found


JobsAction: TypeAlias = DeleteOtherJobs | DiscardInputs | DestroyFolders | Wait


def fence_executions(
    request: Request, executions: Sequence[Execution], clock: Clock
) -> StopExecutions | Wait | Fail | None:
    """Return what to do about the other executions; None if nothing."""
    others = [e for e in executions if not _are_two_deletes(e.request, request)]
    if is_superseded(request, others):
        return Fail(SUPERSEDED)
    running = tuple(e.arn for e in others if e.status == "RUNNING")
    if running and clock.polls == 0:
        return Wait(SETTLE_SECONDS, "an older request of this resource is being ended")
    return StopExecutions(running) if running else None


def is_superseded(request: Request, executions: Sequence[Execution]) -> bool:
    """Whether CloudFormation has sent another request later. In one second, a Delete comes last.

    Where a time is not signed, a Create gives way to what is running: CloudFormation sends none
    while a Delete or an Update of the resource is pending.
    """
    for execution in executions:
        other = execution.request
        if other is None or _are_two_deletes(other, request):
            continue
        if other.signed is not None and request.signed is not None:
            order = (request.signed, request.type == "Delete")
            if (other.signed, other.type == "Delete") > order:
                return True
        elif request.type == "Create" != other.type and execution.status == "RUNNING":
            return True
    return False


def _are_two_deletes(other: Request | None, request: Request) -> bool:
    """Whether two requests delete two ids that the resource has had: each is for itself."""
    return (
        other is not None
        and other.type == request.type == "Delete"
        and other.physical_id != request.physical_id
    )


def settle(request: Request, executions: Sequence[Execution], clock: Clock) -> Wait | None:
    """Return how long the last step of an execution that was stopped may still act."""
    if clock.has_settled:
        return None
    quiet = [
        execution.ended + STEP_SECONDS
        for execution in executions
        if execution.ended
        and execution.status != "SUCCEEDED"
        and not _are_two_deletes(execution.request, request)
    ]
    left = math.ceil(max(quiet, default=clock.now) - clock.now)
    why = "the last step of an older request may still run"
    return Wait(left, why, is_settling=True) if left > 0 else None


def active_jobs(jobs: Sequence[OtherJob]) -> tuple[str, ...]:
    """Return the jobs that are to be stopped."""
    return tuple(job.name for job in jobs if job.status in RUNNING)


def fence_jobs(
    request: Request, jobs: Sequence[OtherJob], folders: Sequence[Folder]
) -> JobsAction | None:
    """Return what to do about the resource's other jobs; None if nothing.

    A job whose result is on record may be what an endpoint serves, and is never touched: its own
    Delete comes for it. One without was not reported, so no Delete will name it. Its record goes;
    its files go with DESTROY, unless this is the Delete of another id: of what else there is, one
    then lives, and someone may have removed its result by hand.
    """
    if any(job.status not in TERMINAL for job in jobs):
        return Wait(STOPPING_SECONDS, "a job of an older request is being stopped")
    unreported = {f.name for f in folders if not f.has_result} - {request.physical_id}
    ended = tuple(
        job.name for job in jobs if job.status in {"FAILED", "STOPPED"} or job.name in unreported
    )
    if ended:
        return DeleteOtherJobs(ended)
    inputs = tuple(folder.name for folder in folders if folder.has_input)
    if inputs:
        return DiscardInputs(inputs)
    is_of_another = request.type == "Delete" and is_ours(request)
    if unreported and destroys(request) and not is_of_another:
        return DestroyFolders(tuple(sorted(unreported)))
    return None
