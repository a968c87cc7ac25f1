"""The trained model that is compiled: a local file, or an archive in S3."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from aws_cdk import AssetHashType, DefaultStackSynthesizer
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from neo_constructs.archives.asset_cache import cache_folder, packed_once
from neo_constructs.archives.inspection import Inspection
from neo_constructs.archives.inspection_cache import inspect_once
from neo_constructs.engine.asked_once import asked, remembered, stack_of
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import listed
from neo_constructs.model_formats.model_file import ModelFile
from neo_constructs.typed import typed

# Amazon S3 user guide, bucket naming rules
_POLICY_SIGNS = ("*", "?", "${")
_MISSING = {"model_data": "model-missing", "sample_payload": "payload-missing"}
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# A CDK asset is named by its hash, and keeps only the last part of the suffix.
_ARCHIVE_KEY = re.compile(r".*\.(tar\.gz|tgz)|(.*/)?[0-9a-f]{64}\.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectLocation:
    """Where something in S3 lies, once it is bound.

    Parameters
    ----------
    bucket, key
        The object.
    fingerprint
        Its content's identity, where it is known at synth.
    object_version
        The version to take; default: the newest.
    """

    bucket: s3.IBucket
    key: str
    fingerprint: str | None = None
    object_version: str | None = None

    @property
    def s3_uri(self) -> str:
        """The object as an ``s3://`` URI."""
        return f"s3://{asked(self.bucket, 'bucket_name')}/{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetLocation:
    """Where an asset of the app lies: in the bucket that the CDK has made for these.

    Parameters
    ----------
    bucket_name, key
        The object.
    fingerprint
        Its content's identity.
    """

    bucket_name: str
    key: str
    fingerprint: str
    object_version: None = None

    @classmethod
    def of(cls, scope: Construct, asset: s3_assets.Asset, fingerprint: str) -> AssetLocation:
        """Return the place of an asset of a construct."""
        stack = stack_of(scope)
        # One bucket holds all assets of a stack; legacy stacks have a parameter for each.
        is_shared = isinstance(asked(stack, "synthesizer"), DefaultStackSynthesizer)
        owner = stack if is_shared else asset
        name = remembered(owner, "asset bucket", lambda: asset.s3_bucket_name)
        return cls(bucket_name=name, key=asset.s3_object_key, fingerprint=fingerprint)

    @property
    def s3_uri(self) -> str:
        """The object as an ``s3://`` URI."""
        return f"s3://{self.bucket_name}/{self.key}"


SourceLocation: TypeAlias = ObjectLocation | AssetLocation


