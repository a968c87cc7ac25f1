"""What a request's properties ask for: the job's name, its call, what it depends on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from neo_jobs.cloudformation import Request, digest

INPUT_KEY = "input/model.tar.gz"  # the API asks for this suffix; CDK assets lose it
_REST = re.compile(r"[a-z2-7]{10}-[a-z2-7]{8}")


def compile_inputs(properties: Mapping[str, Any]) -> dict[str, Any]:
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
        "key": output.get("KmsKeyId") or "",
        "output": output["S3OutputLocation"],
    }


def inputs_prefix(request: Request) -> str:
    """Return what the names of all jobs with this request's compile inputs start with."""
    return f"{request.resource_prefix}-{digest(compile_inputs(request.properties), 10)}-"


def job_name(request: Request) -> str:
    """Return the name of the job a request is about: 53 characters, in lower case.

    A Delete is about the job it names; a Create or an Update about one of its own. Should
    CloudFormation delete an id the engine never reported, there is nothing of that name.
    """
    if request.type == "Delete":
        return request.physical_id or ""
    attempt = f"/{request.attempt}" if request.attempt else ""
    return inputs_prefix(request) + digest(request.request_id + attempt, 8)


def is_ours(request: Request) -> bool:
    """Whether the physical id of a request was given by this engine to this resource."""
    return (request.physical_id or "").startswith(f"{request.resource_prefix}-")


def is_job_name(request: Request, name: str) -> bool:
    """Whether this engine may have given a job or a folder its name, for this resource."""
    prefix = f"{request.resource_prefix}-"
    return name.startswith(prefix) and bool(_REST.fullmatch(name.removeprefix(prefix)))


def bucket(request: Request) -> str:
    """Return the artifact bucket; empty if properties of a newer release have none here."""
    output = request.properties.get("OutputConfig") or {}
    return str(output.get("S3OutputLocation") or "").removeprefix("s3://").partition("/")[0]


def destroys(request: Request) -> bool:
    """Whether a Delete takes the artifacts too."""
    return request.properties.get("ArtifactRemovalPolicy") == "DESTROY"


def needs_no_bucket(request: Request, code: str) -> bool:
    """Whether a Delete may go on though S3 has refused a look into the bucket with this code.

    The rights on a bucket go with the last resource that uses it; what is kept needs none. In a
    bucket that is gone there is nothing left.
    """
    if request.type != "Delete":
        return False
    return code == "NoSuchBucket" or (code == "AccessDenied" and not destroys(request))


def create_request(request: Request) -> dict[str, Any]:
    """Return the CreateCompilationJob call for a request, its numbers as numbers."""
    properties, folder = request.properties, f"s3://{bucket(request)}/{job_name(request)}/"
    runtime = int(properties["StoppingCondition"]["MaxRuntimeInSeconds"])
    call: dict[str, Any] = {
        "CompilationJobName": job_name(request),
        "RoleArn": properties["RoleArn"],
        "InputConfig": {**_filled(properties["InputConfig"]), "S3Uri": f"{folder}{INPUT_KEY}"},
        "OutputConfig": {**_filled(properties["OutputConfig"]), "S3OutputLocation": folder},
        "StoppingCondition": {"MaxRuntimeInSeconds": runtime},
    }
    for optional in ("VpcConfig", "Tags"):
        if properties.get(optional):
            call[optional] = properties[optional]
    return call


def identity(call: Mapping[str, Any]) -> dict[str, str]:
    """Return by what a job is known to be ours, of a call or of what the service says of a job.

    Only what the service returns as it was given: it may write JSON or versions in its own way.
    """
    model, output = call.get("InputConfig") or {}, call.get("OutputConfig") or {}
    fields = {
        "S3Uri": model.get("S3Uri"),
        "Framework": model.get("Framework"),
        "S3OutputLocation": (output.get("S3OutputLocation") or "").rstrip("/"),
        "TargetDevice": output.get("TargetDevice"),
        "RoleArn": call.get("RoleArn"),
    }
    return {key: value for key, value in fields.items() if value}


def as_mapping(tags: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """Return a list of tags as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
