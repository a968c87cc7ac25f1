"""Look at what is to be compiled: a model file, a folder, or a model.tar.gz."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from neo_constructs.archives import tar_reader
from neo_constructs.archives.packing import base_name, check_links, fingerprint, members_of
from neo_constructs.archives.tar_member import MAX_MEMBERS, check_name
from neo_constructs.catalog.framework import Framework
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import listed
from neo_constructs.model_formats.budget import Budget
from neo_constructs.model_formats.foreign_files import (
    MAX_STRANGERS,
    Foreign,
    describe,
    is_candidate,
)
from neo_constructs.model_formats.model_file import ModelFile, Trait, recognise

_LITTER = frozenset({"__pycache__", "__MACOSX", ".DS_Store"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found at a path.

    Parameters
    ----------
    path
        The model file, folder or archive.
    fingerprint
        SHA-256 over the members' names and contents.
    names
        The names of all files.
    folders
        The folders that an archive lists as members of their own.
    members
        The files to pack; empty if ``path`` is an archive already.
    model
        What the model file says about itself, where this release can read it.
    strangers
        Where no model is found: name to what the file is that should be one.
    findings
        What is wrong, and advice.
    """

    path: Path
    fingerprint: str
    names: tuple[str, ...]
    members: Mapping[str, Path]
    model: ModelFile | None
    folders: tuple[str, ...] = ()
    strangers: Mapping[str, Foreign] = field(default_factory=dict)
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
    fix = "check the path."
    try:
        if not path.exists():
            return _unusable(path, "model-missing", f"There is no file or folder at {str(path)!r}.")
    except OSError as error:
        return _unusable(path, "model-unreadable", f"It cannot be read: {error}.", fix)
    fix = "Neo takes a gzip-compressed tar archive; write it again."
    try:
        if is_archive(path):
            return _inspect_archive(path)
        fix = "check the file, and what it links to."
        return _inspect_files(path)
    except Exception as error:
        # Whatever is in it: the libraries that read archives raise what they like.
        why = str(error).rstrip(".") or type(error).__name__
        return _unusable(path, "model-unreadable", f"It cannot be read: {why}.", fix)


@dataclass(frozen=True, slots=True)
class _MemberRule:
    """What files of a framework's archive are models, and what may not lie beside them."""

    models: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    is_alone: bool = False


# AWS developer guide, page neo-compilation-preparing-model; the exact rules and texts from
# neo-ai/neo-loader, which opens the archive.
_MEMBER_RULES = {
    "PYTORCH": _MemberRule((".pth", ".pt")),
    "TENSORFLOW": _MemberRule((".pb", ".pbtxt")),
    "KERAS": _MemberRule((".h5",)),
    "ONNX": _MemberRule((".onnx",)),
    "MXNET": _MemberRule(
        (".json",),
        ("model-shapes.json", "hyperparams.json", "model-metadata.json", "amba_config.json"),
    ),
    "XGBOOST": _MemberRule(("",), is_alone=True),
}


def check_members(inspection: Inspection, framework: Framework) -> list[Finding]:
    """Say what in an archive would keep Neo from compiling it, as far as names tell.

    Neo counts the files of a kind wherever they lie, so a script's folder counts too.
    """
    rule = _MEMBER_RULES.get(framework.name)
    if rule is None or any(f.level is Level.ERROR for f in inspection.findings):
        return []
    first = next(_member_problems(inspection, framework.name, rule), None)
    problems = [first] if first else [*_unrecognised(inspection, framework.name, rule)]
    problems += _elsewhere(inspection)
    return [
        Finding(
            code=code,
            level=Level.WARNING
            if code in _DOUBTS or not framework.is_checked or (framework.name, code) == _MAY_BE
            else Level.ERROR,
            where=str(inspection.path),
            message=message,
            fix=fix,
        )
        for code, message, fix in problems
    ]


_DOUBTS = frozenset({"archive-suffix", "archive-wrapped", "onnx-external-beside"})
_MAY_BE = ("XGBOOST", "model-unrecognised")  # its older formats have no sign of their own


def _unrecognised(
    inspection: Inspection, framework: str, rule: _MemberRule
) -> Iterator[tuple[str, str, str]]:
    """Say which files should be models of the framework, and are nothing that is known."""
    if inspection.model:
        return
    for name, stranger in inspection.strangers.items():
        if name.endswith(rule.models) or len(inspection.names) == 1:
            yield _stranger(name, stranger, framework)


