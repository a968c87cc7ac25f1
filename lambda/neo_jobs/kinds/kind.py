"""What the engine asks of a kind of custom resource."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from neo_jobs.actions import Action, StepContext, Wait
from neo_jobs.cloudformation import Request


class Kind(Protocol):
    """One kind of custom resource. ``decide`` is pure; the others look, or do one thing."""

    def physical_id(self, request: Request, /) -> str:
        """Return the id to report when a request fails."""
        ...

    def observe(self, request: Request, context: StepContext, /) -> Any:
        """Return all that a decision rests on."""
        ...

    def decide(self, request: Request, seen: Any, context: StepContext, /) -> Action:
        """Return the next action."""
        ...

    def perform(self, request: Request, action: Action, /) -> None:
        """Do the one thing that was decided."""
        ...

    def stop_older(self, request: Request, older: Sequence[Request], /) -> Wait | None:
        """Stop what older requests of the resource are doing; None if that is done."""
        ...

    def remove_older(
        self, request: Request, older: Sequence[Request], context: StepContext, /
    ) -> Wait | None:
        """Remove what older requests have left; None if that is done."""
        ...

    def withdrawn(self, request: Request, /) -> Request | None:
        """Return the Delete of what a request that was overtaken has made; None for nothing."""
        ...

    def abandon(self, request: Request, /) -> None:
        """Leave nothing running of a request that is given up."""
        ...
