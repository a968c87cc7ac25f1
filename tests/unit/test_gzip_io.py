"""Large files by the fast codec and without it: the same members, the same faults."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from neo_constructs.archives import gzip_io, tar_member, tar_reader
from neo_constructs.archives.inspection import inspect
from neo_constructs.archives.packing import fingerprint, members_of, pack


@pytest.fixture(params=[True, False], ids=["fast", "plain"])
def is_fast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Use one codec for everything."""
    monkeypatch.setattr(gzip_io, "LARGE_BYTES", 1)
    if request.param:
        assert gzip_io.FAST, "the extra 'fast' is what the tests run with"
    else:
        monkeypatch.setattr(gzip_io, "FAST", None)
    return bool(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "model.pth").write_bytes(hashlib.shake_128(b"weights").digest(3 << 20))
    (made / "labels.txt").write_text("cat\ndog\n")
    return made


def test_what_is_packed_is_what_there_was(is_fast: bool, folder: Path, tmp_path: Path) -> None:
    archive, seen = tmp_path / "model.tar.gz", list[int]()
    members = members_of(folder)
    made = pack(members, archive, progress=seen.append)
    assert made == fingerprint(members) == tar_reader.read(archive).fingerprint
    assert sum(seen) == sum(file.stat().st_size for file in members.values())
    env = "/usr/bin/env"
    listed = subprocess.run([env, "tar", "tzf", archive], capture_output=True, check=True)
    assert listed.stdout.split() == [b"labels.txt", b"model.pth"]
    subprocess.run([env, "gzip", "-t", archive], check=True)
    header = archive.read_bytes()[:10]
    assert header[3] == 0, "no name in it"
    assert header[4:8] == bytes(4), "no time in it"


def test_twice_the_same_bytes(is_fast: bool, folder: Path, tmp_path: Path) -> None:
    for name in ("a.tar.gz", "b.tar.gz"):
        pack(members_of(folder), tmp_path / name)
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()


@pytest.mark.parametrize("damage", ["cut off", "cut off early", "a wrong byte", "no gzip"])
def test_a_broken_archive_is_a_finding(
    is_fast: bool, damage: str, folder: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "model.tar.gz"
    pack(members_of(folder), archive)
    whole = archive.read_bytes()
    middle = len(whole) // 2
    archive.write_bytes(
        {
            "cut off": whole[:-4],
            "cut off early": whole[:middle],
            "a wrong byte": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
            "no gzip": b"x" * len(whole),
        }[damage]
    )
    (finding,) = inspect(archive).findings
    assert finding.code == "model-unreadable"


def test_a_bomb_is_not_unpacked(
    is_fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "model.tar.gz"
    (tmp_path / "zeros").write_bytes(bytes(64 << 20))
    pack({"model.pth": tmp_path / "zeros"}, archive)
    for limit in ("MIN_EXPANSION_BYTES", "MAX_EXPANSION"):
        monkeypatch.setattr(tar_member, limit, 1)
    (finding,) = inspect(archive).findings
    assert finding.code == "archive-beyond-reason"


def test_a_file_that_changes_while_it_is_packed_leaves_nothing(
    is_fast: bool, folder: Path, tmp_path: Path
) -> None:
    archive, file = tmp_path / "out" / "model.tar.gz", folder / "model.pth"

    def shrink(_read: int) -> None:
        file.write_bytes(b"")

    with pytest.raises(OSError, match="has become shorter"):
        pack({"model.pth": file}, archive, progress=shrink)
    assert list(archive.parent.iterdir()) == []
