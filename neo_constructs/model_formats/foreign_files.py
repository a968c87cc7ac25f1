"""Say what a file is that is no model: what was downloaded, saved or packed in its place."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from neo_constructs.model_formats import keras_file, torch_file, zip_file

MAX_STRANGERS: Final = 20  # that are looked at
_HEAD_BYTES: Final = 4096
_PICKLES: Final = re.compile(rb"\x80[\x02-\x05]|c[\w.]+\n[\w.]+\n")
_TEXT: Final = re.compile(r"[\s\x20-\x7e\x80-\U0010ffff]*")
_AGAIN: Final = "get the file again, and check its size."


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a file is, and what to do instead.

    Parameters
    ----------
    what
        Such as ``a web page``; empty where there is no telling.
    fix
        What to do.
    """

    what: str
    fix: str


# Names that promise a model. JSON, pickles and .model are as often something else.
_MODEL_SUFFIXES: Final = frozenset(
    {".onnx", ".pth", ".pt", ".pt2", ".pb", ".h5", ".keras", ".tflite", ".ubj"}
)


def is_candidate(name: str, *, alone: bool) -> bool:
    """Whether a file should be a model: by its name, or because it is the only one."""
    return alone or PurePosixPath(name).suffix in _MODEL_SUFFIXES


def describe(path: Path) -> Foreign:
    """Say what a file is that no reader of models has recognised.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return _by_start(head) or _by_text(head) or Foreign("", _SAVED)


def _by_start(head: bytes) -> Foreign | None:
    """Tell by the first bytes."""
    if not head.strip(b"\0"):
        what = "nothing but zeros" if head else "empty"
        return Foreign(what, "save the model again; the disk may have been full.")
    if _is_safetensors(head):
        return Foreign(
            "a safetensors file, which holds weights without the model",
            "load the weights into the model and trace or export that.",
        )
    if head.startswith(torch_file.LEGACY_MAGIC[:4]) or _PICKLES.match(head):
        kind = "of scikit-learn, by joblib or pickle" if b"sklearn" in head else "of Python objects"
        fix = "Neo compiles no pickles: export the model, such as to ONNX."
        return Foreign(f"a pickle {kind}", fix)
    if head[257:262] == b"ustar":
        return Foreign("a tar archive", "compress it with gzip and name it .tar.gz.")
    return next((known for magic, known in _MAGICS if head.startswith(magic)), None)


_SAVED: Final = "give the model as its framework saves it."
_MAGICS: Final = (
    (
        b"version https://git-lfs",
        Foreign("a pointer of Git LFS, and not the file", "git lfs pull brings the file itself."),
    ),
    (keras_file.MAGIC, Foreign("a damaged HDF5 file", _AGAIN)),
    (
        zip_file.MAGIC,
        Foreign("a zip file that is damaged or cut off, or holds no model", _AGAIN),
    ),
    (b"CBM1", Foreign("a model of CatBoost", "Neo does not compile those: export it to ONNX.")),
    (
        b"\xb7\x9c\x04\x05\x4f\x8d\xe5\xf7",
        Foreign("what Neo has compiled already", "give the model as its framework saves it."),
    ),
    (b"GGUF", Foreign("a GGUF file, for llama.cpp", "export the model from its framework.")),
    (b"\x1f\x8b", Foreign("compressed with gzip", "give what is in it, or name it .tar.gz.")),
    (b"BZh", Foreign("compressed with bzip2", "give what is in it.")),
    (b"\xfd7zXZ", Foreign("compressed with xz", "give what is in it.")),
    (b"\x28\xb5\x2f\xfd", Foreign("compressed with zstd", "give what is in it.")),
    (b"7z\xbc\xaf", Foreign("a 7z archive", "give what is in it.")),
    (b"%PDF", Foreign("a PDF", _SAVED)),
    (b"\x89PNG", Foreign("an image", _SAVED)),
    (b"\xff\xd8\xff", Foreign("an image", _SAVED)),
    (b"\x93NUMPY", Foreign("an array of NumPy", _SAVED)),
    (b"\x7fELF", Foreign("a program or library", _SAVED)),
)


def _is_safetensors(head: bytes) -> bool:
    """Eight bytes of length, and JSON: https://github.com/huggingface/safetensors."""
    return 2 <= int.from_bytes(head[:8], "little") < 100 << 20 and head[8:10] in {b'{"', b"{ "}


def _by_text(head: bytes) -> Foreign | None:
    """Tell a text's kind."""
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not just a character that is cut off
            return None
        text = head[: error.start].decode()
    if not _TEXT.fullmatch(text):
        return None
    start = text.lstrip("\ufeff \t\r\n")[:200].lower()
    if start.startswith(("<!doctype html", "<html")):
        return Foreign("a web page", "download the file itself, not the page that shows it.")
    if start.startswith(("<?xml", "<error")):
        what = "an error of Amazon S3" if "<error>" in text.lower() else "XML"
        return Foreign(what, _AGAIN)
    if start.startswith(("{", "[")):
        return Foreign(
            f"JSON{_keys(text)}, but no model", "give the model as its framework saves it."
        )
    return Foreign(f"text: {text[:40]!r}", _SAVED)


def _keys(text: str) -> str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    return f" with the keys {sorted(found)[:5]}" if isinstance(found, dict) else ""
