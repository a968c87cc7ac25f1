"""What Inference Recommender may do while it measures.

AWS documents no policy for it but AmazonSageMakerFullAccess. These rights are read from what it is
documented to do: it makes models, configurations and endpoints, named ``sm-epc-...`` (developer
guide, page inference-recommender-troubleshooting) or with the job's name before (API reference,
CreateInferenceRecommendationsJob, JobName), sends the sample payload to them, and removes them.
docs/assumptions.md says what happens if a right is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.inference_image import neo_repositories, pull_statements
from neo_constructs.compilation.model_data import ObjectLocation
from neo_constructs.engine.asked_once import stack_of
from neo_constructs.engine.job_engine import JobEngine
from neo_constructs.engine.keys import real_key
from neo_constructs.engine.permissions import logging_statements, pass_role_statement, use_keys
from neo_constructs.engine.statements import Statement, allow
from neo_constructs.hosting.artifact_reading import read_artifact
from neo_constructs.hosting.package_interface import IModelPackage

# Rests on A-REC-04.
_KINDS = ("Model", "EndpointConfig", "Endpoint")
_LOGS = "/aws/sagemaker/*"


def recommender_statements(
    scope: Construct,
    role: iam.IRole,
    package: IModelPackage,
    payloads: Sequence[ObjectLocation],
    *,
    may_compile: bool,
    volume_key: kms.IKey | None,
) -> list[Statement]:
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
    volume_key
        Encrypts the volumes of the instances; SageMaker uses it by a grant (API reference,
        RecommendationJobInputConfig, VolumeKmsKeyId).
    """
    stack = stack_of(scope)
    place = f"arn:{stack.partition}:sagemaker:{stack.region}:{stack.account}"
    # Rests on A-REC-04.
    names = ("sm-epc", JobEngine.of(scope).name_prefix)
    measured = [
        f"{place}:{kind}/{name}-*"
        for kind in ("endpoint", "endpoint-config", "model")
        for name in names
    ]
    statements = [
        allow(
            actions=[
                # Rests on A-REC-04.
                *(f"sagemaker:{verb}{kind}" for kind in _KINDS for verb in ("Create", "Describe")),
                *(f"sagemaker:Delete{kind}" for kind in _KINDS),
                "sagemaker:InvokeEndpoint",
                "sagemaker:AddTags",
            ],
            resources=measured,
        ),
        allow(
            actions=["sagemaker:DescribeModelPackage"],
            resources=[package.model_package_arn],
        ),
        pass_role_statement(role),
        *logging_statements(_LOGS),
        *package.reading(scope),
        *(pull_statements(package.repository_arns) if package.repository_arns else ()),
    ]
    for payload in payloads:
        # Rests on A-REC-10.
        statements += read_artifact(payload.bucket, payload.s3_uri, is_prefix=False)
        statements += use_keys(["kms:Decrypt"], payload.bucket)
    if volume_key:
        statements.append(
            allow(
                actions=["kms:CreateGrant"],
                resources=[real_key(volume_key).key_arn],
                conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
            )
        )
    if may_compile:
        framework = Framework(str(package.contents.get("Framework", "")).upper(), None)
        statements += pull_statements(neo_repositories(scope, framework, TargetDevice.ML_C5))
        statements += [
            allow(
                actions=[
                    f"sagemaker:{verb}CompilationJob" for verb in ("Create", "Describe", "Stop")
                ],
                resources=[f"{place}:compilation-job/{name}-*" for name in names],
            ),
            allow(
                actions=["sagemaker:UpdateModelPackage"],
                resources=[package.model_package_arn],
            ),
        ]
    return statements
