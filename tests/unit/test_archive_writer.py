"""What the serving container unpacks: whole, in order, and nothing of a damaged archive."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import BinaryIO

import pytest
from neo_jobs import archive_writer
from neo_jobs.archive_writer import Script, write_archive
from neo_jobs.errors import PermanentError

from tests.lifecycle.events import archive, unpacked

SCRIPT = archive({"inference.py": b"# new"})
Member = tuple[tarfile.TarInfo, bytes]


def member(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    return info, content


def tar(*members: Member) -> bytes:
    """Return a tar by hand, with whatever is asked for in it."""
    blocks = [
        info.tobuf(tarfile.GNU_FORMAT) + content + b"\0" * (-len(content) % 512)
        for info, content in members
    ]
    return b"".join(blocks) + b"\0" * 1024


def packed(plain: bytes, script: bytes = SCRIPT) -> bytes:
    """Return a serving archive."""
    out = io.BytesIO()
    write_archive(
        out,
        script=Script("inference.py"),
        open_script=lambda: io.BytesIO(script),
        open_model=lambda: io.BytesIO(gzip.compress(plain)),
    )
    return out.getvalue()


def names(archive_: bytes) -> list[tuple[str, bytes, int]]:
    with tarfile.open(fileobj=io.BytesIO(archive_)) as found:
        return [(m.name, m.type, m.size) for m in found]


FILES = (member("a.so", b"code"), member("compiled.so", b"code"), member("c.so", b"code"))


def test_members_keep_their_kind_and_order() -> None:
    made = packed(
        tar(
            member("lib", kind=tarfile.DIRTYPE),
            member("lib/a.so", b"code"),
            member("lib/b.so", kind=tarfile.SYMTYPE, link="a.so"),
            member("lib/c.so", kind=tarfile.LNKTYPE, link="lib/a.so"),
            member("a name of more than a hundred characters/" * 4 + "x", b"1"),
        )
    )
    assert names(made) == [
        ("code/inference.py", tarfile.REGTYPE, 5),
        ("lib", tarfile.DIRTYPE, 0),
        ("lib/a.so", tarfile.REGTYPE, 4),
        ("lib/b.so", tarfile.SYMTYPE, 0),
        ("lib/c.so", tarfile.LNKTYPE, 0),
        ("a name of more than a hundred characters/" * 4 + "x", tarfile.REGTYPE, 1),
    ]


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert packed(tar(*FILES)) == packed(tar(*FILES))
    # In one gzip member, which every reader takes.
    assert packed(tar(*FILES)).count(b"\x1f\x8b\x08\x00") == 1


@pytest.mark.parametrize("name", ["code/inference.py", "./code/inference.py", "/code/inference.py"])
def test_a_script_in_the_artifact_gives_way(name: str) -> None:
    made = unpacked(packed(tar(member(name, b"# old"), *FILES)))
    assert made["code/inference.py"] == b"# new"
    assert set(made) == {"code/inference.py", "a.so", "compiled.so", "c.so"}


def test_a_name_that_only_begins_like_the_scripts_folder_stays() -> None:
    made = unpacked(packed(tar(member("code2/x", b"1"), member("codec.so", b"2"))))
    assert set(made) == {"code/inference.py", "code2/x", "codec.so"}


def test_a_hole_is_written_as_what_it_holds() -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as made:
        info = tarfile.TarInfo("weights.bin")
        info.size = 5
        info.pax_headers = {
            "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "weights.bin",
            "GNU.sparse.size": "9", "GNU.sparse.map": "2,5",
        }  # fmt: skip
        made.addfile(info, io.BytesIO(b"12345"))
    assert unpacked(packed(plain.getvalue()))["weights.bin"] == b"\0\x0012345\0\0"


@pytest.mark.parametrize(
    ("plain", "says"),
    [
        (tar(member("dump", b"x" * 600, b"D"), *FILES), "a device or a link"),
        (tar(*FILES)[:1024], "a header is damaged"),
        (tar(*FILES)[:1124], "a header is damaged"),
        (tar(*FILES)[:1024].ljust(1172, b"x") + b"0" * 8 + tar(*FILES)[1180:], "is damaged"),
        (tar(*FILES)[:700], "cannot be read"),
        (b"no tar", "cannot be read"),
        (b"", "cannot be read"),
    ],
    ids=["unknown type", "cut at a header", "cut in a header", "checksum", "cut", "text", "empty"],
)
def test_what_is_damaged_is_refused(plain: bytes, says: str) -> None:
    with pytest.raises(PermanentError, match=says):
        packed(plain)


def sparse(*, goes_on: bool) -> Member:
    """Return a member of GNU's old type for files with holes, as GNU tar writes it."""
    info, _ = member("weights.bin", b"12345", tarfile.GNUTYPE_SPARSE)

    class Sparse(tarfile.TarInfo):
        def tobuf(self, *_: object) -> bytes:
            head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
            head[386:410] = b"%011o\0%011o\0" % (2, 5)
            head[482] = goes_on
            head[483:495] = b"%011o\0" % 9
            head[148:156] = b" " * 8
            head[148:156] = b"%06o\0 " % sum(head)
            return bytes(head)

    return Sparse(), b"12345"


