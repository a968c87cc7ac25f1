"""Where we deliberately answer otherwise than the SageMaker SDK, and why: one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neo_constructs.catalog.compilation_request import JobSettings
from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.images import deep_learning_container, image_uri
from neo_constructs.catalog.target import TargetDevice
from tests.oracle import sdk

US, OHIO = "us-east-1", "us-east-2"
C5, INF1, INF2 = TargetDevice.ML_C5, TargetDevice.ML_INF1, TargetDevice.ML_INF2
NO_ANSWER = "(no answer)"


@dataclass(frozen=True, slots=True)
class Difference:
    """One row.

    Parameters
    ----------
    what
        What is asked.
    sdk, ours
        Give the two answers.
    they_say, we_say
        What is expected of each; the end of an image's URI is enough.
    reason
        Why ours is the better one.
    """

    what: str
    sdk: Callable[[], object]
    ours: Callable[[], object]
    they_say: str
    we_say: str
    reason: str


def request(framework: Framework, target: TargetDevice, **settings: Any) -> dict[str, object]:
    made = JobSettings(framework=framework, target=target, **settings)
    return {k: v for k, v in {**made.input_config(), **made.output_config()}.items() if v}


def sdk_request(**arguments: Any) -> dict[str, object]:
    given: dict[str, Any] = {
        "target": "ml_c5",
        "inputs": None,
        "framework": "pytorch",
        "version": None,
        "options": None,
        "seconds": 900,
        **arguments,
    }
    made = sdk.compilation_job(**given)
    return {**made["InputConfig"], **made["OutputConfig"]}


SHAPES = [[1, 3, 224, 224]]
FLAGS = "--neuroncore-pipeline-cores 2"
DIFFERENCES = [
    Difference(
        "PyTorch 1.13.1 on ml_c5",
        lambda: sdk.image_answer("neo-pytorch", "1.13.1", "ml_c5", US),
        lambda: image_uri(Framework.pytorch("1.13.1"), C5, US),
        ":1.13.1-cpu-py3",
        ":1.13-cpu-py3",
        "the SDK checks an alias and then keeps it as the tag; no such tag is documented",
    ),
    Difference(
        "TensorFlow 2.4 on ml_c5",
        lambda: sdk.image_answer("neo-tensorflow", "2.4", "ml_c5", US),
        lambda: image_uri(Framework.tensorflow("2.4"), C5, US),
        ":2.4-cpu-py3",
        NO_ANSWER,
        "Neo does not compile TensorFlow 2.4",
    ),
    Difference(
        "MXNet 1.7 on ml_c5",
        lambda: sdk.image_answer("neo-mxnet", "1.7", "ml_c5", US),
        lambda: image_uri(Framework.mxnet("1.7"), C5, US),
        ":1.7-cpu-py3",
        ":1.8-cpu-py3",
        "as above: Neo compiles models up to 1.8, and one image serves them",
    ),
    Difference(
        "MXNet 9.9 on ml_c5",
        lambda: sdk.image_answer("neo-mxnet", "9.9", "ml_c5", US),
        lambda: image_uri(Framework.mxnet("9.9"), C5, US),
        ":1.8-cpu-py3",
        NO_ANSWER,
        "the SDK takes any version where its table has one only",
    ),
    Difference(
        "PyTorch 1.13 on ml_inf2",
        lambda: sdk.image_answer("inferentia-pytorch", "1.9", "ml_inf2", OHIO),
        lambda: image_uri(Framework.pytorch("1.13"), INF2, OHIO),
        "/sagemaker-neo-pytorch:1.9-inf-py3",
        "/pytorch-inference-neuronx:1.13.1-neuronx-py38-sdk2.10.0-ubuntu20.04",
        "the SDK answers ml_inf2 with the image for Inferentia1",
    ),
    Difference(
        "XGBoost on ml_inf1",
        lambda: sdk.image_answer("xgboost-neo", "latest", "ml_inf1", US),
        lambda: image_uri(Framework.xgboost(), INF1, US),
        "/xgboost-neo:latest",
        NO_ANSWER,
        "Neo does not compile XGBoost for Inferentia",
    ),
    Difference(
        "ONNX on ml_c5",
        lambda: sdk.image_answer("neo-onnx", "1.7", "ml_c5", US),
        lambda: image_uri(Framework.onnx(), C5, US),
        NO_ANSWER,
        "/sagemaker-neo-onnx:1.5.0-cpu-py3",
        "only the documentation has the image (aws/sagemaker-python-sdk#2783)",
    ),
    Difference(
        "Keras on ml_c5",
        lambda: sdk.image_answer("neo-keras", "2.2.4", "ml_c5", US),
        lambda: image_uri(Framework.keras(), C5, US),
        NO_ANSWER,
        "/sagemaker-neo-keras:2.2.4-cpu-py3",
        "only the documentation has the image",
    ),
    Difference(
        "the PyTorch 2.0 container",
        lambda: sdk.image_answer("pytorch", "2.0", "ml.c5.large", US, "py310"),
        lambda: deep_learning_container("pytorch", "2.0").uri(US),
        ":2.0-cpu-py310",
        ":2.0.1-cpu-py310",
        "a short version would be another image next month",
    ),
    Difference(
        "a list of shapes",
        lambda: sdk_request(inputs=SHAPES)["DataInputConfig"],
        lambda: request(Framework.pytorch("1.13"), C5, data_input_config=DataInputConfig(SHAPES))[
            "DataInputConfig"
        ],
        str(SHAPES),
        "[[1,3,224,224]]",
        "the API takes a string; the SDK hands on the list, which botocore then refuses",
    ),
    Difference(
        "names and shapes",
        lambda: sdk_request(inputs={"a": [1, 3]})["DataInputConfig"],
        lambda: request(
            Framework.pytorch("1.13"), C5, data_input_config=DataInputConfig({"a": [1, 3]})
        )["DataInputConfig"],
        '{"a": [1, 3]}',
        '{"a":[1,3]}',
        "the same JSON without spaces: the field is limited to 16,384 characters",
    ),
    Difference(
        "no inputs",
        lambda: "DataInputConfig" in sdk_request(inputs=None),
        lambda: "DataInputConfig" in request(Framework.pytorch("2.0"), C5),
        "True",
        "False",
        "the SDK sends None, which botocore refuses; Neo derives what is left out",
    ),
    Difference(
        "Neuron's flags",
        lambda: sdk_request(target="ml_inf2", options=FLAGS)["CompilerOptions"],
        lambda: request(
            Framework.pytorch("1.13"), INF2, compiler_options=CompilerOptions.neuron(FLAGS)
        )["CompilerOptions"],
        FLAGS,
        f'"{FLAGS}"',
        "the API wants them as a JSON string; the SDK leaves the quotes to the caller",
    ),
]
