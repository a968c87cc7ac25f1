"""What was found at a path, kept from one synth to the next: an unchanged model is not read again.

A file is unchanged if its size, its times, and its place on the disk are; the time of its last
change cannot be set back. A note is only believed by the release, and the sources, that wrote it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from neo_constructs.archives.inspection import Inspection, inspect, is_archive
from neo_constructs.archives.packing import members_of
from neo_constructs.model_formats.model_file import ModelFile, Trait
from neo_constructs.model_formats.model_input import ModelInput

_FORM = 2  # of a note
MIN_AGE_NS = 2 * 10**9  # what was written just now may change again within a tick of its clock


def inspect_once(
    path: Path, notes: Path, *, look: Callable[[Path], Inspection] = inspect
) -> Inspection:
    """Return what was found at a path, from a note if nothing has changed since.

    Parameters
    ----------
    path
        A model file, a folder with one, or an archive.
    notes
        The folder that keeps notes.
    look
        What to do if something has changed.
    """
    absolute = path.absolute()
    state = _state(absolute)
    note = notes / f"{hashlib.sha256(os.fsencode(absolute)).hexdigest()[:32]}.json"
    if state and (found := _recall(note, state, path)):
        return found
    found = look(path)
    # Findings name the path as it was given, and are few: what has any is looked at again.
    if state and not (found.findings or found.strangers) and _state(absolute) == state:
        _write(note, {"form": _FORM, "sources": _sources(), "state": state, **_fields(found)})
    return found


def _state(path: Path) -> list[Any] | None:
    """Return what tells whether anything has changed; None if that cannot be told."""
    try:
        files = {path.name: path} if path.is_file() else dict(members_of(path))
        stats = {name: file.stat() for name, file in files.items()}
    except OSError:
        return None
    newest = max((s.st_ctime_ns for s in stats.values()), default=0)
    if not stats or newest > time.time_ns() - MIN_AGE_NS:
        return None
    return [
        [name, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns]
        for name, s in sorted(stats.items())
    ]


def _sources() -> list[list[Any]]:
    """Return what identifies the code that has looked."""
    folder = Path(__file__).parent
    return [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in sorted(folder.glob("*.py"))]


def _recall(note: Path, state: list[Any], path: Path) -> Inspection | None:
    try:
        kept = json.loads(note.read_text())
        if kept["form"] != _FORM or kept["sources"] != _sources() or kept["state"] != state:
            return None
        return _inspection(kept, path)
    except (OSError, ValueError, LookupError, TypeError):
        return None  # no note, or none that can be read


def _fields(found: Inspection) -> dict[str, Any]:
    model = found.model
    return {
        "fingerprint": found.fingerprint,
        "names": found.names,
        "folders": found.folders,
        "model": model and {k: getattr(model, k) for k in _PLAIN},
        "more": model and {k: sorted(getattr(model, k)) for k in _MANY},
        "inputs": [[i.name, i.shape, i.dtype] for i in model.inputs] if model else [],
    }


_PLAIN = ("framework", "format", "writer", "opset", "ir_version", "where")
_MANY = ("external", "domains", "traits")


def _inspection(kept: Mapping[str, Any], path: Path) -> Inspection:
    model = kept["model"]
    return Inspection(
        path=path,
        fingerprint=kept["fingerprint"],
        names=tuple(kept["names"]),
        folders=tuple(kept["folders"]),
        members={} if is_archive(path) else members_of(path),
        model=_model(kept) if model else None,
    )


def _model(kept: Mapping[str, Any]) -> ModelFile:
    more = kept["more"]
    return ModelFile(
        **kept["model"],
        inputs=tuple(_inputs(kept["inputs"])),
        external=tuple(more["external"]),
        domains=tuple(more["domains"]),
        traits=frozenset(map(Trait, more["traits"])),
    )


def _inputs(kept: list[Any]) -> Iterator[ModelInput]:
    for name, shape, dtype in kept:
        yield ModelInput(name, None if shape is None else tuple(shape), dtype)


def _write(note: Path, content: Mapping[str, Any]) -> None:
    """Write a note whole or not at all; without one, the next synth looks again."""
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False) as file:
            json.dump(content, file)
        Path(file.name).replace(note)
    except OSError:
        return
