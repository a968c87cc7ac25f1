"""Read Keras's HDF5 files.

The format of the numbers is not read. The model's architecture is one JSON text in it, the
attribute ``model_config``, which HDF5 writes in one piece. Layout: HDF5 File Format Specification
3.0, superblock, attribute message, global heap.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from neo_constructs.model_formats.model_input import MAX_INPUTS, ModelInput

FORMAT: Final = "keras-h5"
MAGIC: Final = b"\x89HDF\r\n\x1a\n"
_START: Final = re.compile(rb'\{"class_name": "(Functional|Model|Sequential)"')
_LONGEST: Final = 64  # of what is looked for
_CONFIG: Final = b"model_config\0"
_VERSION: Final = b"keras_version\0"
_RELEASE: Final = re.compile(rb"\d+\.\d+[\w.+-]*")
_FIXED: Final = 3  # the class of texts of a fixed length
_MAX_OBJECTS: Final = 10_000
_MAX_BYTES: Final = 4 << 20  # of the architecture
# Keras writes the attributes before the weights.
_SEARCHED: Final = 256 << 20
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class KerasFile:
    """What a Keras file says about itself.

    Parameters
    ----------
    inputs
        Shapes are as Keras has them, the channels last as a rule. Empty if the architecture is not
        found.
    writer
        The release of Keras.
    has_architecture
        False for a file of weights alone.
    is_truncated
        Whether the file ends before its own header says.
    """

    inputs: tuple[ModelInput, ...]
    writer: str
    has_architecture: bool
    is_truncated: bool


def read(path: Path) -> KerasFile | None:
    """Return what a file says; None if it is no HDF5."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(64)
        if not head.startswith(MAGIC):
            return None
        found = _search(file, min(size, _SEARCHED))
        start = found.get("start")
        text = _value_of(file, found.get("config", 0), len(_CONFIG))
        if not text and start is not None:
            text = _at(file, start, _MAX_BYTES)
        release = _RELEASE.match(_value_of(file, found.get("version", 0), len(_VERSION)))
        return KerasFile(
            inputs=tuple(_layers(_decoded(text))),
            writer=release[0].decode() if release else "",
            # A file too large to be searched whole may have it later.
            has_architecture=start is not None or "config" in found or size > _SEARCHED,
            is_truncated=_end(head) > size,
        )


def _search(file: BinaryIO, size: int) -> dict[str, int]:
    """Return where the architecture, and the attributes that matter, are in a file."""
    found: dict[str, int] = {}
    offset, before = 0, b""
    file.seek(0)
    while offset < size and (chunk := file.read(_CHUNK)):
        window, base = before + chunk, offset - len(before)
        for name, place in (
            ("start", m.start() if (m := _START.search(window)) else -1),
            ("config", window.find(_CONFIG)),
            ("version", window.find(_VERSION)),
        ):
            if place >= 0:
                found.setdefault(name, base + place)
        if len(found) == 3:
            break
        offset, before = offset + len(chunk), window[-_LONGEST:]
    return found


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _end(head: bytes) -> int:
    """Return where a file ends by its superblock; 0 if that does not say."""
    version = head[8]
    place = {0: 40, 1: 44, 2: 28, 3: 28}.get(version)
    has_long_offsets = head[13 if version < 2 else 9] == 8
    return int.from_bytes(head[place : place + 8], "little") if place and has_long_offsets else 0


def _value_of(file: BinaryIO, name_at: int, name_length: int) -> bytes:
    """Return the text that an attribute has, by where its name is; empty if it is not plain.

    h5py writes attributes of version 1: name, type and space, each padded to eight bytes, and then
    a text of fixed length, or where one of any length lies in the heap.
    """
    head = _at(file, name_at - 8, 8) if name_at >= 8 else b""
    if len(head) < 8 or head[0] != 1:
        return b""
    sizes = struct.unpack("<HHH", head[2:])
    if sizes[0] != name_length:
        return b""
    type_at = name_at + _padded(sizes[0])
    kind = _at(file, type_at, 8)
    data_at = name_at + sum(_padded(size) for size in sizes)
    if len(kind) == 8 and kind[0] & 0xF == _FIXED:
        return _at(file, data_at, min(int.from_bytes(kind[4:], "little"), _MAX_BYTES))
    data = _at(file, data_at, 16)
    if len(data) < 16:
        return b""
    length, heap_at, wanted = struct.unpack("<IQI", data)
    return _in_heap(file, heap_at, wanted, length)


def _in_heap(file: BinaryIO, heap_at: int, wanted: int, length: int) -> bytes:
    """Return an object of a global heap, by its number."""
    if not 0 < heap_at < 1 << 62 or _at(file, heap_at, 4) != b"GCOL":
        return b""
    place = heap_at + 16
    for _ in range(_MAX_OBJECTS):
        head = _at(file, place, 16)
        if len(head) < 16:
            break
        index, size = struct.unpack("<H6xQ", head)
        if index == wanted:
            return _at(file, place + 16, min(length, size, _MAX_BYTES))
        if index == 0:
            break
        place += 16 + _padded(size)
    return b""


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _decoded(text: bytes) -> Any:
    try:
        return json.JSONDecoder().raw_decode(text.decode(errors="replace"))[0]
    except (ValueError, RecursionError):
        return None


def _layers(config: Any) -> list[ModelInput]:
    try:
        layers = config["config"]
        if isinstance(layers, dict):  # a Sequential model of old Keras is a list of its layers
            layers = layers["layers"]
        found = [layer["config"] for layer in layers if layer["class_name"] == "InputLayer"]
        if not found:  # a Sequential model of old Keras states it with its first layer
            found = [layers[0]["config"]]
        return [_input(layer) for layer in found[: MAX_INPUTS + 1]]
    except (KeyError, IndexError, TypeError, AttributeError):
        return []


def _input(layer: dict[str, Any]) -> ModelInput:
    shape = layer.get("batch_shape") or layer.get("batch_input_shape")
    sizes = None
    if isinstance(shape, list):
        sizes = tuple(size if isinstance(size, int) and size >= 0 else None for size in shape)
    dtype = layer.get("dtype")
    return ModelInput(str(layer["name"]), sizes, dtype if isinstance(dtype, str) else "unknown")
