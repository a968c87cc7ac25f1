"""Recognise a model file and read its inputs, without the framework that wrote it.

Nothing is unpickled and no code of a model is run. A file is known by what is in it; its name is
only asked where two formats look the same.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from neo_constructs.model_formats import (
    keras_file,
    mxnet_file,
    onnx_file,
    protobuf_wire,
    tensorflow_file,
    torch_file,
    unsupported_formats,
    xgboost_file,
)
from neo_constructs.model_formats.budget import Budget, BudgetExceededError
from neo_constructs.model_formats.model_input import MAX_INPUTS, ModelInput

__all__ = ["ModelFile", "ModelInput", "Trait", "recognise"]

_HEAD_BYTES: Final = 4096
_TELLING_BYTES: Final = 24
# Of zips, of JSON, of XGBoost's binary format, of TensorFlow's graphs in text.
_STARTS_OF_MODELS: Final = (
    b"PK", b"{", b"binf", b"saved_model", b"meta_graphs", b"node", b"library", b"versions",
)  # fmt: skip
T = TypeVar("T")


class Trait(StrEnum):
    """What a file is, beyond its format."""

    TRAINING = "training"
    """PyTorch: it acts as in training."""

    NEWER = "newer"
    """PyTorch: a newer release wrote it than Neo compiles."""

    NESTED = "nested"
    """PyTorch: it takes lists, tuples or dictionaries of tensors."""

    WEIGHTS_ONLY = "weights-only"
    """Keras: it has no architecture."""

    TRUNCATED = "truncated"
    """Keras: the file ends before its own header says."""

    VARIABLES = "variables"
    """TensorFlow: its weights lie in other files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """What a model file says about itself.

    Parameters
    ----------
    framework
        The service's name of its framework, such as ``ONNX``.
    format
        The file format.
    inputs
        What it must be fed, in the file's order; empty where the file does not say.
    writer
        The release that wrote it, or the program; empty where the file does not say.
    opset, ir_version
        ONNX only.
    external, domains
        ONNX only: the files that its weights lie in, and the domains of its operators that are
        not the standard one.
    traits
        What else it is.
    where
        The file's name.
    """

    framework: str
    format: str
    inputs: tuple[ModelInput, ...] = ()
    writer: str = ""
    opset: int | None = None
    ir_version: int | None = None
    external: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    traits: frozenset[Trait] = frozenset()
    where: str = field(default="", compare=False)

    def data_input_config(self) -> dict[str, list[int]] | list[list[int]] | None:
        """Return the shapes as Neo wants them, or None where the file leaves a dimension open.

        PyTorch's inputs are bound by their order, and Neo sorts names first: so the shapes are
        given without names.
        Keras keeps the channels last, and Neo wants them first (AWS developer guide, page
        neo-compilation-preparing-model).
        """
        if not self.inputs or not all(i.is_fixed for i in self.inputs):
            return None
        if Trait.NESTED in self.traits:
            return None
        shapes = [[d for d in i.shape or () if isinstance(d, int)] for i in self.inputs]
        if self.framework == "PYTORCH":
            return shapes
        if self.framework == "KERAS":
            shapes = [channels_first(shape) for shape in shapes]
        return {i.name: shape for i, shape in zip(self.inputs, shapes, strict=True)}


def channels_first(shape: Sequence[T]) -> list[T]:
    """Return an image's shape with its channels after the batch; any other as it is."""
    return [shape[0], shape[3], shape[1], shape[2]] if len(shape) == 4 else list(shape)


