"""The engine's decisions: given a request and what is there, the one next action.

Pure and level-triggered. It does not matter how the world came to be as it is, how often a step
was repeated, or which step died half-way: the same observation gives the same action.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from neo_jobs.cloudformation import Request
from neo_jobs.hints import hint_for
from neo_jobs.job_spec import as_mapping, deletes_artifacts, job_name

LOG_GROUP = "/aws/sagemaker/CompilationJobs"
TERMINAL = frozenset({"COMPLETED", "FAILED", "STOPPED"})
TRANSIENT_ERRORS = frozenset(
    {
        "BadDigest",  # a part that was damaged on its way
        "ConnectionError",
        "ExecutionLimitExceeded",
        "ExpiredToken",
        "ExpiredTokenException",  # the function's credentials are renewed
        "IncompleteBody",
        # Credentials that are seconds old are not known everywhere yet.
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "NoSuchUpload",  # another try, or a newer request, has aborted it
        "OperationAborted",
        "PreconditionFailed",  # the source was replaced between the look and the copy
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "TooManyRequestsException",
        "UnrecognizedClientException",
    }
)
PROPERTIES_VERSION = "1"  # the newest shape of the properties that is known here
KNOWN_VERSIONS = (PROPERTIES_VERSION,)
IAM_ERROR_MARKERS = ("assumerole", "assume role", "accessdenied", "access denied", "not authorized")
CONSISTENCY_POLLS = 3  # how often a completed job may still lack its artifact
STOP_GRACE_SECONDS = 60  # how long past the deadline a stopped job may still take to end
ROLE_PROPAGATION_SECONDS = 180  # how long after a request began a role may be too new for Neo
QUOTA_SECONDS, IAM_SECONDS, FAULT_SECONDS, RETRY_SECONDS = 45, 5, 10, 30
SOON_POLLS = 40  # so many steps may follow each other at once: an execution has 25,000 events


# --- what the engine sees -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Job:
    """A compilation job as DescribeCompilationJob shows it.

    Parameters
    ----------
    created
        Seconds since the epoch; None if the service does not say.
    """

    status: str
    reason: str = ""
    artifact: str = ""
    image: str = ""
    digest: str = ""
    arn: str = ""
    created: float | None = None

    @property
    def can_stop(self) -> bool:
        """Whether there is something to stop: a status that is not known may be a running one."""
        return can_stop(self.status)


def can_stop(status: str) -> bool:
    """Whether a job of a status is to be stopped when it is not wanted any more."""
    return status not in TERMINAL and status != "STOPPING"


@dataclass(frozen=True, slots=True)
class Result:
    """A finished compile, as its record says."""

    job_name: str
    artifact: str
    image: str
    digest: str
    arn: str

    def to_json(self) -> str:
        """Return the text of the record."""
        fields = {
            "CompilationJobName": self.job_name,
            "S3ModelArtifacts": self.artifact,
            "InferenceImage": self.image,
            "ArtifactDigest": self.digest,
            "CompilationJobArn": self.arn,
        }
        return json.dumps(fields, indent=1)

    @classmethod
    def of(cls, name: str, job: Job) -> Result:
        """Return what the service says of a job."""
        return cls(name, job.artifact, job.image, job.digest, job.arn)

    @classmethod
    def parse(cls, text: str | bytes) -> Result | None:
        """Read a record; None for one that is damaged."""
        try:
            fields = json.loads(text)
            result = cls(
                job_name=fields["CompilationJobName"],
                artifact=fields["S3ModelArtifacts"],
                image=fields["InferenceImage"],
                digest=fields["ArtifactDigest"],
                arn=fields["CompilationJobArn"],
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return result if all(isinstance(value, str) for value in fields.values()) else None


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


@dataclass(frozen=True, slots=True)
class StepContext:
    """The moment of a decision.

    Parameters
    ----------
    now, deadline, started
        Seconds since the epoch: this moment, when the answer is due, when the request began.
    polls
        How many steps this request has had.
    missing
        How many of them found the job completed without its artifact.
    why
        What the last step waited for.
    settled
        Until when the last steps of older executions have been waited for, in seconds since the
        epoch: by the machine, whatever this clock says.
    kept
        Keys and prefixes that S3 refuses to delete.
    """

    now: float
    deadline: float
    started: float = 0
    polls: int = 0
    missing: int = 0
    why: str = ""
    settled: float = 0
    kept: tuple[str, ...] = ()

    def keeps(self, key: str) -> bool:
        """Whether S3 has refused to delete an object: it does not matter any more."""
        return key.startswith(self.kept)

    @property
    def is_past_deadline(self) -> bool:
        """Whether the answer is due."""
        return self.now >= self.deadline

    @property
    def is_past_grace(self) -> bool:
        """Whether the answer must be given now, whatever it is."""
        return self.now >= self.deadline + STOP_GRACE_SECONDS

    def soon(self) -> int:
        """Return how long to wait before the next step of a course of steps."""
        return 1 if self.polls < SOON_POLLS else FAULT_SECONDS

    def poll_seconds(self) -> int:
        """Return how long to wait for a job: seconds at first, half a minute later."""
        return 10 if self.polls < 12 else 30


# --- what the engine can do next ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CopyInput:
    """Copy the model to the job's own prefix."""


