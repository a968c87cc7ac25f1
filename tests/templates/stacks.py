"""The stacks the template tests look at."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk.assertions import Template
from constructs import Construct

import neo_constructs as neo

DIGITS = Path(__file__).parent.parent.parent / "examples" / "digits"
HASH = re.compile(r"\b[0-9a-f]{64}\b")
PARTITIONS = {
    "agnostic": None,
    "aws": cdk.Environment(account="123456789012", region="eu-west-1"),
    "aws-cn": cdk.Environment(account="123456789012", region="cn-north-1"),
    "aws-us-gov": cdk.Environment(account="123456789012", region="us-gov-west-1"),
}

JOB = "Custom::NeoCompilationJob"
ARCHIVE = "Custom::NeoServingArchive"
IMPORTED = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/xgboost-neo:latest"

Json = dict[str, Any]


def stack(env: cdk.Environment | None = None) -> cdk.Stack:
    """Return an empty stack in an app of its own."""
    return cdk.Stack(cdk.App(), "Stack", env=env)


def digits_endpoint(scope: Construct, **changes: Any) -> neo.CompiledEndpoint:
    """Add the README's endpoint to a stack."""
    arguments: Json = {
        "model_data": neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        "target": neo.TargetDevice.ML_C5,
        "inference_code": neo.InferenceCode.from_asset(DIGITS / "code"),
        "instance_type": "ml.c5.large",
    }
    return neo.CompiledEndpoint(scope, "Digits", **{**arguments, **changes})


def template(scope: cdk.Stack) -> Json:
    """Return what a stack synthesizes to."""
    return dict(Template.from_stack(scope).to_json())


def of_type(found: Json, kind: str) -> dict[str, Json]:
    """Return the resources of one type, by logical id."""
    return {k: v for k, v in found["Resources"].items() if v["Type"] == kind}


def the(found: Json, kind: str) -> Json:
    """Return the one resource of a type."""
    (resource,) = of_type(found, kind).values()
    return resource


def statements(found: Json, role: str) -> list[Json]:
    """Return every statement that policies attach to a role, by the start of its logical id."""
    result: list[Json] = []
    for resource in found["Resources"].values():
        if resource["Type"] in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}:
            roles = [r.get("Ref", "") for r in resource["Properties"].get("Roles", [])]
            if any(name.startswith(role) for name in roles):
                result += resource["Properties"]["PolicyDocument"]["Statement"]
    for name, resource in found["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role" and name.startswith(role):
            for policy in resource["Properties"].get("Policies", []):
                result += policy["PolicyDocument"]["Statement"]
    return result


def actions(statement: Json) -> list[str]:
    """Return a statement's actions as a list."""
    found = statement["Action"]
    return [found] if isinstance(found, str) else list(found)


def granting(found: Json, role: str, action: str) -> list[Json]:
    """Return the statements that let a role do something."""
    return [s for s in statements(found, role) if action in actions(s)]


def readable(found: Json) -> str:
    """Return a template as text that does not change with the Lambda's sources."""
    return HASH.sub("<asset>", json.dumps(found, indent=1, sort_keys=True)) + "\n"
