"""What older requests of a resource have left: jobs, copies of models, artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from neo_jobs.actions import Wait
from neo_jobs.cloudformation import Request
from neo_jobs.kinds.job_apis import api_of
from neo_jobs.kinds.job_names import owns_physical_id
from neo_jobs.kinds.job_result import TERMINAL, can_stop
from neo_jobs.properties import deletes_artifacts

STOPPING_SECONDS = 10


@dataclass(frozen=True, slots=True)
class OtherJob:
    """A job of the same resource that is not the one in question."""

    name: str
    status: str


@dataclass(frozen=True, slots=True)
class JobFolder:
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


def active_jobs(jobs: Sequence[OtherJob]) -> tuple[str, ...]:
    """Return the jobs that are to be stopped."""
    return tuple(job.name for job in jobs if can_stop(job.status))


def fence_jobs(
    request: Request, jobs: Sequence[OtherJob], leavings: Sequence[JobFolder]
) -> JobsAction | None:
    """Return what to do about the resource's other jobs; None if nothing.

    A job whose result is on record may be what an endpoint serves, and is never touched: its own
    Delete comes for it. One without was not reported, so no Delete will name it. Its record goes;
    its files go with DESTROY. On a Delete of one of this resource's own ids they stay: another job
    may still be in use although its record was removed by hand.
    """
    if any(job.status not in TERMINAL for job in jobs):
        return Wait(STOPPING_SECONDS, "a job of an older request is being stopped")
    unreported = {each.name for each in leavings if not each.has_result} - {request.physical_id}
    ended = tuple(
        job.name for job in jobs if job.status in {"FAILED", "STOPPED"} or job.name in unreported
    )
    if ended and api_of(request).can_delete:
        return DeleteOtherJobs(ended)
    inputs = tuple(each.name for each in leavings if each.has_input)
    if inputs:
        return DiscardInputs(inputs)
    written = {each.name for each in leavings if each.has_output} & unreported
    is_of_another = request.type == "Delete" and owns_physical_id(request)
    if written and deletes_artifacts(request) and not is_of_another:
        return DestroyOutputs(tuple(sorted(written)))
    return None
