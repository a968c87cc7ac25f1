"""Read tar archives of strangers: headers are small and whole, and nothing lands outside.

Python's ``tarfile`` takes a damaged header for the end of the archive, reads extension headers
(long names, PAX records) of any size and number into memory, takes whatever size or name they say,
and keeps every member.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

MAX_HEADER_BYTES: Final = 1 << 16
MAX_HEADERS: Final = 8  # in a row, for one member
MAX_MEMBERS: Final = 100_000
MAX_NAME_BYTES: Final = 4_096  # Linux unpacks no longer path
MAX_DEPTH: Final = 100  # folders in one another
# Of all extension headers: names of a hundred bytes for most of the members.
MAX_ALL_HEADERS_BYTES: Final = 8 << 20
MAX_GLOBAL_HEADERS: Final = 8
# How far an archive may expand: weights hardly compress, texts and zeros do.
MAX_EXPANSION: Final = 4
MIN_EXPANSION_BYTES: Final = 4 << 30
_CHUNK: Final = 1 << 16
_MACOS_ICON: Final = "Icon\r"  # what the Finder writes into folders
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# Of as many digits there is no number; before Python 3.11.10 they take tarfile for ever.
_DIGITS: Final = re.compile(rb"\d{64}")
_WHOLE: Final = re.compile(rb"\d{1,19}")
_TIME: Final = re.compile(rb"-?\d{1,19}(\.\d*)?")
# What tarfile takes for nothing where it is no number, and GNU tar refuses.
_NUMBERS: Final = {
    **dict.fromkeys((b"size", b"uid", b"gid"), _WHOLE),
    **dict.fromkeys((b"mtime", b"atime", b"ctime"), _TIME),
}
_LENGTH: Final = re.compile(rb"(\d{1,8}) ")
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
            made = super().fromtarfile(tarfile_)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":  # the zeros at the end
                raise
            raise tarfile.ReadError(f"a header is damaged: {error}") from error
        if made.size < 0:
            raise tarfile.ReadError(f"{made.name!r} has a size of {made.size:,} bytes")
        check_name(made.name)
        return made

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

    def _proc_pax(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        """Read records that are sound, and not too many of them."""
        stream = _forward(tarfile_)
        stream.count_header(self.size, is_global=self.type == tarfile.XGLTYPE)
        _check_records(stream.peek(self.size))
        made: tarfile.TarInfo = super()._proc_pax(tarfile_)  # type: ignore[misc] # not in the stubs
        return made

    def _proc_gnulong(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        """Read a long name, if there were not too many."""
        _forward(tarfile_).count_header(self.size)
        made: tarfile.TarInfo = super()._proc_gnulong(tarfile_)  # type: ignore[misc] # not in the stubs
        return made

    def _proc_sparse(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        """Refuse a sparse file whose map continues in an unlimited number of blocks."""
        if self._sparse_structs[1]:  # type: ignore[attr-defined] # of tarfile's own
            raise tarfile.ReadError("a sparse file has a map that is longer than its header")
        made: tarfile.TarInfo = super()._proc_sparse(tarfile_)  # type: ignore[misc] # not in the stubs
        return made

    def _proc_gnusparse_10(self, *_: object) -> None:
        """Refuse a sparse file whose map is read from its content, however long that is."""
        raise tarfile.ReadError("a sparse file has its map in its content")


class Forward:
    """A stream that is read from front to end, and can be looked ahead in.

    Parameters
    ----------
    stream
        The uncompressed tar.
    """

    mode, name = "rb", None

    def __init__(self, stream: IO[bytes] | Any) -> None:
        self._stream, self._ahead, self._position = stream, b"", 0
        self._header_bytes = self._global_headers = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; fewer only at the end."""
        found = self.peek(size)
        self._ahead = self._ahead[len(found) :]
        self._position += len(found)
        return found

    def peek(self, size: int) -> bytes:
        """Return the next bytes, and leave them where they are."""
        parts, have = [self._ahead], len(self._ahead)
        while have < size or size < 0:
            chunk = self._stream.read(size - have if size > 0 else _CHUNK)
            if not chunk:
                break
            parts.append(chunk)
            have += len(chunk)
        self._ahead = b"".join(parts) if len(parts) > 1 else self._ahead
        return self._ahead[:size] if size >= 0 else self._ahead

    def tell(self) -> int:
        """Return how many bytes have been read."""
        return self._position

    def seek(self, position: int, whence: int = 0) -> int:
        """Read on to a place.

        Raises
        ------
        tarfile.ReadError
            If it has been passed.
        """
        if whence or position < self._position:
            raise tarfile.ReadError("the archive leads back to what has been read")
        while self._position < position:
            if not self.read(min(_CHUNK, position - self._position)):
                break
        return self._position

    def seekable(self) -> bool:
        """Whether it goes back, too: it does not."""
        return False

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def count_header(self, size: int, *, is_global: bool = False) -> None:
        """Take note of an extension header.

        Raises
        ------
        tarfile.ReadError
            If there are more of them than an archive needs.
        """
        self._header_bytes += size
        self._global_headers += is_global
        if self._header_bytes > MAX_ALL_HEADERS_BYTES or self._global_headers > MAX_GLOBAL_HEADERS:
            raise tarfile.ReadError("its extension headers are longer than its names can be")


