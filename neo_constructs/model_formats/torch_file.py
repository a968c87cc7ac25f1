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

from neo_constructs.model_formats import pickle_reader
from neo_constructs.model_formats.budget import Budget
from neo_constructs.model_formats.model_input import MAX_INPUTS, ModelInput
from neo_constructs.model_formats.zip_file import MAGIC, open_zip, read_member

TORCHSCRIPT: Final = "torchscript"
# What else torch.save and torch.export write: format to what it is called by people.
NOT_SCRIPTED: Final = {
    "torch-pickle": "weights or a pickled module, as torch.save writes them",
    "torch-legacy": "a file of torch.save in the format before PyTorch 1.6",
    "torch-export": "a program of torch.export",
}
LEGACY_MAGIC: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_MAX_CODE_BYTES: Final = 8 << 20  # of all modules
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
_MAX_DIMENSIONS: Final = 64  # of a tensor in PyTorch
# What a trace has done in training: dropout(input, p, train), and batch_norm's sixth argument.
_TRACED_TRAINING: Final = re.compile(
    r"torch\.(?:\w{0,40}dropout\w{0,20}\([^()\n]{1,200}, True\)"
    r"|(?:\w{1,40}_)?batch_norm\((?:[^(),\n]{1,200}, ){3}(?!None, None)"
    r"(?:[^(),\n]{1,200}, ){2}True, )"
)
_ASKS_FOR_MODE: Final = re.compile(r"\w\.training\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchFile:
    """What a PyTorch file says about itself.

    Parameters
    ----------
    format
        ``torchscript``, or a key of ``NOT_SCRIPTED``.
    inputs
        What it was traced with; empty for one that was scripted.
    is_nested
        Whether it was traced with lists, tuples or dictionaries of tensors.
    is_training
        Whether it acts as in training: a trace by what it has recorded, a scripted model by the
        mode it was saved in.
    is_newer
        Whether PyTorch 2.1 or newer wrote it, which notes the order of bytes.
    """

    format: str
    inputs: tuple[ModelInput, ...] = ()
    is_nested: bool = False
    is_training: bool = False
    is_newer: bool = False


def read(path: Path, head: bytes, budget: Budget) -> TorchFile | None:
    """Return what a file says, or None if PyTorch did not write it.

    Nothing is unpickled and no code of the model is run.

    Parameters
    ----------
    path, head
        The file, and its first bytes.
    budget
        How much work it may take.

    Raises
    ------
    zipfile.BadZipFile
        If it is a zip that is damaged.
    """
    if head.startswith(LEGACY_MAGIC):
        return TorchFile(format="torch-legacy")
    if not head.startswith(MAGIC):
        return None
    with open_zip(path) as archive:
        names = set(archive.namelist())
        roots = {name.partition("/")[0] for name in names}
        if len(roots) != 1:
            return None
        return _read(_Zip(archive, next(iter(roots)), names, budget))


@dataclass(frozen=True, slots=True)
class _Zip:
    """A zip whose members lie in one folder."""

    archive: zipfile.ZipFile
    root: str
    names: set[str]
    budget: Budget

    def has(self, name: str) -> bool:
        return f"{self.root}/{name}" in self.names

    def under(self, folder: str) -> list[str]:
        prefix = f"{self.root}/"
        return [n[len(prefix) :] for n in self.names if n.startswith(f"{prefix}{folder}/")]

    def bytes(self, name: str, limit: int) -> bytes:
        """Return a member, but never more than ``limit`` bytes of it: zips can be bombs."""
        return read_member(self.archive, f"{self.root}/{name}", limit)


def _read(found: _Zip) -> TorchFile | None:
    is_newer = found.has("byteorder")
    if found.has("archive_format") or found.has("models/model.json"):
        return TorchFile(format="torch-export", is_newer=is_newer)
    if not found.has("data.pkl"):
        return None
    if not (found.has("constants.pkl") and found.under("code")):
        return TorchFile(format="torch-pickle", is_newer=is_newer)
    model = _pickle(found, "data.pkl")
    inputs, is_nested = _inputs(found, model)
    return TorchFile(
        format=TORCHSCRIPT,
        inputs=inputs,
        is_nested=is_nested,
        is_training=_is_training(found, model),
        is_newer=is_newer,
    )


def _is_training(found: _Zip, model: Any) -> bool:
    """Whether a model drops values, or takes statistics, when it is run."""
    code = _code(found)
    if _TRACED_TRAINING.search(code):
        return True
    return bool(_ASKS_FOR_MODE.search(code)) and _has_training_module(model, found.budget)


def _code(found: _Zip) -> str:
    """Return the code of all modules, as far as it may be read."""
    parts, left = list[str](), _MAX_CODE_BYTES
    for name in sorted(found.under("code")):
        if name.endswith(".py") and left > 0:
            part = found.bytes(name, left)
            left -= len(part)
            parts.append(part.decode(errors="replace"))
    return "\n".join(parts)


def _has_training_module(model: Any, budget: Budget) -> bool:
    """Whether a module, or one below it, was saved in training mode."""
    todo, seen = [model], set[int]()
    while todo:
        budget.spend()
        module = todo.pop()
        if not isinstance(module, pickle_reader.Call) or id(module) in seen:
            continue
        seen.add(id(module))
        if isinstance(module.state, Mapping):
            if module.state.get("training") is True:
                return True
            todo += module.state.values()
    return False


def _pickle(found: _Zip, name: str) -> Any:
    if not found.has(name):
        return None
    try:
        return pickle_reader.read(found.bytes(name, pickle_reader.MAX_BYTES + 1), found.budget)
    except pickle_reader.PickleError:
        return None


def _inputs(found: _Zip, model: Any) -> tuple[tuple[ModelInput, ...], bool]:
    """Return the inputs a model was traced with, and whether they lie in containers.

    The code has their names; a tensor in a list or dictionary is named by the way to it.
    """
    traced = _untagged(_pickle(found, "traced_inputs.pkl"))
    values = _untagged(traced.get("forward")) if isinstance(traced, dict) else None
    if not isinstance(values, list):
        return (), False
    names = _parameters(found, model)
    if len(names) != len(values):
        names = [f"input{number}" for number in range(len(values))]
    flat = list(zip(names, values, strict=True))
    is_nested = False
    inputs = list[ModelInput]()
    while flat:
        found.budget.spend()
        name, value = flat.pop(0)
        tensor = _tensor(value)
        if tensor:
            inputs.append(ModelInput(name, *tensor))
        elif isinstance(inner := _untagged(value), list | tuple):
            flat[:0] = [(f"{name}[{at}]", each) for at, each in enumerate(inner)]
            is_nested = True
        elif isinstance(inner, dict):
            flat[:0] = [(f"{name}[{key!r}]", each) for key, each in inner.items()]
            is_nested = True
        else:
            return (), False  # a number, a text: there is no telling what it stands for
        if len(inputs) + len(flat) > MAX_INPUTS:
            return (), is_nested
    return tuple(inputs), is_nested


def _untagged(value: Any) -> Any:
    """Return what a call of restore_type_tag, or of a list's kind, is given."""
    if isinstance(value, pickle_reader.Call) and isinstance(value.arguments, tuple):
        return value.arguments[0] if value.arguments else None
    return value


def _tensor(value: Any) -> tuple[tuple[int, ...], str] | None:
    """Return shape and type of a tensor that would be rebuilt."""
    if not (isinstance(value, pickle_reader.Call) and isinstance(value.arguments, tuple)):
        return None
    if getattr(value.target, "name", "") != "_rebuild_tensor_v2" or len(value.arguments) < 3:
        return None
    storage, _, shape = value.arguments[:3]
    is_shape = (
        isinstance(shape, tuple)
        and len(shape) <= _MAX_DIMENSIONS
        and all(isinstance(size, int) and 0 <= size < _MAX_SIZE for size in shape)
    )
    if not (is_shape and isinstance(storage, pickle_reader.Reference)):
        return None
    kind = storage.value[1] if isinstance(storage.value, tuple) and len(storage.value) > 1 else None
    return shape, _DTYPES.get(getattr(kind, "name", ""), "unknown")


def _parameters(found: _Zip, model: Any) -> list[str]:
    """Return the names of forward's parameters, as the model's code has them."""
    target = model.target if isinstance(model, pickle_reader.Call) else None
    if not isinstance(target, pickle_reader.Name):
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
