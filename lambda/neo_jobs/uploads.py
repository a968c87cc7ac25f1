"""Uploads that older requests of a resource have begun, in this bucket and in former ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from neo_jobs import s3_objects
from neo_jobs.cloudformation import Request
from neo_jobs.errors import error_code
from neo_jobs.properties import may_ignore_bucket_error


def former_buckets(
    request: Request, older: Sequence[Request], bucket_of: Callable[[Request], str]
) -> tuple[str, ...]:
    """Return the buckets beside its own that earlier requests of a resource have named."""
    former = replace(request, properties=request.old_properties)
    own = bucket_of(request)
    named = dict.fromkeys(bucket for each in (former, *older) if (bucket := bucket_of(each)))
    return tuple(bucket for bucket in named if bucket != own)


def abort_older(
    s3: Any,
    request: Request,
    older: Sequence[Request],
    *,
    bucket_of: Callable[[Request], str],
    prefix: str,
) -> bool:
    """Abort what older requests are uploading, in whichever bucket; say if there was something.

    Parameters
    ----------
    s3
        A client.
    request, older
        The newest request of a resource, and others that it has met.
    bucket_of
        Returns a request's bucket, empty where it says none.
    prefix
        What the keys of all uploads of the resource start with; the newest request has none yet.
    """
    own = bucket_of(request)
    found = False
    if own:
        try:
            found = s3_objects.abort_uploads(s3, own, prefix)
        except ClientError as error:
            if not may_ignore_bucket_error(request, error_code(error)):
                raise
    for bucket in former_buckets(request, older, bucket_of):
        found |= while_allowed(partial(s3_objects.abort_uploads, s3, bucket, prefix))
    return found


def while_allowed(act: Callable[[], bool]) -> bool:
    """Do something in a former bucket; the rights on it may be gone, and so may it."""
    try:
        return act()
    except ClientError as error:
        if error_code(error) not in {"AccessDenied", "NoSuchBucket"}:
            raise
        return False
