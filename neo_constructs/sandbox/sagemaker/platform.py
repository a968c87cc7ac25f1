"""What the SageMaker layer needs of the emulated AWS around it.

The one that serves is in ministack_hooks; a test can give its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class AssumedRole:
    """A role that SageMaker has assumed.

    Parameters
    ----------
    client
        Makes a client with the role's own credentials, by the service's name.
    environment
        The variables that give a container those credentials, and the endpoint to use them at.
    """

    client: Callable[[str], Any]
    environment: Mapping[str, str]

    def __call__(self, service: str) -> Any:
        """Return a client."""
        return self.client(service)


class Platform(Protocol):
    """The account, the region, and what a role may do."""

    def arn(self, kind: str, name: str) -> str:
        """Return a SageMaker ARN; the service lowercases names in it."""
        ...

    def region(self) -> str:
        """Return the region of the current request."""
        ...

    def assume(self, role_arn: str, source_arn: str) -> AssumedRole:
        """Return a role, as SageMaker acts in it.

        Parameters
        ----------
        role_arn
            The role that SageMaker assumes.
        source_arn
            What it assumes it for: the role's trust policy may ask.

        Raises
        ------
        ApiError
            If SageMaker may not assume the role.
        """
        ...


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of an ``s3://`` URI, or of the ``https://`` form the API takes too."""
    scheme, _, rest = uri.partition("://")
    host, _, path = rest.partition("/")
    if scheme == "https" and not host.startswith(("s3.", "s3-")):
        return host.partition(".s3")[0], path
    bucket, _, key = (path if scheme == "https" else rest).partition("/")
    return bucket, key
