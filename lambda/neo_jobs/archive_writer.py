"""Write what a serving container unpacks: the compiled model's files, and the script's.

Pure streaming from files to a file: one member's block at a time is in memory.
"""

from __future__ import annotations

import gzip
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias, cast

from neo_jobs.errors import PermanentError
from neo_jobs.weights_gzip import WeightsGzip

Open: TypeAlias = Callable[[], BinaryIO]

# Rests on A-NEO-05.
CODE = "code"  # where the containers look for the script: sagemaker-inference-toolkit
BLOCK_BYTES = 1024**2
MAX_SCRIPT_MEMBERS = 10_000
MAX_MODEL_MEMBERS = 100_000
# Extension headers (long names, PAX records) are read into memory whole.
MAX_HEADER_BYTES = 1 << 16
MAX_HEADERS = 8  # in a row, for one member
# Rests on A-NEO-08.
MAX_NAME = 4_096  # characters: Linux unpacks no longer path
_EXTENSIONS = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}
    | {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)
_OTHER = frozenset({"__pycache__", ".DS_Store", "__MACOSX", ".git"})
_NAMED = 5  # members that a message names


@dataclass(frozen=True, slots=True)
class Script:
    """The script's archive, and what its container asks of it.

    Parameters
    ----------
    entry_point
        The script's name at the archive's root; empty if it need not be looked for.
    takes_one_script
        Whether it may be the only .py file: neo_template_mxnet_byom.py of neo-ai/neo-ai-dlr.
    may_install
        Whether the container can reach out for a requirements.txt as it starts.
    """

    entry_point: str
    takes_one_script: bool = False
    may_install: bool = True


def write_archive(
    out: Any,
    *,
    script: Script,
    open_script: Open,
    open_model: Open | None = None,
    go_on: Callable[[], None] = lambda: None,
) -> None:
    """Write a serving archive.

    The script comes first: what is wrong with it is known before a large model is read. Members
    of the model's archive below ``code/`` give way to it. The same inputs give the same bytes.

    Parameters
    ----------
    out
        A file to write to.
    script, open_script
        The script, and how to open its archive.
    open_model
        How to open the compiled artifact. None writes the script alone, at the root.
    go_on
        Called for every block; it raises what is to end it.

    Raises
    ------
    PermanentError
        If an archive cannot be read, or the script does not fit its container.
    """
    folder = CODE if open_model else ""
    with (
        # Rests on A-NEO-09.
        WeightsGzip(out) as packed,
        tarfile.open(
            fileobj=cast(BinaryIO, packed),  # only write is called
            mode="w|",
            # Rests on A-NEO-09.
            format=tarfile.PAX_FORMAT,
            bufsize=BLOCK_BYTES,
        ) as archive,
    ):
        # Rests on A-NEO-05.
        names = _add_script(archive, open_script, folder, go_on)
        _check(script, names)
        if open_model:
            _add_model(archive, open_model, go_on)


def _add_script(
    archive: tarfile.TarFile, open_script: Open, folder: str, go_on: Callable[[], None]
) -> list[str]:
    names: list[str] = []
    with _members(open_script, "The script's archive") as (source, members):
        for count, member in enumerate(members):
            go_on()
            if count == MAX_SCRIPT_MEMBERS:
                raise PermanentError(f"The script's archive holds more than {count:,} members.")
            _require_short(member.name)
            name = posixpath.normpath(member.name)
            if _OTHER & {*name.split("/")} or posixpath.basename(name).startswith("._"):
                continue
            if not member.isfile() and not member.isdir():
                raise PermanentError(
                    f"The script's archive holds a link or device: {member.name!r}."
                )
            if _is_outside(name):
                raise PermanentError(f"{member.name!r} would be unpacked outside of the archive.")
            if member.isfile():
                names.append(name)
                _add(archive, _Content(source, member, go_on), member, posixpath.join(folder, name))
    return names


def _check(script: Script, names: list[str]) -> None:
    found = ", ".join(sorted(names)[:_NAMED]) or "nothing"
    if script.entry_point and script.entry_point not in names:
        raise PermanentError(
            f"The script's archive has no {script.entry_point} at its root; it holds {found}. "
            "Give entry_point, or pack the folder's content instead of the folder."
        )
    scripts = {name for name in names if name.endswith(".py")}
    # Rests on A-NEO-03.
    if script.takes_one_script and len(scripts) > 1:
        raise PermanentError(
            f"This container takes exactly one .py file; the script's archive holds {found}. "
            "Put everything into the one script."
        )
    if "requirements.txt" in names and not script.may_install:
        raise PermanentError(
            "The script's archive has a requirements.txt, which the container installs from the "
            "network as it starts, and network isolation is on. Give "
            "enable_network_isolation=False, or leave the file out."
        )


