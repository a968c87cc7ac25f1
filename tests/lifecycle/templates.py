"""Stacks of the simulation: synthesized templates, their rights, and their custom resources."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

import neo_constructs as neo
from tests.lifecycle.events import BUCKET, COMPILED, PACKAGE, STACK_ID, archive
from tests.lifecycle.rights import (
    ACCOUNT,
    MACHINE,
    NO_POLICIES,
    REGION,
    Policies,
    Rights,
    as_text,
    policies_of,
    resolver,
)

Json = dict[str, Any]


@dataclass(frozen=True)
class ArchiveSpec:
    """What a deploy asks for.

    Parameters
    ----------
    jobs
        Construct id and version of the model, for each job.
    script
        Version of the script of a serving archive; 0 is no archive.
    measured
        Version of the model package that a recommendations job measures; 0 is no such job.
    tag
        A tag on the stack: it compiles nothing.
    destroys
        Whether artifacts go with their jobs.
    grace
        How long the engine waits for young rights: a change of the engine itself.
    """

    jobs: tuple[tuple[str, int], ...]
    script: int = 0
    measured: int = 0
    tag: str = ""
    destroys: bool = False
    grace: int = 90


@dataclass(frozen=True, eq=False)
class Deployed:
    """A template as CloudFormation has it.

    Parameters
    ----------
    resources
        Type and properties of each custom resource, by logical id.
    policies, compile_policies
        What the engine and the compile role may do.
    machine
        The state machine's definition.
    """

    resources: Mapping[str, tuple[str, Json]]
    policies: Policies
    compile_policies: Policies
    machine: Json

    @property
    def rights(self) -> Rights:
        """What the engine may do."""
        return self.policies.rights


def source(job: str, model: int) -> str:
    """Return where a job's model lies."""
    return f"s3://models/{job}/{model}.tar.gz"


def script_key(version: int) -> str:
    """Return where a version of the script lies among the models."""
    return f"script/{version}/sourcedir.tar.gz"


def script_body(version: int) -> bytes:
    """Return what lies there."""
    return archive({"inference.py": f"# version {version}".encode()})


@functools.cache
def deployed(wanted: ArchiveSpec) -> Deployed:
    """Return the template of a stack, resolved."""
    os.environ["CDK_VALIDATION"] = "false"
    if not (wanted.jobs or wanted.script or wanted.measured):
        return Deployed({}, NO_POLICIES, NO_POLICIES, {})
    template = _synthesize(wanted)
    machine = next(
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
    )
    buckets = [n for n, r in template["Resources"].items() if r["Type"] == "AWS::S3::Bucket"]
    names = {machine: MACHINE.rsplit(":", 1)[-1], **dict.fromkeys(buckets, BUCKET)}
    resolve = resolver(template, STACK_ID, names)
    resources = {
        name: (resource["Type"], as_text(resolve(resource["Properties"])))
        for name, resource in template["Resources"].items()
        if resource["Type"].startswith("Custom::Neo")
    }
    return Deployed(
        resources,
        policies_of(template, "NeoJobEngineRole", resolve),
        policies_of(template, "NeoJobEngineCompileRole", resolve),
        resolve(template["Resources"][machine]["Properties"]["Definition"]),
    )


def _synthesize(wanted: ArchiveSpec) -> Json:
    environment = cdk.Environment(account=ACCOUNT, region=REGION)
    app = cdk.App(context={"neo_constructs:iam_grace_seconds": wanted.grace})
    stack = cdk.Stack(app, "Stack", env=environment)
    if wanted.tag:
        cdk.Tags.of(stack).add("release", wanted.tag)
    models = s3.Bucket.from_bucket_name(stack, "Models", "models")
    policy = cdk.RemovalPolicy.DESTROY if wanted.destroys else cdk.RemovalPolicy.RETAIN
    for job, model in wanted.jobs:
        neo.CompilationJob(
            stack,
            job,
            model_data=neo.ModelData.from_bucket(
                models, f"{job}/{model}.tar.gz", object_version=f"v{model}"
            ),
            framework=neo.Framework.xgboost(),
            target=neo.TargetDevice.ML_C5,
            artifact_removal_policy=policy,
        )
    if wanted.script:
        neo.ServingArchive(
            stack,
            "Archive",
            model_data_url=COMPILED,
            inference_code=neo.InferenceCode.from_bucket(
                models, script_key(wanted.script), object_version="v1"
            ),
            artifact_removal_policy=policy,
        )
    if wanted.measured:
        version = neo.ModelPackage.from_model_package_arn(
            stack, "Version", f"{PACKAGE[:-1]}{wanted.measured}", artifact_bucket=models
        )
        neo.InferenceRecommendationsJob(
            stack,
            "Recommendation",
            model_package=version,
            instance_types=["ml.c5.large", "ml.c5.xlarge"],
            artifact_removal_policy=policy,
        )
    return dict(Template.from_stack(stack).to_json())
