"""What is kept between synths is believed only if it is what was written there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from neo_constructs.archives import asset_cache
from neo_constructs.archives.packing import fingerprint, members_of
from tests.lifecycle.events import unpacked


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asset_cache._base.cache_clear()


def packed(code: Path) -> Path:
    members = members_of(code)
    return asset_cache.packed_once(fingerprint(members), members, "sourcedir.tar.gz")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "inference.py").write_text("good")
    return folder


def test_an_archive_is_packed_once(code: Path) -> None:
    first = packed(code)
    before = first.stat()
    assert packed(code) == first
    assert first.stat() == before


def test_what_is_used_least_lately_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = []
    for number in range(4):
        code = tmp_path / f"code{number}"
        code.mkdir()
        (code / "inference.py").write_bytes(os.urandom(4_000))
        archives.append((packed(code), code))
    notes = sorted((tmp_path / "cache" / "neo_constructs" / "notes").iterdir())
    assert len(notes) == 4
    day = 24 * 3_600
    for number, (archive, _) in enumerate(archives):
        note = next(n for n in notes if archive.parent.name in n.name)
        # The last one is in use, by another synth.
        for file in (archive, note) if number < 3 else ():
            os.utime(file, (0, file.stat().st_mtime - (9 - number) * day))
    monkeypatch.setenv(asset_cache.LIMIT, str(9_000 / 1024**3))  # two of them
    newest = tmp_path / "newest"
    newest.mkdir()
    (newest / "inference.py").write_bytes(os.urandom(4_000))
    made = packed(newest)
    assert made.exists()
    assert [a.exists() for a, _ in archives] == [False, False, False, True]
    assert len(list((tmp_path / "cache" / "neo_constructs" / "notes").iterdir())) == 2


@pytest.mark.parametrize("given", ["", "much", "-1", "nan"])
def test_a_limit_that_is_no_number_is_the_usual_one(
    given: str, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(asset_cache.LIMIT, given)
    assert packed(code).exists()
    assert asset_cache._limit() == 5 * 1024**3


@pytest.mark.parametrize("how", ["rewritten", "replaced", "planted before", "linked"])
def test_what_was_planted_is_not_deployed(code: Path, tmp_path: Path, how: str) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "inference.py").write_text("evil")
    other = packed(evil).read_bytes()
    if how == "planted before":
        members = members_of(code)
        place = asset_cache.cache_folder("packed") / fingerprint(members) / "sourcedir.tar.gz"
        place.parent.mkdir()
        place.write_bytes(other)
    else:
        place = packed(code)
        kept = place.stat()
        if how == "rewritten":
            place.write_bytes(other)
            os.utime(place, ns=(kept.st_atime_ns, kept.st_mtime_ns))
        else:
            place.unlink()
            (tmp_path / "other").write_bytes(other)
            if how == "linked":
                place.symlink_to(tmp_path / "other")
            else:
                place.write_bytes(other)
    assert unpacked(packed(code).read_bytes()) == {"inference.py": b"good"}


def test_the_folder_is_its_owners_alone(code: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache/neo_constructs"
    folder.mkdir(parents=True, mode=0o777)
    folder.chmod(0o777)
    assert packed(code).is_relative_to(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_could_write_to_is_emptied(
    code: Path, tmp_path: Path, mode: int
) -> None:
    folder = tmp_path / "cache/neo_constructs"
    (folder / "packed").mkdir(parents=True)
    (folder / "packed/planted").write_text("planted")
    folder.chmod(mode)
    assert packed(code).is_relative_to(folder)
    assert not (folder / "packed/planted").exists()


@pytest.mark.parametrize("what", ["someone else's", "a link", "a file"])
def test_a_folder_that_cannot_be_trusted_is_not_used(
    code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    folder = tmp_path / "cache/neo_constructs"
    folder.parent.mkdir()
    if what == "a file":
        folder.write_text("")
    elif what == "a link":
        (tmp_path / "shared").mkdir()
        folder.symlink_to(tmp_path / "shared")
    else:
        folder.mkdir()
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    place = packed(code)
    assert not place.is_relative_to(tmp_path / "cache")
    assert not place.is_relative_to(tmp_path / "shared")
    assert unpacked(place.read_bytes()) == {"inference.py": b"good"}


def test_files_that_change_meanwhile_are_not_packed_under_the_old_name(code: Path) -> None:
    members = members_of(code)
    digest = fingerprint(members)
    (code / "inference.py").write_text("changed")
    with pytest.raises(OSError, match="have changed"):
        asset_cache.packed_once(digest, members, "sourcedir.tar.gz")
    assert not list(asset_cache.cache_folder("packed").rglob("*.tar.gz"))