@dataclass(frozen=True, slots=True)
class WriteArchive:
    """Write the serving archive to the request's own key."""


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Start the compilation job."""


@dataclass(frozen=True, slots=True)
class StopJob:
    """Stop the running job."""


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Remove the record of the ended job."""


@dataclass(frozen=True, slots=True)
class RetryUnderNewName:
    """Make a job of a new name: the one there is has failed for a reason that passes.

    Its record goes with the next request of the resource. To remove it here would be a second
    thing to do, and after a death between the two the old name would be used again.
    """

    seconds: int
    why: str


@dataclass(frozen=True, slots=True)
class TagJob:
    """Bring the tags of a job that is reused up to date."""

    arn: str
    add: Mapping[str, str]
    remove: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordResult:
    """Write the record of a finished job."""

    result: Result


@dataclass(frozen=True, slots=True)
class DiscardInput:
    """Remove the job's copy of the model."""


@dataclass(frozen=True, slots=True)
class DestroyArtifacts:
    """Remove a job's artifact and the record of it, all versions."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again later."""

    seconds: int
    why: str
    is_missing_artifact: bool = False
    settles: float = 0


@dataclass(frozen=True, slots=True)
class Succeed:
    """Answer SUCCESS."""

    physical_id: str
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer FAILED."""

    reason: str


Action: TypeAlias = (
    CopyInput
    | WriteArchive
    | CreateJob
    | StopJob
    | DeleteJob
    | RetryUnderNewName
    | TagJob
    | RecordResult
    | DiscardInput
    | DestroyArtifacts
    | Wait
    | Succeed
    | Fail
)


# --- decisions ------------------------------------------------------------------------------


def reconcile(request: Request, seen: Observed, clock: StepContext) -> Action:
    """Return the next action for a compilation job."""
    if request.type == "Delete":
        return _delete(request, seen, clock)
    if seen.job is None:
        return _start(request, seen, clock)
    return _follow(request, seen.job, seen, clock)


def check_version(request: Request) -> Fail | None:
    """Return why a request cannot be served; a Delete needs no more than the id it names."""
    version = request.properties.get("PropertiesVersion") or PROPERTIES_VERSION
    if request.type == "Delete" or str(version) in KNOWN_VERSIONS:
        return None
    return Fail(
        f"The template has version {version} of the job engine's properties; this engine knows "
        f"{', '.join(KNOWN_VERSIONS)}. Deploy with the release of neo_constructs that wrote it."
    )


def _start(request: Request, seen: Observed, clock: StepContext) -> Action:
    if seen.result and seen.is_record_damaged:
        return RecordResult(seen.result)
    if seen.result:
        # Tags or a role changed, or an update is rolled back: what was compiled still serves.
        return _retag(request, seen.result, seen.tags) or Succeed(
            seen.result.job_name, attributes(request, seen.result)
        )
    if clock.is_past_deadline:
        cause = f": {clock.why}" if clock.why else ""
        return Fail(f"No compilation job could be started in time{cause}.")
    return CreateJob() if seen.has_input else CopyInput()


def _retag(request: Request, result: Result, tags: Mapping[str, str] | None) -> TagJob | None:
    """Return how the tags of a reused job change; those that others have given it stay."""
    if tags is None:
        return None
    wanted = as_mapping(request.properties.get("Tags"))
    add = {key: value for key, value in wanted.items() if tags.get(key) != value}
    former = as_mapping(request.old_properties.get("Tags"))
    remove = tuple(sorted(key for key in former if key not in wanted and key in tags))
    return TagJob(result.arn, add, remove) if add or remove else None


def _follow(request: Request, job: Job, seen: Observed, clock: StepContext) -> Action:
    name = job_name(request)
    if job.status == "COMPLETED":
        return _complete(request, job, seen, clock)
    if job.status in TERMINAL and seen.has_input:
        return DiscardInput()
    if job.status == "FAILED" or (job.status == "STOPPED" and not clock.is_past_deadline):
        is_transient = _is_role_propagation_failure(request, job, clock)
        return (
            RetryUnderNewName(RETRY_SECONDS, job.reason)
            if is_transient
            else Fail(_reason(job, name))
        )
    if not clock.is_past_deadline:
        return Wait(clock.poll_seconds(), f"the job is {job.status}")
    if job.can_stop and not clock.is_past_grace:
        return StopJob()
    done = "is being stopped" if job.can_stop else "was stopped"
    return Fail(f"The compilation did not end in time and {done}; job {name} {job.status}.")


def _is_role_propagation_failure(request: Request, job: Job, clock: StepContext) -> bool:
    """Whether Neo took a job, and failed it because IAM did not know the role everywhere yet."""
    if job.status != "FAILED" or request.attempt or clock.is_past_deadline:
        return False
    created = clock.now if job.created is None else job.created
    is_denied = any(text in job.reason.lower() for text in IAM_ERROR_MARKERS)
    return is_denied and created < clock.started + ROLE_PROPAGATION_SECONDS


def _complete(request: Request, job: Job, seen: Observed, clock: StepContext) -> Action:
    name = job_name(request)
    if not seen.has_artifact:
        if clock.missing < CONSISTENCY_POLLS and not clock.is_past_deadline:
            return Wait(FAULT_SECONDS, "the artifact is not there yet", is_missing_artifact=True)
        return Fail(f"Neo reports COMPLETED but left no artifact at {job.artifact!r}; job {name}.")
    # In this order: a result on record may be reused, and nobody would look for the input then.
    if seen.has_input:
        return DiscardInput()
    result = Result.of(name, job)
    if not seen.has_record:
        return RecordResult(result)
    return Succeed(name, attributes(request, result))


def _delete(request: Request, seen: Observed, clock: StepContext) -> Action:
    if seen.job and seen.job.status not in TERMINAL:
        return _end(job_name(request), seen.job, clock)
    if seen.job:
        return DeleteJob()
    if seen.has_input:
        return DiscardInput()
    if seen.has_leftovers and deletes_artifacts(request):
        return DestroyArtifacts()
    return Succeed(request.physical_id or "none", {})


def _end(name: str, job: Job, clock: StepContext) -> Action:
    if clock.is_past_deadline:
        return Fail(f"The job could not be stopped in time; job {name} {job.status}.")
    if job.can_stop:
        return StopJob()
    return Wait(clock.poll_seconds(), f"the job is {job.status}")


def attributes(request: Request, result: Result) -> dict[str, str]:
    """Return what Fn::GetAtt can read."""
    expected = str(request.properties.get("ExpectedInferenceImage") or "")
    return {
        "S3ModelArtifacts": result.artifact,
        "InferenceImage": result.image or expected,
        "ImageMatchesCatalog": str(not result.image or result.image == expected).lower(),
        "CompilationJobArn": result.arn,
    }


def on_error(code: str, message: str, clock: StepContext, *, in_grace: bool) -> Wait | Fail:
    """Return what a refused call means: wait for what passes, fail for what does not.

    Parameters
    ----------
    code, message
        As the service states them.
    in_grace
        Whether IAM's rights may still be on their way, as on a first deploy.
    """
    text = f"{message} ({code})"
    seconds = _pause(code, message, clock, in_grace=in_grace)
    # Past the deadline a job must still be stopped, so what passes gets another minute.
    if seconds and not (clock.is_past_grace if is_transient(code) else clock.is_past_deadline):
        return Wait(seconds, text)
    return Fail(f"{text}; there is no time left to try again." if seconds else text)


def _pause(code: str, message: str, clock: StepContext, *, in_grace: bool) -> int:
    """Return when to try a refused call again; 0 for never."""
    if code == "ResourceInUse":
        return clock.soon()  # the job exists already
    if code == "ResourceLimitExceeded":
        return QUOTA_SECONDS
    if is_transient(code):
        return FAULT_SECONDS
    return IAM_SECONDS if in_grace and is_about_rights(code, message) else 0


def is_about_rights(code: str, message: str) -> bool:
    """Whether a service's error is about a right or a role, which may be seconds old."""
    return code in {"AccessDenied", "AccessDeniedException", "403"} or (
        code == "ValidationException" and "role" in message.lower()
    )


def is_transient(code: str) -> bool:
    """Whether a service's error goes away by itself."""
    return (
        code in TRANSIENT_ERRORS or code.startswith(("5", "429", "Internal")) or "Throttl" in code
    )


def _reason(job: Job, name: str) -> str:
    if job.status == "STOPPED":
        cause = job.reason or "The job was stopped outside CloudFormation, or ran into max_runtime."
    else:
        cause = job.reason or "Neo gives no reason."
    hint = hint_for(cause)
    advice = f" Hint: {hint}." if hint else ""
    return f"{cause}{advice} Job {name} {job.status}; log group {LOG_GROUP}."
