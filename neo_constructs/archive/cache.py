"""Packed archives, and notes of what is in them, kept from one synth to the next.

What is found there is deployed: so the folder is its owner's alone, and an archive is believed only
if it is the very file that was written there, by the note beside it.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from neo_constructs.archive.packing import pack

_NAME: Final = "neo_constructs"
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
        return archive
    if pack(members, archive) != digest:
        archive.unlink(missing_ok=True)
        raise OSError("the files have changed while they were packed; synthesize again")
    note.write_text(json.dumps(_state(archive)))
    return archive


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
