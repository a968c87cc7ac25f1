"""What the properties of every kind of custom resource have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from neo_jobs.cloudformation import Request
from neo_jobs.errors import NotDeletedError, error_code


def bucket_of(fields: Any, key: str) -> str:
    """Return the bucket of an ``s3://`` URI among some fields; empty if there is none.

    A Delete may come with whatever properties a failed Update had.
    """
    uri = fields.get(key) if isinstance(fields, Mapping) else None
    return uri.removeprefix("s3://").partition("/")[0] if isinstance(uri, str) else ""


def deletes_artifacts(request: Request) -> bool:
    """Whether a Delete takes the artifacts too."""
    return request.properties.get("ArtifactRemovalPolicy") == "DESTROY"


# Rests on A-CFN-10.
def may_ignore_bucket_error(request: Request, code: str) -> bool:
    """Whether a Delete may go on though S3 has refused a look into the bucket with this code.

    The rights on a bucket go with the last resource that uses it. In a bucket that is gone there
    is nothing left.
    """
    return request.type == "Delete" and code in {"NoSuchBucket", "AccessDenied"}


# Rests on A-CFN-10.
def name_what_stays(request: Request, error: ClientError, place: str, kept: Sequence[str]) -> None:
    """Raise if a Delete was to destroy what it may not even look at, and has not said so yet.

    Raises
    ------
    NotDeletedError
        With the place.
    """
    is_denied = error_code(error) == "AccessDenied"
    if is_denied and deletes_artifacts(request) and place not in kept:
        raise NotDeletedError((place,), str(error)) from error
