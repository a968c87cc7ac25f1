"""A compilation job of another stack: by its attributes, or by what it wrote to Parameter Store."""

from __future__ import annotations

from typing import Final, cast

from aws_cdk import Names, RemovalPolicy, Resource
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.interfaces import ICompilationJob
from neo_constructs.compilation.places import elsewhere
from neo_constructs.engine.asked_once import account_of, is_same, region_of, stack_of
from neo_constructs.findings.finding import Finding

MODEL_DATA_URL: Final = "model-data-url"
INFERENCE_IMAGE: Final = "inference-image"
BUCKET_NAME: Final = "artifact-bucket-name"
PREFIX: Final = "artifact-prefix"
_HANDED_OVER: Final = "HandedOver"


class ImportedCompilationJob(Resource):
    """A compilation job that another stack has; see ``CompilationJob.from_...``."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_data_url: str,
        artifact_bucket: s3.IBucket,
        artifact_prefix: str,
        inference_image: str,
        framework: Framework,
        target: TargetDevice,
        encryption_key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.model_data_url: Final = model_data_url
        self.artifact_bucket: Final = artifact_bucket
        self.artifact_prefix: Final = artifact_prefix
        self.inference_image: Final = inference_image
        self.framework: Final = framework
        self.target: Final = target
        self.encryption_key: Final = encryption_key
        # The artifact belongs to the stack that compiles it.
        self.artifact_removal_policy: Final = RemovalPolicy.RETAIN


def write_parameters(job: ICompilationJob, scope: Construct, prefix: str) -> None:
    """Write what others need of a job to parameters below a prefix, in the stack of ``scope``."""
    for name, value in (
        (MODEL_DATA_URL, job.model_data_url),
        (INFERENCE_IMAGE, job.inference_image),
        (BUCKET_NAME, job.artifact_bucket.bucket_name),
        (PREFIX, job.artifact_prefix),
    ):
        construct_id = "".join(word.capitalize() for word in name.split("-"))
        ssm.StringParameter(
            scope, construct_id, parameter_name=f"{prefix}/{name}", string_value=value
        )


def read_parameters(
    scope: Construct,
    construct_id: str,
    *,
    prefix: str,
    framework: Framework,
    target: TargetDevice,
    encryption_key: kms.IKey | None,
) -> ImportedCompilationJob:
    """Return the job whose parameters lie below a prefix; they are read at each deploy."""

    def value(name: str) -> str:
        # Rests on A-CFN-17.
        return ssm.StringParameter.value_for_string_parameter(scope, f"{prefix}/{name}")

    bucket = s3.Bucket.from_bucket_attributes(
        scope,
        f"{construct_id}Bucket",
        bucket_name=value(BUCKET_NAME),
        encryption_key=encryption_key,
    )
    return ImportedCompilationJob(
        scope,
        construct_id,
        model_data_url=value(MODEL_DATA_URL),
        artifact_bucket=bucket,
        artifact_prefix=value(PREFIX),
        inference_image=value(INFERENCE_IMAGE),
        framework=framework,
        target=target,
        encryption_key=encryption_key,
    )


# Rests on A-REV-03.
def handed_over(scope: Construct, job: ICompilationJob) -> ICompilationJob:
    """Return a job as a stack may use it that is not its own.

    A reference between two stacks is an export, which cannot change while it is used: the next
    compilation would wait for the hosting stack, and that for the compilation. A parameter can
    change, and is read at each deploy.
    """
    mine, theirs = stack_of(scope), stack_of(job)
    if isinstance(job, ImportedCompilationJob) or is_same(mine, theirs):
        return job
    name = Names.unique_resource_name(job, max_length=64, separator="-")
    prefix = f"/neo-constructs/{theirs.stack_name}/{name}"
    if job.node.try_find_child(_HANDED_OVER) is None:
        # Interfaces do not say that whoever implements them can hold others.
        write_parameters(job, Construct(cast(Construct, job), _HANDED_OVER), prefix)
    mine.add_dependency(theirs, "what it has compiled is read from Parameter Store")
    return read_parameters(
        scope,
        "CompilationJob",
        prefix=prefix,
        framework=job.framework,
        target=job.target,
        encryption_key=job.encryption_key,
    )


def check_environments(scope: Construct, job: ICompilationJob) -> list[Finding]:
    """Say if what a job compiles cannot be handed to a stack.

    SageMaker reads artifacts of its own region and account only. The name of a nested stack, which
    the parameters would bear, is not known before it is deployed.
    """
    mine, theirs = stack_of(scope), stack_of(job)
    is_here = isinstance(job, ImportedCompilationJob) or is_same(mine, theirs)
    if not is_here and (mine.nested_stack_parent or theirs.nested_stack_parent):
        return [
            Finding(
                code="model-other-stack",
                where="compilation_job",
                message=f"{job.node.path} is in another stack, and one of the two is nested: what "
                "it compiles is handed over between stacks that are not.",
                fix=f"put the model into the stack of {job.node.path}, or import the job by "
                "CompilationJob.from_ssm_parameters.",
            )
        ]
    if not is_here and job.artifact_removal_policy is RemovalPolicy.DESTROY:
        return [
            Finding(
                code="handed-over-destroy",
                where="compilation_job",
                message=f"{job.node.path} deletes its artifact when it compiles anew, and this "
                "stack serves the old one until it is deployed after that.",
                fix="give the job artifact_removal_policy=RemovalPolicy.RETAIN.",
            )
        ]
    region, account = elsewhere(scope, region_of(job), account_of(job))
    if not (region or account):
        return []
    return [
        Finding(
            code="model-other-stack",
            where="compilation_job",
            message=f"{job.node.path} compiles in {theirs.account}/{theirs.region}, this stack is "
            f"in {mine.account}/{mine.region}; what it writes is read there only.",
            fix="compile in the account and the region that serve the model.",
        )
    ]
