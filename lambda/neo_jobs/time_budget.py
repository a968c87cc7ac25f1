"""How much time an invocation has, and what a transfer asks of it as it proceeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neo_jobs.errors import PermanentError
from neo_jobs.executions import SUPERSEDED

# How long transfers may take, in seconds. In the worker a call that is under way may take another
# two minutes; a step moves nothing that takes long.
STEP_LIMIT, WORK_LIMIT = 130, 770


@dataclass(frozen=True, slots=True)
class TimeBudget:
    """How much time an invocation has.

    Parameters
    ----------
    began
        When it began, in seconds since the epoch.
    seconds
        How long its transfers may take.
    is_worker
        Whether there is time for what may take long.
    """

    began: float = 0
    seconds: float = 0
    is_worker: bool = False


@dataclass(frozen=True)
class TransferGuard:
    """What a transfer asks as it goes.

    Parameters
    ----------
    now
        The clock.
    until
        When all must end.
    is_superseded
        Whether there is a newer request.
    """

    now: Callable[[], float]
    until: float
    is_superseded: Callable[[], bool]

    def go_on(self) -> None:
        """Raise if there is no time for another part."""
        if self.now() >= self.until:
            raise PermanentError(
                "It could not be moved in the time there was. Make the model or the script smaller."
            )

    def end(self) -> None:
        """Raise if what was written is no longer wanted."""
        if self.is_superseded():
            raise PermanentError(SUPERSEDED)