def test_a_map_of_holes_ends_with_its_header() -> None:
    made = unpacked(packed(tar(sparse(goes_on=False))))
    assert made["weights.bin"] == b"\0\x0012345\0\0"
    with pytest.raises(PermanentError, match="a map that is longer than its header"):
        packed(tar(sparse(goes_on=True)))


def test_a_map_of_holes_in_the_content_is_refused() -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as made:
        info = tarfile.TarInfo("weights.bin")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        made.addfile(info)
    with pytest.raises(PermanentError, match="has its map in its content"):
        packed(plain.getvalue())


def test_a_sparse_header_that_says_nothing_is_refused() -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as made:
        info = tarfile.TarInfo("weights.bin")
        info.pax_headers = {"GNU.sparse.map": "1,2,x", "GNU.sparse.size": "9"}
        made.addfile(info)
    with pytest.raises(PermanentError, match="cannot be read"):
        packed(plain.getvalue())


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (gzip.compress(tar(member("inference.py", kind=tarfile.SYMTYPE, link="x"))), "link"),
        (gzip.compress(tar(member("/inference.py", b"1"))), "unpacked outside"),
        (archive({f"{n}.txt": b"" for n in range(10_001)}), "more than 10,000 members"),
        (archive({}), "it holds nothing"),
    ],
    ids=["a link", "absolute", "crowded", "empty"],
)
def test_a_script_that_cannot_be_taken(script: bytes, says: str) -> None:
    with pytest.raises(PermanentError, match=says):
        packed(tar(*FILES), script)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_is_not_read_however_large_it_says_it_is(kind: bytes) -> None:
    """Four gigabytes of a long name would be read into memory whole."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, 4 << 30
    plain = info.tobuf(tarfile.GNU_FORMAT) + b"a" * 4096
    for archive_ in ({"plain": plain}, {"plain": tar(*FILES), "script": gzip.compress(plain)}):
        with pytest.raises(PermanentError, match="announces 4,294,967,296 bytes"):
            packed(**archive_)


def test_a_negative_size_is_refused() -> None:
    info = tarfile.TarInfo("x")
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 12
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:]))
    with pytest.raises(PermanentError, match="announces -1 bytes"):
        packed(bytes(block) + b"\0" * 1024)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_headers_of_headers_without_end_are_refused(kind: bytes) -> None:
    """Each is read from within the one before it, so that many would end in a traceback."""
    info = tarfile.TarInfo("x")
    info.type = kind
    content = b"13 comment=x\n" if kind == tarfile.XGLTYPE else b"name\0"
    info.size = len(content)
    one = info.tobuf(tarfile.GNU_FORMAT) + content.ljust(512, b"\0")
    with pytest.raises(PermanentError, match="more than 8 headers"):
        packed(one * 2_000)
    assert len(names(packed(one * 5 + tar(*FILES)))) == 4


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/../../b", ".."])
def test_a_member_outside_of_the_artifact_is_refused(name: str) -> None:
    with pytest.raises(PermanentError, match="outside of the archive"):
        packed(tar(member(name, b"1")))


@pytest.mark.parametrize(
    ("last", "says"),
    [
        (("lib/a.so", tarfile.REGTYPE, ""), "which lies in a link"),
        (("lib/more/a.so", tarfile.REGTYPE, ""), "which lies in a link"),
        (("lib/code", tarfile.SYMTYPE, "x"), "which lies in a link"),
        (("b", tarfile.SYMTYPE, "lib/x"), "a link that leads outside"),
        (("b", tarfile.LNKTYPE, "lib/x"), "a link that leads outside"),
    ],
)
def test_nothing_of_the_artifact_goes_through_a_link(
    last: tuple[str, bytes, str], says: str
) -> None:
    """A link may lead to a folder that is a link itself by the time it is unpacked."""
    name, kind, link = last
    links = member("lib", kind=tarfile.SYMTYPE, link="a")
    with pytest.raises(PermanentError, match=says):
        packed(tar(links, member(name, kind=kind, link=link)))


def test_links_to_links_are_kept() -> None:
    """As shared libraries have them."""
    made = packed(
        tar(
            member("lib.so.1.2", b"1"),
            member("lib.so.1", kind=tarfile.SYMTYPE, link="lib.so.1.2"),
            member("lib.so", kind=tarfile.SYMTYPE, link="lib.so.1"),
        )
    )
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        assert archive.getmember("lib.so").linkname == "lib.so.1"


LONG = "n" * 5_000


@pytest.mark.parametrize(
    ("model", "script"),
    [
        (member(LONG), None),
        (member(LONG, kind=tarfile.DIRTYPE), None),
        (member("a", kind=tarfile.SYMTYPE, link=LONG), None),
        (member("a"), member(LONG)),
    ],
)
def test_a_name_longer_than_a_path_is_refused(model: Member, script: Member | None) -> None:
    with pytest.raises(PermanentError, match=r"a name of 5,000 characters: 'n{80}'") as caught:
        packed(tar(model), gzip.compress(tar(script)) if script else SCRIPT)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_device_in_the_artifact_is_refused(kind: bytes) -> None:
    with pytest.raises(PermanentError, match="a device or a link"):
        packed(tar(member("null", kind=kind)))


@pytest.mark.parametrize(
    ("kind", "name", "link"),
    [
        (tarfile.SYMTYPE, "lib/a.so", "../../x"),
        (tarfile.SYMTYPE, "a.so", "/etc/passwd"),
        (tarfile.SYMTYPE, "a.so", "code/inference.py"),
        (tarfile.LNKTYPE, "lib/a.so", "../x"),
        (tarfile.LNKTYPE, "a.so", "/etc/passwd"),
        (tarfile.SYMTYPE, "lib", "."),
        (tarfile.SYMTYPE, "a/lib", ".."),
        (tarfile.SYMTYPE, "lib", "a/b/../.."),
        (tarfile.SYMTYPE, "lib", "a/../b"),
        (tarfile.SYMTYPE, "a/lib", ".././code"),
    ],
)
def test_a_link_out_of_the_artifact_is_refused(kind: bytes, name: str, link: str) -> None:
    with pytest.raises(PermanentError, match="a link that leads outside"):
        packed(tar(member(name, kind=kind, link=link)))


@pytest.mark.parametrize(
    ("mode", "kept"), [(0o4755, 0o755), (0o2644, 0o644), (0o777, 0o755), (0o600, 0o644)]
)
def test_no_mode_but_to_read_and_to_run_is_kept(mode: int, kept: int) -> None:
    info, content = member("compiled.so", b"code")
    info.mode = mode
    with tarfile.open(fileobj=io.BytesIO(packed(tar((info, content))))) as made:
        assert made.getmember("compiled.so").mode == kept


def test_the_clock_is_asked_for_every_member_and_members_have_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A million folders hold no content, and would keep a worker past its time."""
    folders = gzip.compress(tar(*(member(f"d{n}", kind=tarfile.DIRTYPE) for n in range(60))))
    looks: list[int] = []

    def write(script: bytes = SCRIPT, model: bytes = folders) -> None:
        write_archive(
            io.BytesIO(),
            script=Script(""),
            open_script=lambda: io.BytesIO(script),
            open_model=lambda: io.BytesIO(model),
            go_on=lambda: looks.append(1),
        )

    write()
    assert len(looks) >= 60
    looks.clear()
    write(script=folders, model=gzip.compress(tar(*FILES)))
    assert len(looks) >= 60
    monkeypatch.setattr(archive_writer, "MAX_MODEL_MEMBERS", 50)
    with pytest.raises(PermanentError, match="more than 50 members"):
        write()
    monkeypatch.setattr(archive_writer, "MAX_SCRIPT_MEMBERS", 50)
    with pytest.raises(PermanentError, match="script's archive holds more than 50 members"):
        write(script=folders)


