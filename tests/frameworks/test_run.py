"""``neo run`` with the real frameworks, where they are installed.

    make frameworks

makes an environment for each and names its interpreter. A test whose framework is not there is
left out: the rest of the suite needs none.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from neo_constructs.cli.main import neo

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
MODELS = Path(__file__).parents[1] / "models"
KERAS = """
import json
import numpy as np

def neo_preprocess(payload, content_type):
    return {"image": np.ones((1, 3, 8, 8), "float32"), "size": np.ones((1, 2), "float32")}

def neo_postprocess(result):
    return json.dumps(np.shape(result)), "application/json"
"""
TENSORFLOW = """
import json

def input_handler(data, context):
    row = {"image": [[[1.0, 2.0, 3.0]] * 8] * 8, "size": [1.0, 2.0]}
    return json.dumps({"instances": [row] * json.loads(data.read())})

def output_handler(response, context):
    if response.status_code != 200:
        raise ValueError(response.content.decode())
    return response.content, context.accept_header
"""
# As in the developer guide, page neo-deployment-hosting-services-prerequisites.
MXNET = """
import json
import mxnet as mx
import neomxnet  # noqa: F401

def model_fn(model_dir):
    return mx.gluon.nn.SymbolBlock.imports(
        'compiled-symbol.json', ['data'], 'compiled-0000.params', ctx=mx.cpu())

def transform_fn(block, body, content_type, accept):
    return json.dumps(block(mx.nd.array(json.loads(body))).asnumpy().tolist()), accept
"""


def python_with(framework: str) -> str:
    """Return an interpreter that has a framework, or leave the test out."""
    named = os.environ.get(f"NEO_PYTHON_{framework.upper()}")
    python = named or sys.executable
    tried = subprocess.run([python, "-c", f"import {framework}"], capture_output=True, check=False)
    if tried.returncode:
        assert not named, tried.stderr.decode()
        pytest.skip(f"{framework} is not installed")
    return python


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(neo, ["run", *(str(argument) for argument in arguments)])
    assert result.exit_code == 0, result.output
    return result


def test_the_default_deployment_answers_for_every_image_that_was_held_out(tmp_path: Path) -> None:
    python = python_with("torch")
    with np.load(DIGITS / "held_out.npz") as data:
        images, labels = data["images"], data["labels"]
    payloads = []
    for number, image in enumerate(images):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(image.tolist()))
        payloads += ["--payload", str(file)]
    result = run(
        DIGITS / "pytorch" / "model.pth", "--code", DIGITS / "pytorch" / "code",
        "--python", python, "--stand-in", *payloads,
    )  # fmt: skip
    answers = [json.loads(line)["digit"] for line in result.stdout.splitlines()[1::2]]
    assert int((np.array(answers) == labels).sum()) == 355


def test_pytorchs_own_handlers(tmp_path: Path) -> None:
    """A script need not define what the container has."""
    python = python_with("torch")
    (tmp_path / "inference.py").write_text("transform_fn = None\n")
    (tmp_path / "image.json").write_text(json.dumps([[[[0.0] * 8] * 8]]))
    result = run(
        DIGITS / "pytorch" / "model.pth", "--code", tmp_path / "inference.py",
        "--python", python, "--payload", tmp_path / "image.json",
    )  # fmt: skip
    (probabilities,) = json.loads(result.stdout.splitlines()[1])
    assert len(probabilities) == 10
    assert sum(probabilities) == pytest.approx(1)


def test_tensorflow_answers_as_its_server_would(tmp_path: Path) -> None:
    python = python_with("tensorflow")
    (tmp_path / "inference.py").write_text(TENSORFLOW)
    (tmp_path / "two.json").write_text("2")
    result = run(
        MODELS / "saved_model", "--framework", "tensorflow", "--code", tmp_path / "inference.py",
        "--python", python, "--payload", tmp_path / "two.json",
    )  # fmt: skip
    predictions = json.loads(result.stdout.splitlines()[1])["predictions"]
    assert np.shape(predictions) == (2, 2)


def test_keras_takes_images_as_neo_does(tmp_path: Path) -> None:
    """The file has its channels last, and Neo's models have them first."""
    python = python_with("tensorflow")
    (tmp_path / "inference.py").write_text(KERAS)
    (tmp_path / "x.json").write_text("0")
    result = run(
        MODELS / "functional.h5", "--code", tmp_path / "inference.py", "--python", python,
        "--payload", tmp_path / "x.json",
    )  # fmt: skip
    assert json.loads(result.stdout.splitlines()[1]) == [1, 2]


def test_mxnet_with_the_developer_guides_script(tmp_path: Path) -> None:
    python = python_with("mxnet")
    (tmp_path / "model").mkdir()
    for name in ("model-symbol.json", "model-0000.params"):
        shutil.copy(MODELS / name, tmp_path / "model")
    (tmp_path / "inference.py").write_text(MXNET)
    (tmp_path / "row.json").write_text("[[1, 2, 3, 4]]")
    result = run(
        tmp_path / "model", "--framework", "mxnet", "--code", tmp_path / "inference.py",
        "--python", python, "--stand-in", "--payload", tmp_path / "row.json",
    )  # fmt: skip
    assert json.loads(result.stdout.splitlines()[1]) == [[10.0, 10.0]]


@pytest.mark.parametrize("model", ["xgboost.json", "xgboost.ubj", "xgboost.pkl"])
def test_xgboosts_own_handler(model: str, tmp_path: Path) -> None:
    python = python_with("xgboost")
    (tmp_path / "rows.csv").write_text("1,2,3,4\n50,6,7,8\n")
    (tmp_path / "rows.libsvm").write_text("1 0:1 2:3\n0 0:50\n")
    result = run(
        MODELS / model, "--framework", "xgboost", "--python", python,
        "--payload", tmp_path / "rows.csv", "--payload", tmp_path / "rows.libsvm",
    )  # fmt: skip
    assert result.stdout.splitlines()[0] == "rows.csv: 200 text/csv"
    rows = [line for line in result.stdout.splitlines() if "," in line and "e" in line]
    assert [len(row.split(",")) for row in rows] == [2, 2]
    assert rows[0] == rows[1], "what is not named is missing, and not needed here"
