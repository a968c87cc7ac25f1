"""The clients of one engine: each is made once, when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Client: TypeAlias = Any

S3_TRANSFER = "s3 for transfers"  # an S3 client that waits longer


class Aws:
    """Clients by service.

    Parameters
    ----------
    make
        Makes one.
    """

    def __init__(self, make: Callable[[str], Client]) -> None:
        self._make = make
        self._made: dict[str, Client] = {}

    def client(self, service: str) -> Client:
        """Return the client for a service."""
        if service not in self._made:
            self._made[service] = self._make(service)
        return self._made[service]
