"""Packed archives, and notes of what is in them, kept from one synth to the next.

What is found there is deployed: so the folder is its owner's alone, and an archive is believed only
if it is the very file that was written there, by the note beside it. Where all archives together
are larger than a limit, those that were used least lately are removed.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from neo_constructs.archives.packing import pack

_NAME: Final = "neo_constructs"
LIMIT: Final = "NEO_CONSTRUCTS_CACHE_GIB"  # the variable; what is larger than it is removed
_LIMIT_GIB: Final = 5.0
_IN_USE_SECONDS: Final = 3_600  # another synth may be about to upload it
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


@functools.cache
def _base(chosen: str) -> Path:
    """Return the cache's folder, or one for this process alone where there is none to trust."""
    folder = Path(chosen) / _NAME
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat()
        is_mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if is_mine and found.st_mode & _OTHERS_WRITE:
            shutil.rmtree(folder)  # others may have put something there
            folder.mkdir(mode=0o700)
        if is_mine:
            return folder
    except OSError:  # a home that cannot be written to, as in some build systems
        pass
    own = Path(tempfile.mkdtemp(prefix=f"{_NAME}-"))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return own


def cache_folder(name: str) -> Path:
    """Return a folder of the cache; ``XDG_CACHE_HOME`` says where, by default ``~/.cache``."""
    chosen = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = _base(chosen) / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def packed_once(digest: str, members: Mapping[str, Path], name: str) -> Path:
    """Return an archive of some members, packed now or by an earlier synth.

    Parameters
    ----------
    digest
        The members' fingerprint.
    members
        Name to file.
    name
        The archive's file name.

    Raises
    ------
    OSError
        If the members are no longer what the fingerprint says.
    """
    archive = cache_folder("packed") / digest / name
    note = cache_folder("notes") / f"{digest}-{name}.json"
    if _state(archive) and _noted(note) == _state(archive):
        with contextlib.suppress(OSError):  # a cache that is read only
            os.utime(note)  # when it was used last
        return archive
    if pack(members, archive) != digest:
        archive.unlink(missing_ok=True)
        raise OSError("the files have changed while they were packed; synthesize again")
    note.write_text(json.dumps(_state(archive)))
    _tidy(keep=archive)
    return archive


def _limit() -> float:
    """Return how many bytes of archives are kept; what is no number counts as not given."""
    try:
        gib = float(os.environ.get(LIMIT, _LIMIT_GIB))
    except ValueError:
        gib = _LIMIT_GIB
    return gib * 1024**3 if gib >= 0 else _LIMIT_GIB * 1024**3


def _tidy(*, keep: Path) -> None:
    """Remove the archives that were used least lately, as far as they are too large together."""
    archives = []
    for archive in cache_folder("packed").glob("*/*"):
        note = cache_folder("notes") / f"{archive.parent.name}-{archive.name}.json"
        with contextlib.suppress(OSError):  # another synth may be removing it
            found = archive.lstat()
            used = max(found.st_mtime, note.stat().st_mtime if note.exists() else 0.0)
            archives.append((used, found.st_size, archive, note))
    left = sum(size for _, size, _, _ in archives) - _limit()
    for used, size, archive, note in sorted(archives):
        if left <= 0 or used > time.time() - _IN_USE_SECONDS:
            return
        if archive != keep and not _used_since(note, used):
            with contextlib.suppress(OSError):
                archive.unlink(missing_ok=True)
                archive.parent.rmdir()
            note.unlink(missing_ok=True)
            left -= size


def _used_since(note: Path, used: float) -> bool:
    """Whether another synth has used an archive in the meantime."""
    try:
        return note.stat().st_mtime > used
    except OSError:
        return False


def _noted(note: Path) -> object:
    try:
        return json.loads(note.read_text())
    except (OSError, ValueError):
        return None


def _state(archive: Path) -> list[int] | None:
    """Return what tells whether a file is the one that was written; its last time cannot be set."""
    try:
        found = archive.lstat()
    except OSError:
        return None
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
