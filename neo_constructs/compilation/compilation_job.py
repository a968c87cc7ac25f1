"""The compilation job: what an official AWS::SageMaker::CompilationJob would have been."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final, cast

import jsii
from aws_cdk import (
    Duration,
    ITaggable,
    RemovalPolicy,
    Resource,
    TagManager,
    TagType,
    Token,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct, IDependable

from neo_constructs.catalog.compilation_request import JobSettings
from neo_constructs.catalog.compiler_options import CompilerOptions, CompilerOptionsLike
from neo_constructs.catalog.data_input import DataInputConfig, DataInputConfigLike
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.artifact_bucket import ArtifactBucket
from neo_constructs.compilation.imported_job import (
    ImportedCompilationJob,
    read_parameters,
    write_parameters,
)
from neo_constructs.compilation.inference_image import InferenceImage
from neo_constructs.compilation.job_tags import TagCheck
from neo_constructs.compilation.model_data import ModelData, SourceLocation
from neo_constructs.compilation.places import check_artifact_bucket
from neo_constructs.compilation.planning import CompilationArguments, plan_compilation
from neo_constructs.compilation.sources import read_source
from neo_constructs.compilation.tokens import inputs_to_send
from neo_constructs.engine.artifact_access import compile_access
from neo_constructs.engine.asked_once import asked, remembered, settle, stack_of
from neo_constructs.engine.job_engine import JobEngine
from neo_constructs.engine.late_checks import check_late
from neo_constructs.engine.names import resource_prefix
from neo_constructs.engine.permissions import compile_statements, extend_role, places, warn
from neo_constructs.engine.retention import not_retained
from neo_constructs.findings.errors import ValidationError, raise_errors
from neo_constructs.plans.compilation_plan import CompilationPlan
from neo_constructs.typed import typed

RESOURCE_TYPE: Final = "Custom::NeoCompilationJob"


@jsii.implements(ITaggable)
class CompilationJob(Resource):
    """A SageMaker Neo compilation job that lives and dies with its stack.

    A change that Neo would not see (a tag, a role, the timeout) compiles nothing; a rollback
    finds the earlier result and compiles nothing; a deletion stops the job and removes its
    record. The artifact stays: a live endpoint reads it again when it scales out.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    model_data
        The trained model.
    target
        The hardware to compile for.
    framework
        Default: read from the model file.
    data_input_config
        Names and shapes of the inputs. Default: read from the model file, where it fixes them.
    compiler_options
        ``CompilerOptions``, or a mapping such as ``{"dtype": "int64"}``. Default: none.
    artifact_bucket
        Where the result goes. Default: one bucket per stack, made and shared.
    role
        What Neo acts as. Default: one role per stack, with the least it needs. A role of your
        own gets the same rights by a policy in the job's stack; where that is not possible, a
        warning carries the policy to paste.
    encryption_key
        Encrypts all that is written: the copy of the model, the compiled artifact and the record
        of the job. Default: the bucket's own key. A bucket without one encrypts with S3's keys.
    max_runtime
        1 to 45 minutes. Default: 15.
    artifact_removal_policy
        ``DESTROY`` deletes the job's own artifact with it. Default: ``RETAIN``.

    Attributes
    ----------
    compilation_job_name, compilation_job_arn
        Of the job, known at deploy.
    model_data_url
        The compiled artifact, an ``s3://`` URI known at deploy.
    inference_image
        The image that the finished job reports, known at deploy.
    artifact_prefix
        What the keys of all that the job ever writes start with, known at deploy.
    expected_image
        The catalog's image for framework and target; None where it has none.
    image_matches_catalog
        ``true`` or ``false`` as text: whether the two are the same, known at deploy.
    target, framework
        What is compiled for what.
    artifact_bucket, encryption_key, artifact_removal_policy, role
        As given, or the defaults.
    tags
        The tags of the job. A change compiles nothing.

    Raises
    ------
    ValidationError
        With every fault that can be known at synth.

    Examples
    --------
    >>> CompilationJob(  # doctest: +SKIP
    ...     stack, "Job", model_data=ModelData.from_asset("digits.onnx"), target=TargetDevice.ML_C5
    ... )
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_data: ModelData,
        target: TargetDevice,
        framework: Framework | None = None,
        data_input_config: DataInputConfigLike | None = None,
        compiler_options: CompilerOptionsLike | None = None,
        artifact_bucket: s3.IBucket | None = None,
        role: iam.IRole | None = None,
        encryption_key: kms.IKey | None = None,
        max_runtime: Duration | None = None,
        artifact_removal_policy: RemovalPolicy | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        settle(self, scope)
        given = CompilationArguments(
            model_data=model_data,
            target=target,
            framework=framework,
            data_input_config=data_input_config,
            compiler_options=compiler_options,
            max_runtime=max_runtime,
            artifact_removal_policy=artifact_removal_policy,
        )
        plan = plan_compilation(self, given)
        warn(self, raise_errors(plan.check(), subject=lambda: self.node.path))
        settings = self._settings(plan, given)
        self._tags: TagManager | None = None
        self.target: Final = settings.target
        self.framework: Final = settings.framework

        engine = JobEngine.of(self)
        self.artifact_bucket: Final[s3.IBucket] = artifact_bucket or ArtifactBucket.of(self)
        found = check_artifact_bucket(self, self.artifact_bucket)
        warn(self, raise_errors(found, subject=lambda: self.node.path))
        bucket_key = asked(self.artifact_bucket, "encryption_key")
        self.encryption_key: Final[kms.IKey | None] = encryption_key or bucket_key
        area = engine.artifact_area(self.artifact_bucket, encryption_key)
        self.artifact_removal_policy: Final = artifact_removal_policy or RemovalPolicy.RETAIN
        location = read_source(self, engine, model_data.bind(self), "model_data")
        self.role: Final[iam.IRole] = role or engine.compile_role
        own_role = self._extend(role, engine) if role else [area.compile_policy]
        self.expected_image: Final = self._expected_image()
        self._resource = engine.custom_resource(
            self,
            "Resource",
            resource_type=RESOURCE_TYPE,
            depends_on=[area.engine_policy, *own_role],
            properties=self._properties(settings, location, given, encryption_key),
        )
        self._prefix = engine.name_prefix

    @property
    def artifact_prefix(self) -> str:
        """What the keys of all artifacts begin with."""
        make = partial(resource_prefix, self._prefix, self._resource)
        return remembered(self, "artifact_prefix", make)

    @property
    def compilation_job_name(self) -> str:
        """The job's name."""
        return str(asked(self._resource, "ref"))

    @property
    def compilation_job_arn(self) -> str:
        """The job's ARN."""
        return self._attribute("CompilationJobArn")

    @property
    def model_data_url(self) -> str:
        """The artifact, an ``s3://`` URI."""
        return self._attribute("S3ModelArtifacts")

    @property
    def inference_image(self) -> str:
        """The image that Neo names, or the catalog's."""
        return self._attribute("InferenceImage")

    @property
    def image_matches_catalog(self) -> str:
        """``true`` or ``false``: whether Neo names the image that the catalog has."""
        return self._attribute("ImageMatchesCatalog")

    @staticmethod
    @typed
    def from_compilation_job_attributes(
        scope: Construct,
        construct_id: str,
        *,
        model_data_url: str,
        artifact_bucket: s3.IBucket,
        artifact_prefix: str,
        inference_image: str,
        framework: Framework,
        target: TargetDevice,
        encryption_key: kms.IKey | None = None,
    ) -> ImportedCompilationJob:
        """Return a job that another stack has, to serve what it has compiled.

        Parameters
        ----------
        scope, construct_id
            Where it stands.
        model_data_url, artifact_bucket, artifact_prefix, inference_image, framework, target
            As the job's attributes say.
        encryption_key
            Default: none.
        """
        return ImportedCompilationJob(
            scope,
            construct_id,
            model_data_url=model_data_url,
            artifact_bucket=artifact_bucket,
            artifact_prefix=artifact_prefix,
            inference_image=inference_image,
            framework=framework,
            target=target,
            encryption_key=encryption_key,
        )

    @staticmethod
    @typed
    def from_ssm_parameters(
        scope: Construct,
        construct_id: str,
        *,
        prefix: str,
        framework: Framework,
        target: TargetDevice,
        encryption_key: kms.IKey | None = None,
    ) -> ImportedCompilationJob:
        """Return a job by what ``write_ssm_parameters`` wrote; it is read at each deploy.

        Parameters
        ----------
        scope, construct_id
            Where it stands.
        prefix
            As the job was given, such as ``/vision/digits``.
        framework, target
            As the job's: the rules of scripts and instances need them at synth.
        encryption_key
            Default: none.
        """
        return read_parameters(
            scope,
            construct_id,
            prefix=prefix,
            framework=framework,
            target=target,
            encryption_key=encryption_key,
        )

    @typed
    def write_ssm_parameters(self, prefix: str) -> None:
        """Write what a hosting stack needs to SSM parameters below a prefix.

        An export of a stack cannot change while it is used; a parameter can.

        Parameters
        ----------
        prefix
            Such as ``/vision/digits``.
        """
        write_parameters(self, Construct(self, "Parameters"), prefix)

    def apply_removal_policy(self, policy: RemovalPolicy) -> None:
        """Take ``DESTROY``, which a job does anyway, and refuse anything else.

        Raises
        ------
        ValidationError
            If CloudFormation would never delete the job: its record would be left over.
        """
        if policy is not RemovalPolicy.DESTROY:
            raise ValidationError([not_retained(policy.name)], subject=self.node.path)

    @property
    def tags(self) -> TagManager:
        """The tags of the job; ``Tags.of`` puts them here. A change compiles nothing."""
        if self._tags is None:
            self._tags = TagManager(TagType.KEY_VALUE, RESOURCE_TYPE)
            self._resource.add_property_override("Tags", self._tags.rendered_tags)
            check_late(self, TagCheck(self._tags).validate)
        return self._tags

    def _settings(self, plan: CompilationPlan, given: CompilationArguments) -> JobSettings:
        """Return what is sent: as planned, with references to what is known only at deploy."""
        assert plan.settings  # noqa: S101 - a plan without errors has them
        inputs, options = given.data_input_config, given.compiler_options
        return replace(
            plan.settings,
            framework=given.framework or plan.settings.framework,
            data_input_config=(
                plan.settings.data_input_config
                if inputs is None
                else inputs_to_send(self, DataInputConfig.coerce(inputs))
            ),
            compiler_options=None if options is None else CompilerOptions.coerce(options),
        )

    def _properties(
        self,
        settings: JobSettings,
        location: SourceLocation,
        given: CompilationArguments,
        encryption_key: kms.IKey | None,
    ) -> dict[str, Any]:
        """Return the properties of the custom resource."""
        seconds = settings.max_runtime_seconds
        if seconds is None and given.max_runtime:
            seconds = cast(int, given.max_runtime.to_seconds())  # a token
        key = self.encryption_key
        return {
            "InputConfig": {"S3Uri": location.s3_uri, **settings.input_config()},
            "InputFingerprint": location.fingerprint,
            "InputObjectVersion": location.object_version,
            "OutputConfig": {
                "S3OutputLocation": f"s3://{asked(self.artifact_bucket, 'bucket_name')}/",
                **settings.output_config(),
                # Rests on A-CFN-12.
                "KmsKeyId": asked(key, "key_arn") if key else None,
            },
            # Not to compile again because the bucket's key is named.
            "KmsKeyIsBucketDefault": True if key and encryption_key is None else None,
            "RoleArn": asked(self.role, "role_arn"),
            "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
            "ExpectedInferenceImage": self.expected_image,
            "ArtifactRemovalPolicy": self.artifact_removal_policy.name,
        }

    # Rests on A-NEO-01.
    def _expected_image(self) -> str | None:
        """Return the catalog's image; with .of it may have none, nor one in this region."""

        def found() -> str | None:
            try:
                return InferenceImage.for_target(self.framework, self.target).bind(self).uri
            except ValidationError:
                return None

        return remembered(stack_of(self), ("image", self.framework, self.target), found)

    def _extend(self, role: iam.IRole, engine: JobEngine) -> list[IDependable]:
        """Give a role of the caller's what the job needs."""
        engine.pass_role(role)
        return extend_role(
            self,
            role,
            [
                *compile_access(engine.name_prefix, self.artifact_bucket, self.encryption_key),
                *compile_statements(),
            ],
            places=places(self.artifact_bucket, self.encryption_key),
        )

    def _attribute(self, name: str) -> str:
        return remembered(self, name, lambda: Token.as_string(self._resource.get_att(name)))