def _add_model(archive: tarfile.TarFile, open_model: Open, go_on: Callable[[], None]) -> None:
    with _members(open_model, "The compiled artifact") as (source, members):
        links: set[str] = set()
        for count, member in enumerate(members):
            go_on()
            if count == MAX_MODEL_MEMBERS:
                raise PermanentError(f"The compiled artifact has more than {count:,} members.")
            # Whoever unpacks it takes a leading slash away.
            name = posixpath.normpath(member.name.lstrip("/"))
            _require_short(member.name)
            _require_short(member.linkname)
            if _is_outside(name):
                raise PermanentError(
                    f"The compiled artifact has {member.name!r}, outside of the archive."
                )
            # Rests on A-NEO-08.
            if _goes_through(name, links):
                raise PermanentError(
                    f"The compiled artifact has {member.name!r}, which lies in a link."
                )
            if not (member.isreg() or member.isdir() or _links_inside(member, name, links)):
                raise PermanentError(
                    f"The compiled artifact has {member.name!r}, a device or a link that leads "
                    "outside of the archive."
                )
            if not (member.isreg() or member.isdir()):
                links.add(name)
            if name.split("/")[0] != CODE:
                _add(archive, _Content(source, member, go_on), member, name)


def _require_short(name: str) -> None:
    if len(name) > MAX_NAME:
        raise PermanentError(
            f"The archive has a name of {len(name):,} characters: {name[:80]!r}..."
        )


def _is_outside(name: str) -> bool:
    """Whether a normalised name leads out of the archive."""
    return name.startswith(("/", "../")) or name == ".."


def _goes_through(name: str, links: set[str]) -> bool:
    """Whether a name lies in one of the links before it, which may lead anywhere."""
    parts = name.split("/")
    return any("/".join(parts[:end]) in links for end in range(1, len(parts)))


def _links_inside(member: tarfile.TarInfo, name: str, links: set[str]) -> bool:
    """Whether a member is a link to something in the archive; it cannot lead to a script."""
    if not (member.issym() or member.islnk()) or member.linkname.startswith("/"):
        return False
    parts = [part for part in member.linkname.split("/") if part not in {"", "."}]
    if ".." in parts[parts.count("..") :]:
        return False  # up out of a folder that may be a link itself, which leads elsewhere
    folder = posixpath.dirname(name) if member.issym() else ""
    target = posixpath.normpath(posixpath.join(folder, member.linkname))
    if _is_outside(target) or _goes_through(target, links):
        return False
    return target.split("/")[0] not in {CODE, "."}


class _Content:
    """A member's content, read with a look at the context."""

    def __init__(
        self, source: tarfile.TarFile, member: tarfile.TarInfo, go_on: Callable[[], None]
    ) -> None:
        self._stream = source.extractfile(member) if member.isreg() else None
        self._go_on = go_on

    def __bool__(self) -> bool:
        return self._stream is not None

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        self._go_on()
        return self._stream.read(size) if self._stream else b""


def _add(archive: tarfile.TarFile, content: _Content, member: tarfile.TarInfo, name: str) -> None:
    """Add a member under a name, without its owner and its time."""
    member.name = name
    # No set-user-id bits and the like: a file can be read, or run too.
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.pax_headers = {}
    if content:
        member.type = tarfile.REGTYPE  # a sparse file is written as what it holds
        archive.addfile(member, content)
    else:
        member.size = 0
        archive.addfile(member)


class _Member(tarfile.TarInfo):
    """A member whose header is whole and small.

    For tarfile, a damaged header ends the archive in silence, and headers of any size, and any
    number of them, are read into memory. The library has the same, in
    neo_constructs/archives/tar_member.py; the function imports nothing of it.
    """

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Member:
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
        """Refuse a sparse file whose map continues in an unlimited number of blocks."""
        if self._sparse_structs[1]:  # type: ignore[attr-defined] # of tarfile's own
            raise tarfile.ReadError("a sparse file has a map that is longer than its header")
        made: tarfile.TarInfo = super()._proc_sparse(tarfile_)  # type: ignore[misc] # not in the stubs
        return made

    # Rests on A-NEO-08.
    def _proc_gnusparse_10(self, *_: object) -> None:
        """Refuse a sparse file whose map is read from its content, however long that is."""
        raise tarfile.ReadError("a sparse file has its map in its content")


@contextmanager
def _members(
    opened: Open, what: str
) -> Iterator[tuple[tarfile.TarFile, Iterator[tarfile.TarInfo]]]:
    """Read an archive to its end: only there its checksum tells whether it is whole."""
    try:
        with opened() as packed, gzip.GzipFile(fileobj=packed) as plain:
            with tarfile.open(fileobj=plain, mode="r|", tarinfo=_Member) as source:
                yield source, iter(source)
            while plain.read(BLOCK_BYTES):
                pass
    except (
        tarfile.TarError,
        EOFError,
        ValueError,
        OverflowError,
        gzip.BadGzipFile,
        zlib.error,
    ) as error:
        raise PermanentError(f"{what} cannot be read: {error}. It must be a tar.gz.") from error
