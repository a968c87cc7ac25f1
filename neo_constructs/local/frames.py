"""The protocol with a worker: a line of JSON, and as many bytes as it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

Frame: TypeAlias = tuple[dict[str, Any], bytes]
_LINE_END = 10


def encoded(header: Mapping[str, object], body: bytes) -> bytes:
    """Return a frame as it is sent."""
    return json.dumps({**header, "length": len(body)}).encode() + b"\n" + body


class Frames:
    """Takes bytes as they come, and returns the frames that are whole."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._buffer = bytearray()
        self._header: dict[str, Any] | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are whole with these bytes."""
        self._buffer += data
        found = []
        while frame := self._next():
            found.append(frame)
        return found

    def _next(self) -> Frame | None:
        if self._header is None:
            end = self._buffer.find(_LINE_END)
            if end < 0:
                return None
            self._header = json.loads(self._buffer[:end])
            del self._buffer[: end + 1]
        length = self._header["length"]
        if len(self._buffer) < length:
            return None
        header, body = self._header, bytes(self._buffer[:length])
        del self._buffer[:length]
        self._header = None
        return header, body
