"""Read ONNX files."""

from __future__ import annotations

from dataclasses import dataclass

from neo_constructs.archive import wire
from neo_constructs.archive.model_input import ModelInput

FORMAT = "onnx"
# onnx/onnx.proto: TensorProto.DataType
_DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64",
    9: "bool", 10: "float16", 11: "float64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """What an ONNX file says about itself."""

    inputs: tuple[ModelInput, ...]
    opset: int
    ir_version: int


def read(message: memoryview) -> OnnxFile | None:
    """Read a ModelProto. It has no magic number: a graph and an opset must be there."""
    ir_version = wire.integer(message, 1)
    opsets = {wire.text(m, 1): wire.integer(m, 2) for m in wire.messages(message, 8)}
    graphs = list(wire.messages(message, 7))
    opset = opsets.get("") or opsets.get("ai.onnx")
    if ir_version is None or opset is None or len(graphs) != 1:
        return None
    (graph,) = graphs
    # Old exporters list the weights among the inputs too.
    weights = {wire.text(initializer, 8) for initializer in wire.messages(graph, 5)}
    inputs = tuple(_input(value) for value in wire.messages(graph, 11))
    return OnnxFile(tuple(i for i in inputs if i.name not in weights), opset, ir_version)


def _input(value: memoryview) -> ModelInput:
    dtype: str = "unknown"
    shape: tuple[int | str | None, ...] | None = None
    for type_ in wire.messages(value, 2):
        for tensor in wire.messages(type_, 1):
            dtype = _DTYPES.get(wire.integer(tensor, 1) or 0, "unknown")
            for shape_ in wire.messages(tensor, 2):
                shape = tuple(_dimension(d) for d in wire.messages(shape_, 1))
    return ModelInput(wire.text(value, 1), shape, dtype)


def _dimension(dimension: memoryview) -> int | str | None:
    size = wire.integer(dimension, 1)
    if size is None:
        return wire.text(dimension, 2) or None
    # Some exporters write -1 for "any"; the wire shows it as a number beyond 2**63.
    return size if 0 < size < 2**63 else None
