"""Objects are deleted by their newest version, and a refusal is told from a fault."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from neo_jobs import s3_objects
from neo_jobs.errors import NotDeletedError


class Bucket:
    """One object, and what S3 says to a deletion."""

    def __init__(self, found: dict[str, Any] | None, code: str = "") -> None:
        self.found, self.code = found, code
        self.deleted: list[dict[str, Any]] = []

    def head_object(self, **_: Any) -> dict[str, Any]:
        if self.found is None:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")
        return self.found

    def delete_object(self, **given: Any) -> None:
        if self.code:
            raise ClientError({"Error": {"Code": self.code}}, "DeleteObject")
        self.deleted.append(given)


def test_what_is_not_there_is_not_deleted() -> None:
    s3 = Bucket(None)
    s3_objects.delete(s3, "bucket", "key")
    assert s3.deleted == []


@pytest.mark.parametrize("found", [{}, {"VersionId": "1"}])
def test_the_newest_version_is_deleted(found: dict[str, Any]) -> None:
    s3 = Bucket(found)
    s3_objects.delete(s3, "bucket", "key")
    assert s3.deleted == [{"Bucket": "bucket", "Key": "key", **found}]


def test_a_refusal_is_named_and_a_fault_is_raised() -> None:
    with pytest.raises(NotDeletedError, match="key: "):
        s3_objects.delete(Bucket({}, "AccessDenied"), "bucket", "key")
    with pytest.raises(ClientError, match="SlowDown"):
        s3_objects.delete(Bucket({}, "SlowDown"), "bucket", "key")


class Hidden:
    """A bucket whose objects cannot be looked at, and whose listing answers with a code."""

    def __init__(self, code: str) -> None:
        self.code = code

    def head_object(self, **_: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "403"}}, "HeadObject")

    def get_paginator(self, _: str) -> Hidden:
        return self

    def paginate(self, **_: Any) -> list[Any]:
        raise ClientError({"Error": {"Code": self.code}}, "ListObjectsV2")


def test_a_right_that_may_be_missing_is_named_where_nobody_may_list() -> None:
    """As on the assets of an app: else the message would name the listing."""
    right = "s3:GetObject on resource: arn:aws:s3:::bucket/key, or it is not there"
    with pytest.raises(ClientError, match=right):
        s3_objects.head(Hidden("AccessDenied"), "bucket", "key")
    with pytest.raises(ClientError, match="SlowDown"):
        s3_objects.head(Hidden("SlowDown"), "bucket", "key")
