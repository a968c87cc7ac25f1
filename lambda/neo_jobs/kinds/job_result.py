"""A job as the service describes it, and its result as the engine records it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from neo_jobs.kinds.job_api import Fields, JobApi

# Rests on A-REC-09.
TERMINAL = frozenset({"COMPLETED", "FAILED", "STOPPED", "DELETED"})


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its Describe call shows it.

    Parameters
    ----------
    status, reason, arn
        As the service says them.
    fields
        What it says of the result.
    created
        Seconds since the epoch; None if the service does not say.
    """

    status: str
    reason: str = ""
    arn: str = ""
    fields: Fields = field(default_factory=dict)
    created: float | None = None

    @property
    def can_stop(self) -> bool:
        """Whether there is something to stop: a status that is not known may be a running one."""
        return can_stop(self.status)


def can_stop(status: str) -> bool:
    """Whether a job of a status is to be stopped when it is not wanted any more."""
    # Rests on A-NEO-14, A-REC-09.
    return status not in {*TERMINAL, "STOPPING", "DELETING"}


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a finished job, as the service or a record says it.

    Parameters
    ----------
    job_name, arn
        Of the job.
    fields
        By the names of ``JobApi.fields``.
    """

    job_name: str
    arn: str
    fields: Fields

    def to_json(self, api: JobApi) -> str:
        """Return the text of the record."""
        written = {api.name_key: self.job_name, **self.fields, api.arn_key: self.arn}
        return json.dumps(written, indent=1)

    @classmethod
    def of(cls, name: str, job: Job) -> Result:
        """Return what the service says of a job."""
        return cls(name, job.arn, job.fields)

    @classmethod
    def parse(cls, api: JobApi, text: str | bytes) -> Result | None:
        """Read a record; None for one that is damaged."""
        try:
            written = dict(json.loads(text))
            name, arn = written.pop(api.name_key), written.pop(api.arn_key)
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        is_named = isinstance(name, str) and isinstance(arn, str)
        is_whole = all(isinstance(written.get(key), kind) for key, kind in api.fields.items())
        return cls(name, arn, written) if is_named and is_whole else None
