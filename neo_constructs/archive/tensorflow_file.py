"""Read TensorFlow's frozen graphs and SavedModels.

Field numbers: graph.proto, node_def.proto, attr_value.proto, tensor_shape.proto, meta_graph.proto
and saved_model.proto of tensorflow/tensorflow.
"""

from __future__ import annotations

from typing import Final

from neo_constructs.archive import wire
from neo_constructs.archive.model_input import ModelInput

FROZEN: Final = "tensorflow-graph"
SAVED_MODEL: Final = "tensorflow-saved-model"
_DTYPES: Final = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8",
    7: "string", 9: "int64", 10: "bool", 14: "bfloat16", 19: "float16",
}  # fmt: skip
_SERVING: Final = "serving_default"
_INTERNAL: Final = "__saved_model_"


def read(message: memoryview) -> tuple[str, tuple[ModelInput, ...]] | None:
    """Return format and inputs of a SavedModel or a frozen graph; None if it is neither."""
    for kind, reader in ((SAVED_MODEL, _saved_model), (FROZEN, _frozen_graph)):
        try:
            inputs = reader(message)
        except ValueError:
            continue
        if inputs is not None:
            return kind, inputs
    return None


def _frozen_graph(message: memoryview) -> tuple[ModelInput, ...] | None:
    """Return the inputs of a GraphDef: its placeholders. None if it has none, or is none."""
    nodes = [(wire.text(n, 1), wire.text(n, 2), n) for n in wire.messages(message, 1)]
    placeholders = [(name, node) for name, kind, node in nodes if kind == "Placeholder"]
    if not placeholders or not all(kind for _, kind, _ in nodes):
        return None
    return tuple(_placeholder(name, node) for name, node in placeholders)


def _saved_model(message: memoryview) -> tuple[ModelInput, ...] | None:
    """Return the inputs of a SavedModel's serving signature; None if it is no SavedModel."""
    if wire.integer(message, 1) is None:
        return None
    graphs = list(wire.messages(message, 2))
    signatures = {
        wire.text(entry, 1): value
        for graph in graphs
        for entry in wire.messages(graph, 5)
        for value in wire.messages(entry, 2)
    }
    public = {name: s for name, s in signatures.items() if not name.startswith(_INTERNAL)}
    chosen = public.get(_SERVING) or next(iter(public.values()), None)
    if not graphs or chosen is None:
        return None
    return tuple(
        _tensor_info(wire.text(entry, 1), info)
        for entry in wire.messages(chosen, 1)
        for info in wire.messages(entry, 2)
    )


def _placeholder(name: str, node: memoryview) -> ModelInput:
    attributes = {
        wire.text(entry, 1): value
        for entry in wire.messages(node, 5)
        for value in wire.messages(entry, 2)
    }
    dtype, shape = attributes.get("dtype"), attributes.get("shape")
    shapes = list(wire.messages(shape, 7)) if shape is not None else []
    number = wire.integer(dtype, 6) if dtype is not None else None
    return ModelInput(name, _shape(shapes), _DTYPES.get(number or 0, "unknown"))


def _tensor_info(name: str, info: memoryview) -> ModelInput:
    dtype = _DTYPES.get(wire.integer(info, 2) or 0, "unknown")
    return ModelInput(name, _shape(list(wire.messages(info, 3))), dtype)


def _shape(shapes: list[memoryview]) -> tuple[int | None, ...] | None:
    """Return the dimensions; None if their number is open."""
    if not shapes or wire.integer(shapes[0], 3):
        return None
    sizes = (wire.integer(dimension, 1) for dimension in wire.messages(shapes[0], 2))
    # -1 stands for any size, and shows as a number beyond 2**63.
    return tuple(size if size is not None and 0 < size < 2**63 else None for size in sizes)