def test_a_wrong_script_is_known_before_the_model_is_read() -> None:
    def opened() -> BinaryIO:
        raise AssertionError("the model was opened")

    with pytest.raises(PermanentError, match=r"no inference\.py at its root"):
        write_archive(
            io.BytesIO(),
            script=Script("inference.py"),
            open_script=lambda: io.BytesIO(archive({"other.py": b""})),
            open_model=opened,
        )


def test_what_nobody_meant_to_pack_is_left_out() -> None:
    script = {"inference.py": b"1", "._inference.py": b"2", "__pycache__/inference.pyc": b"3"}
    made = unpacked(packed(tar(*FILES), archive(script)))
    assert [name for name in made if name.startswith("code/")] == ["code/inference.py"]


def test_folders_of_the_script_need_no_member_of_their_own() -> None:
    script = gzip.compress(
        tar(member("lib", kind=tarfile.DIRTYPE), member("lib/x.py", b"1"), member("inference.py"))
    )
    made = names(packed(tar(*FILES), script))
    assert [m[0] for m in made[:2]] == ["code/lib/x.py", "code/inference.py"]


def test_an_archive_with_much_padding_is_read_to_its_end() -> None:
    plain = tar(*FILES) + bytes(3 << 20)
    assert set(unpacked(packed(plain))) == {"code/inference.py", "a.so", "compiled.so", "c.so"}
    whole = gzip.compress(plain)
    with pytest.raises(PermanentError, match="cannot be read"):
        write_archive(
            io.BytesIO(),
            script=Script("inference.py"),
            open_script=lambda: io.BytesIO(SCRIPT),
            open_model=lambda: io.BytesIO(whole[:-9]),
        )


def test_a_script_that_was_packed_twice_is_one() -> None:
    """A tar that was added to holds both; the later one counts."""
    out = io.BytesIO()
    twice = gzip.compress(tar(member("inference.py", b"old"), member("inference.py", b"new")))
    write_archive(
        out,
        script=Script("inference.py", takes_one_script=True),
        open_script=lambda: io.BytesIO(twice),
    )
    assert unpacked(out.getvalue()) == {"inference.py": b"new"}
