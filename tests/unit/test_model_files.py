"""Model files that their frameworks have written: what each says about itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from neo_constructs.archives.inspection import check_members, inspect
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.model_formats.consistency import check_framework, check_inputs, check_writer
from neo_constructs.model_formats.model_file import ModelFile, ModelInput, Trait, recognise
from neo_constructs.plans.validation import validate
from tests import wire
from tests.lifecycle.events import archive

MODELS = Path(__file__).parent.parent / "models"
IMAGE = ModelInput("image", (1, 3, 32, 32), "float32")
PAIR = (ModelInput("ids", (1, 8), "int64"), ModelInput("mask", (1, 8), "float32"))
OPEN = (ModelInput("image", (None, 8, 8, 3), "float32"), ModelInput("size", (None, 2), "float32"))
FIXED = (ModelInput("image", (1, 8, 8, 3), "float32"), ModelInput("size", (1, 2), "float32"))


@pytest.mark.parametrize(
    ("name", "framework", "kind", "inputs"),
    [
        ("traced.pth", "PYTORCH", "torchscript", (IMAGE,)),
        ("training.pth", "PYTORCH", "torchscript", (IMAGE,)),
        ("scripted.pth", "PYTORCH", "torchscript", ()),
        ("frozen.pth", "PYTORCH", "torchscript", ()),
        ("newer-traced.pth", "PYTORCH", "torchscript", (IMAGE,)),
        ("newer-pair.pth", "PYTORCH", "torchscript", PAIR),
        ("state_dict.pth", "PYTORCH", "torch-pickle", ()),
        ("module.pth", "PYTORCH", "torch-pickle", ()),
        ("legacy.pth", "PYTORCH", "torch-legacy", ()),
        ("export.pt2", "PYTORCH", "torch-export", ()),
        ("frozen.pb", "TENSORFLOW", "tensorflow-graph", FIXED),
        ("saved_model/saved_model.pb", "TENSORFLOW", "tensorflow-saved-model", OPEN),
        ("model.tflite", "TENSORFLOW", "tflite", ()),
        ("functional.h5", "KERAS", "keras-h5", OPEN),
        ("sequential.h5", "KERAS", "keras-h5", (ModelInput("x", (None, 4), "float32"),)),
        ("functional.keras", "KERAS", "keras-v3", ()),
        ("model-symbol.json", "MXNET", "mxnet-symbol", ()),
        ("model-0000.params", "MXNET", "mxnet-params", ()),
        ("xgboost.json", "XGBOOST", "xgboost-json", ()),
        ("xgboost.ubj", "XGBOOST", "xgboost-ubj", ()),
        ("xgboost.pkl", "XGBOOST", "xgboost-pickle", ()),
    ],
)
def test_a_file_is_known_by_what_is_in_it(
    name: str, framework: str, kind: str, inputs: tuple[ModelInput, ...], tmp_path: Path
) -> None:
    for file in (MODELS / name, Path(shutil.copy(MODELS / name, tmp_path / "model"))):
        found = recognise(file)
        assert found
        assert (found.framework, found.format, found.inputs) == (framework, kind, inputs)


@pytest.mark.parametrize(
    "name", ["make_torch.py", "saved_model/fingerprint.pb", "saved_model/variables/variables.index"]
)
def test_what_is_no_model_is_not_taken_for_one(name: str) -> None:
    assert recognise(MODELS / name) is None


@pytest.mark.parametrize(
    ("name", "traits"),
    [
        ("traced.pth", set()),
        # Saved in training mode, but nothing in it acts otherwise then.
        ("training.pth", set()),
        ("newer-training.pth", {Trait.NEWER}),
        ("scripted.pth", set()),
        ("frozen.pth", set()),
        ("newer-traced.pth", {Trait.NEWER}),
        ("mode-eval.pth", {Trait.NEWER}),
        ("mode-traced-then-eval.pth", {Trait.NEWER, Trait.TRAINING}),
        ("mode-one-submodule.pth", {Trait.NEWER, Trait.TRAINING}),
        # A trace acts as it has been recorded, whatever its flag says.
        ("mode-eval-then-train.pth", {Trait.NEWER}),
        ("mode-function.pth", {Trait.NEWER}),
        ("mode-scripted.pth", {Trait.NEWER, Trait.TRAINING}),
        ("mode-scripted-eval.pth", {Trait.NEWER}),
        ("nested.pth", {Trait.NEWER, Trait.NESTED}),
    ],
)
def test_what_pytorch_notes(name: str, traits: set[Trait]) -> None:
    found = recognise(MODELS / name)
    assert found
    assert found.traits == traits


def test_tensors_in_containers_are_named_by_the_way_to_them() -> None:
    found = recognise(MODELS / "nested.pth")
    assert found
    assert [i.name for i in found.inputs] == ["x['a']", "x['b']", "y[0]", "z[0]", "z[1]"]
    assert {i.shape for i in found.inputs} == {(2, 2)}
    assert found.data_input_config() is None


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        ("xgboost.json", "3.2.0"),
        ("xgboost.ubj", "3.2.0"),
        ("xgboost-1.3.json", "1.3.3"),
        ("xgboost-1.3.model", "1.3"),
        ("functional.h5", "3.15.1"),
        ("saved_model/saved_model.pb", "2.21.0"),
        ("newer-traced.pth", "2.1 or newer"),
        ("traced.pth", ""),
    ],
)
def test_what_wrote_a_file(name: str, writer: str) -> None:
    found = recognise(MODELS / name)
    assert found
    assert found.writer == writer


@pytest.mark.parametrize(
    ("name", "framework", "says"),
    [
        ("xgboost.json", "xgboost", "XGBoost 3.2.0 wrote it; Neo has XGBOOST 1.3"),
        ("xgboost-1.3.json", "xgboost", ""),
        ("functional.h5", "keras", "Keras 3.15.1 wrote it; Neo has KERAS 2.2"),
        ("saved_model/saved_model.pb", "tensorflow:2.9", "TensorFlow 2.21.0 wrote it; Neo has"),
        ("frozen.pb", "tensorflow:2.9", ""),
    ],
)
def test_a_newer_release_than_neos_is_said(name: str, framework: str, says: str) -> None:
    found = check_writer(Framework.parse(framework), recognise(MODELS / name))
    assert [says in f.message for f in found] == ([True] if says else [])


@pytest.mark.parametrize(
    "text", [b"saved_model_schema_version: 1\nmeta_graphs {\n}", b'node {\n  name: "x"\n}\n']
)
def test_a_graph_in_text_is_a_model(text: bytes, tmp_path: Path) -> None:
    """Neo is documented to take .pbtxt."""
    file = tmp_path / "saved_model.pbtxt"
    file.write_bytes(text)
    found = recognise(file)
    assert found
    assert (found.framework, found.format) == ("TENSORFLOW", "tensorflow-text")


@pytest.mark.parametrize("opsets", [[("ai.onnx.ml", 2)], []])
def test_an_onnx_file_without_the_standard_operators(
    opsets: list[tuple[str, int]], tmp_path: Path
) -> None:
    domain = opsets[0][0] if opsets else ""
    nodes = [wire.onnx_node("TreeEnsembleRegressor", ["x"], "y", domain)]
    file = tmp_path / "model.onnx"
    file.write_bytes(
        wire.onnx_model([wire.onnx_value("x")], nodes, [wire.onnx_value("y")], opsets=opsets)
    )
    found = validate(file)
    assert found.model
    assert found.model.framework == "ONNX"
    said = "onnx-domain" if opsets else "onnx-version"
    assert said in {f.code for f in found.findings}


def test_other_protocol_buffers_are_no_graphs(tmp_path: Path) -> None:
    """A FileDescriptorSet has a name and a package where a graph has a name and an operator."""
    one = wire.field(1, "a.proto") + wire.field(2, "package") + wire.field(12, "proto3")
    (tmp_path / "model.pb").write_bytes(wire.field(1, one) * 3)
    assert recognise(tmp_path / "model.pb") is None


@pytest.mark.parametrize(
    "config",
    [
        # Keras 2.1: a list of layers; Python 3.5: the keys in any order.
        b'{"class_name": "Sequential", "config": [%s]}',
        b'{"config": [%s], "class_name": "Sequential"}',
        b'{"config": {"layers": [%s], "name": "m"}, "class_name": "Sequential"}',
    ],
)
def test_older_architectures_of_keras(config: bytes, tmp_path: Path) -> None:
    layer = (
        b'{"class_name": "Dense", "config": {"name": "x", "batch_input_shape": [null, 4], '
        b'"dtype": "float32"}}'
    )
    file = tmp_path / "model.h5"
    file.write_bytes(hdf5({b"model_config": config % layer, b"keras_version": b"2.1.5"}))
    found = recognise(file)
    assert found
    assert found.inputs == (ModelInput("x", (None, 4), "float32"),)
    assert found.writer == "2.1.5"
    assert found.traits == set()


def hdf5(attributes: dict[bytes, bytes]) -> bytes:
    """Return the parts of an HDF5 file that attributes of texts of fixed length are read from."""
    parts = bytearray(96)
    parts[:8] = b"\x89HDF\r\n\x1a\n"
    parts[13] = 8  # of offsets
    for name, text in attributes.items():
        kind = bytes([0x13, 0, 0, 0]) + len(text).to_bytes(4, "little")
        space = bytes([1, 0, 0, 0, 0, 0, 0, 0])
        sizes = (len(name) + 1, len(kind), len(space))
        parts += bytes([1, 0]) + b"".join(size.to_bytes(2, "little") for size in sizes)
        for part in (name + b"\0", kind, space, text):
            parts += part.ljust(-(-len(part) // 8) * 8, b"\0")
    parts[40:48] = len(parts).to_bytes(8, "little")
    return bytes(parts)


# --- files that are no models -------------------------------------------------------------------

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
SAFETENSORS = (64).to_bytes(8, "little") + b'{"weight":{"dtype":"F32"}}'
STRANGERS = {
    "empty": (b"", "It is empty"),
    "zeros": (bytes(5000), "nothing but zeros"),
    "Git LFS": (LFS, "a pointer of Git LFS"),
    "a web page": (b"\n<!DOCTYPE html><html>Not found</html>", "a web page"),
    "an error of S3": (
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        "of Amazon S3",
    ),
    "safetensors": (SAFETENSORS, "a safetensors file"),
    "GGUF": (b"GGUF\x03\0\0\0", "a GGUF file"),
    "scikit-learn": (b"\x80\x04\x95\0csklearn.linear_model", "a pickle of scikit-learn"),
    "a pickle": (b"\x80\x04\x95\0cbuiltins", "a pickle of Python objects"),
    "JSON": (b'{"message": "Forbidden"}', "JSON with the keys ['message']"),
    "text": (b"Access denied", "text: 'Access denied'"),
    "gzip": (b"\x1f\x8b\x08\0", "compressed with gzip"),
    "a tar": (b"x".ljust(257, b"\0") + b"ustar" + bytes(300), "a tar archive"),
    "NumPy": (b"\x93NUMPY\x01\0", "an array of NumPy"),
    "CatBoost": (b"CBM1\x08\0\0\0", "a model of CatBoost"),
    "an old pickle": (b"ccopy_reg\n_reconstructor\np0\n", "a pickle of Python objects"),
    "Neo's own": (b"\xb7\x9c\x04\x05\x4f\x8d\xe5\xf7\0\0", "what Neo has compiled already"),
    "half of a zip": ((MODELS / "traced.pth").read_bytes()[:2000], "damaged or cut off"),
    "half of a graph": ((MODELS / "frozen.pb").read_bytes()[:3000], "damaged, cut off"),
    "half of an ONNX": (wire.TWICE[: len(wire.TWICE) // 2], "damaged, cut off"),
    "noise": (bytes(range(3, 251)) * 20, "damaged, cut off"),
}
DECLARED = {
    "model.pth": "pytorch:2.0",
    "model.onnx": "onnx",
    "model.h5": "keras",
    "model.pb": "tensorflow:2.9",
    "model-symbol.json": "mxnet:1.8",
    "xgboost-model": "xgboost",
}


@pytest.mark.parametrize("kind", STRANGERS)
@pytest.mark.parametrize("name", DECLARED)
def test_what_is_no_model_is_named_whatever_is_declared(
    kind: str, name: str, tmp_path: Path
) -> None:
    content, says = STRANGERS[kind]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "packed").mkdir()
    packed = tmp_path / "packed" / "model.tar.gz"
    packed.write_bytes(archive({name: content}))
    for path in (tmp_path / name, packed):
        if path is packed and "." not in name:
            continue  # an archive's files are looked at by their names
        for framework in (Framework.parse(DECLARED[name]), None):
            found = validate(path, framework=framework).findings
            codes = {f.code for f in found}
            if framework is None and says == "damaged, cut off":
                assert codes & {"framework-missing", "model-unrecognised"}
                continue
            if name.endswith(".json") and path is packed and framework is None:
                continue  # a JSON file may be anything
            if name.endswith(".json") and says == "damaged, cut off":
                assert codes & {"archive-no-model", "model-unrecognised"}
                continue
            assert "model-unrecognised" in codes, (path, found)
            (told,) = [f for f in found if f.code == "model-unrecognised"]
            assert says in told.message
            assert told.fix
            assert "framework-missing" not in codes
            is_doubt = name == "xgboost-model" and says == "damaged, cut off"
            assert told.level == ("warning" if is_doubt else "error")


def test_a_file_that_ends_too_early_is_said_also_with_shapes(tmp_path: Path) -> None:
    file = tmp_path / "model.h5"
    file.write_bytes((MODELS / "functional.h5").read_bytes()[:9000])
    config = DataInputConfig({"image": [1, 3, 8, 8], "size": [1, 2]})
    found = validate(file, framework=Framework.parse("keras"), data_input_config=config)
    assert "model-truncated" in {f.code for f in found.findings}


def test_weights_without_a_model_are_said_also_with_shapes(tmp_path: Path) -> None:
    file = tmp_path / "model.h5"
    content = (MODELS / "functional.h5").read_bytes()
    for text in (b"model_config", b'{"class_name": "Functional"'):
        content = content.replace(text, b"x" * len(text))
    file.write_bytes(content)
    config = DataInputConfig({"image": [1, 3, 8, 8]})
    found = validate(file, framework=Framework.parse("keras"), data_input_config=config)
    assert "keras-weights-only" in {f.code for f in found.findings}


def codes_of(path: Path, **more: Any) -> set[str]:
    return {f.code for f in validate(path, **more).findings}


def test_a_saved_model_without_its_weights(tmp_path: Path) -> None:
    alone = Path(shutil.copy(MODELS / "saved_model" / "saved_model.pb", tmp_path))
    assert "saved-model-variables" in codes_of(alone)
    assert "saved-model-variables" not in codes_of(MODELS / "saved_model")


def external(*places: str) -> bytes:
    """Return an ONNX model whose weights lie elsewhere."""
    return wire.onnx_model(
        [wire.onnx_value("x")],
        [wire.onnx_node("Add", ["x", "w0"], "y")],
        [wire.onnx_value("y")],
        initializers=[
            wire.field(8, f"w{number}")
            + wire.field(13, wire.field(1, "location") + wire.field(2, place))
            + wire.field(14, 1)
            for number, place in enumerate(places)
        ],
    )


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("weights.bin", "onnx-external-beside"),
        ("./weights.bin", "onnx-external-beside"),
        ("missing.bin", "onnx-external-data"),
        ("../weights.bin", "onnx-external-data"),
        ("../../etc/passwd", "onnx-external-data"),
        ("/etc/passwd", "onnx-external-data"),
    ],
)
def test_weights_in_other_files(place: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(external(place))
    (tmp_path / "weights.bin").write_bytes(b"w")
    assert code in codes_of(tmp_path)
    packed = tmp_path / "packed.tar.gz"
    packed.write_bytes(archive({"a/model.onnx": external(place), "a/weights.bin": b"w"}))
    assert code in codes_of(packed)


def test_operators_that_are_not_onnxs_own(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    nodes = [wire.onnx_node("Gelu", ["x"], "y", "com.microsoft")]
    opsets = [("", 12), ("com.microsoft", 1), ("ai.onnx.ml", 2)]
    file.write_bytes(
        wire.onnx_model([wire.onnx_value("x")], nodes, [wire.onnx_value("y")], opsets=opsets)
    )
    (told,) = [f for f in validate(file).findings if f.code == "onnx-domain"]
    assert "com.microsoft" in told.message
    assert "ai.onnx.ml" not in told.message  # imported, and not used


@pytest.mark.parametrize(
    ("dtype", "name"), [(4, "uint16"), (7, "int64"), (8, "string"), (11, "float64"),
                        (16, "bfloat16"), (17, "float8e4m3fn"), (12, "uint32")]
)  # fmt: skip
def test_inputs_of_other_types(dtype: int, name: str, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    value = wire.onnx_value("x", (1, 0, 2), dtype)
    file.write_bytes(
        wire.onnx_model([value], [wire.onnx_node("Shape", ["x"], "y")], [wire.onnx_value("y")])
    )
    found = validate(file)
    assert found.model
    assert found.model.inputs == (ModelInput("x", (1, 0, 2), name),)
    assert "input-dtype" in {f.code for f in found.findings}


def test_a_sequence_is_named(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    value = wire.field(1, "x") + wire.field(2, wire.field(4, b""))
    file.write_bytes(
        wire.onnx_model([value], [wire.onnx_node("Id", ["x"], "y")], [wire.onnx_value("y")])
    )
    found = recognise(file)
    assert found
    assert found.inputs == (ModelInput("x", None, "sequence"),)


def test_a_scripted_model_without_shapes(tmp_path: Path) -> None:
    framework = Framework.parse("pytorch:2.0")
    target = TargetDevice.ML_C5
    assert "torch-shapes-unread" in codes_of(
        MODELS / "scripted.pth", framework=framework, target=target
    )
    assert "torch-shapes-unread" not in codes_of(
        MODELS / "traced.pth", framework=framework, target=target
    )


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("traced.pth", [[1, 3, 32, 32]]),
        ("newer-pair.pth", [[1, 8], [1, 8]]),
        ("frozen.pb", {"image": [1, 8, 8, 3], "size": [1, 2]}),
        ("functional.h5", None),
        ("scripted.pth", None),
    ],
)
def test_the_shapes_that_neo_wants(name: str, config: object) -> None:
    found = recognise(MODELS / name)
    assert found
    assert found.data_input_config() == config


def test_keras_keeps_the_channels_last_and_neo_wants_them_first() -> None:
    keras = ModelFile(framework="KERAS", format="keras-h5", inputs=FIXED)
    assert keras.data_input_config() == {"image": [1, 3, 8, 8], "size": [1, 2]}


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("traced.pth", {"any": [4, 3, 64, 64]}, None),
        ("traced.pth", [[1, 3, 32, 32]], None),
        ("traced.pth", [[1, 3], [1, 3]], "2 inputs are given; the model was traced with image"),
        ("traced.pth", {"image": [3, 32, 32]}, "was traced with the shape [1, 3, 32, 32]; "),
        ("newer-pair.pth", {"b": [1, 8], "a": [1, 8]}, None),
        ("functional.h5", {"image": [1, 3, 8, 8], "size": [1, 2]}, None),
        ("functional.h5", {"image": [1, 8, 8, 3], "size": [1, 2]}, "the shape [?, 3, 8, 8]"),
        ("frozen.pb", {"image": [1, 8, 8, 3], "size": [1, 2]}, None),
        ("frozen.pb", {"image": [1, 8, 8, 3]}, "input 'size' is missing"),
    ],
)
def test_what_is_declared_against_the_file(name: str, value: object, problem: str | None) -> None:
    found = check_inputs(DataInputConfig(value), recognise(MODELS / name))
    assert len(found) == (0 if problem is None else 1)
    assert all(str(problem) in f.message for f in found)


def test_the_two_files_of_mxnet_are_one_model(tmp_path: Path) -> None:
    for name in ("model-symbol.json", "model-0000.params"):
        shutil.copy(MODELS / name, tmp_path / name)
    found = inspect(tmp_path)
    assert found.findings == ()
    assert found.model
    assert found.model.framework == "MXNET"


def test_a_model_in_two_formats_is_for_the_framework_to_tell(tmp_path: Path) -> None:
    """Neo looks for the files of the declared framework only."""
    shutil.copy(MODELS / "traced.pth", tmp_path / "model.pth")
    shutil.copy(MODELS / "frozen.pb", tmp_path / "model.pb")
    found = inspect(tmp_path)
    assert found.findings == ()
    assert found.model is None
    assert check_members(found, Framework.pytorch("2.0")) == []
    assert check_framework(None, found.model)[0].code == "framework-missing"
