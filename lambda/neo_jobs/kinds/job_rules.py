"""The decisions for a SageMaker job: given a request and what is there, the one next action.

Pure and level-triggered. It does not matter how the world came to be as it is, how often a step
was repeated, or which step died half-way: the same observation gives the same action.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neo_jobs.actions import (
    FAULT_SECONDS,
    RETRY_SECONDS,
    Action,
    CopyInput,
    CreateJob,
    DeleteJob,
    DestroyArtifacts,
    DiscardInput,
    Fail,
    RecordResult,
    RetryUnderNewName,
    StepContext,
    StopJob,
    Succeed,
    TagJob,
    Wait,
)
from neo_jobs.cloudformation import Request
from neo_jobs.errors import IAM_ERROR_MARKERS
from neo_jobs.kinds.job_apis import api_of
from neo_jobs.kinds.job_names import as_mapping, bucket, job_name, record_key
from neo_jobs.kinds.job_result import TERMINAL, Job, Result
from neo_jobs.properties import deletes_artifacts

CONSISTENCY_POLLS = 3  # how often a completed job may still lack its artifact
# Rests on A-IAM-02.
ROLE_PROPAGATION_SECONDS = 180  # how long after a request began a role may be too new for Neo


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision rests on.

    Parameters
    ----------
    job
        The job of the name in question, if there is one.
    result
        A finished compile of the same inputs whose artifact exists.
    is_record_damaged
        Whether the record of that compile is not what the service says of its job.
    tags
        The tags on the record of that compile; None if they need not be looked at.
    has_input
        Whether the job's copy of the model lies in the artifact bucket.
    has_artifact
        Whether the artifact that the job names exists.
    has_record
        Whether the job's own record is written.
    has_leftovers
        Whether the job's artifact, or the record of it, is there.
    """

    job: Job | None = None
    result: Result | None = None
    is_record_damaged: bool = False
    tags: Mapping[str, str] | None = None
    has_input: bool = False
    has_artifact: bool = False
    has_record: bool = False
    has_leftovers: bool = False


def reconcile(request: Request, seen: Observed, context: StepContext) -> Action:
    """Return the next action for a SageMaker job."""
    if request.type == "Delete":
        return _delete(request, seen, context)
    if seen.job is None:
        return _start(request, seen, context)
    return _follow(request, seen.job, seen, context)


def _start(request: Request, seen: Observed, context: StepContext) -> Action:
    if seen.result and seen.is_record_damaged:
        return RecordResult(seen.result)
    if seen.result:
        # Tags or a role changed, or an update is rolled back: what was compiled still serves.
        return _retag(request, seen.result, seen.tags) or Succeed(
            seen.result.job_name, attributes(request, seen.result)
        )
    if context.is_past_deadline:
        cause = f": {context.why}" if context.why else ""
        return Fail(f"No {api_of(request).title} could be started in time{cause}.")
    is_staged = seen.has_input or not api_of(request).stages_input
    return CreateJob() if is_staged else CopyInput()


def _retag(request: Request, result: Result, tags: Mapping[str, str] | None) -> TagJob | None:
    """Return how the tags of a reused job change; those that others have given it stay."""
    if tags is None:
        return None
    wanted = as_mapping(request.properties.get("Tags"))
    add = {key: value for key, value in wanted.items() if tags.get(key) != value}
    former = as_mapping(request.old_properties.get("Tags"))
    remove = tuple(sorted(key for key in former if key not in wanted and key in tags))
    return TagJob(result.arn, add, remove) if add or remove else None


def _follow(request: Request, job: Job, seen: Observed, context: StepContext) -> Action:
    name = job_name(request)
    if job.status == "COMPLETED":
        return _complete(request, job, seen, context)
    if job.status in TERMINAL and seen.has_input:
        return DiscardInput()
    if job.status == "FAILED" or (job.status in TERMINAL and not context.is_past_deadline):
        may_retry = _is_role_propagation_failure(request, job, context)
        return (
            RetryUnderNewName(RETRY_SECONDS, job.reason)
            if may_retry
            else Fail(_reason(request, job, name))
        )
    if not context.is_past_deadline:
        return Wait(context.poll_seconds(), f"the job is {job.status}")
    # Rests on A-REC-06.
    if job.can_stop and not context.is_past_grace:
        return StopJob()
    done = "is being stopped" if job.can_stop else "was stopped"
    return Fail(
        f"The {api_of(request).title} did not end in time and {done}; job {name} {job.status}."
    )


# Rests on A-IAM-02.
def _is_role_propagation_failure(request: Request, job: Job, context: StepContext) -> bool:
    """Whether Neo took a job, and failed it because IAM did not know the role everywhere yet."""
    if job.status != "FAILED" or request.attempt or context.is_past_deadline:
        return False
    created = context.now if job.created is None else job.created
    is_denied = any(text in job.reason.lower() for text in IAM_ERROR_MARKERS)
    # What fails later than that lacks a right, and a second run would be paid for in vain.
    is_early = context.now < context.started + 2 * ROLE_PROPAGATION_SECONDS
    return is_denied and is_early and created < context.started + ROLE_PROPAGATION_SECONDS


def _complete(request: Request, job: Job, seen: Observed, context: StepContext) -> Action:
    name = job_name(request)
    api = api_of(request)
    artifact = api.artifact_field
    if artifact and not seen.has_artifact:
        if context.missing < CONSISTENCY_POLLS and not context.is_past_deadline:
            return Wait(FAULT_SECONDS, "the artifact is not there yet", is_missing_artifact=True)
        place = job.fields.get(artifact, "")
        return Fail(
            f"{api.service} reports COMPLETED but left no artifact at {place!r}; job {name}."
        )
    # In this order: a result on record may be reused, and nobody would look for the input then.
    if seen.has_input:
        return DiscardInput()
    result = Result.of(name, job)
    if not seen.has_record:
        return RecordResult(result)
    return Succeed(name, attributes(request, result))


def _delete(request: Request, seen: Observed, context: StepContext) -> Action:
    if seen.job and seen.job.status not in TERMINAL:
        return _end(job_name(request), seen.job, context)
    # Rests on A-NEO-14.
    if seen.job and api_of(request).can_delete:
        return DeleteJob()
    if seen.has_input:
        return DiscardInput()
    if seen.has_leftovers and deletes_artifacts(request):
        return DestroyArtifacts()
    return Succeed(request.physical_id or "none", {})


def _end(name: str, job: Job, context: StepContext) -> Action:
    if context.is_past_deadline:
        return Fail(f"The job could not be stopped in time; job {name} {job.status}.")
    if job.can_stop:
        return StopJob()
    return Wait(context.poll_seconds(), f"the job is {job.status}")


def attributes(request: Request, result: Result) -> dict[str, str]:
    """Return what Fn::GetAtt can read."""
    api = api_of(request)
    record = f"s3://{bucket(request)}/{record_key(request, result.job_name)}"
    return {**api.attributes(request, result.fields), api.arn_key: result.arn, "RecordUrl": record}


def _reason(request: Request, job: Job, name: str) -> str:
    api = api_of(request)
    if job.status == "STOPPED":
        cause = (
            job.reason
            or "The job was stopped outside CloudFormation, or ran into its limit of time."
        )
    else:
        cause = job.reason or f"{api.service} gives no reason."
    # Rests on A-NEO-15.
    hint = api.hint(cause)
    advice = f" Hint: {hint}." if hint else ""
    return f"{cause}{advice} Job {name} {job.status}; log group {api.log_group}."
