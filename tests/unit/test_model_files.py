"""Model files that their frameworks have written: what each says about itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from neo_constructs.archive.declared import check_framework, check_inputs
from neo_constructs.archive.inspection import check_members, inspect
from neo_constructs.archive.model_file import ModelFile, ModelInput, recognise
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework

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
    ("name", "is_training", "is_newer"),
    [
        ("traced.pth", False, False),
        ("training.pth", True, False),
        ("scripted.pth", False, False),
        ("frozen.pth", None, False),
        ("newer-traced.pth", False, True),
        ("newer-training.pth", True, True),
    ],
)
def test_what_pytorch_notes(name: str, is_training: bool | None, is_newer: bool) -> None:
    found = recognise(MODELS / name)
    assert found
    assert (found.is_training, found.is_newer) == (is_training, is_newer)


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
        ("functional.h5", {"image": [1, 8, 8, 3], "size": [1, 2]}, "the shape [None, 3, 8, 8]"),
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
