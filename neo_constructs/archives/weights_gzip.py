"""Write gzip quickly where the data are weights: by the standard library alone.

Deflate looks for repetitions, which weights do not have: it takes most of the time for nothing.
Coding by frequency alone (Huffman) is three times as fast, and a little smaller. Text and code
repeat themselves, and are several times larger without the search. So a sample of each block says
how the block is written. The blocks are one gzip member, which every reader takes.

The library packs by this file and the Lambda writes serving archives by it; a test holds the two
copies to be the same, since the Lambda is a package of its own.
"""

from __future__ import annotations

import struct
import zlib
from types import TracebackType
from typing import IO, Final

BLOCK: Final = 1 << 20
_SAMPLE: Final = 16 << 10
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # no name, no time; the fastest
_LAST_BLOCK: Final = b"\x03\x00"  # an empty one, which says that it is the last
_RAW: Final = -zlib.MAX_WBITS
_MUCH: Final = 1.05  # a search that saves less is not worth its time


class WeightsGzip:
    """A file that compresses what is written to it, with no name and no time in it.

    Parameters
    ----------
    out
        Takes the compressed bytes. It is not closed.
    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._block = bytearray()
        self._crc, self._size = 0, 0
        out.write(_HEADER)

    def write(self, data: bytes | memoryview) -> int:
        """Compress data, and return how many bytes they are."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._block += data
        while len(self._block) >= BLOCK:
            self._compress(bytes(self._block[:BLOCK]))
            del self._block[:BLOCK]
        return len(data)

    def close(self) -> None:
        """Write what is left, and the end."""
        if self._block:
            self._compress(bytes(self._block))
        self._out.write(_LAST_BLOCK + struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))

    def __enter__(self) -> WeightsGzip:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()

    def _compress(self, block: bytes) -> None:
        packer = zlib.compressobj(1, zlib.DEFLATED, _RAW, strategy=strategy_for(block))
        self._out.write(packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH))


def strategy_for(block: bytes) -> int:
    """Return how a block is compressed best, by a sample of its beginning, middle and end.

    A block whose samples are unlike the rest of it is larger than need be, never wrong.
    """
    middle = len(block) // 2
    sample = block[:_SAMPLE] + block[middle : middle + _SAMPLE] + block[-_SAMPLE:]
    searched = _packed(sample, zlib.Z_DEFAULT_STRATEGY)
    counted = _packed(sample, zlib.Z_HUFFMAN_ONLY)
    is_text = counted > searched * _MUCH
    return zlib.Z_DEFAULT_STRATEGY if is_text else zlib.Z_HUFFMAN_ONLY


def _packed(sample: bytes, strategy: int) -> int:
    packer = zlib.compressobj(1, zlib.DEFLATED, _RAW, strategy=strategy)
    return len(packer.compress(sample)) + len(packer.flush())
