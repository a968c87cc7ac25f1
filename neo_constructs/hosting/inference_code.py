"""The script that turns requests into the model's inputs, and its outputs into replies."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import AssetHashType
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from neo_constructs.archives.asset_cache import packed_once
from neo_constructs.archives.packing import fingerprint, members_of
from neo_constructs.compilation.model_data import (
    AssetLocation,
    ObjectLocation,
    SourceLocation,
    check_key,
    checked_path,
)
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.scripts.script_rules import check_code, check_name
from neo_constructs.scripts.serving_contract import ENTRY_POINT, ServingContract
from neo_constructs.typed import typed

_ARCHIVE_KEY = re.compile(r".*\.(tar\.gz|tgz)")
_REQUIREMENTS = "requirements.txt"


class InferenceCode(ABC):
    """The endpoint's script.

    Examples
    --------
    >>> InferenceCode.from_asset("model/code").entry_point
    'inference.py'
    """

    entry_point: str

    @staticmethod
    @typed
    def from_asset(path: str | os.PathLike[str], entry_point: str = ENTRY_POINT) -> InferenceCode:
        """Return a script on this machine; it is checked and packed at synth.

        Parameters
        ----------
        path
            The folder with the script, or the script.
        entry_point
            The script's name in the folder. Default: ``inference.py``.
        """
        given = checked_path(path, "inference_code")
        return _Local(given.name if given.is_file() else entry_point, given)

    @staticmethod
    @typed
    def from_bucket(
        bucket: s3.IBucket,
        key: str,
        *,
        entry_point: str = ENTRY_POINT,
        object_version: str | None = None,
    ) -> InferenceCode:
        """Return a script in a ``.tar.gz`` in S3, such as the one a SageMaker training job left.

        No container reads that bucket: the deploy copies what is in it. What cannot be seen at
        synth is checked then, before anything is served.

        Parameters
        ----------
        bucket, key
            The archive; the script lies at its root.
        entry_point
            The script's name in it. Default: ``inference.py``.
        object_version
            Default: the newest at the time of the deploy; a replaced object is then not noticed
            by later deploys, and a warning says so.
        """
        return _Remote(entry_point, bucket, key, object_version)

    @property
    def may_install(self) -> bool:
        """Whether the container is known to install a requirements.txt as it starts."""
        return False

    @abstractmethod
    def check(self, contract: ServingContract) -> list[Finding]:
        """Say what is wrong with the script for a kind of container."""

    @abstractmethod
    def bind(self, scope: Construct) -> SourceLocation:
        """Return where the packed script lies; called by the construct that serves it."""


@dataclass(frozen=True)
class _Local(InferenceCode):
    entry_point: str
    path: Path

    @property
    def may_install(self) -> bool:
        return _REQUIREMENTS in self._members()

    def check(self, contract: ServingContract) -> list[Finding]:
        return check_code(self.path, self.entry_point, contract)

    def bind(self, scope: Construct) -> SourceLocation:
        members = self._members()
        digest = fingerprint(members)
        archive = packed_once(digest, members, "sourcedir.tar.gz")
        asset = s3_assets.Asset(
            scope,
            "InferenceCode",
            path=str(archive),
            asset_hash=digest,
            asset_hash_type=AssetHashType.CUSTOM,
        )
        return AssetLocation.of(scope, asset, digest)

    def _members(self) -> Mapping[str, Path]:
        try:
            return members_of(self.path)
        except OSError:  # check() says so
            return {}


@dataclass(frozen=True)
class _Remote(InferenceCode):
    entry_point: str
    bucket: s3.IBucket
    key: str
    object_version: str | None

    def check(self, contract: ServingContract) -> list[Finding]:
        where = f"inference_code, {self.key!r}"
        findings = check_name(self.entry_point, contract, where)
        findings += check_key(self.key, where)
        if not is_unresolved(self.key) and not _ARCHIVE_KEY.fullmatch(self.key):
            findings.append(
                Finding(
                    code="script-not-an-archive",
                    where=where,
                    message="It does not end in .tar.gz; a script in S3 is taken from such an "
                    "archive.",
                    fix="pack the script's folder into a sourcedir.tar.gz and upload that.",
                )
            )
        if self.object_version is None:
            findings.append(
                Finding(
                    code="script-not-pinned",
                    level=Level.WARNING,
                    where=where,
                    message="It is taken as it is at the first deploy; a later deploy does not "
                    "notice that it was replaced.",
                    fix="give object_version, or change the key with the content.",
                )
            )
        return findings

    def bind(self, scope: Construct) -> ObjectLocation:
        del scope
        return ObjectLocation(bucket=self.bucket, key=self.key, object_version=self.object_version)
