"""Read a model.tar.gz once, from front to end: its members, the models among them, its identity.

Whatever is in it, time and memory stay bounded, and nothing is written but to a temporary file.
"""

from __future__ import annotations

import errno
import hashlib
import tarfile
import tempfile
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from neo_constructs.archives.gzip_io import decompressed
from neo_constructs.archives.packing import fingerprint_of, folder_and_file
from neo_constructs.archives.tar_member import (
    MAX_MEMBERS,
    expansion_limit,
    is_outside,
    members_in,
    open_tar,
)
from neo_constructs.findings.errors import NeoConstructsError
from neo_constructs.findings.wording import listed
from neo_constructs.model_formats.budget import Budget
from neo_constructs.model_formats.foreign_files import MAX_STRANGERS, Foreign, describe
from neo_constructs.model_formats.model_file import ModelFile, recognise

# What may be a model among an archive's members.
MODEL_SUFFIXES: Final = frozenset(
    {".onnx", ".pth", ".pt", ".pt2", ".pb", ".h5", ".keras", ".tflite", ".json", ".ubj", ".pkl",
     ".model"}
)  # fmt: skip
PARTS: Final = frozenset({"mxnet-params"})  # files that are no model by themselves
_LONGEST_SUFFIX: Final = 16
_CHUNK: Final = 1 << 18  # what the caches of a processor hold
_CHUNKS: Final = 4  # that wait at a time
_PADDING_CHUNKS: Final = 64  # zeros after the last member
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Contents:
    """What an archive holds.

    Parameters
    ----------
    names, folders
        Of its members.
    models
        What its model files say about themselves.
    strangers
        Name to what a file is that should be a model and is none.
    fingerprint
        SHA-256 over the files' names and contents.
    """

    names: tuple[str, ...]
    folders: tuple[str, ...]
    models: tuple[ModelFile, ...]
    strangers: Mapping[str, Foreign]
    fingerprint: str


class ArchiveRejectedError(NeoConstructsError):
    """What keeps an archive from being used at all.

    Parameters
    ----------
    code, message, fix
        As in a finding.
    """

    def __init__(self, code: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.code, self.message, self.fix = code, message, fix


def read(path: Path) -> Contents:
    """Read an archive.

    Raises
    ------
    ArchiveRejectedError
        If it is not one that anyone should unpack.
    tarfile.TarError, EOFError, OSError, zlib.error
        If it cannot be read to its end.
    """
    try:
        return _read(path)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
            raise
        raise ArchiveRejectedError(
            "temporary-folder",
            f"There is no room for a copy of its model in {tempfile.gettempdir()}: {error}.",
            "make room there, or name another folder: TMPDIR=/path/to/folder.",
        ) from error


def _read(path: Path) -> Contents:
    models: list[ModelFile] = []
    folders: list[str] = []
    contents: dict[str, str] = {}
    names: list[str] = []
    strangers: dict[str, Foreign] = {}
    limits, budget = _Limits(path), Budget()
    with (
        decompressed(path) as plain,
        open_tar(plain) as tar,
        tempfile.TemporaryDirectory() as folder,
        _beside() as pool,
    ):
        for member in members_in(tar):
            limits.look_at(member)
            if member.isdir():
                folders.append(member.name)
            stream = tar.extractfile(member) if member.isfile() else None
            if stream is None:
                continue
            name = member.name.removeprefix("./")
            names.append(name)
            # Its own name may be longer than a file system takes.
            copy = Path(folder) / f"model{PurePosixPath(name).suffix[:_LONGEST_SUFFIX]}"
            may_be_model = copy.suffix in MODEL_SUFFIXES
            contents[name] = _take(stream, copy if may_be_model else None, pool)
            if may_be_model:
                model = recognise(copy, budget)
                if model and model.format not in PARTS:
                    models.append(replace(model, where=PurePosixPath(name).name))
                elif model is None and len(strangers) < MAX_STRANGERS:
                    strangers[name] = describe(copy)
                copy.unlink()
        limits.check(names)
        for _ in range(_PADDING_CHUNKS):  # only at its end a gzip stream tells whether it is whole
            if not plain.read(_CHUNK):
                break
    return Contents(
        names=tuple(names),
        folders=tuple(folders),
        models=tuple(models),
        strangers=strangers,
        fingerprint=fingerprint_of(contents),
    )


@contextmanager
def _beside() -> Iterator[ThreadPoolExecutor]:
    """Return one thread, which hashes and writes while this one decompresses."""
    pool = ThreadPoolExecutor(1)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _take(stream: IO[bytes], copy: Path | None, pool: ThreadPoolExecutor) -> str:
    """Return the hash of a member's content; keep the content where it may be a model."""
    hashed = hashlib.sha256()
    waiting: deque[Future[Any]] = deque()
    with copy.open("wb") if copy else nullcontext() as out:

        def take(chunk: bytes) -> None:
            hashed.update(chunk)
            if out:
                out.write(chunk)

        while chunk := stream.read(_CHUNK):
            waiting.append(pool.submit(take, chunk))
            if len(waiting) > _CHUNKS:
                waiting.popleft().result()
        for each in waiting:
            each.result()
    return hashed.hexdigest()


class _Limits:
    """What keeps an archive from being unpacked at all, gathered member by member.

    Looked at before a member's content is read, so that time and memory stay bounded.
    """

    def __init__(self, path: Path) -> None:
        self._limit = expansion_limit(path.stat().st_size)
        self._count = self._size = 0
        self._links: list[str] = []
        self._outside: list[str] = []

    def look_at(self, member: tarfile.TarInfo) -> None:
        """Take note of a member; raise if there is no use in going on."""
        self._count += 1
        self._size += member.size
        if self._count > MAX_MEMBERS:
            raise _beyond(f"It has more than {MAX_MEMBERS:,} members.")
        if self._size > self._limit:
            raise _beyond(f"It expands to more than {self._limit >> 20:,} MiB.")
        if not member.isfile() and not member.isdir():
            self._links.append(member.name)
        if is_outside(member.name) or ".." in member.name.split("/"):
            self._outside.append(member.name)

    def check(self, names: Collection[str]) -> None:
        """Raise what was found when all members were seen."""
        if both := folder_and_file(names):
            raise ArchiveRejectedError(
                "archive-member-path",
                f"{both!r} is a file, and a folder of others.",
                "give one of them another name.",
            )
        if self._links:
            raise ArchiveRejectedError(
                "archive-link",
                "It holds links or devices, which Neo does not follow: "
                f"{listed(self._links[:_NAMED])}.",
                "put the files themselves into the archive.",
            )
        if self._outside:
            raise ArchiveRejectedError(
                "archive-member-path",
                f"Members would be unpacked outside of it: {listed(self._outside[:_NAMED])}.",
                "write it with names below the folder it is made in.",
            )


def _beyond(message: str) -> ArchiveRejectedError:
    return ArchiveRejectedError(
        "archive-beyond-reason", message, "pack the model alone: 'neo package' does."
    )
