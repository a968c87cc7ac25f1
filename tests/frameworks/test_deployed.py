"""One model of each kind, deployed to the sandbox, invoked and destroyed.

``make frameworks`` names an interpreter for each framework. Without one the endpoint is deployed
and destroyed all the same, and an invocation says what is missing.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import aws_cdk as cdk
import numpy as np
import pytest
from aws_cdk import aws_s3 as s3
from botocore.exceptions import ClientError

import neo_constructs as neo
from neo_constructs.sandbox.emulator import sandbox
from tests.frameworks.test_run import DIGITS, KERAS, MODELS, MXNET, TENSORFLOW
from tests.sandbox.account import Account

ROW = b"1,2,3,4"


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model, how it is declared, what it is asked and what it answers."""

    model: Path
    framework: neo.Framework
    inputs: dict[str, list[int]] | None = None
    script: str | Path | None = None
    body: bytes = b"0"
    content_type: str = "application/json"
    is_right: Callable[[Any], bool]


def has_shape(*wanted: int) -> Callable[[Any], bool]:
    return lambda answer: np.shape(answer) == wanted


DIGIT = (DIGITS / "image.json").read_bytes()
IMAGE = {"image": [1, 3, 8, 8], "size": [1, 2]}
XGBOOST = neo.Framework.xgboost()
GROUPS = {
    "onnxruntime": {
        "Onnx": Served(
            model=DIGITS / "digits.onnx",
            framework=neo.Framework.onnx(),
            script=DIGITS / "code",
            body=DIGIT,
            is_right=lambda answer: answer["digit"] == 9,
        )
    },
    "torch": {
        "PyTorch": Served(
            model=DIGITS / "pytorch" / "model.pth",
            framework=neo.Framework.pytorch("2.0"),
            script=DIGITS / "pytorch" / "code",
            body=DIGIT,
            is_right=lambda answer: answer["digit"] == 9,
        )
    },
    "tensorflow": {
        "Keras": Served(
            model=MODELS / "functional.h5",
            framework=neo.Framework.keras(),
            inputs=IMAGE,
            script=KERAS,
            is_right=lambda answer: answer == [1, 2],
        ),
        "SavedModel": Served(
            model=MODELS / "saved_model",
            framework=neo.Framework.tensorflow("2.9"),
            inputs={"image": [1, 8, 8, 3], "size": [1, 2]},
            script=TENSORFLOW,
            body=b"1",
            is_right=lambda answer: np.shape(answer["predictions"]) == (1, 2),
        ),
        "Frozen": Served(
            model=MODELS / "frozen.pb",
            framework=neo.Framework.tensorflow("1.15"),
            script=TENSORFLOW,
            body=b"1",
            is_right=lambda answer: np.shape(answer["predictions"]) == (1, 2),
        ),
    },
    "xgboost": {
        kind: Served(
            model=MODELS / f"xgboost.{suffix}",
            framework=XGBOOST,
            body=ROW,
            content_type="text/csv",
            is_right=lambda answer: len(str(answer)) > 0,
        )
        for kind, suffix in (("Json", "json"), ("Ubj", "ubj"), ("Pickle", "pkl"))
    },
    "mxnet": {
        "Mxnet": Served(
            model=MODELS / "model-symbol.json",
            framework=neo.Framework.mxnet("1.8"),
            inputs={"data": [1, 4]},
            script=MXNET,
            body=b"[[1, 2, 3, 4]]",
            is_right=lambda answer: answer == [[10.0, 10.0]],
        )
    },
}


def script_of(given: str | Path, folder: Path) -> Path:
    """Return the folder of a script."""
    if isinstance(given, Path):
        return given
    folder.mkdir()
    (folder / "inference.py").write_text(given)
    return folder


def model_of(given: Path, folder: Path) -> Path:
    """Return what ``from_asset`` takes: MXNet's model is two files."""
    if given.is_dir():  # Neo takes one .pb
        return shutil.copytree(given, folder, ignore=shutil.ignore_patterns("fingerprint.pb"))
    if not given.name.endswith("-symbol.json"):
        return given
    folder.mkdir()
    for name in (given.name, "model-0000.params"):
        shutil.copy(given.parent / name, folder)
    return folder


def build(stack: cdk.Stack, group: dict[str, Served], folder: Path) -> None:
    bucket = s3.Bucket(stack, "Artifacts", versioned=True)
    for name, served in group.items():
        code = served.script and script_of(served.script, folder / f"{name}-code")
        made = neo.CompiledEndpoint(
            stack,
            name,
            model_data=neo.ModelData.from_asset(model_of(served.model, folder / f"{name}-model")),
            framework=served.framework,
            data_input_config=served.inputs,
            target=neo.TargetDevice.ML_C5,
            inference_code=neo.InferenceCode.from_asset(code) if code else None,
            instance_type="ml.c5.large",
            artifact_bucket=bucket,
        )
        cdk.CfnOutput(stack, f"{name}Name", value=made.endpoint.endpoint_name)


@pytest.mark.parametrize("framework", GROUPS)
def test_a_model_of_each_kind_is_deployed_invoked_and_destroyed(
    framework: str, tmp_path: Path
) -> None:
    group = GROUPS[framework]
    named = os.environ.get(f"NEO_PYTHON_{framework.upper()}", "")
    changed = {
        "NEO_SANDBOX_COMPILE_SECONDS": "0.2",
        "NEO_SANDBOX_ENDPOINT_SECONDS": "0",
        "SFN_WAIT_SCALE": "0.02",
        **({"NEO_SANDBOX_PYTHON": named} if named else {}),
    }
    is_there = bool(named) or framework == "onnxruntime"
    with mock.patch.dict(os.environ, changed), sandbox(bootstrap=False) as running:
        account = Account(running)
        template = account.synthesize(lambda stack: build(stack, group, tmp_path))
        assert account.create("Served", template) == "CREATE_COMPLETE", account.said("Served")
        outputs = {o["OutputKey"]: o["OutputValue"] for o in account.describe("Served")["Outputs"]}
        runtime = account.client("sagemaker-runtime")
        for name, served in group.items():
            question = {
                "EndpointName": outputs[f"{name}Name"],
                "ContentType": served.content_type,
                "Body": served.body,
            }
            if not is_there:
                with pytest.raises(ClientError, match="NEO_SANDBOX_PYTHON"):
                    runtime.invoke_endpoint(**question)
                continue
            said = runtime.invoke_endpoint(**question)["Body"].read()
            answer = json.loads(said) if said[:1] in b"{[" else said.decode()
            assert served.is_right(answer), (name, answer)
        assert account.delete("Served") == "DELETE_COMPLETE", account.said("Served")
        assert account.jobs() == {}
