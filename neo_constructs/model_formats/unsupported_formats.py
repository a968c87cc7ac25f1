"""Recognise model formats that Neo does not take for instances in the cloud."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neo_constructs.model_formats.zip_file import MAGIC, open_zip


@dataclass(frozen=True, slots=True)
class UnsupportedFormat:
    """What the format is, and what to do instead."""

    framework: str
    what: str
    fix: str


UNSUPPORTED: Final = {
    "keras-v3": UnsupportedFormat(
        "KERAS", "a model in Keras's own zip format", "save it as HDF5: model.save('model.h5')."
    ),
    "tflite": UnsupportedFormat(
        "TENSORFLOW", "a TensorFlow Lite model, for edge devices only", "give the SavedModel."
    ),
}


def recognise(path: Path, head: bytes) -> str | None:
    """Return the format of a model that Neo does not take."""
    if head[4:8] == b"TFL3":
        return "tflite"
    if head.startswith(MAGIC):
        with open_zip(path) as archive:
            names = set(archive.namelist())
        if {"config.json", "metadata.json", "model.weights.h5"} <= names:
            return "keras-v3"
    return None
