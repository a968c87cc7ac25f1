"""Recognise a model file and read its inputs, without the framework that wrote it."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from neo_constructs.archive import wire

# onnx/onnx.proto: TensorProto.DataType
_ONNX_DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64",
    9: "bool", 10: "float16", 11: "float64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One input of a model.

    Parameters
    ----------
    name
        Its name in the model.
    shape
        Its dimensions; a name or None where the file fixes no size. None if not even their number
        is fixed.
    dtype
        Its element type in NumPy's words, or ``unknown``.
    """

    name: str
    shape: tuple[int | str | None, ...] | None
    dtype: str

    @property
    def is_fixed(self) -> bool:
        """Whether every dimension has a size."""
        return self.shape is not None and all(isinstance(d, int) for d in self.shape)


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
        What it must be fed, in the file's order.
    opset, ir_version
        ONNX only.
    """

    framework: str
    format: str
    inputs: tuple[ModelInput, ...]
    opset: int | None = None
    ir_version: int | None = None
    where: str = field(default="", compare=False)

    def data_input_config(self) -> Mapping[str, list[int]] | None:
        """Return name to shape, or None where the file leaves a dimension open."""
        if not self.inputs or not all(i.is_fixed for i in self.inputs):
            return None
        return {i.name: [d for d in i.shape or () if isinstance(d, int)] for i in self.inputs}


def recognise(path: Path) -> ModelFile | None:
    """Return what a file says about itself, or None if it is no model this release can read.

    The file is mapped, not read: its size does not matter.
    """
    if path.stat().st_size == 0:
        return None
    with path.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        return _onnx(view, path.name)
    except (wire.WireError, UnicodeDecodeError):
        return None


def _onnx(message: memoryview, where: str) -> ModelFile | None:
    """Read an ONNX ModelProto. It has no magic number: a graph and an opset must be there."""
    ir_version = wire.integer(message, 1)
    opsets = {wire.text(m, 1): wire.integer(m, 2) for m in wire.messages(message, 8)}
    graphs = list(wire.messages(message, 7))
    opset = opsets.get("") or opsets.get("ai.onnx")
    if ir_version is None or opset is None or len(graphs) != 1:
        return None
    (graph,) = graphs
    # Old exporters list the weights among the inputs too.
    weights = {wire.text(initializer, 8) for initializer in wire.messages(graph, 5)}
    inputs = tuple(_onnx_input(value) for value in wire.messages(graph, 11))
    return ModelFile(
        framework="ONNX",
        format="onnx",
        inputs=tuple(i for i in inputs if i.name not in weights),
        opset=opset,
        ir_version=ir_version,
        where=where,
    )


def _onnx_input(value: memoryview) -> ModelInput:
    dtype: str = "unknown"
    shape: tuple[int | str | None, ...] | None = None
    for type_ in wire.messages(value, 2):
        for tensor in wire.messages(type_, 1):
            dtype = _ONNX_DTYPES.get(wire.integer(tensor, 1) or 0, "unknown")
            for shape_ in wire.messages(tensor, 2):
                shape = tuple(_onnx_dimension(d) for d in wire.messages(shape_, 1))
    return ModelInput(wire.text(value, 1), shape, dtype)


def _onnx_dimension(dimension: memoryview) -> int | str | None:
    size = wire.integer(dimension, 1)
    if size is None:
        return wire.text(dimension, 2) or None
    # Some exporters write -1 for "any"; the wire shows it as a number beyond 2**63.
    return size if 0 < size < 2**63 else None
