"""What a step can do next, and the moment in which it decides. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from neo_jobs.kinds.job_result import Result

# Seconds until the next look, by what is waited for.
QUOTA_SECONDS, IAM_SECONDS, FAULT_SECONDS, RETRY_SECONDS = 45, 5, 10, 30
STOP_GRACE_SECONDS = 60  # how long past the deadline a stopped job may still take to end
SOON_POLLS = 40  # so many steps may follow each other at once: an execution has 25,000 events


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
        epoch: by the machine, whatever this moment says.
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


@dataclass(frozen=True, slots=True)
class CopyInput:
    """Copy the model to the job's own prefix."""


@dataclass(frozen=True, slots=True)
class WriteArchive:
    """Write the serving archive to the request's own key."""


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Start the job."""


@dataclass(frozen=True, slots=True)
class StopJob:
    """Stop the running job."""


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Remove the record of the ended job."""


@dataclass(frozen=True, slots=True)
class RetryUnderNewName:
    """Make a job of a new name: the one there is has failed for a reason that passes.

    Its record is removed by the next request of the resource. To remove it here would be a second
    effect of one step: if the function ended between the two, the old name would be used again.
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
class RecordAnswer:
    """Write down what a look-up has found: the next request of its kind gets the same answer."""

    data: Mapping[str, str]


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


@dataclass(frozen=True, slots=True)
class RunInWorker:
    """Take this step again in the worker, which has more time."""


Action: TypeAlias = (
    CopyInput
    | WriteArchive
    | CreateJob
    | StopJob
    | DeleteJob
    | RetryUnderNewName
    | TagJob
    | RecordResult
    | RecordAnswer
    | DiscardInput
    | DestroyArtifacts
    | Wait
    | Succeed
    | Fail
    | RunInWorker
)
# What begins something new: not taken while older requests may be unseen.
BEGINNINGS = CopyInput | CreateJob | WriteArchive
