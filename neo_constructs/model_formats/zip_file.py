"""Open zip files of strangers: a directory of a sane size, members that Python reads in bounds."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MAGIC: Final = b"PK\x03\x04"
# Of the directory, which Python reads as a whole: some 50,000 members.
MAX_DIRECTORY_BYTES: Final = 8 << 20
_END: Final = b"PK\x05\x06"
_RECORD_BYTES: Final = 22
_END_BYTES: Final = _RECORD_BYTES + 65_535
_END_64: Final = b"PK\x06\x06"
_LOCATOR_64: Final = b"PK\x06\x07"
_UNKNOWN: Final = 0xFFFFFFFF
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip.

    Raises
    ------
    zipfile.BadZipFile
        If it is none, or its directory is larger than a model's.
    """
    if (size := _directory_bytes(path)) > MAX_DIRECTORY_BYTES:
        raise zipfile.BadZipFile(f"its directory has {size:,} bytes")
    with zipfile.ZipFile(path) as archive:
        yield archive


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Return a member, but never more than ``limit`` bytes of it.

    Raises
    ------
    zipfile.BadZipFile
        If it is compressed in a way that models are not: other ways know no limit.
    """
    info = archive.getinfo(name)
    if info.compress_type not in _METHODS:
        raise zipfile.BadZipFile(f"{name!r} is compressed by method {info.compress_type}")
    with archive.open(info) as member:
        return member.read(limit)


def _directory_bytes(path: Path) -> int:
    """Return how long the directory is by the file's end; Python goes by this, too."""
    with path.open("rb") as file:
        start = max(path.stat().st_size - _END_BYTES, 0)
        file.seek(start)
        tail = file.read()
        end = len(tail) - _RECORD_BYTES
        if not (tail[end : end + 4] == _END and tail.endswith(b"\0\0")):
            end = tail.rfind(_END)  # a comment follows it
        if end < 0 or len(tail) - end < _RECORD_BYTES:
            return 0
        size = int.from_bytes(tail[end + 12 : end + 16], "little")
        locator = tail[max(end - 20, 0) : end]
        if locator.startswith(_LOCATOR_64):
            file.seek(int.from_bytes(locator[8:16], "little") & (1 << 62) - 1)
            record = file.read(56)
            if record.startswith(_END_64):
                size = max(int.from_bytes(record[40:48], "little"), size * (size != _UNKNOWN))
    return size
