"""Write model.tar.gz so that the same files always give the same archive.

Identity is the fingerprint over the members' names and contents. The gzip bytes are not: they
differ between builds of zlib, and between codecs.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from neo_constructs.archives.gzip_io import compressed
from neo_constructs.archives.tar_member import expansion_limit
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import listed

_BLOCK: Final = 1 << 20
_NAMED: Final = 5
_USTAR_BYTES: Final = 8**11  # from here on a size does not fit its field
_PARTIAL: Final = ".neo-partial"
_EXCLUDED_NAMES: Final = frozenset(
    {"__pycache__", ".DS_Store", "Icon\r", ".git", ".ipynb_checkpoints"}
)


def members_of(path: Path) -> Mapping[str, Path]:
    """Return what a file or a folder puts into an archive: member name to file, sorted.

    Left out: byte code, hidden copies that macOS adds (``._*``), folders of tools, and archives
    that were interrupted as they were written. Links are
    followed; ``check_links`` names those that lead out of the folder.

    Raises
    ------
    OSError
        If a folder cannot be read, or something is neither a file nor a folder.
    """
    if path.is_file():
        return {path.name: path}
    found = {}
    for folder, folders, files in os.walk(path, onerror=_raise, followlinks=True):
        folders[:] = sorted(name for name in folders if name not in _EXCLUDED_NAMES)
        for name in folders:
            link = Path(folder) / name
            if link.is_symlink() and link.resolve() in _above(link):
                raise OSError(f"the link {link} leads in a circle")
        here = Path(folder)
        above = here.relative_to(path).as_posix()
        prefix = "" if above == "." else f"{above}/"
        for name in files:
            is_left_out = name in _EXCLUDED_NAMES or name.startswith("._")
            if not is_left_out and not name.endswith(_PARTIAL):
                if not os.path.isfile(f"{folder}/{name}"):  # noqa: PTH113 - of a hundred thousand
                    raise OSError(f"{here / name} is neither a file nor a folder")
                found[prefix + name] = here / name
    return dict(sorted(found.items()))


def check_links(path: Path, members: Mapping[str, Path]) -> list[Finding]:
    """Say which members come from outside of a folder: they are packed, and deployed, with it."""
    if path.is_file():
        return []
    root = path.resolve()
    real = {name: file.resolve() for name, file in members.items()}
    outside = [f"{name} ({file})" for name, file in real.items() if not file.is_relative_to(root)]
    if not outside:
        return []
    return [
        Finding(
            code="link-outside",
            level=Level.WARNING,
            where=str(path),
            message=f"Links lead out of the folder, and what they lead to is packed: "
            f"{listed(outside[:_NAMED])}.",
            fix="put the files themselves into the folder, or take the links out.",
        )
    ]


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


def base_name(name: str) -> str:
    """Return the last part of a member's name; path objects would take seconds for many."""
    return name.rpartition("/")[2]


def folder_and_file(names: Collection[str]) -> str | None:
    """Return a name that is a file's, and a folder's of others; None if there is none."""
    folders = set[str]()
    for name in names:
        while "/" in name and (name := name.rpartition("/")[0]) not in folders:
            folders.add(name)
    return min(folders & set(names), default=None)


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
    descriptor, temporary = tempfile.mkstemp(
        dir=archive.parent, prefix=f".{archive.name}.", suffix=_PARTIAL
    )
    try:
        with (
            os.fdopen(descriptor, "wb") as raw,
            compressed(raw, sum(sizes.values())) as out,
            _gathered(out) as gathered,
        ):
            for name, file in sorted(members.items()):
                gathered.write(_header(name, sizes[name]))
                contents[name] = _copied(file, sizes[name], gathered, progress)
            gathered.write(bytes(2 * tarfile.BLOCKSIZE))  # the end, to a whole record
            gathered.write(bytes(-gathered.written % tarfile.RECORDSIZE))
        whole, packed = sum(sizes.values()), Path(temporary).stat().st_size
        if whole > expansion_limit(packed):
            raise OSError(
                f"{whole:,} bytes would go into {packed:,}, and nobody would unpack that: "
                "a model's weights do not compress so"
            )
        Path(temporary).chmod(0o644)
        Path(temporary).replace(archive)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return fingerprint_of(contents)


def _header(name: str, size: int) -> bytes:
    """Return a member's header: no owner, time or mode of its own."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    # The same bytes where a name is plain and short, and many times faster.
    is_plain = name.isascii() and len(name) <= tarfile.LENGTH_NAME and size < _USTAR_BYTES
    if is_plain:
        return info.tobuf(tarfile.USTAR_FORMAT)
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _copied(file: Path, size: int, out: _Gathered, progress: Callable[[int], None]) -> str:
    """Write a file of a size and what fills its last block, and return its SHA-256."""
    hashed, left = hashlib.sha256(), size
    with file.open("rb", buffering=0) as stream:
        before = os.fstat(stream.fileno())
        while left and (data := stream.read(min(left, _BLOCK))):
            hashed.update(data)
            out.write(data)
            progress(len(data))
            left -= len(data)
        after = os.fstat(stream.fileno())
    if left:
        raise OSError(f"{file} has become shorter while it was packed")
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if before.st_size != size or not same:
        raise OSError(f"{file} has changed while it was packed")
    out.write(bytes(-size % tarfile.BLOCKSIZE))
    return hashed.hexdigest()


class _Gathered:
    """A file that is written to in large pieces."""

    def __init__(self, out: Any) -> None:
        self._out, self._parts, self._size, self.written = out, list[bytes](), 0, 0

    def write(self, data: bytes) -> None:
        """Take some bytes."""
        self._parts.append(data)
        self._size += len(data)
        self.written += len(data)
        if self._size >= _BLOCK:
            self.flush()

    def flush(self) -> None:
        """Pass on what was gathered."""
        self._out.write(b"".join(self._parts))
        self._parts.clear()
        self._size = 0


@contextmanager
def _gathered(out: Any) -> Iterator[_Gathered]:
    gathered = _Gathered(out)
    yield gathered
    gathered.flush()