def recognise(path: Path, budget: Budget | None = None) -> ModelFile | None:
    """Return what a file says about itself, or None if it is no model this release can read.

    Parameters
    ----------
    path
        The file. It is mapped, not read: its size does not matter.
    budget
        How much work it may take, with others. Default: a whole one.

    Raises
    ------
    BudgetExceededError
        If it asks for more.
    """
    budget = budget or Budget()
    with path.open("rb", buffering=0) as file:
        head = file.read(_HEAD_BYTES)
    if not head or _is_other_text(head):
        return None
    for read in (_keras, _refused, _torch, _xgboost, _mxnet, _onnx, _tensorflow):
        try:
            found = read(path, head, budget)
        except BudgetExceededError:
            raise
        except Exception:  # noqa: S112 - whatever is in a file, it is not what it looked like
            continue
        if found:
            return found if len(found.inputs) <= MAX_INPUTS else replace(found, inputs=())
    return None


def _is_other_text(head: bytes) -> bool:
    """Whether a file begins as no model does: as text, but neither JSON nor a graph in text."""
    start = head[:_TELLING_BYTES].strip()
    return (
        start.isascii() and start.decode().isprintable() and not start.startswith(_STARTS_OF_MODELS)
    )


def _keras(path: Path, head: bytes, _: Budget) -> ModelFile | None:
    found = keras_file.read(path) if head.startswith(keras_file.MAGIC) else None
    if found is None:
        return None
    traits = {Trait.WEIGHTS_ONLY: not found.has_architecture, Trait.TRUNCATED: found.is_truncated}
    return ModelFile(
        framework="KERAS",
        format=keras_file.FORMAT,
        inputs=found.inputs,
        writer=found.writer,
        traits=_those(traits),
        where=path.name,
    )


def _refused(path: Path, head: bytes, _: Budget) -> ModelFile | None:
    kind = unsupported_formats.recognise(path, head)
    return _model(path, unsupported_formats.UNSUPPORTED[kind].framework, kind) if kind else None


def _torch(path: Path, head: bytes, budget: Budget) -> ModelFile | None:
    found = torch_file.read(path, head, budget)
    if found is None:
        return None
    traits = {
        Trait.TRAINING: found.is_training,
        Trait.NEWER: found.is_newer,
        Trait.NESTED: found.is_nested,
    }
    return ModelFile(
        framework="PYTORCH",
        format=found.format,
        inputs=found.inputs,
        writer="2.1 or newer" if found.is_newer else "",
        traits=_those(traits),
        where=path.name,
    )


def _xgboost(path: Path, head: bytes, _: Budget) -> ModelFile | None:
    found = xgboost_file.recognise(path, head)
    return _model(path, "XGBOOST", *found) if found else None


def _mxnet(path: Path, head: bytes, _: Budget) -> ModelFile | None:
    kind = mxnet_file.recognise(path, head)
    return _model(path, "MXNET", kind) if kind else None


def _onnx(path: Path, head: bytes, budget: Budget) -> ModelFile | None:
    found = onnx_file.read(_mapped(path, head), protobuf_wire.Reader(budget))
    if found is None:
        return None
    return ModelFile(
        framework="ONNX",
        format=onnx_file.FORMAT,
        inputs=found.inputs,
        writer=found.producer,
        opset=found.opset,
        ir_version=found.ir_version,
        external=found.external,
        domains=found.domains,
        where=path.name,
    )


def _tensorflow(path: Path, head: bytes, budget: Budget) -> ModelFile | None:
    found = tensorflow_file.read_text(head) or tensorflow_file.read(
        _mapped(path, head), protobuf_wire.Reader(budget)
    )
    if found is None:
        return None
    return ModelFile(
        framework="TENSORFLOW",
        format=found.format,
        inputs=found.inputs,
        writer=found.writer,
        traits=_those({Trait.VARIABLES: found.has_variables}),
        where=path.name,
    )


def _mapped(path: Path, head: bytes) -> memoryview:
    """Return a file's content; a small one has been read already."""
    if len(head) < _HEAD_BYTES:
        return memoryview(head)
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _model(path: Path, framework: str, kind: str, writer: str = "") -> ModelFile:
    return ModelFile(framework=framework, format=kind, writer=writer, where=path.name)


def _those(traits: Mapping[Trait, bool]) -> frozenset[Trait]:
    return frozenset(trait for trait, is_so in traits.items() if is_so)
