"""Archives of strangers are unpacked into a folder, and nowhere else."""

from __future__ import annotations

import gzip
import inspect
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from neo_jobs import archive_writer

from neo_constructs.archives import tar_member
from neo_constructs.archives.inspection import inspect as inspect_model
from neo_constructs.archives.packing import members_of
from neo_constructs.archives.tar_member import extract

Entry = tuple[str, bytes, str, int]


def tar(*entries: Entry) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as made:
        for name, kind, text, mode in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, mode
            content = text.encode() if kind == tarfile.REGTYPE else b""
            info.size = len(content)
            info.linkname = "" if content else text
            made.addfile(info, io.BytesIO(content))
    out.seek(0)
    return out


def file(name: str, text: str = "x", mode: int = 0o644) -> Entry:
    return name, tarfile.REGTYPE, text, mode


def link(name: str, target: str) -> Entry:
    return name, tarfile.SYMTYPE, target, 0o777


def hard_link(name: str, target: str) -> Entry:
    return name, tarfile.LNKTYPE, target, 0o644


def test_files_folders_and_links_inside(tmp_path: Path) -> None:
    entries = (
        ("lib", tarfile.DIRTYPE, "", 0o700),
        file("lib/a.so", "code", 0o4755),
        file("./deep/er/b.txt", "text", 0o000),
        link("lib/b.so", "a.so"),
        link("top", "lib/../lib/a.so"),
        hard_link("c.so", "lib/a.so"),
        file("twice", "first"),
        file("twice", "last"),
    )
    extract(tar(*entries), tmp_path, limit=1_000)
    for name in ("lib/a.so", "lib/b.so", "top", "c.so"):
        assert (tmp_path / name).read_text() == "code", name
    assert (tmp_path / "lib/a.so").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "deep/er/b.txt").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / "twice").read_text() == "last"


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ((file("/etc/x"),), "outside"),
        ((file("../x"),), "outside"),
        ((file("a/../../x"),), "outside"),
        ((link("a", "/etc/passwd"),), "out of the folder"),
        ((link("a", "../x"),), "out of the folder"),
        ((link("deep/a", "../../x"),), "out of the folder"),
        ((hard_link("a", "/etc/passwd"),), "out of the folder"),
        ((hard_link("a", "../x"),), "out of the folder"),
        ((("null", tarfile.CHRTYPE, "", 0o666),), "a device"),
        ((("pipe", tarfile.FIFOTYPE, "", 0o666),), "a device"),
    ],
)
def test_what_would_land_outside_is_refused(
    entries: tuple[Entry, ...], says: str, tmp_path: Path
) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    with pytest.raises(tarfile.TarError, match=says):
        extract(tar(*entries), inside, limit=1_000)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    """A link that was there before, or that leads out once another link is in its way."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "old").symlink_to(outside)
    with pytest.raises(tarfile.TarError, match="goes through, a link"):
        extract(tar(file("old/x")), inside, limit=1_000)
    assert list(outside.iterdir()) == []


def test_nothing_outside_is_made_or_removed(tmp_path: Path) -> None:
    """Neither a folder, nor a file that a member would replace."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (inside / "old").symlink_to(outside)
    for entry in (
        file("old/kept"),
        file("old/made/x"),
        ("old/made", tarfile.DIRTYPE, "", 0o755),
        link("old/l", "x"),
    ):
        with pytest.raises(tarfile.TarError, match="goes through, a link"):
            extract(tar(entry), inside, limit=1_000)
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert (outside / "kept").read_text() == "kept"


