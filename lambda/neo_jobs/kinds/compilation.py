"""Custom::NeoCompilationJob: what a compilation job is, for the engine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from neo_jobs.cloudformation import Request
from neo_jobs.hints import hint_for
from neo_jobs.kinds.job_api import Fields, JobApi

_REGISTRY = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")


def immutable_fields(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that Neo's result depends on, in a canonical form.

    Its hash is part of the job's name: what is not here (tags, role, timeout, engine) never
    causes a compile, what is here always does. Never change it: old names must be found again.
    """
    model, output = properties["InputConfig"], properties["OutputConfig"]
    return {
        "model": properties.get("InputFingerprint")
        or [model["S3Uri"], properties.get("InputObjectVersion") or ""],
        "framework": [model["Framework"], model.get("FrameworkVersion") or ""],
        "inputs": _parsed(model.get("DataInputConfig") or ""),
        "target": output["TargetDevice"],
        "options": _parsed(output.get("CompilerOptions") or ""),
        # The bucket's own key encrypts the objects whether or not it is named.
        "key": "" if is_bucket_key(properties) else output.get("KmsKeyId") or "",
        "output": output["S3OutputLocation"],
    }


def is_bucket_key(properties: Mapping[str, Any]) -> bool:
    """Whether ``KmsKeyId`` is the artifact bucket's own key, and not one of the job's."""
    return properties.get("KmsKeyIsBucketDefault") == "true"


def create_parameters(request: Request, source: str, target: str) -> dict[str, Any]:
    """Return the parameters of CreateCompilationJob, its numbers as numbers."""
    properties = request.properties
    runtime = int(properties["StoppingCondition"]["MaxRuntimeInSeconds"])
    network = properties.get("VpcConfig")
    return {
        "RoleArn": properties["RoleArn"],
        "InputConfig": {**_without_empty(properties["InputConfig"]), "S3Uri": source},
        # Rests on A-CFN-12.
        "OutputConfig": {**_without_empty(properties["OutputConfig"]), "S3OutputLocation": target},
        "StoppingCondition": {"MaxRuntimeInSeconds": runtime},
        **({"VpcConfig": network} if network else {}),
    }


def result_fields(reply: Mapping[str, Any]) -> Fields:
    """Return what DescribeCompilationJob says of the result."""
    return {
        # Rests on A-NEO-11.
        "S3ModelArtifacts": (reply.get("ModelArtifacts") or {}).get("S3ModelArtifacts") or "",
        "InferenceImage": reply.get("InferenceImage") or "",
        "ArtifactDigest": (reply.get("ModelDigests") or {}).get("ArtifactDigest") or "",
    }


def attributes(request: Request, found: Fields) -> dict[str, str]:
    """Return what Fn::GetAtt can read."""
    expected = str(request.properties.get("ExpectedInferenceImage") or "")
    image = found["InferenceImage"]
    return {
        "S3ModelArtifacts": found["S3ModelArtifacts"],
        # Rests on A-NEO-01.
        "InferenceImage": image or expected,
        "ImageMatchesCatalog": str(not image or image == expected).lower(),
    }


def has_known_image(request: Request, found: Fields) -> bool:
    """Whether a recorded image comes from the registry that the template expects.

    A framework or target that the catalog does not know has none; its image is one of ECR's, which
    the model's role can pull from known accounts only.
    """
    expected = str(request.properties.get("ExpectedInferenceImage") or "")
    registry = found["InferenceImage"].partition("/")[0]
    if not expected:
        return not registry or bool(_REGISTRY.fullmatch(registry))
    return registry in {"", expected.partition("/")[0]}


def _without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


COMPILATION = JobApi(
    resource_type="Custom::NeoCompilationJob",
    noun="compilation_job",
    title="compilation job",
    service="Neo",
    name_key="CompilationJobName",
    arn_key="CompilationJobArn",
    status_key="CompilationJobStatus",
    summaries_key="CompilationJobSummaries",
    log_group="/aws/sagemaker/CompilationJobs",
    can_delete=True,
    stages_input=True,
    immutable_fields=immutable_fields,
    create_parameters=create_parameters,
    fields=dict.fromkeys(("S3ModelArtifacts", "InferenceImage", "ArtifactDigest"), str),
    result_fields=result_fields,
    artifact_field="S3ModelArtifacts",
    attributes=attributes,
    is_trusted=has_known_image,
    hint=hint_for,
)
