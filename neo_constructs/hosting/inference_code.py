"""The script that turns requests into the model's inputs, and its outputs into replies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import AssetHashType
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from neo_constructs.archive.entry_point import Contract, check_script
from neo_constructs.archive.packing import fingerprint, members_of, pack
from neo_constructs.compilation.model_data import ObjectLocation, packed_folder
from neo_constructs.findings import Finding, listed


@dataclass(frozen=True, slots=True)
class InferenceCode:
    """The endpoint's script.

    Parameters
    ----------
    path
        The folder, or the script itself.
    entry_point
        The script's name in the folder.

    Examples
    --------
    >>> InferenceCode.from_asset("model/code").script
    PosixPath('model/code/inference.py')
    """

    path: Path
    entry_point: str

    @staticmethod
    def from_asset(
        path: str | os.PathLike[str], entry_point: str = "inference.py"
    ) -> InferenceCode:
        """Return a script on this machine; it is checked and packed at synth.

        Parameters
        ----------
        path
            The folder with the script, or the script.
        entry_point
            The script's name in the folder. Default: ``inference.py``.
        """
        given = Path(path)
        if given.is_file():
            return InferenceCode(given, given.name)
        return InferenceCode(given, entry_point)

    @property
    def script(self) -> Path:
        """The script itself."""
        return self.path if self.path.is_file() else self.path / self.entry_point

    def check(self, contract: Contract) -> list[Finding]:
        """Say what is wrong with the script for a kind of container."""
        findings = check_script(self.script, contract)
        others = [n for n in self._members() if n.endswith(".py") and n != self.entry_point]
        if contract is Contract.DLR and others:
            findings.append(
                Finding(
                    code="script-not-alone",
                    where=str(self.path),
                    message=(
                        "This container takes exactly one .py file; beside "
                        f"{self.entry_point} there is {listed(others[:5])}."
                    ),
                    fix="put everything into the one script.",
                )
            )
        return findings

    def bind(self, scope: Construct) -> ObjectLocation:
        """Return where the packed script lies; called by the construct that serves it."""
        members = self._members()
        digest = fingerprint(members)
        archive = packed_folder() / digest / "sourcedir.tar.gz"
        if not archive.exists():
            pack(members, archive)
        asset = s3_assets.Asset(
            scope,
            "InferenceCode",
            path=str(archive),
            asset_hash=digest,
            asset_hash_type=AssetHashType.CUSTOM,
        )
        return ObjectLocation(bucket=asset.bucket, key=asset.s3_object_key, fingerprint=digest)

    def _members(self) -> Mapping[str, Path]:
        return members_of(self.path) if self.path.exists() else {}
