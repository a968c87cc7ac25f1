"""The sample payload: requests that Inference Recommender sends to a model."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from aws_cdk import AssetHashType, AssetStaging, FileAssetPackaging
from aws_cdk import aws_s3 as s3
from constructs import Construct

from neo_constructs.archives.asset_cache import packed_once
from neo_constructs.archives.packing import check_links, fingerprint, members_of
from neo_constructs.archives.sample_payload import check_payloads, is_payload_archive
from neo_constructs.compilation.model_data import (
    BUCKET_NAME,
    ObjectLocation,
    check_key,
    checked_path,
)
from neo_constructs.engine.asked_once import stack_of
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.artifact_url import split_url
from neo_constructs.typed import typed

_WHERE: Final = "sample_payload"
_ARCHIVE: Final = "payload.tar.gz"


class SamplePayload(ABC):
    """The sample payload: an archive of requests, each as the body of an invocation.

    Source: SageMaker API reference, RecommendationJobPayloadConfig: one gzip-compressed tar archive
    whose name ends in ``.tar.gz``.

    Examples
    --------
    >>> SamplePayload.from_s3_uri("s3://models/payload.tar.gz").check()
    []
    """

    @staticmethod
    @typed
    def from_asset(path: str | os.PathLike[str]) -> SamplePayload:
        """Return requests on this machine; they are checked and packed at synth.

        Parameters
        ----------
        path
            A request, a folder of requests, or a ``.tar.gz`` with them.
        """
        return _Local(checked_path(path, _WHERE))

    @staticmethod
    @typed
    def from_bucket(bucket: s3.IBucket, key: str) -> SamplePayload:
        """Return a ``.tar.gz`` in S3; only a changed key is noticed as a changed payload."""
        return _Remote(bucket, f"s3://{bucket.bucket_name}/{key}", key)

    @staticmethod
    @typed
    def from_s3_uri(uri: str) -> SamplePayload:
        """Return a ``.tar.gz`` in S3 by its URI, ``s3://bucket/key.tar.gz``."""
        return _Remote(None, uri, split_url(uri)[1])

    @abstractmethod
    def check(self) -> list[Finding]:
        """Say what Inference Recommender would not take."""

    @abstractmethod
    def bind(self, scope: Construct) -> ObjectLocation:
        """Return where the archive lies; called by the construct that uses it."""


@dataclass(frozen=True)
class _Local(SamplePayload):
    path: Path

    def check(self) -> list[Finding]:
        if is_payload_archive(self.path):
            return check_payloads(self.path)
        try:
            archive = self._archive()[0]
        except OSError as error:
            return [
                Finding(
                    code="payload-missing",
                    where=_WHERE,
                    message=f"{str(self.path)!r} cannot be read: {error.strerror or error}.",
                    fix="give a request, a folder of requests, or a .tar.gz with them.",
                )
            ]
        links = check_links(self.path, members_of(self.path))
        # What is wrong is wrong with what was given, and not with the archive made of it.
        found = [replace(each, where=str(self.path)) for each in check_payloads(archive)]
        return [*links, *found]

    def bind(self, scope: Construct) -> ObjectLocation:
        archive, digest = self._archive()
        return _tar_gz_asset(scope, archive, digest)

    def _archive(self) -> tuple[Path, str]:
        """Return the archive, and what its content is known by."""
        if is_payload_archive(self.path):
            return self.path, fingerprint({_ARCHIVE: self.path})
        members = members_of(self.path)
        digest = fingerprint(members)
        return packed_once(digest, members, _ARCHIVE), digest


@dataclass(frozen=True)
class _Remote(SamplePayload):
    bucket: s3.IBucket | None
    uri: str
    key: str

    def check(self) -> list[Finding]:
        if is_unresolved(self.key):
            return []
        found = check_key(self.key, _WHERE)
        name, _, key = self.uri.removeprefix("s3://").partition("/")
        is_bucket = is_unresolved(name) or BUCKET_NAME.fullmatch(name)
        is_place = self.bucket or (self.uri.startswith("s3://") and is_bucket)
        # Rests on A-REC-10.
        if not is_place or not key.endswith(".tar.gz"):
            found.append(
                Finding(
                    code="payload-not-an-archive",
                    where=_WHERE,
                    message=f"{self.uri!r} is given. Allowed: s3://bucket/key.tar.gz.",
                    fix="give from_bucket bucket and key of one that is known only at deploy."
                    if is_unresolved(self.uri)
                    else "pack the requests into a .tar.gz and upload that.",
                )
            )
        return found

    def bind(self, scope: Construct) -> ObjectLocation:
        name, key = split_url(self.uri)
        bucket = self.bucket or s3.Bucket.from_bucket_name(scope, "PayloadBucket", name)
        return ObjectLocation(bucket=bucket, key=self.key or key)


# Rests on A-REC-10.
def _tar_gz_asset(scope: Construct, archive: Path, digest: str) -> ObjectLocation:
    """Return an asset whose key ends in ``.tar.gz``.

    The CDK names a file asset by its hash and the last part of its suffix, ``.gz``. The rest of the
    suffix is therefore given as a part of the hash.
    """
    staging = AssetStaging(
        scope,
        "SamplePayload",
        source_path=str(archive),
        asset_hash=digest,
        asset_hash_type=AssetHashType.CUSTOM,
    )
    stack = stack_of(scope)
    place = stack.synthesizer.add_file_asset(
        source_hash=f"{staging.asset_hash}.tar",
        file_name=staging.relative_staged_path(stack),
        packaging=FileAssetPackaging.FILE,
    )
    bucket = s3.Bucket.from_bucket_name(staging, "Bucket", place.bucket_name)
    return ObjectLocation(bucket=bucket, key=place.object_key, fingerprint=digest)
