"""Recognise files that say nothing about their inputs, or that Neo does not take at all."""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neo_constructs.findings import parse_json


@dataclass(frozen=True, slots=True)
class Refused:
    """A format that Neo does not take for instances in the cloud, and what to do instead."""

    framework: str
    what: str
    fix: str


REFUSED: Final = {
    "keras-v3": Refused(
        "KERAS", "a model in Keras's own zip format", "save it as HDF5: model.save('model.h5')."
    ),
    "tflite": Refused(
        "TENSORFLOW", "a TensorFlow Lite model, for edge devices only", "give the SavedModel."
    ),
}
_MAX_SYMBOL_BYTES: Final = 64 << 20
_PARAMS_MAGIC: Final = struct.pack("<Q", 0x112)  # apache/mxnet: kMXAPINDArrayListMagic


def xgboost(head: bytes) -> str | None:
    """Return the format of an XGBoost model by its first bytes."""
    start = head.lstrip()[:1024]
    if start.startswith(b"{") and b'"learner"' in start:
        return "xgboost-json"
    if head.startswith(b"{L") and b"learner" in head[:64]:
        return "xgboost-ubj"
    if head.startswith(b"\x80") and b"xgboost" in head[:256]:
        return "xgboost-pickle"
    if head.startswith(b"binf"):
        return "xgboost-binary"
    return None


def mxnet(path: Path, head: bytes) -> str | None:
    """Return the format of one of MXNet's two files."""
    if head.startswith(_PARAMS_MAGIC):
        return "mxnet-params"
    if not head.lstrip().startswith(b"{") or path.stat().st_size > _MAX_SYMBOL_BYTES:
        return None
    try:
        symbol = parse_json(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    is_symbol = isinstance(symbol, dict) and {"nodes", "arg_nodes", "heads"} <= set(symbol)
    return "mxnet-symbol" if is_symbol else None


def refused(path: Path, head: bytes) -> str | None:
    """Return the format of a model that Neo does not take."""
    if head[4:8] == b"TFL3":
        return "tflite"
    if head.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
        if {"config.json", "metadata.json", "model.weights.h5"} <= names:
            return "keras-v3"
    return None
