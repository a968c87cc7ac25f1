"""``neo validate`` and ``neo package``."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from neo_constructs.archives import tar_reader
from neo_constructs.archives.packing import pack
from neo_constructs.cli import package
from neo_constructs.cli.main import neo

MODELS = Path(__file__).parent.parent / "models"
DIGITS = Path(__file__).parent.parent.parent / "examples" / "digits"


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(neo, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    return result


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((MODELS / "traced.pth",), 0, "input image: float32 [1, 3, 32, 32]"),
        ((MODELS / "traced.pth", "--target", "ml_c5"), 0, "0 errors, 0 warnings"),
        ((MODELS / "mode-one-submodule.pth",), 0, "[torch-training-mode]"),
        ((MODELS / "state_dict.pth",), 1, "[torch-not-scripted]"),
        ((MODELS / "functional.h5",), 0, "input image: float32 [?, 8, 8, 3]"),
        ((MODELS / "functional.h5", "--target", "ml_c5"), 1, "[data-input-config-missing]"),
        ((MODELS / "functional.h5", "--target", "ml_c5", "--data-input-config",
          '{"image": [1, 3, 8, 8], "size": [1, 2]}'), 0, "0 errors"),
        ((MODELS / "frozen.pb", "--data-input-config", '{"image": [1, 8, 8, 3]}'), 1,
         "[data-input-config-contradicts-model]"),
        ((MODELS / "traced.pth", "--framework", "tensorflow:2.9"), 1,
         "[framework-contradicts-model]"),
        # A fix can be typed as it stands.
        ((MODELS / "functional.h5", "--target", "ml_c5"), 1,
         """give --data-input-config '{"image": [?, 3, 8, 8], "size": [?, 2]}', with a number"""),
        ((MODELS / "sequential.h5", "--data-input-config", '{"x":[1]}'), 1,
         """give --data-input-config '{"x": [?, 4]}'"""),
        ((DIGITS / "digits.onnx", "--framework", "pytorch"), 1, "leave --framework out"),
        ((DIGITS / "digits.onnx", "--code", DIGITS / "code", "--target", "ml_c5"), 0, "0 errors"),
        ((DIGITS / "digits.onnx", "--target", "ml_inf1"), 1, "[framework-target]"),
        (("--code", DIGITS / "code"), 0, "0 errors"),
        ((DIGITS / "digits.onnx", "--code", MODELS), 2, "[script-missing]"),
        (("no-such-file",), 2, "[model-missing]"),
        ((), 2, "Give PATH, --code or --payload"),
        ((MODELS / "traced.pth", "--framework", "pytorhc:2.0", "--target", "x"), 2, "pytorch"),
        ((MODELS / "traced.pth", "--data-input-config", "[1,"), 2, "is not JSON"),
    ],
)  # fmt: skip
def test_validate(arguments: tuple[str | Path, ...], code: int, says: str) -> None:
    result = run("validate", *arguments)
    assert result.exit_code == code, result.output
    assert says in result.output


def test_json_is_one_object_and_nothing_else() -> None:
    result = run("validate", MODELS / "newer-pair.pth", "--json")
    found = json.loads(result.stdout)
    assert found["model"] == {
        "framework": "PYTORCH",
        "framework_version": "2.0",
        "format": "torchscript",
        "writer": "2.1 or newer",
        "opset": None,
        "ir_version": None,
        "inputs": [
            {"name": "ids", "shape": [1, 8], "dtype": "int64"},
            {"name": "mask", "shape": [1, 8], "dtype": "float32"},
        ],
    }
    assert [f["code"] for f in found["findings"]] == ["torch-newer", "input-dtype"]
    assert set(found["findings"][0]) == {"code", "level", "where", "message", "fix"}
    missing = run("validate", "no-such-file", "--json")
    assert json.loads(missing.stdout)["model"] is None


def test_json_is_json_of_wrong_arguments_too() -> None:
    result = run("validate", MODELS / "traced.pth", "--framework", "onyx", "--json")
    assert result.exit_code == 2
    found = json.loads(result.stdout)
    assert found["model"] is None
    assert [f["code"] for f in found["findings"]] == ["framework-unknown"]


@pytest.mark.parametrize("code", ["code", "code/inference.py"])
def test_a_script_alone_is_judged_by_what_it_defines(code: str) -> None:
    """A good script for ONNX models lacks nothing of the toolkits'."""
    result = run("validate", "--code", DIGITS / code)
    assert result.output == "0 errors, 0 warnings\n"