def _stranger(name: str, stranger: Foreign, framework: str = "") -> tuple[str, str, str]:
    kind = f"a model of {framework}" if framework else "a model"
    what = f"It is {stranger.what}" if stranger.what else "It is damaged, cut off, or unknown here"
    return "model-unrecognised", f"{name} is not recognised as {kind}. {what}.", stranger.fix


def _elsewhere(inspection: Inspection) -> Iterator[tuple[str, str, str]]:
    """Say which weights lie in files that are not packed, or may not be read."""
    model, names = inspection.model, set(inspection.names)
    if model is None:
        return
    home = next((n for n in names if base_name(n) == model.where), model.where)
    missing = [place for place in model.external if _beside(home, place) not in names]
    if missing:
        yield (
            "onnx-external-data",
            f"Weights of {model.where} lie in other files, which are not packed: "
            f"{listed(missing[:5])}.",
            "save it with its weights inside: onnx.save(model, path, save_as_external_data=False).",
        )
    elif model.external:
        yield (
            "onnx-external-beside",
            f"Weights of {model.where} lie in other files: {listed(model.external[:5])}. Neo is "
            "documented for one .onnx file.",
            "save it with its weights inside: onnx.save(model, path, save_as_external_data=False).",
        )
    is_there = any(base_name(name) == "variables.index" for name in names)
    if Trait.VARIABLES in model.traits and not is_there:
        yield (
            "saved-model-variables",
            f"The weights of {model.where} lie in variables/ beside it, which is not there.",
            "give the whole folder of the SavedModel.",
        )


def _beside(model: str, place: str) -> str:
    """Return the member that a model means by a place; nothing for one outside of the archive."""
    name = posixpath.normpath(posixpath.join(posixpath.dirname(model), place))
    return "" if name.startswith(("/", "..")) else name


# What newer TensorFlow and Keras write beside saved_model.pb, and TensorFlow 2.9 does not need.
_BESIDE_SAVED_MODEL = frozenset({"keras_metadata.pb", "fingerprint.pb", "saved_model_config.pb"})


def _member_problems(
    inspection: Inspection, framework: str, rule: _MemberRule
) -> Iterator[tuple[str, str, str]]:
    """Yield code, message and fix of all that is wrong, the gravest first."""
    names = [n for n in inspection.names if base_name(n) not in rule.ignored]
    models = [n for n in names if n.endswith(rule.models)]
    kind, holds = listed(rule.models), f"it holds {listed([*inspection.folders, *names][:5])}"
    if rule.is_alone and len(inspection.names) + len(inspection.folders) > 1:
        message = f"{framework} takes exactly one file, and folders count; {holds}."
        yield "archive-extra-file", message, "leave the model alone in the archive."
    if framework == "TENSORFLOW" and any(base_name(n) == "checkpoint" for n in names):
        message = "TensorFlow checkpoints are not supported; there is a file named checkpoint."
        yield "archive-extra-file", message, "export a SavedModel or a frozen graph."
    if not models:
        message = f"No {kind or 'model'} file found for {framework}; {holds}."
        yield "archive-no-model", message, "pack the model, or declare its real framework."
        return
    if len(models) > 1:
        message = f"Neo takes exactly one {kind} file; it holds {listed(models[:5])}."
        beside = [n for n in models if base_name(n) in _BESIDE_SAVED_MODEL]
        fix = (
            f"delete {listed(beside)}: the model loads without." if beside else "leave one of them."
        )
        yield "archive-many-models", message, fix
    prefix = models[0].removesuffix("-symbol.json")
    parameters = [n for n in names if n.startswith(prefix) and n.endswith(".params")]
    if framework == "MXNET" and not parameters:
        message = f"No .params file found for the symbol file {models[0]}."
        yield "archive-no-model", message, "save the model with export(): it writes both."
    if framework == "PYTORCH" and models[0].endswith(".pt"):
        # The documentation takes both; neo-loader and amazon-sagemaker-examples#986 only .pth.
        message = f"{models[0]!r} ends in .pt; Neo is known to look for .pth only."
        yield "archive-suffix", message, "name it model.pth."
    tops = {name.strip("/").partition("/")[0] for name in inspection.names}
    if framework != "TENSORFLOW" and len(tops) == 1 and not set(inspection.names) & tops:
        (top,) = tops
        message = f"Everything in it lies in the folder {top}/; containers look at the top."
        yield "archive-wrapped", message, f"tar czf model.tar.gz -C {top} . packs its content."


