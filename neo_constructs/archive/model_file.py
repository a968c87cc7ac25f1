"""Recognise a model file and read its inputs, without the framework that wrote it.

Nothing is unpickled and no code of a model is run. A file is known by what is in it; its name is
only asked where two formats look the same.
"""

from __future__ import annotations

import mmap
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from neo_constructs.archive import (
    keras_file,
    onnx_file,
    other_files,
    tensorflow_file,
    torch_file,
)
from neo_constructs.archive.model_input import ModelInput

__all__ = ["ModelFile", "ModelInput", "recognise"]

_HEAD_BYTES: Final = 4096
T = TypeVar("T")


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
    opset, ir_version
        ONNX only.
    is_training
        PyTorch only: whether it was saved in training mode; None if the file does not say.
    is_newer
        PyTorch only: whether a newer release wrote it than Neo compiles.
    where
        The file's name.
    """

    framework: str
    format: str
    inputs: tuple[ModelInput, ...] = ()
    opset: int | None = None
    ir_version: int | None = None
    is_training: bool | None = None
    is_newer: bool = False
    where: str = field(default="", compare=False)

    def data_input_config(self) -> dict[str, list[int]] | list[list[int]] | None:
        """Return the shapes as Neo wants them, or None where the file leaves a dimension open.

        PyTorch's inputs are bound by their order, and names are sorted first: so they go without.
        Keras keeps the channels last, and Neo wants them first (AWS developer guide, page
        neo-compilation-preparing-model).
        """
        if not self.inputs or not all(i.is_fixed for i in self.inputs):
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


def recognise(path: Path) -> ModelFile | None:
    """Return what a file says about itself, or None if it is no model this release can read.

    The file is mapped, not read: its size does not matter.
    """
    if path.stat().st_size == 0:
        return None
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    for read in (_keras, _refused, _torch, _xgboost, _mxnet, _onnx, _tensorflow):
        try:
            found = read(path, data)
        except (ValueError, LookupError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error):
            continue  # not what it looked like
        if found:
            return found
    return None


def _keras(path: Path, data: mmap.mmap) -> ModelFile | None:
    if data[: len(keras_file.MAGIC)] != keras_file.MAGIC:
        return None
    return _model(path, "KERAS", keras_file.FORMAT, keras_file.inputs(data))


def _refused(path: Path, data: mmap.mmap) -> ModelFile | None:
    kind = other_files.refused(path, data[:_HEAD_BYTES])
    return _model(path, other_files.REFUSED[kind].framework, kind) if kind else None


def _torch(path: Path, _: mmap.mmap) -> ModelFile | None:
    found = torch_file.read(path)
    if found is None:
        return None
    return ModelFile(
        framework="PYTORCH",
        format=found.format,
        inputs=found.inputs,
        is_training=found.is_training,
        is_newer=found.is_newer,
        where=path.name,
    )


def _xgboost(path: Path, data: mmap.mmap) -> ModelFile | None:
    kind = other_files.xgboost(data[:_HEAD_BYTES])
    return _model(path, "XGBOOST", kind) if kind else None


def _mxnet(path: Path, data: mmap.mmap) -> ModelFile | None:
    kind = other_files.mxnet(path, data[:_HEAD_BYTES])
    return _model(path, "MXNET", kind) if kind else None


def _onnx(path: Path, data: mmap.mmap) -> ModelFile | None:
    found = onnx_file.read(memoryview(data))
    if found is None:
        return None
    return ModelFile(
        framework="ONNX",
        format=onnx_file.FORMAT,
        inputs=found.inputs,
        opset=found.opset,
        ir_version=found.ir_version,
        where=path.name,
    )


def _tensorflow(path: Path, data: mmap.mmap) -> ModelFile | None:
    found = tensorflow_file.read(memoryview(data))
    return _model(path, "TENSORFLOW", *found) if found else None


def _model(path: Path, framework: str, kind: str, inputs: tuple[ModelInput, ...] = ()) -> ModelFile:
    return ModelFile(framework=framework, format=kind, inputs=inputs, where=path.name)
