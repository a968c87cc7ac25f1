"""The same stacks by the library and by hand, in L1s: what ``benchmarks/synthesis.py`` compares.

    python benchmarks/twins.py library 50 OUT
    python benchmarks/twins.py l1 50 OUT

The hand-written twin has the same resources with the same properties; ``synthesis.py`` asserts it,
logical ids and the hashes of assets aside. What a stack has once is copied from the library's
template of one endpoint, and so are values that a person would have to type: it is the calls to
the CDK that are compared.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from constructs import Construct

MOST = 50  # endpoints in a stack
EXAMPLES = Path(__file__).parents[1] / "examples" / "digits"


def library(stack: cdk.Stack, count: int) -> None:
    """Make endpoints by the library."""
    import neo_constructs as neo

    for number in range(count):
        neo.CompiledEndpoint(
            stack,
            f"E{number}",
            model_data=neo.ModelData.from_asset(EXAMPLES / "digits.onnx"),
            target=neo.TargetDevice.ML_C5,
            inference_code=neo.InferenceCode.from_asset(EXAMPLES / "code"),
            instance_type="ml.c5.large",
        )


def by_hand(stack: cdk.Stack, count: int, template: dict[str, Any]) -> None:
    """Make the same endpoints by L1s, and what a stack has once as the library's template has it.

    Parameters
    ----------
    stack, count
        Where, and how many.
    template
        What the library has made of one endpoint.
    """
    # A person who writes the engine in L1s imports what it is made of.
    from aws_cdk import aws_events, aws_lambda, aws_logs, aws_s3, aws_stepfunctions  # noqa: F401 - to import

    once = _once(stack, template)
    for number in range(count):
        _endpoint(stack, f"E{number}", once, template)


def _once(stack: cdk.Stack, template: dict[str, Any]) -> dict[str, cdk.CfnResource]:
    """Make the engine and the bucket: a person copies these."""
    for name, mapping in (template.get("Mappings") or {}).items():
        cdk.CfnMapping(stack, name, mapping=mapping)
    kept = {name: r for name, r in template["Resources"].items() if not name.startswith("E0")}
    made = dict[str, cdk.CfnResource]()
    for name, resource in kept.items():
        properties = resource.get("Properties")
        made[name] = cdk.CfnResource(stack, name, type=resource["Type"], properties=properties)
        made[name].override_logical_id(name)
    for name, resource in kept.items():
        if wanted := [made[each] for each in resource.get("DependsOn") or ()]:
            made[name].node.add_dependency(*wanted)
        for key in ("DeletionPolicy", "UpdateReplacePolicy"):
            if key in resource:
                made[name].add_override(key, resource[key])
    return made


def _endpoint(
    stack: cdk.Stack, name: str, once: dict[str, cdk.CfnResource], template: dict[str, Any]
) -> None:
    """Make one endpoint, as a person who has read the documentation writes it."""
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_s3_assets as s3_assets
    from aws_cdk import aws_sagemaker as sagemaker

    resources = template["Resources"]

    def of_first(kind: str) -> dict[str, Any]:
        """Return the properties of the library's first endpoint: what a person has to write."""
        (found,) = [r for n, r in resources.items() if n.startswith("E0") and r["Type"] == kind]
        return dict(found["Properties"])

    def waits_for(kind: str) -> list[cdk.CfnResource]:
        (found,) = [r for n, r in resources.items() if n.startswith("E0") and r["Type"] == kind]
        return [once[each] for each in found.get("DependsOn") or () if each in once]

    scope = Construct(stack, name)
    model_data = s3_assets.Asset(scope, "ModelData", path=str(EXAMPLES / "digits.onnx"))
    code = s3_assets.Asset(scope, "Code", path=str(EXAMPLES / "code"))
    asked = of_first("Custom::NeoCompilationJob")
    asked["InputConfig"] = {
        **asked["InputConfig"],
        "S3Uri": f"s3://{model_data.s3_bucket_name}/{model_data.s3_object_key}",
    }
    job = cdk.CfnResource(scope, "Job", type="Custom::NeoCompilationJob", properties=asked)
    job.node.add_dependency(*waits_for("Custom::NeoCompilationJob"))
    written = of_first("Custom::NeoServingArchive")
    written["ModelDataUrl"] = job.get_att("S3ModelArtifacts").to_string()
    written["Script"] = {
        **written["Script"],
        "S3Uri": f"s3://{code.s3_bucket_name}/{code.s3_object_key}",
    }
    archive = cdk.CfnResource(
        scope, "Archive", type="Custom::NeoServingArchive", properties=written
    )
    archive.node.add_dependency(*waits_for("Custom::NeoServingArchive"))
    trust = of_first("AWS::IAM::Role")
    role = iam.CfnRole(
        scope,
        "Role",
        assume_role_policy_document=trust["AssumeRolePolicyDocument"],
        description=trust["Description"],
    )
    policy = iam.CfnPolicy(
        scope,
        "Policy",
        policy_document=of_first("AWS::IAM::Policy")["PolicyDocument"],
        policy_name=f"{name}Policy",
        roles=[role.ref],
    )
    made = sagemaker.CfnModel
    model = made(
        scope,
        "Model",
        execution_role_arn=role.attr_arn,
        enable_network_isolation=False,
        primary_container=made.ContainerDefinitionProperty(
            image=job.get_att("InferenceImage").to_string(),
            model_data_url=archive.get_att("ModelDataUrl").to_string(),
            environment={
                "SAGEMAKER_REGION": cdk.Aws.REGION,
                "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": archive.get_att("SubmitDirectory").to_string(),
            },
        ),
    )
    model.add_metadata(
        "NetworkIsolation", "Off: this container fetches its script from S3 as it starts."
    )
    model.add_dependency(policy)
    config = sagemaker.CfnEndpointConfig(
        scope,
        "Config",
        production_variants=[
            sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                variant_name="AllTraffic",
                model_name=model.attr_model_name,
                instance_type="ml.c5.large",
                initial_instance_count=1,
                initial_variant_weight=1,
            )
        ],
    )
    sagemaker.CfnEndpoint(scope, "Endpoint", endpoint_config_name=config.attr_endpoint_config_name)


def main(kind: str, count: int, out: str, template: str = "") -> None:
    """Synthesize one of the twins."""
    app = cdk.App(outdir=out)
    for first in range(0, count, MOST):
        name, here = f"Stack{first or ''}", min(MOST, count - first)
        stack = cdk.Stack(app, name, env=cdk.Environment(account="1" * 12, region="eu-west-1"))
        if kind == "library":
            library(stack, here)
        else:
            by_hand(stack, here, json.loads(Path(template).read_text()))
    app.synth()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
