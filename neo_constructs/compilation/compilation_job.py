"""The compilation job: what an official AWS::SageMaker::CompilationJob would have been."""

from __future__ import annotations

from typing import Final, NoReturn

from aws_cdk import Annotations, Duration, RemovalPolicy, Resource, Stack, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct, IDependable

from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.data_input import DataInputConfig, DataInputConfigLike
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.support import framework_version_to_send
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation import checks
from neo_constructs.compilation.artifact_bucket import ArtifactBucket
from neo_constructs.compilation.inference_image import InferenceImage
from neo_constructs.compilation.model_data import ModelData
from neo_constructs.engine.job_engine import JobEngine
from neo_constructs.engine.rights import compile_statements, extend_role
from neo_constructs.errors import ValidationError, raise_errors
from neo_constructs.findings import Finding, Level

RESOURCE_TYPE: Final = "Custom::NeoCompilationJob"
_DEFAULT_MINUTES: Final = 15  # what the API reference recommends for compilation


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
        Default: none.
    artifact_bucket
        Where the result goes. Default: one bucket per stack, made and shared.
    role
        What Neo acts as. Default: one role per stack, with the least it needs. A role of your
        own must allow what ``JobEngine.artifact_access`` lists.
    encryption_key
        Encrypts the result. Default: as the bucket does.
    max_runtime
        1 to 45 minutes. Default: 15.
    artifact_removal_policy
        ``DESTROY`` deletes the job's own artifact with it. Default: ``RETAIN``.

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

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_data: ModelData,
        target: TargetDevice,
        framework: Framework | None = None,
        data_input_config: DataInputConfigLike | None = None,
        compiler_options: CompilerOptions | None = None,
        artifact_bucket: s3.IBucket | None = None,
        role: iam.IRole | None = None,
        encryption_key: kms.IKey | None = None,
        max_runtime: Duration | None = None,
        artifact_removal_policy: RemovalPolicy | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        config = self._inputs(data_input_config, model_data)
        self.target: Final = target
        self.framework: Final = self._check(
            framework=framework,
            model_data=model_data,
            config=config,
            options=compiler_options,
            max_runtime=max_runtime,
            artifact_removal_policy=artifact_removal_policy,
        )

        engine = JobEngine.of(self)
        self.artifact_bucket: Final[s3.IBucket] = artifact_bucket or ArtifactBucket.of(self)
        engine.use_artifact_bucket(self.artifact_bucket)
        if encryption_key:
            engine.use_key(encryption_key)
        location = model_data.bind(self)
        engine.read_object(location.bucket, location.key)
        self.role: Final[iam.IRole] = role or engine.compile_role
        depends_on = self._extend(role, engine) if role else [engine.compile_policy]
        self.expected_image: Final = self._expected_image()
        self._resource = engine.custom_resource(
            self,
            "Resource",
            resource_type=RESOURCE_TYPE,
            depends_on=depends_on,
            properties={
                "InputConfig": {
                    "S3Uri": location.s3_uri,
                    "DataInputConfig": config.to_json() if config else None,
                    "Framework": self.framework.name,
                    "FrameworkVersion": framework_version_to_send(self.framework, target),
                },
                "InputFingerprint": location.fingerprint,
                "InputObjectVersion": location.object_version,
                "OutputConfig": {
                    "S3OutputLocation": f"s3://{self.artifact_bucket.bucket_name}/",
                    "TargetDevice": target.name,
                    "CompilerOptions": compiler_options.encoded if compiler_options else None,
                    "KmsKeyId": encryption_key.key_arn if encryption_key else None,
                },
                "RoleArn": self.role.role_arn,
                "StoppingCondition": {
                    "MaxRuntimeInSeconds": (
                        max_runtime or Duration.minutes(_DEFAULT_MINUTES)
                    ).to_seconds()
                },
                "ExpectedInferenceImage": self.expected_image,
                "ArtifactRemovalPolicy": (
                    "DESTROY" if artifact_removal_policy is RemovalPolicy.DESTROY else "RETAIN"
                ),
            },
        )
        self.compilation_job_name: Final[str] = self._resource.ref
        self.compilation_job_arn: Final = self._attribute("CompilationJobArn")
        self.model_data_url: Final = self._attribute("S3ModelArtifacts")
        self.inference_image: Final = self._attribute("InferenceImage")
        self.image_matches_catalog: Final = self._attribute("ImageMatchesCatalog")

    def apply_removal_policy(self, policy: RemovalPolicy) -> NoReturn:
        """Refuse: CloudFormation would never delete the job, and its record would be left over.

        Raises
        ------
        ValidationError
            Always.
        """
        raise ValidationError(
            [
                Finding(
                    code="removal-policy",
                    where="apply_removal_policy",
                    message=f"A compilation job cannot be given the removal policy {policy.name}.",
                    fix="give artifact_removal_policy, which is about the artifact.",
                )
            ],
            subject=self.node.path,
        )

    @staticmethod
    def _inputs(given: DataInputConfigLike | None, model_data: ModelData) -> DataInputConfig | None:
        if given is not None:
            return DataInputConfig.coerce(given)
        read = model_data.model.data_input_config() if model_data.model else None
        return DataInputConfig(read) if read else None

    def _check(
        self,
        *,
        framework: Framework | None,
        model_data: ModelData,
        config: DataInputConfig | None,
        options: CompilerOptions | None,
        max_runtime: Duration | None,
        artifact_removal_policy: RemovalPolicy | None,
    ) -> Framework:
        """Raise every error together, attach the warnings, and return the framework."""
        model, region = model_data.model, Stack.of(self).region
        found = [*model_data.findings]
        if not any(f.level is Level.ERROR for f in found):
            # Without a readable model there is nothing to say about its framework.
            found += checks.check_framework(framework, model)
        resolved = framework or (Framework.parse(model.framework.lower()) if model else None)
        found += checks.check_inputs(config, model)
        if resolved:
            found += checks.check_job(
                framework=resolved,
                target=self.target,
                data_input_config=config,
                options=options,
                region=None if Token.is_unresolved(region) else region,
            )
        if max_runtime and not max_runtime.is_unresolved():
            found += checks.check_max_runtime(int(max_runtime.to_seconds()))
        if artifact_removal_policy not in {None, RemovalPolicy.RETAIN, RemovalPolicy.DESTROY}:
            found.append(
                Finding(
                    code="artifact-removal-policy",
                    where="artifact_removal_policy",
                    message=f"{artifact_removal_policy} is given. Allowed: RETAIN, DESTROY.",
                    fix="leave it out to keep the artifact.",
                )
            )
        for warning in raise_errors(found, subject=self.node.path):
            Annotations.of(self).add_warning_v2(f"neo-constructs:{warning.code}", str(warning))
        assert resolved  # noqa: S101 - check_framework has said so otherwise
        return resolved

    def _expected_image(self) -> str | None:
        try:
            return InferenceImage.for_target(self.framework, self.target).bind(self).uri
        except ValidationError:
            return None  # only with .of: the job's own answer is then the only one

    def _extend(self, role: iam.IRole, engine: JobEngine) -> list[IDependable]:
        """Give a role of the caller's what the job needs."""
        engine.pass_role(role)
        return extend_role(
            self, role, [*engine.artifact_access(self.artifact_bucket), *compile_statements()]
        )

    def _attribute(self, name: str) -> str:
        return Token.as_string(self._resource.get_att(name))
