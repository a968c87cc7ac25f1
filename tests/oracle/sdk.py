"""The SageMaker SDK's own answers."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

from sagemaker import image_uris, utils
from sagemaker.model import Model

# The SDK reads botocore's table of endpoints again for every answer, which takes 50 ms.
utils._botocore_resolver = functools.cache(utils._botocore_resolver)


def image_answer(
    framework: str,
    version: str | None,
    instance_type: str,
    region: str,
    py_version: str | None = None,
) -> str:
    """Return the image that the SDK would serve with."""
    return str(
        image_uris.retrieve(
            framework=framework,
            region=region,
            version=version,
            instance_type=instance_type,
            image_scope="inference",
            py_version=py_version,
        )
    )


def compilation_job(
    *,
    target: str,
    inputs: object,
    framework: str,
    version: str | None,
    options: object,
    seconds: int,
) -> dict[str, Any]:
    """Return the parts of CreateCompilationJob that the SDK would send."""
    session = SimpleNamespace(expand_role=lambda role: role)
    model = SimpleNamespace(model_data="s3://models/model.tar.gz", sagemaker_session=session)
    config = Model._compilation_job_config(
        model,
        target,
        inputs,
        "s3://artifacts/",
        "role",
        seconds,
        "job",
        framework,
        None,
        compiler_options=options,
        framework_version=version,
    )
    return {
        "InputConfig": config["input_model_config"],
        "OutputConfig": config["output_model_config"],
        "StoppingCondition": config["stop_condition"],
    }
