"""Write model.tar.gz so that the same files always give the same archive.

Identity is the fingerprint over the members' names and contents. The gzip bytes are not: they
differ between builds of zlib.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

LEVEL: Final = 1  # weights do not compress; higher levels only cost time
_CHUNK: Final = 1 << 20
_EXCLUDED_NAMES: Final = frozenset({"__pycache__", ".DS_Store", ".git", ".ipynb_checkpoints"})


def members_of(path: Path) -> Mapping[str, Path]:
    """Return what a file or a folder puts into an archive: member name to file, sorted.

    Left out: byte code, hidden copies that macOS adds (``._*``), and folders of tools.
    """
    if path.is_file():
        return {path.name: path}
    found = {}
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _EXCLUDED_NAMES)
        for name in files:
            if name not in _EXCLUDED_NAMES and not name.startswith("._"):
                file = Path(folder) / name
                found[file.relative_to(path).as_posix()] = file
    return dict(sorted(found.items()))


def fingerprint(members: Mapping[str, Path]) -> str:
    """Return the SHA-256 over the sorted members' names and contents, in hexadecimal."""
    total = hashlib.sha256()
    for name, file in sorted(members.items()):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(_line(content, name))
    return total.hexdigest()


def archive_fingerprint(archive: Path) -> str:
    """Return the fingerprint of the files in a tar.gz, the same as of the files themselves.

    Raises
    ------
    tarfile.TarError, EOFError, OSError
        If the archive cannot be read to its end.
    """
    contents: dict[str, str] = {}
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.isfile() else None
            if stream is not None:
                digest = hashlib.sha256()
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                contents[member.name.removeprefix("./")] = digest.hexdigest()
    total = hashlib.sha256()
    for name, content in sorted(contents.items()):
        total.update(_line(content, name))
    return total.hexdigest()


def _line(content: str, name: str) -> bytes:
    # A name in no encoding that Python knows arrives with its odd bytes escaped.
    return f"{content}  {name}\n".encode("utf-8", "surrogateescape")


def pack(members: Mapping[str, Path], archive: Path) -> Path:
    """Write the members to a tar.gz, sorted, with no owner, time or mode of their own.

    The archive appears whole or not at all.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=archive.parent, prefix=f".{archive.name}.")
    try:
        with (
            os.fdopen(descriptor, "wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=LEVEL, fileobj=raw, mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for name, file in sorted(members.items()):
                info = tarfile.TarInfo(name)
                info.size = file.stat().st_size
                info.mode = 0o644
                with file.open("rb") as stream:
                    tar.addfile(info, stream)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(archive)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return archive
