"""Our CreateCompilationJob against what the SageMaker SDK would send.

A grid of settings through the engine's call, and one of each kind through the synthesized
template. Left out is only what is ours to choose, the places in S3; the rest is equal after the
differences that differences.py lists (the spelling of JSON, the quotes around Neuron's flags).
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from aws_cdk import Duration
from neo_jobs.cloudformation import Request
from neo_jobs.kinds.job_names import create_request

from neo_constructs.catalog.compilation_request import JobSettings
from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.data_tables import documented
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.compilation_job import CompilationJob
from neo_constructs.compilation.model_data import ModelData
from neo_constructs.sandbox.sagemaker.requests import validate
from tests.lifecycle.events import BUCKET, event
from tests.oracle.sdk import compilation_job
from tests.templates.stacks import stack, template, the

INPUTS: list[Any] = [
    None,
    {"input0": [1, 3, 224, 224]},
    {"b": [1, 3], "a": [2]},
    [[1, 3, 224, 224], [1, 3, 160, 160]],
]
PATCHES = ["", ".0", ".3"]
SECONDS = [60, 900, 2_700]


def ours(settings: JobSettings) -> dict[str, Any]:
    """Return the call the engine makes, with CloudFormation's texts for numbers on the way."""

    def texts(properties: dict[str, Any]) -> dict[str, str]:
        return {k: str(v) for k, v in properties.items() if v is not None}

    properties: dict[str, Any] = {
        "InputConfig": {**texts(settings.input_config()), "S3Uri": "s3://models/model.tar.gz"},
        "OutputConfig": {
            **texts(settings.output_config()),
            "S3OutputLocation": f"s3://{BUCKET}/",
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": str(settings.max_runtime_seconds)},
    }
    call: dict[str, Any] = create_request(Request.parse(event(**properties)))
    validate("CreateCompilationJob", call)
    return call


def normal(call: dict[str, Any]) -> dict[str, Any]:
    """Return a call without the places, and with its JSON read."""
    model, output = dict(call["InputConfig"]), dict(call["OutputConfig"])
    model.pop("S3Uri")
    output.pop("S3OutputLocation")
    inputs = model.pop("DataInputConfig", None)
    options = output.pop("CompilerOptions", None)
    return {
        "InputConfig": model,
        "OutputConfig": output,
        "StoppingCondition": call["StoppingCondition"],
        "inputs": json.loads(inputs) if isinstance(inputs, str) else inputs,
        "options": json.loads(options) if isinstance(options, str) else options,
    }


@pytest.mark.parametrize(
    "settings",
    [
        JobSettings(framework=Framework.pytorch("2.0.1"), target=TargetDevice.ML_C5),
        JobSettings(
            framework=Framework.pytorch("1.13"),
            target=TargetDevice.ML_C5,
            data_input_config=DataInputConfig({"a": [1, 3]}),
            compiler_options=CompilerOptions.pytorch(dtype="int64"),
            max_runtime_seconds=60,
        ),
        JobSettings(
            framework=Framework.mxnet(),
            target=TargetDevice.ML_INF1,
            data_input_config=DataInputConfig({"data": [1, 3, 224, 224]}),
            compiler_options=CompilerOptions.neuron("-O2"),
        ),
        JobSettings(framework=Framework.xgboost(), target=TargetDevice.ML_M5),
    ],
    ids=lambda settings: str(settings.framework),
)
def test_the_construct_sends_what_was_compared(settings: JobSettings) -> None:
    """From the synthesized template, so that nothing is lost between settings and call."""
    scope = stack()
    seconds = settings.max_runtime_seconds
    CompilationJob(
        scope,
        "Job",
        model_data=ModelData.from_s3_uri("s3://models/model.tar.gz"),
        framework=settings.framework,
        target=settings.target,
        data_input_config=settings.data_input_config,
        compiler_options=settings.compiler_options,
        max_runtime=Duration.seconds(seconds) if seconds else None,
    )
    properties = the(template(scope), "Custom::NeoCompilationJob")["Properties"]
    properties["OutputConfig"]["S3OutputLocation"] = f"s3://{BUCKET}/"
    properties["RoleArn"] = "arn:aws:iam::123456789012:role/compile"
    sent = create_request(Request.parse(event(**properties)))
    assert normal(sent) == normal(ours(settings))


def test_every_job_of_the_grid_is_what_the_sdk_would_send() -> None:
    compared = 0
    for target_name, by_framework in itertools.product(
        documented()["processors"], documented()["support"].items()
    ):
        target, (name, by_processor) = TargetDevice(target_name), by_framework
        on_neuron = target.processor in {"inf", "neuronx"}
        for version, patch in itertools.product(by_processor.get(target.processor, []), PATCHES):
            framework = Framework(name, version + patch)
            options: list[tuple[CompilerOptions | None, object]] = [(None, None)]
            if on_neuron:
                flags = "--neuroncore-pipeline-cores 2"
                options.append((CompilerOptions.neuron(flags), json.dumps(flags)))
            elif name == "PYTORCH":
                options.append((CompilerOptions.pytorch(dtype="long"), {"dtype": "long"}))
            for inputs, (option, sdk_option), seconds in itertools.product(
                INPUTS, options, SECONDS
            ):
                settings = JobSettings(
                    framework=framework,
                    target=target,
                    data_input_config=DataInputConfig(inputs) if inputs else None,
                    compiler_options=option,
                    max_runtime_seconds=seconds,
                )
                theirs = compilation_job(
                    target=target_name,
                    inputs=inputs,
                    framework=name.lower(),
                    version=framework.version,
                    options=sdk_option,
                    seconds=seconds,
                )
                assert normal(ours(settings)) == normal(theirs)
                compared += 1
    assert compared == 6336
