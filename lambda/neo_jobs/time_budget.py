"""How much time an invocation has, and what a transfer asks of it as it proceeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neo_jobs.errors import PermanentError
from neo_jobs.executions import SUPERSEDED

# How long the worker's transfers may take, in seconds: a call that is under way may take another
# two minutes. A step moves nothing that takes long, and is not watched.
WORK_LIMIT = 770


@dataclass(frozen=True, slots=True)
class TimeBudget:
    """How much time an invocation has.

    Parameters
    ----------
    until
        When transfers must end, in seconds since the epoch. Default: nothing may take long.
    is_worker
        Whether there is time for what may take long.
    """

    until: float = 0
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
