"""gzip for large files: by the extra ``fast`` (ISA-L) where it is installed, else by Python.

Both read and write the same format; the bytes of what they write differ.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from neo_constructs.archives.weights_gzip import WeightsGzip


def _installed() -> Any:
    try:
        from isal import igzip_threaded
    except ModuleNotFoundError:
        return None
    return igzip_threaded


FAST: Any = _installed()
LEVEL: Final = 1  # weights do not compress; higher levels only cost time
LARGE_BYTES: Final = 8 << 20  # below it, a thread costs more than it saves
_MAX_SINGLE_READS: Final = 1 << 20
# What a broken gzip stream ends in.
FAULTS: Final = (EOFError, OSError, zlib.error)


@contextmanager
def compressed(raw: IO[bytes], size: int) -> Iterator[Any]:
    """Return a file that compresses what is written to it, with no name and no time in it.

    Parameters
    ----------
    raw
        Takes the compressed bytes.
    size
        About how many bytes will be written.
    """
    if FAST and size >= LARGE_BYTES:
        with FAST.open(raw, "wb", compresslevel=LEVEL, threads=1) as out:
            yield out
    else:
        with WeightsGzip(raw) as out:
            yield out


@contextmanager
def decompressed(path: Path) -> Iterator[Any]:
    """Return a file with what a gzip file holds."""
    if FAST and path.stat().st_size >= LARGE_BYTES:
        with FAST.open(path, "rb") as plain:
            yield plain
    else:
        with path.open("rb") as file:
            counted: Any = _Counted(file)
            with gzip.GzipFile(mode="rb", fileobj=counted) as plain:
                yield plain


class _Counted:
    """A file of which a header is read byte by byte, but not for ever."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._single = file, 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        self._single += size == 1
        if self._single > _MAX_SINGLE_READS:
            raise OSError("the names in its gzip headers do not end")
        return self._file.read(size)
