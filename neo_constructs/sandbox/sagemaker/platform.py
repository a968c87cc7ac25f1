"""What the SageMaker layer needs of the emulated AWS around it.

The one that serves is in ministack_hooks; a test can give its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Platform(Protocol):
    """The account, the region, and what a role may do."""

    def arn(self, kind: str, name: str) -> str:
        """Return a SageMaker ARN; the service lowercases names in it."""
        ...

    def region(self) -> str:
        """Return the region of the current request."""
        ...

    def assume(self, role_arn: str, source_arn: str) -> Callable[[str], Any]:
        """Return what makes clients with a role's own credentials, by the service's name.

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
    """Return bucket and key of an ``s3://`` URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