def test_a_reader_that_has_seen_enough_is_no_fault(tmp_path: Path) -> None:
    command = "from neo_constructs.cli.main import neo; neo()"
    arguments = [sys.executable, "-c", command, "validate", str(MODELS / "newer-pair.pth")]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(arguments, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_command_needs_no_cdk() -> None:
    """It starts in a moment: neither the CDK nor boto3 is loaded."""
    script = (
        "import sys; from click.testing import CliRunner; from neo_constructs.cli.main import neo;"
        f"r = CliRunner().invoke(neo, ['validate', {str(MODELS / 'traced.pth')!r}]);"
        "assert r.exit_code == 0, r.output;"
        "assert not {'aws_cdk', 'jsii', 'boto3', 'sagemaker'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_what_is_packaged_is_what_neo_takes(tmp_path: Path) -> None:
    archive = tmp_path / "out" / "model.tar.gz"
    archive.parent.mkdir()
    result = run("package", MODELS / "traced.pth", "-o", archive)
    assert result.exit_code == 0, result.output
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["traced.pth"]
        assert {(m.mtime, m.uid, m.mode) for m in tar} == {(0, 0, 0o644)}
    assert tar_reader.read(archive).fingerprint in result.output
    assert [file.name for file in archive.parent.iterdir()] == ["model.tar.gz"]


def test_folders_lie_at_the_top_of_the_archive(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    code = tmp_path / "code"
    code.mkdir()
    (code / "inference.py").touch()
    assert run("package", MODELS / "traced.pth", tmp_path, "-o", archive).exit_code == 0
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["code/inference.py", "traced.pth"]


def test_what_neo_would_refuse_is_not_written(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_text("the former one")
    result = run("package", MODELS / "state_dict.pth", "-o", archive)
    assert result.exit_code == 1
    assert "[torch-not-scripted]" in result.stderr
    assert archive.read_text() == "the former one"
    assert [file.name for file in tmp_path.iterdir()] == ["model.tar.gz"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("no-such-file",), "There is no file or folder"),
        ((MODELS / "traced.pth", "-o", "model.zip"), "must end in .tar.gz"),
        ((MODELS / "traced.pth", MODELS / "traced.pth"), "have one name"),
        ((MODELS / "traced.pth", "-o", "/proc/no/model.tar.gz"), "could not be written"),
        ((), "Missing argument"),
    ],
)
def test_what_cannot_be_packaged_is_one_message(
    arguments: tuple[str | Path, ...], says: str
) -> None:
    result = run("package", *arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_an_older_archive_does_not_go_into_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "traced.pth").write_bytes((MODELS / "traced.pth").read_bytes())
    for _ in range(2):
        assert run("package", folder, "-o", folder / "model.tar.gz").exit_code == 0
    with tarfile.open(folder / "model.tar.gz") as tar:
        assert tar.getnames() == ["traced.pth"]


def test_an_archive_is_not_packed_again(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    assert run("package", MODELS / "traced.pth", "-o", archive).exit_code == 0
    before = archive.read_bytes()
    result = run("package", archive, "-o", archive)
    assert result.exit_code == 2
    assert "is an archive already" in result.output
    assert archive.read_bytes() == before


def test_a_script_goes_to_its_folder(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    code = DIGITS / "pytorch" / "code"
    assert run("package", MODELS / "traced.pth", "--code", code, "-o", archive).exit_code == 0
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["code/inference.py", "traced.pth"]


def test_a_name_that_would_be_a_file_and_a_folder(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    (one / "code").mkdir(parents=True)
    (one / "code" / "x").touch()
    two.mkdir()
    (two / "code").touch()
    result = run("package", one, two, "-o", tmp_path / "model.tar.gz")
    assert result.exit_code == 2
    assert "would be a file and a folder" in result.output


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path.parent)])
@pytest.mark.parametrize("verb", ["validate", "package"])
def test_what_is_no_file_is_said(make: Callable[[Path], None], verb: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.pth").write_bytes((MODELS / "traced.pth").read_bytes())
    make(folder / "odd")
    output: list[str | Path] = ["-o", tmp_path / "model.tar.gz"] if verb == "package" else []
    result = run(verb, folder, *output)
    assert result.exit_code == 2
    assert "odd" in result.output


def test_linked_folders_are_packed_as_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "labels.txt").touch()
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.pth").write_bytes((MODELS / "traced.pth").read_bytes())
    for name in ("assets", "assets.old"):  # one folder by two names is no circle
        (folder / name).symlink_to(tmp_path / "elsewhere")
    archive = tmp_path / "model.tar.gz"
    assert run("package", folder, "-o", archive).exit_code == 0
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["assets.old/labels.txt", "assets/labels.txt", "model.pth"]


def test_links_that_lead_to_each_other(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, other in ((one, two), (two, one)):
        folder.mkdir()
        (folder / "model.pth").write_bytes((MODELS / "traced.pth").read_bytes())
        (folder / "other").symlink_to(other)
    result = run("validate", one)
    assert result.exit_code == 2
    assert "leads in a circle" in result.output


@pytest.mark.parametrize("name", ["x" * 300, "a\x1b[31mname", "not\udcffutf-8"])
@pytest.mark.parametrize("option", [(), ("--code",), ("--payload",)])
def test_names_that_no_file_has(name: str, option: tuple[str, ...]) -> None:
    result = run("validate", *option, name)
    assert result.exit_code == 2
    assert "\x1b" not in result.output


def test_a_framework_may_go_without_its_version() -> None:
    assert run("validate", MODELS / "traced.pth", "--framework", "pytorch").exit_code == 0
    assert run("validate", MODELS / "traced.pth", "--framework", "pytorch:").exit_code == 2


def test_several_scripts_are_too_many_for_one_container() -> None:
    code = Path(__file__).parents[1] / "corpus" / "two_scripts"
    result = run("validate", "--code", code, "--framework", "onnx")
    assert "[script-not-alone]" in result.output or "[script-missing]" in result.output


def test_a_container_that_takes_no_script_says_so() -> None:
    result = run("validate", "--code", DIGITS / "code", "--framework", "xgboost")
    assert result.exit_code == 1
    assert "[script-not-taken]" in result.output


def test_a_bar_is_shown_where_it_takes_long_and_someone_watches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(package, "SLOW_BYTES", 1)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        members = {"traced.pth": MODELS / "traced.pth"}
        with package._progress(members) as read:
            pack(members, tmp_path / "model.tar.gz", progress=read)
        assert ("100%" in stream.getvalue()) is stream.isatty()