def _forward(tarfile_: tarfile.TarFile) -> Forward:
    """Return the stream that a tar is read from."""
    stream = tarfile_.fileobj
    assert isinstance(stream, Forward)  # noqa: S101 - open_tar makes it so
    return stream


def check_name(name: str) -> None:
    """Refuse a name that no archive should have.

    Raises
    ------
    tarfile.ReadError
        If it is too long or too deep, or has what no name should have in it.
    """
    length = len(name.encode("utf-8", "surrogateescape"))
    if length > MAX_NAME_BYTES:
        raise tarfile.ReadError(f"a name has {length:,} bytes; {MAX_NAME_BYTES:,} are the most")
    if name.count("/") > MAX_DEPTH:
        raise tarfile.ReadError(f"a name has {name.count('/')} folders; {MAX_DEPTH} are the most")
    if _CONTROL.search(name.removesuffix(_MACOS_ICON)):
        raise tarfile.ReadError(f"a name has a control character: {name[:100]!r}")
    if not name.strip("/"):
        raise tarfile.ReadError("a member has no name")


def _check_records(content: bytes) -> None:
    """Refuse PAX records that tarfile would take its time for, or take for something else."""
    place, end = 0, len(content.rstrip(b"\0"))
    is_sound = not _DIGITS.search(content)
    while is_sound and place < end:
        length = _LENGTH.match(content, place)
        if length is None:
            is_sound = False
            break
        start, place = length.end(), place + int(length[1])
        key, sign, value = content[start : place - 1].partition(b"=")
        is_whole = start < place <= len(content) and content[place - 1 : place] == b"\n"
        rule = _NUMBERS.get(key)
        is_sound = is_whole and bool(sign) and (rule is None or bool(rule.fullmatch(value)))
    if not is_sound:
        raise tarfile.ReadError("a PAX header is damaged")


def open_tar(stream: IO[bytes] | Any) -> tarfile.TarFile:
    """Return an uncompressed tar that is read from front to end, by ``members_in``."""
    # tarfile reads the first header at once, so that a stream without one is said here.
    return tarfile.TarFile(fileobj=Forward(stream), mode="r", tarinfo=Member)  # type: ignore[arg-type] # it has what tarfile calls


def members_in(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar, and keep none of them."""
    while member := tar.next():
        yield member
        tar.members.clear()  # type: ignore[attr-defined] # not in the stubs


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
    written, has_links = 0, any(folder.iterdir())
    with open_tar(stream) as tar:
        for count, member in enumerate(members_in(tar)):
            go_on()
            written += member.size if member.isfile() else 0
            if count >= MAX_MEMBERS or written > limit:
                raise tarfile.ReadError("it holds more than anyone would unpack")
            if is_outside(member.name):
                raise tarfile.ReadError(f"{member.name!r} would be unpacked outside of the folder")
            has_links = has_links or member.issym()
            _unpack(tar, member, folder, has_links=has_links)


def _unpack(
    tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, *, has_links: bool
) -> None:
    path = folder / member.name
    if has_links:
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
    if member.islnk() and target.is_symlink():
        raise tarfile.ReadError(f"{member.name!r} would be a link from another place")
    _require_inside(target, folder, member.name)
    if member.issym():
        path.symlink_to(member.linkname)
    else:
        path.hardlink_to(target)


def _require_inside(path: Path, folder: Path, name: str) -> None:
    """Refuse what leads out of the folder by a link of the archive's own."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise tarfile.ReadError(f"{name!r} is, or goes through, a link out of the folder")