def is_archive(path: Path) -> bool:
    """Whether a path is named as a gzip-compressed tar archive."""
    return path.is_file() and path.name.endswith((".tar.gz", ".tgz"))


def _inspect_files(path: Path) -> Inspection:
    members = members_of(path)
    if not members:
        return _unusable(path, "model-missing", f"The folder {str(path)!r} holds no file.")
    found = inspect_members(path, members, fingerprint(members))
    return replace(found, findings=(*found.findings, *check_links(path, members)))


def inspect_members(path: Path, members: Mapping[str, Path], digest: str = "") -> Inspection:
    """Inspect what will lie in an archive.

    Parameters
    ----------
    path
        What findings name.
    members
        Name to file.
    digest
        Their fingerprint, where it is wanted.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    if len(members) > MAX_MEMBERS:
        message = f"It has {len(members):,} files; an archive has {MAX_MEMBERS:,} at most."
        return _unusable(path, "archive-beyond-reason", message, "leave out what is no model.")
    for name in members:
        try:
            check_name(name)
        except tarfile.ReadError as error:
            return _unusable(path, "archive-member-path", f"It holds {error}.", "rename the file.")
    budget, models, strangers = Budget(), list[ModelFile](), dict[str, Foreign]()
    for name, file in members.items():
        model = recognise(file, budget)
        if model and model.format not in tar_reader.PARTS:
            models.append(model)
        elif model is None and _may_be_model(name, members) and len(strangers) < MAX_STRANGERS:
            strangers[name] = describe(file)
    return _result(path, digest, list(members), members, models, strangers)


def _may_be_model(name: str, members: Mapping[str, Path]) -> bool:
    return len(members) == 1 or name.endswith(tuple(tar_reader.MODEL_SUFFIXES))


def _inspect_archive(path: Path) -> Inspection:
    try:
        found = tar_reader.read(path)
    except tar_reader.ArchiveRejectedError as refused:
        return _unusable(path, refused.code, refused.message, refused.fix)
    made = _result(
        path, found.fingerprint, list(found.names), {}, list(found.models), found.strangers
    )
    doubts = _litter(path, found.names)
    return replace(made, folders=found.folders, findings=(*made.findings, *doubts))


def _litter(path: Path, names: tuple[str, ...]) -> list[Finding]:
    """Say which members are left-overs of tools, such as __pycache__ and .DS_Store."""
    found = [
        name
        for name in names
        if base_name(name).startswith("._") or _LITTER & {*PurePosixPath(name).parts}
    ]
    if not found:
        return []
    return [
        Finding(
            code="archive-litter",
            level=Level.WARNING,
            where=str(path),
            message=f"It holds what only macOS or Python needs: {listed(found[:5])}.",
            fix="leave it out: 'neo package' does; tar on macOS with COPYFILE_DISABLE=1.",
        )
    ]


def _result(  # noqa: PLR0917 - what an inspection consists of
    path: Path,
    digest: str,
    names: list[str],
    members: Mapping[str, Path],
    models: list[ModelFile],
    strangers: Mapping[str, Foreign],
) -> Inspection:
    findings = []
    if not models:
        for name, stranger in strangers.items():
            # Whatever is declared of it.
            if stranger.what and is_candidate(name, alone=len(names) == 1):
                code, message, fix = _stranger(name, stranger)
                findings.append(Finding(code=code, where=str(path), message=message, fix=fix))
    # Of models of several frameworks Neo sees the declared one's only.
    if len(models) > 1 and len({model.framework for model in models}) == 1:
        where = ", ".join(model.where for model in models)
        findings.append(
            Finding(
                code="model-ambiguous",
                where=str(path),
                message=f"It holds {len(models)} models ({where}); Neo takes exactly one.",
                fix="leave one of them.",
            )
        )
    return Inspection(
        path=path,
        fingerprint=digest,
        names=tuple(names),
        members=members,
        model=models[0] if len(models) == 1 else None,
        strangers=strangers,
        findings=tuple(findings),
    )


def _unusable(path: Path, code: str, message: str, fix: str = "check the path.") -> Inspection:
    finding = Finding(code=code, level=Level.ERROR, where=str(path), message=message, fix=fix)
    return Inspection(
        path=path, fingerprint="", names=(), members={}, model=None, findings=(finding,)
    )
