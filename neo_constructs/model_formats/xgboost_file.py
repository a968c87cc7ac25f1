"""Recognise what XGBoost saves: JSON, UBJSON, its own binary form, and pickles."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Final

_END_BYTES: Final = 4096
_VERSION_JSON: Final = re.compile(rb'"version"\s*:\s*\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]')
# UBJSON: an array with its type and length before it, of int64 or with a type each.
_VERSION_UBJ: Final = re.compile(rb"version\[(?:\$i)?#(?:L.{8}|i.)(.{3,27})", re.DOTALL)
_INT: Final = {ord("i"): ">b", ord("U"): ">B", ord("I"): ">h", ord("l"): ">i", ord("L"): ">q"}
_BINARY: Final = b"binf"
# dmlc/xgboost, LearnerModelParamLegacy: version after base score, features, classes, two flags.
_LEGACY: Final = struct.Struct("<fIiiiII")
_LEGACY_BYTES: Final = 136


def recognise(path: Path, head: bytes) -> tuple[str, str] | None:
    """Return the format of an XGBoost model, and the release that wrote it if it says."""
    start = head.lstrip()[:1024]
    if start.startswith(b"{") and b'"learner"' in start:
        return "xgboost-json", _release(
            _VERSION_JSON.search(_end(path)) or _VERSION_JSON.search(head)
        )
    if head.startswith(b"{L") and b"learner" in head[:64]:
        return "xgboost-ubj", _release_ubj(_end(path))
    if head.startswith(b"\x80") and b"xgboost" in head[:256]:
        return "xgboost-pickle", ""
    is_prefixed = head.startswith(_BINARY)
    body = head.removeprefix(_BINARY)
    objective = body[_LEGACY_BYTES : _LEGACY_BYTES + 8]
    is_legacy = len(objective) == 8 and _is_objective(body)
    if is_prefixed or is_legacy:
        *_, major, minor = _LEGACY.unpack_from(body) if is_legacy else (0, 0)
        return "xgboost-binary", f"{major}.{minor}" if 0 < major < 100 and minor < 100 else ""
    return None


def _is_objective(body: bytes) -> bool:
    """Whether the name of an objective follows the parameters, as in ``reg:linear``."""
    length = int.from_bytes(body[_LEGACY_BYTES : _LEGACY_BYTES + 8], "little")
    name = body[_LEGACY_BYTES + 8 : _LEGACY_BYTES + 8 + min(length, 64)]
    return length == len(name) and bool(re.fullmatch(rb"[a-z]+:[a-z0-9_]+", name))


def _end(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _END_BYTES, 0))
        return file.read()


def _release(match: re.Match[bytes] | None) -> str:
    return ".".join(part.decode() for part in match.groups()) if match else ""


def _release_ubj(end: bytes) -> str:
    """Return the three numbers after ``version``, each of whatever size."""
    every = list(_VERSION_UBJ.finditer(end))
    if not every:
        return ""
    found = every[-1]  # the model's own
    if b"$i" in found[0][:12]:
        return ".".join(str(number) for number in found[1][:3])
    rest, numbers = found[1], list[str]()
    while rest and rest[0] in _INT and len(numbers) < 3:
        form = _INT[rest[0]]
        size = struct.calcsize(form)
        if len(rest) <= size:
            break
        numbers.append(str(struct.unpack_from(form, rest, 1)[0]))
        rest = rest[1 + size :]
    return ".".join(numbers) if len(numbers) == 3 else ""
