"""Small templates, and assemblies of them, for the tests of ``neo review``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from neo_constructs.review.assembly import StackTemplate
from neo_constructs.review.values import Assembly

Json = dict[str, Any]
REGION = {"Ref": "AWS::Region"}
STACK_ID = {"Fn::Select": [0, {"Fn::Split": ["-", {"Ref": "AWS::StackId"}]}]}


def stack(resources: Json, name: str = "Stack", **more: Any) -> StackTemplate:
    sections = {k: more.pop(k) for k in list(more) if k[0].isupper()}
    given = {"account": "", "region": "", "paths": {}, **more}
    template = {"Resources": resources, **sections}
    return StackTemplate(name=name, stack_name=name, template=template, **given)


def one(resources: Json, **more: Any) -> Assembly:
    return Assembly((stack(resources, **more),))


BLUE = {
    "Type": "CANARY",
    "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
    "WaitIntervalInSeconds": 60,
}


def hosting(**changes: Any) -> Json:
    """Return an endpoint, its configuration and its model."""
    variant = {"ModelName": {"Ref": "Model"}, "VariantName": "A", "InstanceType": "ml.c5.large",
               "InitialInstanceCount": 1}  # fmt: skip
    return {
        "Model": {"Type": "AWS::SageMaker::Model", "Properties": {"ExecutionRoleArn": "r"}},
        "Config": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {"ProductionVariants": [{**variant, **changes.pop("variant", {})}]},
        },
        changes.pop("id", "Endpoint"): {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
                **changes,
            },
        },
    }


def write(folder: Path, resources: Json) -> Path:
    folder.mkdir(exist_ok=True)
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/unknown-region",
        "properties": {"templateFile": "S.json"},
        "displayName": "Stack",
    }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": {"Stack": artifact}}))
    (folder / "S.json").write_text(json.dumps({"Resources": resources}))
    return folder
