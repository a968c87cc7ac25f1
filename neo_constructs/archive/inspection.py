"""Look at what is to be compiled: a model file, a folder, or a model.tar.gz."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from neo_constructs.archive.model_file import ModelFile, recognise
from neo_constructs.archive.packing import (
    archive_fingerprint,
    fingerprint,
    members_of,
)
from neo_constructs.findings import Finding, Level

# ONNX 1.7, the newest that Neo documents: https://github.com/onnx/onnx/blob/main/docs/Versioning.md
ONNX_MAX_OPSET = 12
ONNX_MAX_IR_VERSION = 7
_MODEL_SUFFIXES = frozenset({".onnx"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found at a path.

    Parameters
    ----------
    path
        The model file, folder or archive.
    fingerprint
        SHA-256 over the members' names and contents.
    members
        The files to pack; empty if ``path`` is an archive already.
    model
        What the model file says about itself, where this release can read it.
    findings
        What is wrong, and advice.
    """

    path: Path
    fingerprint: str
    members: Mapping[str, Path]
    model: ModelFile | None
    findings: tuple[Finding, ...] = ()

    @property
    def is_archive(self) -> bool:
        """Whether the path is a tar.gz already."""
        return not self.members


def inspect(path: Path) -> Inspection:
    """Inspect a model file, a folder with one, or a model.tar.gz.

    Nothing is executed and nothing is unpickled. What cannot be used is a finding, never an
    exception.
    """
    if not path.exists():
        return _unusable(path, "model-missing", f"There is no file or folder at {str(path)!r}.")
    try:
        return _inspect_archive(path) if is_archive(path) else _inspect_files(path)
    except (tarfile.TarError, EOFError, OSError) as error:
        return _unusable(
            path,
            "model-unreadable",
            f"It cannot be read: {error}.",
            "Neo takes a gzip-compressed tar archive; write it again.",
        )


def is_archive(path: Path) -> bool:
    """Whether a path is named as a gzip-compressed tar archive."""
    return path.is_file() and path.name.endswith((".tar.gz", ".tgz"))


def _inspect_files(path: Path) -> Inspection:
    members = members_of(path)
    if not members:
        return _unusable(path, "model-missing", f"The folder {str(path)!r} holds no file.")
    models = [model for file in members.values() if (model := recognise(file))]
    return _result(path, fingerprint(members), members, models)


def _inspect_archive(path: Path) -> Inspection:
    models = []
    with tarfile.open(path, "r|gz") as tar, tempfile.TemporaryDirectory() as folder:
        for member in tar:
            if not member.isfile() or PurePosixPath(member.name).suffix not in _MODEL_SUFFIXES:
                continue
            stream = tar.extractfile(member)
            copy = Path(folder) / PurePosixPath(member.name).name
            with copy.open("wb") as out:
                while stream and (chunk := stream.read(1 << 20)):
                    out.write(chunk)
            if model := recognise(copy):
                models.append(model)
    return _result(path, archive_fingerprint(path), {}, models)


def _result(
    path: Path, digest: str, members: Mapping[str, Path], models: list[ModelFile]
) -> Inspection:
    findings = [finding for model in models for finding in _onnx_findings(model, path)]
    if len(models) > 1:
        names = ", ".join(model.where for model in models)
        findings.append(
            Finding(
                code="model-ambiguous",
                where=str(path),
                message=f"It holds {len(models)} models ({names}); Neo takes exactly one.",
                fix="leave one of them.",
            )
        )
    return Inspection(
        path=path,
        fingerprint=digest,
        members=members,
        model=models[0] if len(models) == 1 else None,
        findings=tuple(findings),
    )


def _onnx_findings(model: ModelFile, path: Path) -> list[Finding]:
    found = []
    if model.opset and model.opset > ONNX_MAX_OPSET:
        found.append(f"opset {model.opset}, newer than {ONNX_MAX_OPSET}")
    if model.ir_version and model.ir_version > ONNX_MAX_IR_VERSION:
        found.append(f"IR version {model.ir_version}, newer than {ONNX_MAX_IR_VERSION}")
    return [
        Finding(
            code="onnx-version",
            where=str(path),
            message=f"{model.where} has {what}, the newest of ONNX 1.7, which Neo compiles.",
            fix=f"export it with opset {ONNX_MAX_OPSET} and IR version {ONNX_MAX_IR_VERSION}.",
        )
        for what in found
    ]


def _unusable(path: Path, code: str, message: str, fix: str = "check the path.") -> Inspection:
    finding = Finding(code=code, level=Level.ERROR, where=str(path), message=message, fix=fix)
    return Inspection(path=path, fingerprint="", members={}, model=None, findings=(finding,))
