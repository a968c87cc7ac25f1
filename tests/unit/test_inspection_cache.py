"""An unchanged model is neither read nor packed again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from unittest import mock

import pytest

from neo_constructs.archives import inspection_cache
from neo_constructs.archives.inspection import Inspection, inspect
from neo_constructs.archives.inspection_cache import inspect_once
from neo_constructs.archives.packing import members_of, pack

MODELS = Path(__file__).parents[1] / "models"


class Looks:
    """Counts how often something is really looked at."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, path: Path) -> Inspection:
        self.count += 1
        return inspect(path)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what was written just now be old enough."""
    monkeypatch.setattr(inspection_cache, "MIN_AGE_NS", -(10**9))


@pytest.fixture(params=["traced.pth", "a folder", "model.tar.gz"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "traced.pth":
        return Path(shutil.copy(MODELS / "traced.pth", tmp_path))
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(MODELS / "traced.pth", folder)
    if request.param == "a folder":
        return folder
    pack(members_of(folder), tmp_path / "model.tar.gz")
    return tmp_path / "model.tar.gz"


def test_an_unchanged_model_is_looked_at_once(model: Path, tmp_path: Path, later: None) -> None:
    looks, notes = Looks(), tmp_path / "notes"
    found = [inspect_once(model, notes, look=looks) for _ in range(3)]
    assert looks.count == 1
    assert found[0] == found[1] == found[2] == inspect(model)


def test_a_changed_model_is_looked_at_again(model: Path, tmp_path: Path, later: None) -> None:
    looks, notes = Looks(), tmp_path / "notes"
    before = inspect_once(model, notes, look=looks)
    file = model / "traced.pth" if model.is_dir() else model
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    content = (MODELS / "scripted.pth").read_bytes()
    file.write_bytes(content.ljust(file.stat().st_size, b"\0")[: file.stat().st_size])
    os.utime(file, ns=times)  # whoever sets the time back is not believed
    assert inspect_once(model, notes, look=looks) != before
    assert looks.count == 2


def test_a_file_more_in_a_folder_is_seen(tmp_path: Path, later: None) -> None:
    looks, notes, folder = Looks(), tmp_path / "notes", tmp_path / "model"
    folder.mkdir()
    shutil.copy(MODELS / "traced.pth", folder)
    first = inspect_once(folder, notes, look=looks)
    (folder / "labels.txt").write_text("cat")
    assert inspect_once(folder, notes, look=looks).names != first.names
    assert looks.count == 2


def test_what_was_written_just_now_is_not_noted(tmp_path: Path) -> None:
    looks, notes = Looks(), tmp_path / "notes"
    file = Path(shutil.copy(MODELS / "traced.pth", tmp_path))
    file.touch()
    for _ in range(2):
        inspect_once(file, notes, look=looks)
    assert looks.count == 2
    assert not notes.exists()


def test_what_is_wrong_is_looked_at_again(tmp_path: Path, later: None) -> None:
    looks = Looks()
    for _ in range(2):
        assert inspect_once(tmp_path / "nothing", tmp_path / "notes", look=looks).findings
    assert looks.count == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda note: note.write_text("{"),
        lambda note: note.write_text("[]"),
        lambda note: note.write_text(json.dumps({**json.loads(note.read_text()), "names": 1})),
        lambda note: note.write_text(json.dumps({**json.loads(note.read_text()), "sources": []})),
        lambda note: note.write_bytes(b"\xff"),
    ],
)
def test_a_note_that_cannot_be_believed_is_not(damage: object, tmp_path: Path, later: None) -> None:
    looks, notes = Looks(), tmp_path / "notes"
    file = Path(shutil.copy(MODELS / "traced.pth", tmp_path))
    inspect_once(file, notes, look=looks)
    (note,) = notes.iterdir()
    assert callable(damage)
    damage(note)
    assert inspect_once(file, notes, look=looks) == inspect(file)
    assert looks.count == 2


def test_a_folder_that_cannot_be_written_to_costs_a_look_only(tmp_path: Path, later: None) -> None:
    file = Path(shutil.copy(MODELS / "traced.pth", tmp_path))
    (tmp_path / "notes").write_text("a file")
    assert inspect_once(file, tmp_path / "notes") == inspect(file)


def test_no_content_is_read_of_what_is_remembered(tmp_path: Path, later: None) -> None:
    notes = tmp_path / "notes"
    file = Path(shutil.copy(MODELS / "traced.pth", tmp_path))
    inspect_once(file, notes)
    with mock.patch.object(Path, "open", autospec=True, side_effect=Path.open) as opened:
        inspect_once(file, notes, look=Looks())
        assert file not in [call.args[0] for call in opened.call_args_list]