class ModelData(ABC):
    """The trained model.

    Examples
    --------
    >>> ModelData.from_s3_uri("s3://models/resnet/model.tar.gz").model is None
    True
    """

    @staticmethod
    @typed
    def from_asset(path: str | os.PathLike[str]) -> ModelData:
        """Return a model on this machine; it is packed, inspected and fingerprinted at synth.

        Parameters
        ----------
        path
            A model file, a folder with one, or a ``model.tar.gz``.
        """
        return _Local(inspect_once(checked_path(path, "model_data"), cache_folder("notes")))

    @staticmethod
    @typed
    def from_bucket(
        bucket: s3.IBucket, key: str, *, object_version: str | None = None
    ) -> ModelData:
        """Return a ``model.tar.gz`` in S3.

        Parameters
        ----------
        bucket, key
            The archive.
        object_version
            Default: the newest at the time of the deploy; a replaced object is then not noticed
            by later deploys, and a warning says so.
        """
        return _Remote(bucket, "", key, object_version)

    @staticmethod
    @typed
    def from_s3_uri(uri: str) -> ModelData:
        """Return a ``model.tar.gz`` in S3 by its URI.

        Raises
        ------
        ValidationError
            If ``uri`` is not ``s3://bucket/key``.
        """
        name, _, key = uri.removeprefix("s3://").partition("/")
        is_name = is_unresolved(name) or BUCKET_NAME.fullmatch(name)
        if not (uri.startswith("s3://") and is_name and key):
            fix = "write s3://bucket/key."
            if uri.startswith("https://"):
                fix = "copy the S3 URI of the object from the console, not its object URL."
            elif is_unresolved(uri):
                fix = "join the two: f's3://{bucket}/{key}', or use ModelData.from_bucket."
            raise ValidationError(
                [
                    Finding(
                        code="model-uri",
                        where="model_data",
                        message=f"{uri!r} is not of the form s3://bucket/key.",
                        fix=fix,
                    )
                ]
            )
        return _Remote(None, name, key, None)

    @property
    def model(self) -> ModelFile | None:
        """What the model file says about itself, where that can be read at synth."""
        return self.inspection.model if self.inspection else None

    @property
    def inspection(self) -> Inspection | None:
        """What was found in it, where it is read at synth."""
        return None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the place it is taken from."""
        return ()

    @abstractmethod
    def bind(self, scope: Construct) -> SourceLocation:
        """Return where the model lies; called by the construct that compiles it."""


@dataclass(frozen=True)
class _Local(ModelData):
    found: Inspection

    @property
    def inspection(self) -> Inspection:
        return self.found

    def bind(self, scope: Construct) -> SourceLocation:
        found = self.found
        archive = found.path
        if not found.is_archive:
            archive = packed_once(found.fingerprint, found.members, "model.tar.gz")
        asset = s3_assets.Asset(
            scope,
            "ModelData",
            path=str(archive),
            asset_hash=found.fingerprint,
            asset_hash_type=AssetHashType.CUSTOM,
        )
        return AssetLocation.of(scope, asset, found.fingerprint)


@dataclass(frozen=True)
class _Remote(ModelData):
    bucket: s3.IBucket | None
    bucket_name: str
    key: str
    object_version: str | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        found = check_key(self.key, "model_data")
        if not is_unresolved(self.key) and not _ARCHIVE_KEY.fullmatch(self.key):
            found.append(
                Finding(
                    code="model-not-an-archive",
                    where="model_data",
                    message=f"{self.key!r} does not end in .tar.gz; Neo takes only such archives.",
                    fix="pack the model into a model.tar.gz and upload that.",
                )
            )
        if self.object_version is None:
            found.append(
                Finding(
                    code="model-not-pinned",
                    level=Level.WARNING,
                    where="model_data",
                    message=(
                        f"{self.key!r} is taken as it is at the first deploy; a later deploy does "
                        "not notice that it was replaced."
                    ),
                    fix="give object_version, or change the key with the content.",
                )
            )
        return tuple(found)

    def bind(self, scope: Construct) -> ObjectLocation:
        bucket = self.bucket or s3.Bucket.from_bucket_name(scope, "ModelBucket", self.bucket_name)
        return ObjectLocation(bucket=bucket, key=self.key, object_version=self.object_version)


def checked_path(path: str | os.PathLike[str], where: str) -> Path:
    """Return a path of a file or folder, from the root: an empty one is the current folder.

    Raises
    ------
    ValidationError
        If it is empty.
    """
    if not os.fspath(path):
        raise ValidationError(
            [
                Finding(
                    code=_MISSING.get(where, "script-missing"),
                    where=where,
                    message="The path is empty.",
                    fix="give the file or the folder; '.' is the current one.",
                )
            ]
        )
    return Path(path).absolute()


def check_key(key: str, where: str) -> list[Finding]:
    """Say whether a policy on a key would be one on others too: IAM reads some of its signs."""
    if is_unresolved(key) or not any(sign in key for sign in _POLICY_SIGNS):
        return []
    return [
        Finding(
            code="object-key",
            where=where,
            message=f"{key!r} has a sign that IAM reads in policies: {listed(_POLICY_SIGNS)}. The "
            "right to read it would be one to read others.",
            fix="copy the object to a key without them.",
        )
    ]