def test_links_that_lead_out_only_together_are_not_used(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    chain = (link("up", "p/q/../.."), link("p/q", ".."), file("up/x"))
    with pytest.raises(tarfile.TarError, match="goes through, a link"):
        extract(tar(*chain), inside, limit=1_000)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("entries", [(file("a", "x" * 2_000),), tuple([file("a")] * 30)])
def test_there_is_an_end(
    entries: tuple[Entry, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_member, "MAX_MEMBERS", 20)
    with pytest.raises(tarfile.TarError, match="more than anyone would unpack"):
        extract(tar(*entries), tmp_path, limit=1_000)


def test_pythons_own_extraction_is_not_used(project: Path) -> None:
    """Its filter came with 3.11.4 only."""
    sources = [*(project / "neo_constructs").rglob("*.py"), *(project / "lambda").rglob("*.py")]
    assert not [
        f for f in sources if "extractall" in f.read_text() or "unpack_archive" in f.read_text()
    ]


def pax(*records: tuple[str, str]) -> bytes:
    """Return an extension header with some records."""
    content = b""
    for key, value in records:
        rest = f" {key}={value}\n".encode()
        length = len(rest) + 1
        while len(str(length)) + len(rest) != length:
            length += 1
        content += str(length).encode() + rest
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(content)
    return info.tobuf(tarfile.USTAR_FORMAT) + content.ljust(-(-len(content) // 512) * 512, b"\0")


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.USTAR_FORMAT) + bytes(-(-size // 512) * 512)


def with_size(field: bytes) -> bytes:
    """Return a header whose size is what it should not be."""
    header = bytearray(tarfile.TarInfo("model.pth").tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = field.ljust(12, b"\0")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


SOUND = {
    "nothing odd": member("a/model.pth", size=5),
    "a size in a record": pax(("size", "5")) + member("model.pth", size=5),
    "a time of a fraction": pax(("mtime", "1700000000.25")) + member("model.pth", size=5),
    "a comment": pax(("comment", "ü = x")) + member("model.pth", size=5),
}
UNSOUND = {
    "a size below nothing": pax(("size", "-5")) + member("model.pth"),
    "a folder of a size below nothing": pax(("size", "-5")) + member("d", tarfile.DIRTYPE),
    "a size that is no number": pax(("size", "abc")) + member("model.pth"),
    "a size with a fraction": pax(("size", "1.5")) + member("model.pth"),
    "an owner that is no number": pax(("uid", "root")) + member("model.pth"),
    "a time that is no number": pax(("mtime", "now")) + member("model.pth"),
    "a size of letters": with_size(b"zzzzzzz"),
    "a size below nothing in base 256": with_size(b"\xff" * 11 + b"\xfb"),
    "a file that is a folder": member("a", size=5) + member("a/model.pth", size=5),
    "a folder that is a file": member("a/model.pth", size=5) + member("a", size=5),
}


@pytest.mark.parametrize("title", [*SOUND, *UNSOUND])
def test_what_gnu_tar_refuses_is_refused(title: str, tmp_path: Path) -> None:
    content = {**SOUND, **UNSOUND}[title] + bytes(10_240)
    path = tmp_path / "model.tar.gz"
    path.write_bytes(gzip.compress(content))
    errors = [f for f in inspect_model(path).findings if f.code != "model-unrecognised"]
    assert bool(errors) == (title in UNSOUND)
    tar = shutil.which("tar")
    version = subprocess.run([tar or "false", "--version"], capture_output=True, check=False)
    if b"GNU tar" in version.stdout:
        (tmp_path / "out").mkdir()
        done = subprocess.run(
            [str(tar), "xzf", str(path), "-C", str(tmp_path / "out")],
            capture_output=True,
            check=False,
        )
        # Of two members of one name GNU tar takes the last, where that is a file.
        assert bool(done.returncode) == (title in UNSOUND), done.stderr


def test_what_an_interrupt_has_left_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"x")
    (tmp_path / ".model.tar.gz.abc.neo-partial").write_bytes(b"half")
    assert [*members_of(tmp_path)] == ["model.pth"]


@pytest.mark.parametrize("method", ["_proc_member", "_proc_sparse", "_proc_gnusparse_10"])
def test_the_function_limits_headers_as_the_library_does(method: str) -> None:
    """The function imports nothing of the library, so it has its own copy of these."""
    library, function = getattr(tar_member.Member, method), getattr(archive_writer._Member, method)
    assert inspect.getsource(library) == inspect.getsource(function)
