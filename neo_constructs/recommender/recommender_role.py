"""What Inference Recommender may do while it measures.

AWS documents no policy for it but AmazonSageMakerFullAccess. These rights are read from what it is
documented to do: it makes endpoints named ``sm-epc-...`` (developer guide, page
inference-recommender-troubleshooting), sends the sample payload to them, and removes them.
docs/assumptions.md says what happens if a right is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from neo_constructs.compilation.inference_image import pull_statements
from neo_constructs.compilation.model_data import ObjectLocation
from neo_constructs.engine.permissions import logging_statements, pass_role_statement, use_keys
from neo_constructs.hosting.artifact_reading import read_artifact
from neo_constructs.hosting.package_interface import IModelPackage

_KINDS = ("Model", "EndpointConfig", "Endpoint")
_LOGS = "/aws/sagemaker/*"


def recommender_statements(
    scope: Construct,
    role: iam.IRole,
    package: IModelPackage,
    payloads: Sequence[ObjectLocation],
    *,
    may_compile: bool,
) -> list[iam.PolicyStatement]:
    """Return what the role of a recommendations job needs.

    Parameters
    ----------
    scope
        The job.
    role
        Itself: the models that are measured act as it.
    package
        What is measured.
    payloads
        The archives of requests.
    may_compile
        Whether the job may compile the model by itself.
    """
    stack = Stack.of(scope)
    place = f"arn:{stack.partition}:sagemaker:{stack.region}:{stack.account}"
    measured = [f"{place}:{kind}/sm-epc-*" for kind in ("endpoint", "endpoint-config", "model")]
    statements = [
        iam.PolicyStatement(
            sid="Measure",
            actions=[
                *(f"sagemaker:{verb}{kind}" for kind in _KINDS for verb in ("Create", "Describe")),
                *(f"sagemaker:Delete{kind}" for kind in _KINDS),
                "sagemaker:InvokeEndpoint",
                "sagemaker:AddTags",
            ],
            resources=measured,
        ),
        iam.PolicyStatement(
            sid="ReadVersion",
            actions=["sagemaker:DescribeModelPackage"],
            resources=[package.model_package_arn],
        ),
        pass_role_statement(role),
        *logging_statements(_LOGS),
        *package.reading(scope),
        *(pull_statements(package.repository_arns) if package.repository_arns else ()),
    ]
    for payload in payloads:
        statements += read_artifact(payload.bucket, payload.s3_uri, is_prefix=False)
        statements += use_keys(["kms:Decrypt"], payload.bucket)
    if may_compile:
        statements += [
            iam.PolicyStatement(
                sid="Compile",
                actions=[
                    f"sagemaker:{verb}CompilationJob" for verb in ("Create", "Describe", "Stop")
                ],
                resources=[f"{place}:compilation-job/*"],
            ),
            iam.PolicyStatement(
                sid="NoteCompiled",
                actions=["sagemaker:UpdateModelPackage"],
                resources=[package.model_package_arn],
            ),
        ]
    return statements
