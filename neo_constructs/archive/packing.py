"""Write model.tar.gz so that the same files always give the same archive.

Identity is the fingerprint over the members' names and contents. The gzip bytes are not: they
differ between builds of zlib, and between codecs.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Final

from neo_constructs.archive.codec import compressed

_BLOCK: Final = 1 << 20
_EXCLUDED_NAMES: Final = frozenset({"__pycache__", ".DS_Store", ".git", ".ipynb_checkpoints"})


def members_of(path: Path) -> Mapping[str, Path]:
    """Return what a file or a folder puts into an archive: member name to file, sorted.

    Left out: byte code, hidden copies that macOS adds (``._*``), and folders of tools. Links
    inside the folder are followed.

    Raises
    ------
    OSError
        If a folder cannot be read, something is neither a file nor a folder, or a link leads out
        of the folder: what it leads to would be packed, and deployed, unseen.
    """
    if path.is_file():
        return {path.name: path}
    found = {}
    root = path.resolve()
    for folder, folders, files in os.walk(path, onerror=_raise, followlinks=True):
        folders[:] = sorted(name for name in folders if name not in _EXCLUDED_NAMES)
        for name in folders:
            link = Path(folder) / name
            _refuse_link_out(link, root)
            if link.is_symlink() and link.resolve() in _above(link):
                raise OSError(f"the link {link} leads in a circle")
        for name in files:
            if name not in _EXCLUDED_NAMES and not name.startswith("._"):
                file = Path(folder) / name
                _refuse_link_out(file, root)
                if not file.is_file():
                    raise OSError(f"{file} is neither a file nor a folder")
                found[file.relative_to(path).as_posix()] = file
    return dict(sorted(found.items()))


def _refuse_link_out(link: Path, root: Path) -> None:
    if link.is_symlink() and not link.resolve().is_relative_to(root):
        raise OSError(
            f"the link {link} leads out of the folder, to {link.resolve()}; copy that into it"
        )


def _above(link: Path) -> set[Path]:
    """Return the folders that a link lies in, on the way here and where they really are."""
    parents = link.absolute().parents
    return {real for parent in parents for real in (parent.resolve(), *parent.resolve().parents)}


def _raise(error: OSError) -> None:
    raise error


def fingerprint(members: Mapping[str, Path]) -> str:
    """Return the SHA-256 over the sorted members' names and contents, in hexadecimal."""
    contents = {}
    for name, file in members.items():
        with file.open("rb") as stream:
            contents[name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return fingerprint_of(contents)


def fingerprint_of(contents: Mapping[str, str]) -> str:
    """Return the fingerprint of members by the SHA-256 of each one's content."""
    total = hashlib.sha256()
    for name, content in sorted(contents.items()):
        # A name in no encoding that Python knows arrives with its odd bytes escaped.
        total.update(f"{content}  {name}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def pack(
    members: Mapping[str, Path],
    archive: Path,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> str:
    """Write the members to a tar.gz, sorted, with no owner, time or mode of their own.

    The archive appears whole or not at all, and whatever the size of its members, a few megabytes
    of them are in memory at a time.

    Parameters
    ----------
    members
        Name to file.
    archive
        Where it appears.
    progress
        Told of the bytes that were read, as they are read.

    Returns
    -------
    str
        The fingerprint of what was packed.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    sizes = {name: file.stat().st_size for name, file in members.items()}
    contents = {}
    descriptor, temporary = tempfile.mkstemp(dir=archive.parent, prefix=f".{archive.name}.")
    try:
        with (
            os.fdopen(descriptor, "wb") as raw,
            compressed(raw, sum(sizes.values())) as out,
            tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_BLOCK) as tar,
        ):
            for name, file in sorted(members.items()):
                info = tarfile.TarInfo(name)
                info.size = sizes[name]
                info.mode = 0o644
                with file.open("rb") as stream:
                    before = os.fstat(stream.fileno())
                    read = _Read(stream, progress)
                    tar.addfile(info, read)
                    after = os.fstat(stream.fileno())
                if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                    raise OSError(f"{file} has changed while it was packed")
                contents[name] = read.hashed.hexdigest()
        Path(temporary).chmod(0o644)
        Path(temporary).replace(archive)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return fingerprint_of(contents)


class _Read:
    """A file that takes note of what is read of it."""

    def __init__(self, stream: IO[bytes], progress: Callable[[int], None]) -> None:
        self.hashed = hashlib.sha256()
        self._stream = stream
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        data = self._stream.read(size)
        self.hashed.update(data)
        self._progress(len(data))
        return data
