"""Recognising, packing and inspecting models, and the script's contract."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neo_constructs.archives.inspection import inspect
from neo_constructs.archives.packing import fingerprint, members_of, pack
from neo_constructs.archives.tar_reader import read
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.finding import Level
from neo_constructs.model_formats.model_file import ModelInput, recognise
from neo_constructs.model_formats.model_rules import check_model
from neo_constructs.scripts.script_rules import check_script
from neo_constructs.scripts.serving_contract import ServingContract


def test_an_onnx_file_says_what_it_must_be_fed(digits: Path) -> None:
    model = recognise(digits / "digits.onnx")
    assert model
    assert (model.framework, model.opset, model.ir_version) == ("ONNX", 12, 7)
    assert model.inputs == (ModelInput("pixels", (1, 1, 8, 8), "float32"),)
    assert model.data_input_config() == {"pixels": [1, 1, 8, 8]}


@pytest.mark.parametrize("name", ["held_out.npz", "train.py", "code/inference.py"])
def test_other_files_are_no_models(digits: Path, name: str) -> None:
    assert recognise(digits / name) is None


def onnx_bytes(digits: Path, *, opset: int, ir_version: int) -> bytes:
    """Return the digits model with other versions: both are one-byte numbers in the file."""
    data = (digits / "digits.onnx").read_bytes()
    assert data.startswith(b"\x08\x07")
    assert data.endswith(b"\x42\x04\x0a\x00\x10\x0c")
    return b"\x08" + bytes([ir_version]) + data[2:-1] + bytes([opset])


def test_an_onnx_newer_than_neo_takes_is_refused(digits: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.onnx"
    file.write_bytes(onnx_bytes(digits, opset=17, ir_version=8))
    model = recognise(file)
    assert model
    findings = check_model(model)
    assert [finding.code for finding in findings] == ["onnx-version", "onnx-version"]
    assert "opset 17" in findings[0].message
    assert "IR version 8" in findings[1].message
    relaxed = check_model(model, is_checked=False)
    assert {finding.level for finding in relaxed} == {Level.WARNING}


@pytest.mark.parametrize("size", [2**64 - 1, 2**63, 0])
def test_a_dimension_that_is_no_size_is_open(tmp_path: Path, digits: Path, size: int) -> None:
    """-1 is what some exporters write for "any"."""
    encoded = bytearray()
    number = size
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)

    def field(number: int, body: bytes) -> bytes:
        assert len(body) < 128
        return bytes([number << 3 | 2, len(body)]) + body

    dimension = b"\x08" + bytes(encoded)
    shape = field(2, field(1, dimension) + field(1, b"\x08\x03"))
    value = field(1, b"x") + field(2, field(1, b"\x08\x01" + shape))
    unknown_rank = field(1, b"y") + field(2, field(1, b"\x08\x01"))
    graph = field(11, value) + field(11, unknown_rank)
    file = tmp_path / "model.onnx"
    file.write_bytes(b"\x08\x07" + field(7, graph) + field(8, b"\x0a\x00\x10\x0c"))
    model = recognise(file)
    assert model
    assert [i.shape for i in model.inputs] == [(None if size else 0, 3), None]
    assert model.data_input_config() is None


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.mktemp("bytes") / "some.onnx"
    file.write_bytes(data)
    recognise(file)


@given(st.integers(0, 19_583), st.integers(0, 255))
def test_a_damaged_model_is_read_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    source = Path(__file__).parent.parent.parent / "examples" / "digits" / "digits.onnx"
    data = bytearray(source.read_bytes())
    data[position] = value
    file = tmp_path_factory.mktemp("damaged") / "some.onnx"
    file.write_bytes(data)
    recognise(file)


def test_packing_does_not_see_times_modes_or_order(digits: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1" / "model.tar.gz", tmp_path / "2" / "model.tar.gz"
    pack(members_of(digits / "digits.onnx"), first)
    copy = tmp_path / "copy" / "digits.onnx"
    copy.parent.mkdir()
    copy.write_bytes((digits / "digits.onnx").read_bytes())
    copy.chmod(0o600)
    os.utime(copy, (1, 1))
    pack(members_of(copy), second)
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        (member,) = tar.getmembers()
    assert (member.name, member.uid, member.mtime, member.mode) == ("digits.onnx", 0, 0, 0o644)
    assert list(first.parent.iterdir()) == [first]


def test_the_fingerprint_is_of_the_members_however_they_are_packed(
    digits: Path, tmp_path: Path
) -> None:
    members = members_of(digits / "code")
    packed, other = tmp_path / "a.tar.gz", tmp_path / "b.tar.gz"
    assert pack(members, packed) == fingerprint(members)
    with gzip.open(other, "wb", compresslevel=9) as out, tarfile.open(fileobj=out, mode="w") as tar:
        for name, file in members.items():
            tar.add(file, arcname=f"./{name}")
    assert fingerprint(members) == read(packed).fingerprint == read(other).fingerprint


def test_the_fingerprint_sees_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    one, two = tmp_path / "a", tmp_path / "b"
    assert len({fingerprint({"a": one}), fingerprint({"b": one}), fingerprint({"a": two})}) == 3


def test_what_tools_leave_behind_is_not_packed(tmp_path: Path) -> None:
    for name in ("model.onnx", "._model.onnx", ".DS_Store", "__pycache__/x.pyc", "sub/aux.bin"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
    assert list(members_of(tmp_path)) == ["model.onnx", "sub/aux.bin"]


def test_a_file_a_folder_and_an_archive_are_inspected_alike(digits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "digits.onnx").write_bytes((digits / "digits.onnx").read_bytes())
    archive = tmp_path / "model.tar.gz"
    pack(members_of(folder), archive)
    found = [inspect(digits / "digits.onnx"), inspect(folder), inspect(archive)]
    assert len({f.fingerprint for f in found}) == 1
    assert len({f.model for f in found}) == 1
    assert not any(f.findings for f in found)
    assert [f.is_archive for f in found] == [False, False, True]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("missing.onnx", None, "model-missing"),
        ("model.tar.gz", b"not gzip", "model-unreadable"),
        ("model.tar.gz", gzip.compress(b"not a tar", mtime=0)[:-6], "model-unreadable"),
    ],
)
def test_what_cannot_be_read_is_a_finding(
    tmp_path: Path, name: str, content: bytes | None, code: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    (finding,) = inspect(path).findings
    assert finding.code == code
    assert str(path) in str(finding)


def test_odd_archives_are_findings_and_no_exceptions(tmp_path: Path) -> None:
    latin, linked, header = (tmp_path / f"{n}.tar.gz" for n in ("latin", "linked", "header"))
    with tarfile.open(latin, "w:gz", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        tar.addfile(tarfile.TarInfo("mod\xe8le.bin"))
    with tarfile.open(linked, "w:gz") as tar:
        link = tarfile.TarInfo("model.onnx")
        link.type, link.linkname = tarfile.SYMTYPE, "elsewhere"
        tar.addfile(link)
    with tarfile.open(header, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"path": "nul\x00l"}
        tar.addfile(info)
    assert inspect(latin).findings == ()
    assert inspect(latin).fingerprint
    assert [f.code for f in inspect(linked).findings] == ["archive-link"]
    assert {f.code for f in inspect(header).findings} <= {"model-unreadable"}
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "gone").symlink_to("nowhere")
    assert [f.code for f in inspect(tmp_path / "folder").findings] == ["model-unreadable"]


def test_two_models_are_one_too_many(digits: Path, tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).write_bytes((digits / "digits.onnx").read_bytes())
    (finding,) = inspect(tmp_path).findings
    assert finding.code == "model-ambiguous"
    assert "a.onnx, b.onnx" in finding.message


@pytest.mark.parametrize(
    ("framework", "target", "contract"),
    [
        (Framework.onnx(), TargetDevice.ML_C5, ServingContract.DLR),
        (Framework.keras(), TargetDevice.ML_C5, ServingContract.DLR),
        (Framework.pytorch("2.0"), TargetDevice.ML_C5, ServingContract.TOOLKIT),
        (Framework.pytorch("1.9"), TargetDevice.ML_INF1, ServingContract.TOOLKIT),
        (Framework.tensorflow("2.9"), TargetDevice.ML_C5, ServingContract.TENSORFLOW),
        (Framework.xgboost(), TargetDevice.ML_C5, ServingContract.XGBOOST),
    ],
)
def test_each_container_has_its_contract(
    framework: Framework, target: TargetDevice, contract: ServingContract
) -> None:
    assert ServingContract.of(framework, target) is contract


GOOD = "def neo_preprocess(p, c): ...\ndef neo_postprocess(r): ..."


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (GOOD, []),
        ("from numpy import *", []),
        ("if True:\n    def neo_preprocess(p, c): ...\nneo_postprocess = print", []),
        ("def neo_preprocess(p, c): ...", ["script-function-missing"]),
        ("def model_fn(d): ...", ["script-function-missing"]),
        (
            f"class Handler:\n    {GOOD.replace(chr(10), chr(10) + '    ')}",
            ["script-function-missing"],
        ),
        ("def broken(:", ["script-unreadable"]),
        ("\x00", ["script-unreadable"]),
    ],
)
def test_the_script_is_checked_without_running_it(
    tmp_path: Path, text: str, codes: list[str]
) -> None:
    script = tmp_path / "inference.py"
    script.write_text(text)
    assert [f.code for f in check_script(script, ServingContract.DLR)] == codes


def test_a_script_in_no_known_encoding_and_no_script_at_all(tmp_path: Path) -> None:
    script = tmp_path / "inference.py"
    assert [f.code for f in check_script(script, ServingContract.DLR)] == ["script-missing"]
    script.write_bytes(b"x = '\xff\xfe'")
    assert [f.code for f in check_script(script, ServingContract.DLR)] == ["script-unreadable"]
