"""Read Keras's HDF5 files.

The format of the numbers is not read. The model's architecture is one JSON text in it, the
attribute ``model_config``, which HDF5 writes in one piece.
"""

from __future__ import annotations

import json
from mmap import mmap
from typing import Any, Final

from neo_constructs.archive.model_input import ModelInput

FORMAT: Final = "keras-h5"
MAGIC: Final = b"\x89HDF\r\n\x1a\n"
_START: Final = b'{"class_name": "'
_KINDS: Final = ("Functional", "Model", "Sequential")
_MAX_BYTES: Final = 16 << 20


def inputs(data: mmap) -> tuple[ModelInput, ...]:
    """Return the inputs of a model; empty if its architecture is not found.

    Shapes are as Keras has them, the channels last as a rule.
    """
    for kind in _KINDS:
        start = data.find(_START + kind.encode() + b'"')
        if start >= 0:
            config = _decoded(data[start : start + _MAX_BYTES])
            return tuple(_layers(config))
    return ()


def _decoded(text: bytes) -> Any:
    try:
        return json.JSONDecoder().raw_decode(text.decode(errors="replace"))[0]
    except (ValueError, RecursionError):
        return None


def _layers(config: Any) -> list[ModelInput]:
    try:
        layers = config["config"]["layers"]
        found = [layer["config"] for layer in layers if layer["class_name"] == "InputLayer"]
        if not found:  # a Sequential model of old Keras states it with its first layer
            found = [layers[0]["config"]]
        return [_input(layer) for layer in found]
    except (KeyError, IndexError, TypeError):
        return []


def _input(layer: dict[str, Any]) -> ModelInput:
    shape = layer.get("batch_shape") or layer.get("batch_input_shape")
    sizes = None
    if isinstance(shape, list):
        sizes = tuple(size if isinstance(size, int) and size > 0 else None for size in shape)
    dtype = layer.get("dtype")
    return ModelInput(str(layer["name"]), sizes, dtype if isinstance(dtype, str) else "unknown")
