"""Read tar archives of strangers: headers are small and whole, and nothing lands outside.

Python's ``tarfile`` takes a damaged header for the end of the archive, and reads extension headers
(long names, PAX records) of any size, and any number of them, into memory.
"""

from __future__ import annotations

import posixpath
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

MAX_HEADER_BYTES: Final = 1 << 16
MAX_HEADERS: Final = 8  # in a row, for one member
MAX_MEMBERS: Final = 10_000
# How far an archive may expand: weights hardly compress, texts and zeros do.
MAX_EXPANSION: Final = 200
MIN_EXPANSION_BYTES: Final = 1 << 30
_EXTENSIONS: Final = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}
    | {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)


class Member(tarfile.TarInfo):
    """A member whose header is whole and small."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Member:
        """Read the next member; a damaged header is an error, and not the end."""
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":  # the zeros at the end
                raise
            raise tarfile.ReadError(f"a header is damaged: {error}") from error

    def _proc_member(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        """Read what a header is about: of an extension, that is the next header, by this again.

        tarfile names this method as the one to override, and newer Pythons read the header after
        an extension by no other method of a subclass.
        """
        if self.size < 0 or (self.type in _EXTENSIONS and self.size > MAX_HEADER_BYTES):
            raise tarfile.ReadError(f"a header announces {self.size:,} bytes")
        depth = vars(tarfile_).get("headers", 0)
        if depth > MAX_HEADERS:
            raise tarfile.ReadError(f"a member has more than {MAX_HEADERS} headers")
        vars(tarfile_)["headers"] = depth + 1
        try:
            made: tarfile.TarInfo = super()._proc_member(tarfile_)  # type: ignore[misc] # not in the stubs
        finally:
            vars(tarfile_)["headers"] = depth
        return made

    def _proc_sparse(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        """Refuse a sparse file whose map goes on in blocks without end."""
        if self._sparse_structs[1]:  # type: ignore[attr-defined] # of tarfile's own
            raise tarfile.ReadError("a sparse file has a map that is longer than its header")
        made: tarfile.TarInfo = super()._proc_sparse(tarfile_)  # type: ignore[misc] # not in the stubs
        return made

    def _proc_gnusparse_10(self, *_: object) -> None:
        """Refuse a sparse file whose map is read from its content, however long that is."""
        raise tarfile.ReadError("a sparse file has its map in its content")


def open_tar(stream: IO[bytes] | Any, **options: Any) -> tarfile.TarFile:
    """Return an uncompressed tar that is read from front to end."""
    return tarfile.open(fileobj=stream, mode="r|", tarinfo=Member, **options)


def is_outside(name: str) -> bool:
    """Whether a member's name leads out of the folder it is unpacked in."""
    normal = posixpath.normpath(name)
    return normal.startswith("/") or normal.split("/")[0] == ".."


def expansion_limit(packed_bytes: int) -> int:
    """Return how many bytes an archive of a size may hold."""
    return max(MIN_EXPANSION_BYTES, MAX_EXPANSION * packed_bytes)


def extract(
    stream: IO[bytes] | Any,
    folder: Path,
    *,
    limit: int,
    go_on: Callable[[], None] = lambda: None,
) -> None:
    """Unpack an uncompressed tar: files, folders, and links that stay inside.

    Owners, times and special modes are left behind. Python's own extraction has a filter for this
    only from 3.11.4 on.

    Parameters
    ----------
    stream
        The tar.
    folder
        An empty folder.
    limit
        How many bytes it may hold.
    go_on
        Called for each member; it raises what is to end it.

    Raises
    ------
    tarfile.TarError
        If it cannot be read, or something of it does not belong into a folder.
    """
    written = 0
    with open_tar(stream) as tar:
        for count, member in enumerate(tar):
            go_on()
            written += member.size if member.isfile() else 0
            if count >= MAX_MEMBERS or written > limit:
                raise tarfile.ReadError("it holds more than anyone would unpack")
            if is_outside(member.name):
                raise tarfile.ReadError(f"{member.name!r} would be unpacked outside of the folder")
            _unpack(tar, member, folder)


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = folder / member.name
    # Names and link targets say little once there are links: what counts is where they lead.
    _require_inside(path if member.isdir() else path.parent, folder, member.name)
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    if path.is_symlink() or path.is_file():
        path.unlink()  # of two members of a name the last one counts
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.isfile():
        content = tar.extractfile(member)
        assert content  # noqa: S101 - a file has some
        with path.open("wb") as out:
            shutil.copyfileobj(content, out)
        path.chmod(0o755 if member.mode & 0o100 else 0o644)
        return
    if not (member.issym() or member.islnk()) or member.linkname.startswith("/"):
        raise tarfile.ReadError(f"{member.name!r} is a device, or a link out of the folder")
    target = (path.parent if member.issym() else folder) / member.linkname
    _require_inside(target, folder, member.name)
    if member.issym():
        path.symlink_to(member.linkname)
    else:
        path.hardlink_to(target)


def _require_inside(path: Path, folder: Path, name: str) -> None:
    """Refuse what leads out of the folder by a link of the archive's own."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise tarfile.ReadError(f"{name!r} is, or goes through, a link out of the folder")
