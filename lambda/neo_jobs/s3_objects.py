"""S3: look for objects, list them, delete them with their versions, abort uploads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from neo_jobs.errors import NotDeletedError, error_code

Client: TypeAlias = Any

_NAMED = 3  # objects that a message names
_TRANSIENT = frozenset({"InternalError", "ServiceUnavailable", "SlowDown", "OperationAborted"})
_NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket", "NoSuchVersion"})
# How S3 refuses a deletion: a policy, Object Lock, MFA Delete.
# Rests on A-S3-03.
_REFUSALS = frozenset({"403", "AccessDenied", "InvalidRequest", "MethodNotAllowed"})


# Rests on A-S3-06.
def encryption(key_id: str) -> dict[str, str]:
    """Return the parameters that make S3 encrypt a new object with a key; none for no key."""
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id} if key_id else {}


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of an ``s3://`` URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def head(s3: Client, bucket: str, key: str, version: str = "") -> dict[str, Any] | None:
    """Return an object's metadata, or None if there is none.

    Whoever may list only a prefix is told 403 for an object that is not there: HeadObject has no
    prefix the condition could see. A listing tells the two apart, where it is allowed.
    """
    try:
        reply: dict[str, Any] = s3.head_object(
            Bucket=bucket, Key=key, **({"VersionId": version} if version else {})
        )
    except ClientError as error:
        code = error_code(error)
        if code in _NOT_FOUND:
            return None
        # Rests on A-IAM-07.
        if code not in {"403", "AccessDenied"}:
            raise
        is_there = _is_listed(s3, bucket, key)
        if is_there is False:
            return None
        doubt = "" if is_there else ", or it is not there"
        if version:
            doubt = f", or there is no version {version}"
        raise _denied(error, bucket, key, version, doubt) from error
    return reply


def _is_listed(s3: Client, bucket: str, key: str) -> bool | None:
    """Whether an object is there; None if that may not be looked at."""
    try:
        return any(found == key for found, _ in keys(s3, bucket, key))
    except ClientError as error:
        if error_code(error) not in {"403", "AccessDenied"}:
            raise
        return None


def _denied(error: ClientError, bucket: str, key: str, version: str, doubt: str) -> ClientError:
    """Return an error that says what is missing: the reply to HeadObject has no text."""
    action = "s3:GetObjectVersion" if version else "s3:GetObject"
    resource = f"arn:aws:s3:::{bucket}/{key}{doubt}"
    message = f"not authorized to perform: {action} on resource: {resource}"
    fault = {"Error": {"Code": "AccessDenied", "Message": message}}
    return ClientError(fault, error.operation_name)


def keys(s3: Client, bucket: str, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield key and time of every object under a prefix."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            yield item["Key"], item["LastModified"]


# Rests on A-S3-01.
def abort_uploads(s3: Client, bucket: str, prefix: str, *, keep: str = "") -> bool:
    """Abort the unfinished uploads under a prefix, and return whether there were any.

    Parameters
    ----------
    s3, bucket, prefix
        Where.
    keep
        The id of an upload that is not aborted.
    """
    found = False
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for upload in page.get("Uploads", []):
            if upload["UploadId"] != keep:
                found = True
                abort_upload(s3, bucket, upload["Key"], upload["UploadId"])
    return found


def abort_upload(s3: Client, bucket: str, key: str, upload_id: str) -> None:
    """Abort an upload; one that has ended meanwhile is left as it is."""
    try:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
    except ClientError as error:
        if error_code(error) != "NoSuchUpload":
            raise


def delete(s3: Client, bucket: str, key: str) -> None:
    """Delete one object for good, in a versioned bucket too.

    Raises
    ------
    NotDeletedError
        If S3 refuses.
    """
    found = head(s3, bucket, key)
    if found is None:
        return
    version = found.get("VersionId")
    try:
        s3.delete_object(Bucket=bucket, Key=key, **({"VersionId": version} if version else {}))
    except ClientError as error:
        if error_code(error) not in _REFUSALS:
            raise
        raise NotDeletedError((key,), f"{key}: {error}") from error


def versions(s3: Client, bucket: str, prefix: str) -> Iterator[dict[str, str]]:
    """Yield every version and delete marker under a prefix."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            yield {"Key": item["Key"], "VersionId": item["VersionId"]}


def destroy(s3: Client, bucket: str, prefix: str) -> None:
    """Delete every version of everything under a prefix.

    Raises
    ------
    NotDeletedError
        If S3 refuses for some of it.
    """
    doomed = list(versions(s3, bucket, prefix))
    kept = []
    for start in range(0, len(doomed), 1000):
        reply = s3.delete_objects(
            Bucket=bucket, Delete={"Objects": doomed[start : start + 1000], "Quiet": True}
        )
        kept += [
            f"{e.get('Key')} ({e.get('Message') or e.get('Code')})"
            for e in reply.get("Errors", [])
            if e.get("Code") not in _TRANSIENT  # the next look finds it again
        ]
    if kept:
        raise NotDeletedError((prefix,), ", ".join(kept[:_NAMED]))


def do_all(deletions: Iterable[Callable[[], None]]) -> None:
    """Delete one thing after the other, also where S3 refuses one.

    Raises
    ------
    NotDeletedError
        If S3 refuses some.
    """
    refused = []
    for delete_one in deletions:
        try:
            delete_one()
        except NotDeletedError as error:
            refused.append(error)
    if refused:
        places = tuple(place for error in refused for place in error.places)
        raise NotDeletedError(places, "; ".join(str(error) for error in refused[:_NAMED]))
