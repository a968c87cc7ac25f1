"""From a trained model to an endpoint, in one construct."""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from neo_constructs.catalog.compiler_options import CompilerOptionsLike
from neo_constructs.catalog.data_input import DataInputConfigLike
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.compilation_job import CompilationJob
from neo_constructs.compilation.inference_image import InferenceImage
from neo_constructs.compilation.model_data import ModelData
from neo_constructs.compilation.planning import CompilationArguments, plan_compilation
from neo_constructs.findings.errors import raise_errors
from neo_constructs.hosting.endpoint import Endpoint, check_name
from neo_constructs.hosting.endpoint_config import EndpointConfig
from neo_constructs.hosting.inference_code import InferenceCode
from neo_constructs.hosting.model import Model
from neo_constructs.hosting.variants import Instances, InstanceVariant
from neo_constructs.plans.endpoint_plan import EndpointPlan
from neo_constructs.typed import typed


class CompiledEndpoint(Construct):
    """A model, compiled by SageMaker Neo and served by an endpoint.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    model_data
        The trained model.
    target
        The hardware to compile for.
    instance_type
        What serves it, of the target's family.
    framework
        Default: read from the model file.
    data_input_config
        Names and shapes of the inputs. Default: read from the model file, where it fixes them.
    compiler_options
        ``CompilerOptions``, or a mapping such as ``{"dtype": "int64"}``. Default: none.
    inference_code
        The script. Default: the container's own handler.
    image
        Default: the image that the finished job reports.
    initial_instance_count
        Default: 1.
    artifact_bucket
        Default: one bucket per stack, made and shared.
    endpoint_name
        Default: CloudFormation makes one.
    max_runtime
        How long the compilation may take, 1 to 45 minutes. Default: 15.
    artifact_removal_policy
        ``DESTROY`` deletes a compiled artifact with its job. Default: ``RETAIN``.

    Attributes
    ----------
    compilation_jobs, models
        One of each in this release.
    endpoint_config, endpoint
        The configuration, and the endpoint that it is served by.

    Raises
    ------
    ValidationError
        With the faults that can be known at synth.

    Examples
    --------
    >>> CompiledEndpoint(  # doctest: +SKIP
    ...     stack,
    ...     "Digits",
    ...     model_data=ModelData.from_asset("digits.onnx"),
    ...     target=TargetDevice.ML_C5,
    ...     instance_type="ml.c5.large",
    ...     inference_code=InferenceCode.from_asset("code"),
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
        instance_type: str,
        framework: Framework | None = None,
        data_input_config: DataInputConfigLike | None = None,
        compiler_options: CompilerOptionsLike | None = None,
        inference_code: InferenceCode | None = None,
        image: InferenceImage | None = None,
        initial_instance_count: int = 1,
        artifact_bucket: s3.IBucket | None = None,
        endpoint_name: str | None = None,
        max_runtime: Duration | None = None,
        artifact_removal_policy: RemovalPolicy | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        compiling = CompilationArguments(
            model_data=model_data,
            target=target,
            framework=framework,
            data_input_config=data_input_config,
            compiler_options=compiler_options,
            max_runtime=max_runtime,
            artifact_removal_policy=artifact_removal_policy,
        )
        plan = EndpointPlan(
            compilation=plan_compilation(self, compiling),
            script=inference_code,
            variants=[Instances(instance_type, initial_instance_count)],
            other_findings=check_name(endpoint_name),
        )
        # Each construct attaches the warnings that are its own.
        raise_errors(plan.check(), subject=self.node.path)
        job = CompilationJob(
            self, "CompilationJob", artifact_bucket=artifact_bucket, **compiling.as_keywords()
        )
        model = Model(
            self, "Model", compilation_job=job, inference_code=inference_code, image=image
        )
        self.compilation_jobs: Final = (job,)
        self.models: Final = (model,)
        self.endpoint_config: Final = EndpointConfig(
            self,
            "EndpointConfig",
            production_variants=[
                InstanceVariant(
                    model=model,
                    instance_type=instance_type,
                    initial_instance_count=initial_instance_count,
                )
            ],
        )
        self.endpoint: Final = Endpoint(
            self, "Endpoint", endpoint_config=self.endpoint_config, endpoint_name=endpoint_name
        )

    @typed
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` send requests to the endpoint."""
        return self.endpoint.grant_invoke(grantee)
