"""What the kinds of jobs have in common: they run aside, and are listed by the same filters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any


def in_thread(work: Callable[[], None]) -> None:
    """Do a job's work aside; it ends with the emulator."""
    threading.Thread(target=work, daemon=True).start()


def is_listed(
    job: Mapping[str, Any], parameters: Mapping[str, Any], *, name: str, status: str
) -> bool:
    """Whether a job passes the filters of a list.

    Parameters
    ----------
    job, parameters
        The job, and what the operation is given.
    name, status
        The fields of the job.
    """
    for field in ("CreationTime", "LastModifiedTime"):
        after, before = parameters.get(f"{field}After"), parameters.get(f"{field}Before")
        if (after is not None and job[field] <= _epoch(after)) or (
            before is not None and job[field] >= _epoch(before)
        ):
            return False
    is_named = parameters.get("NameContains", "") in job[name]
    return is_named and job[status] == parameters.get("StatusEquals", job[status])


def _epoch(moment: Any) -> float:
    return float(moment.timestamp() if hasattr(moment, "timestamp") else moment)
