"""Read TensorFlow's frozen graphs and SavedModels.

Field numbers: graph.proto, node_def.proto, attr_value.proto, tensor_shape.proto, meta_graph.proto
and saved_model.proto of tensorflow/tensorflow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from neo_constructs.model_formats import protobuf_wire
from neo_constructs.model_formats.model_input import MAX_INPUTS, ModelInput

FROZEN: Final = "tensorflow-graph"
SAVED_MODEL: Final = "tensorflow-saved-model"
TEXT: Final = "tensorflow-text"  # either of them in protocol buffers' text format, .pbtxt
_DTYPES: Final = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8",
    7: "string", 8: "complex64", 9: "int64", 10: "bool", 11: "qint8", 12: "quint8",
    13: "qint32", 14: "bfloat16", 15: "qint16", 16: "quint16", 17: "uint16",
    18: "complex128", 19: "float16", 20: "resource", 21: "variant", 22: "uint32",
    23: "uint64", 24: "float8e5m2", 25: "float8e4m3fn",
}  # fmt: skip
_SERVING: Final = "serving_default"
_INTERNAL: Final = "__saved_model_"
_VARIABLES: Final = frozenset({"VarHandleOp", "VariableV2", "Variable"})
_OPERATOR: Final = re.compile(r"[A-Za-z_][\w>]*")
_NODE_FIELDS: Final = 8  # of a NodeDef, all of them but the last texts or messages
_TEXT_START: Final = re.compile(
    rb"\s*(saved_model_schema_version\s*:|(meta_graphs|node|library|versions)\s*\{)"
)


@dataclass(frozen=True, slots=True)
class TensorflowFile:
    """What a file of TensorFlow says about itself.

    Parameters
    ----------
    format
        Of a frozen graph or a SavedModel.
    inputs
        Of the serving signature, or the placeholders.
    writer
        The release that wrote a SavedModel.
    has_variables
        Whether it has weights that lie in other files.
    """

    format: str
    inputs: tuple[ModelInput, ...]
    writer: str = ""
    has_variables: bool = False


def read(message: memoryview, read: protobuf_wire.Reader) -> TensorflowFile | None:
    """Return what a SavedModel or a frozen graph says; None if it is neither."""
    for reader in (_saved_model, _frozen_graph):
        try:
            found = reader(message, read)
        except protobuf_wire.WireError:
            continue
        if found:
            return found
    return None


def read_text(head: bytes) -> TensorflowFile | None:
    """Return what a graph in text is by its first bytes; its inputs are not read."""
    return TensorflowFile(TEXT, ()) if _TEXT_START.match(head) else None


def _is_node(node: memoryview, read: protobuf_wire.Reader) -> bool:
    """Whether a message has a NodeDef's fields and no others."""
    return all(
        f.number <= _NODE_FIELDS and isinstance(f.value, memoryview) for f in read.fields(node)
    )


def _frozen_graph(message: memoryview, read: protobuf_wire.Reader) -> TensorflowFile | None:
    """Read a GraphDef. It has no magic number: every node must have an operator."""
    inputs, count = list[ModelInput](), 0
    for node in read.messages(message, 1):
        name, kind = read.text(node, 1), read.text(node, 2)
        if not (name and _OPERATOR.fullmatch(kind) and _is_node(node, read)):
            return None
        count += 1
        if kind == "Placeholder" and len(inputs) <= MAX_INPUTS:
            inputs.append(_placeholder(name, node, read))
    return TensorflowFile(FROZEN, tuple(inputs)) if count else None


def _saved_model(message: memoryview, read: protobuf_wire.Reader) -> TensorflowFile | None:
    """Read a SavedModel: its serving signature, or the first that is not internal."""
    graphs = list(read.messages(message, 2))
    if read.integer(message, 1) is None or not graphs:
        return None
    chosen: memoryview | None = None
    for graph in graphs:
        for entry in read.messages(graph, 5):
            name = read.text(entry, 1)
            values = list(read.messages(entry, 2))
            if values and (name == _SERVING or (chosen is None and not _is_internal(name))):
                chosen = values[-1]
    about = [info for graph in graphs for info in read.messages(graph, 1)]
    return TensorflowFile(
        SAVED_MODEL,
        tuple(_signature(chosen, read)) if chosen is not None else (),
        writer=next((text for info in about if (text := read.text(info, 5))), ""),
        has_variables=any(_has_variables(graph, read) for graph in graphs),
    )


def _is_internal(name: str) -> bool:
    return name.startswith(_INTERNAL)


def _has_variables(meta_graph: memoryview, read: protobuf_wire.Reader) -> bool:
    return any(
        read.text(node, 2) in _VARIABLES
        for graph in read.messages(meta_graph, 2)
        for node in read.messages(graph, 1)
    )


def _signature(signature: memoryview, read: protobuf_wire.Reader) -> list[ModelInput]:
    found = list[ModelInput]()
    for entry in read.messages(signature, 1):
        for info in read.messages(entry, 2):
            if len(found) <= MAX_INPUTS:
                found.append(_tensor_info(read.text(entry, 1), info, read))
    return found


def _placeholder(name: str, node: memoryview, read: protobuf_wire.Reader) -> ModelInput:
    attributes = {
        read.text(entry, 1): value
        for entry in read.messages(node, 5)
        for value in read.messages(entry, 2)
    }
    dtype, shape = attributes.get("dtype"), attributes.get("shape")
    shapes = list(read.messages(shape, 7)) if shape is not None else []
    number = read.integer(dtype, 6) if dtype is not None else None
    return ModelInput(name, _shape(shapes, read), _DTYPES.get(number or 0, "unknown"))


def _tensor_info(name: str, info: memoryview, read: protobuf_wire.Reader) -> ModelInput:
    dtype = _DTYPES.get(read.integer(info, 2) or 0, "unknown")
    return ModelInput(name, _shape(list(read.messages(info, 3)), read), dtype)


def _shape(shapes: list[memoryview], read: protobuf_wire.Reader) -> tuple[int | None, ...] | None:
    """Return the dimensions; None if their number is open."""
    if not shapes or read.integer(shapes[0], 3):
        return None
    sizes = (read.integer(dimension, 1) for dimension in read.messages(shapes[0], 2))
    # -1 stands for any size, and shows as a number beyond 2**63; a size of 0 is not written.
    return tuple(0 if size is None else size if size < 2**63 else None for size in sizes)
