"""Our CreateCompilationJob against what the SageMaker SDK would send.

The whole way: settings, the custom resource's properties, the engine's call. Left out is only
what is ours to choose, the places in S3; the rest is equal after the differences that
differences.py lists (the two spellings of JSON, and the quotes around Neuron's flags).
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from neo_jobs.cloudformation import Request
from neo_jobs.compilation import create_request

from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.job import JobSettings
from neo_constructs.catalog.tables import documented
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.sandbox.sagemaker.requests import validate
from tests.lifecycle.fakes import BUCKET, event
from tests.oracle.sdk import compilation_job

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
    call = create_request(Request.parse(event(**properties)))
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
