"""Recognise the two files of an MXNet model: its graph and its parameters."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from neo_constructs.findings.wording import parse_json

_MAX_SYMBOL_BYTES: Final = 4 << 20  # the graph of a network of a thousand layers has one
_PARAMS_MAGIC: Final = struct.pack("<Q", 0x112)  # apache/mxnet: kMXAPINDArrayListMagic


def recognise(path: Path, head: bytes) -> str | None:
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
