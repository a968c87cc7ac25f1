"""Read PyTorch files: TorchScript, and what is taken for it.

TorchScript is a zip with the model's code, its constants, its numbers, and, if it was traced, the
inputs it was traced with. The layout is that of caffe2/serialize in pytorch/pytorch.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from neo_constructs.archive import pickle_data
from neo_constructs.archive.model_input import ModelInput

TORCHSCRIPT: Final = "torchscript"
# What else torch.save and torch.export write: format to what it is called by people.
NOT_SCRIPTED: Final = {
    "torch-pickle": "weights or a pickled module, as torch.save writes them",
    "torch-legacy": "a file of torch.save in the format before PyTorch 1.6",
    "torch-export": "a program of torch.export",
}
LEGACY_MAGIC: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_ZIP_MAGIC: Final = b"PK\x03\x04"
MAX_ENTRIES: Final = 50_000  # one for each parameter, and one for each module's code
_END_BYTES: Final = 22 + 65_535
_MAX_CODE_BYTES: Final = 8 << 20
_DTYPES: Final = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16",
    "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
    "BFloat16Storage": "bfloat16",
}  # fmt: skip
_FORWARD: Final = "def forward(self"
_MAX_SIGNATURE: Final = 1 << 16
_PARAMETER: Final = re.compile(r"\s*(\w+): ")
_MAX_SIZE: Final = 1 << 63  # of a dimension: PyTorch counts in 64 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchFile:
    """What a PyTorch file says about itself.

    Parameters
    ----------
    format
        ``torchscript``, or a key of ``NOT_SCRIPTED``.
    inputs
        What it was traced with; empty for one that was scripted.
    is_training
        Whether it was saved in training mode; None if the file does not say.
    is_newer
        Whether PyTorch 2.1 or newer wrote it, which notes the order of bytes.
    """

    format: str
    inputs: tuple[ModelInput, ...] = ()
    is_training: bool | None = None
    is_newer: bool = False


def read(path: Path) -> TorchFile | None:
    """Return what a file says, or None if PyTorch did not write it.

    Nothing is unpickled and no code of the model is run.
    """
    with path.open("rb") as file:
        head = file.read(len(LEGACY_MAGIC))
    if head == LEGACY_MAGIC:
        return TorchFile(format="torch-legacy")
    if not head.startswith(_ZIP_MAGIC):
        return None
    if _entries(path) > MAX_ENTRIES:
        return None
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        roots = {name.partition("/")[0] for name in names}
        if len(roots) != 1:
            return None
        return _read(_Zip(archive, next(iter(roots)), names))


def _entries(path: Path) -> int:
    """Return how many members a zip claims; the library reads them all at once."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _END_BYTES, 0))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    # 0xFFFF says that there are too many for this field.
    return int.from_bytes(tail[end + 10 : end + 12], "little") if end >= 0 else 0


@dataclass(frozen=True, slots=True)
class _Zip:
    """A zip whose members lie in one folder."""

    archive: zipfile.ZipFile
    root: str
    names: set[str]

    def has(self, name: str) -> bool:
        return f"{self.root}/{name}" in self.names

    def under(self, folder: str) -> list[str]:
        prefix = f"{self.root}/"
        return [n[len(prefix) :] for n in self.names if n.startswith(f"{prefix}{folder}/")]

    def bytes(self, name: str, limit: int) -> bytes:
        """Return a member, but never more than ``limit`` bytes of it: zips can be bombs."""
        with self.archive.open(f"{self.root}/{name}") as member:
            return member.read(limit)


def _read(found: _Zip) -> TorchFile | None:
    is_newer = found.has("byteorder")
    if found.has("archive_format") or found.has("models/model.json"):
        return TorchFile(format="torch-export", is_newer=is_newer)
    if not found.has("data.pkl"):
        return None
    if not (found.has("constants.pkl") and found.under("code")):
        return TorchFile(format="torch-pickle", is_newer=is_newer)
    model = _pickle(found, "data.pkl")
    state = model.state if isinstance(model, pickle_data.Call) else None
    training = state.get("training") if isinstance(state, Mapping) else None
    return TorchFile(
        format=TORCHSCRIPT,
        inputs=_inputs(found, model),
        is_training=training if isinstance(training, bool) else None,
        is_newer=is_newer,
    )


def _pickle(found: _Zip, name: str) -> Any:
    if not found.has(name):
        return None
    try:
        return pickle_data.read(found.bytes(name, pickle_data.MAX_BYTES + 1))
    except pickle_data.PickleError:
        return None


def _inputs(found: _Zip, model: Any) -> tuple[ModelInput, ...]:
    """Return the inputs a model was traced with; its code has their names."""
    traced = _untagged(_pickle(found, "traced_inputs.pkl"))
    values = _untagged(traced.get("forward")) if isinstance(traced, dict) else None
    if not isinstance(values, list):
        return ()
    tensors = [_tensor(value) for value in values]
    if not all(tensors):
        return ()  # lists or dictionaries of tensors: Neo takes none either
    names = _parameters(found, model)
    if len(names) != len(tensors):
        names = [f"input{number}" for number in range(len(tensors))]
    return tuple(
        ModelInput(name, shape, dtype)
        for name, (shape, dtype) in zip(names, filter(None, tensors), strict=True)
    )


def _untagged(value: Any) -> Any:
    """Return what a call of restore_type_tag is given."""
    if isinstance(value, pickle_data.Call) and isinstance(value.arguments, tuple):
        return value.arguments[0] if value.arguments else None
    return value


def _tensor(value: Any) -> tuple[tuple[int, ...], str] | None:
    """Return shape and type of a tensor that would be rebuilt."""
    if not (isinstance(value, pickle_data.Call) and isinstance(value.arguments, tuple)):
        return None
    if getattr(value.target, "name", "") != "_rebuild_tensor_v2" or len(value.arguments) < 3:
        return None
    storage, _, shape = value.arguments[:3]
    is_shape = isinstance(shape, tuple) and all(
        isinstance(size, int) and 0 <= size < _MAX_SIZE for size in shape
    )
    if not (is_shape and isinstance(storage, pickle_data.Reference)):
        return None
    kind = storage.value[1] if isinstance(storage.value, tuple) and len(storage.value) > 1 else None
    return shape, _DTYPES.get(getattr(kind, "name", ""), "unknown")


def _parameters(found: _Zip, model: Any) -> list[str]:
    """Return the names of forward's parameters, as the model's code has them."""
    target = model.target if isinstance(model, pickle_data.Call) else None
    if not isinstance(target, pickle_data.Name):
        return []
    file = f"code/{target.module.replace('.', '/')}.py"
    if not found.has(file):
        return []
    code = found.bytes(file, _MAX_CODE_BYTES).decode(errors="replace")
    start = code.find(f"class {target.name}(")
    begin = code.find(_FORWARD, max(start, 0))
    if begin < 0:
        return []
    parts = _arguments(code[begin + len("def forward(") : begin + _MAX_SIGNATURE])
    matches = [_PARAMETER.match(part) for part in parts[1:]]
    return [match[1] for match in matches if match]


def _arguments(code: str) -> list[str]:
    """Return what stands between commas up to the bracket that closes, of code in brackets."""
    depth = start = 0
    parts: list[str] = []
    for at, sign in enumerate(code):
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            if depth == 0:
                return [*parts, code[start:at]]
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append(code[start:at])
            start = at + 1
    return []
