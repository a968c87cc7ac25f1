"""From a trained model to an endpoint, in one construct."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from neo_constructs.catalog.compiler_options import CompilerOptionsLike
from neo_constructs.catalog.data_input import DataInputConfigLike
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.compilation_job import CompilationJob
from neo_constructs.compilation.inference_image import InferenceImage
from neo_constructs.compilation.interfaces import ICompilationJob
from neo_constructs.compilation.model_data import ModelData
from neo_constructs.compilation.planning import CompilationArguments, plan_compilation
from neo_constructs.engine.asked_once import settle
from neo_constructs.engine.subnets import check_vpc
from neo_constructs.findings.errors import ValidationError, raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.async_inference import AsyncInferenceConfig
from neo_constructs.hosting.data_capture import DataCaptureConfig
from neo_constructs.hosting.deployment import DeploymentConfig
from neo_constructs.hosting.endpoint import Endpoint
from neo_constructs.hosting.endpoint_arguments import check_name
from neo_constructs.hosting.endpoint_config import EndpointConfig
from neo_constructs.hosting.endpoint_variant import EndpointVariant
from neo_constructs.hosting.inference_code import InferenceCode
from neo_constructs.hosting.model import Model
from neo_constructs.hosting.variants import ALL_TRAFFIC
from neo_constructs.patterns.compiled_variant import CompiledVariant, InstanceScaling
from neo_constructs.plans.endpoint_plan import EndpointPlan, check_needed
from neo_constructs.scripts.serving_contract import ServingContract
from neo_constructs.typed import typed


class CompiledEndpoint(Construct):
    """A model, compiled by SageMaker Neo and served by an endpoint.

    It is compiled for one target, given as ``target`` and what serves it, or for several, given as
    ``targets``: each is compiled by a job of its own and becomes a weighted variant of the
    endpoint.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    model_data
        The trained model.
    compilation_job
        What has compiled it already, in place of ``model_data`` and all that a compilation is
        given: a job that a version in the registry, and so a measurement, was made of.
    target
        The hardware to compile for.
    instance_type
        What serves it, of the target's family.
    targets
        Several of both, in place of ``target`` and all that describes it alone. The construct ids
        of what each is made of end in its variant's name.
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
    variant_name
        Default: ``AllTraffic``.
    memory_size_in_mb, max_concurrency
        For serverless inference, in place of ``instance_type``; as ``ServerlessVariant`` has them.
        Default: not serverless, 5.
    model_data_download_timeout, container_startup_health_check_timeout, volume_size_in_gb
        As ``InstanceVariant`` has them. Default: SageMaker's.
    scaling
        Between how many instances it scales, and by what. Default: their number stays.
    artifact_bucket
        Default: one bucket per stack, made and shared.
    endpoint_name
        Default: CloudFormation makes one.
    max_runtime
        How long a compilation may take, 1 to 45 minutes. Default: 15.
    artifact_removal_policy
        ``DESTROY`` deletes a compiled artifact with its job. Default: ``RETAIN``.
    role
        What the containers act as. Default: a role with the least they need.
    compile_role
        What Neo acts as. Default: one role per stack, with the least it needs.
    environment
        Variables of the containers. Default: those that they need.
    encryption_key
        Encrypts what is compiled and served. Default: as the artifact bucket encrypts.
    storage_encryption_key
        Encrypts the instances' volumes. Default: SageMaker's own key.
    vpc, vpc_subnets, security_groups
        Where the containers' network interfaces are, as ``Model`` has them. Default: in no VPC of
        yours.
    enable_network_isolation
        Default: on, but off where a container must reach out as it starts, and for serverless
        inference, which does not have it.
    data_capture_config
        Keeps a sample of requests and answers in S3. Default: nothing is kept.
    async_inference_config
        Makes the endpoint answer later, by way of S3. Default: it answers at once.
    deployment_config
        How the endpoint moves to a new configuration. Default: all at once, blue/green.
    compilation_scope
        Where the compilation jobs stand: another stack of the app, of the same region and account,
        which compiles and is deployed first. What it compiles is handed over by parameters of
        Systems Manager, so that either can change alone. Default: the construct itself.

    Attributes
    ----------
    compilation_jobs, models
        One of each for every target, in their order; no job where ``compilation_job`` is given.
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
        model_data: ModelData | None = None,
        compilation_job: ICompilationJob | None = None,
        target: TargetDevice | None = None,
        instance_type: str | None = None,
        targets: Sequence[CompiledVariant] = (),
        framework: Framework | None = None,
        data_input_config: DataInputConfigLike | None = None,
        compiler_options: CompilerOptionsLike | None = None,
        inference_code: InferenceCode | None = None,
        image: InferenceImage | None = None,
        initial_instance_count: int = 1,
        variant_name: str | None = None,
        memory_size_in_mb: int | None = None,
        max_concurrency: int | None = None,
        model_data_download_timeout: Duration | None = None,
        container_startup_health_check_timeout: Duration | None = None,
        volume_size_in_gb: int | None = None,
        scaling: InstanceScaling | None = None,
        artifact_bucket: s3.IBucket | None = None,
        endpoint_name: str | None = None,
        max_runtime: Duration | None = None,
        artifact_removal_policy: RemovalPolicy | None = None,
        role: iam.IRole | None = None,
        compile_role: iam.IRole | None = None,
        environment: Mapping[str, str] | None = None,
        encryption_key: kms.IKey | None = None,
        storage_encryption_key: kms.IKey | None = None,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] = (),
        enable_network_isolation: bool | None = None,
        data_capture_config: DataCaptureConfig | None = None,
        async_inference_config: AsyncInferenceConfig | None = None,
        deployment_config: DeploymentConfig | None = None,
        compilation_scope: Construct | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        settle(self, scope)
        compiling = {
            "target": target,
            "targets": targets or None,
            "framework": framework,
            "data_input_config": data_input_config,
            "compiler_options": compiler_options,
            "artifact_bucket": artifact_bucket,
            "max_runtime": max_runtime,
            "artifact_removal_policy": artifact_removal_policy,
            "compile_role": compile_role,
            "encryption_key": encryption_key,
            "compilation_scope": compilation_scope,
        }
        self._source = _source(
            model_data, compilation_job, compiling, subject=lambda: self.node.path
        )
        raise_errors(_check_scope(compilation_scope, construct_id), subject=lambda: self.node.path)
        if compilation_job:
            target = compilation_job.target
        self._job_scope = Construct(compilation_scope, construct_id) if compilation_scope else self
        alone: dict[str, Any] = {
            "instance_type": instance_type,
            "compiler_options": compiler_options,
            "image": image,
            "variant_name": variant_name,
            "memory_size_in_mb": memory_size_in_mb,
            "max_concurrency": max_concurrency,
            "model_data_download_timeout": model_data_download_timeout,
            "container_startup_health_check_timeout": container_startup_health_check_timeout,
            "volume_size_in_gb": volume_size_in_gb,
            "scaling": scaling,
            "initial_instance_count": None
            if initial_instance_count == 1
            else initial_instance_count,
        }
        given = {name: value for name, value in alone.items() if value is not None}
        raise_errors(_check_targets(target, targets, given), subject=lambda: self.node.path)
        asked = list(targets)
        if target:
            only = CompiledVariant(target=target, **given)
            asked = [replace(only, variant_name=variant_name or ALL_TRAFFIC)]
        self._names: list[str] = []
        self._framework, self._inputs = framework, data_input_config
        self._max_runtime, self._removal_policy = max_runtime, artifact_removal_policy
        self._artifact_bucket, self._compile_role = artifact_bucket, compile_role
        self._encryption_key = encryption_key
        self._code, self._role, self._environment = inference_code, role, environment
        self._vpc, self._subnets, self._groups = vpc, vpc_subnets, security_groups
        self._isolation = enable_network_isolation
        others = [
            *check_name(endpoint_name),
            *(deployment_config.check() if deployment_config else ()),
            *(data_capture_config.check() if data_capture_config else ()),
            *(async_inference_config.check() if async_inference_config else ()),
            *check_vpc(vpc, vpc_subnets, security_groups),
        ]
        # Each construct attaches the warnings that are its own.
        raise_errors([*self._check(asked), *others], subject=lambda: self.node.path)
        self._jobs: list[CompilationJob] = []
        self._models: list[Model] = []
        # The ids of a single target, and of a variant of that name among several, end in nothing.
        self._plain_id: Final = asked[0].name if target else ALL_TRAFFIC
        self.endpoint_config: Final = self._make_config(
            asked, data_capture_config, async_inference_config, storage_encryption_key
        )
        self.endpoint: Final = Endpoint(
            self,
            "Endpoint",
            endpoint_config=self.endpoint_config,
            endpoint_name=endpoint_name,
            deployment_config=deployment_config,
        )
        self._scale(asked)

    @property
    def compilation_jobs(self) -> tuple[CompilationJob, ...]:
        """The jobs that it has made, one for every target."""
        return tuple(self._jobs)

    @property
    def models(self) -> tuple[Model, ...]:
        """The models, one for every target."""
        return tuple(self._models)

    @typed
    def add_target(self, variant: CompiledVariant) -> None:
        """Compile the model for a further target, and let that answer requests too.

        Parameters
        ----------
        variant
            The target, and what serves it.

        Raises
        ------
        ValidationError
            With the faults that can be known at synth.
        """
        raise_errors(self._check_further(), subject=lambda: self.node.path)
        raise_errors(self._check([variant]), subject=lambda: self.node.path)
        self.endpoint_config.add_production_variant(variant.variant(self._make_model(variant)))
        self._scale([variant])

    @typed
    def variant(self, variant_name: str | None = None) -> EndpointVariant:
        """Return a variant by its name, for its metrics and its scaling.

        Parameters
        ----------
        variant_name
            Default: the first one's.
        """
        first = self.endpoint_config.production_variants[0].variant_name
        return self.endpoint.variant(variant_name or first)

    @typed
    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` send requests to the endpoint, in the way that it takes them."""
        return self.endpoint.grant_invoke(grantee)

    def _check_further(self) -> list[Finding]:
        """Say if there is nothing to compile for a further target."""
        if isinstance(self._source, ModelData):
            return []
        return [
            Finding(
                code="model-source",
                where="variant",
                message="The endpoint serves what compilation_job has compiled, and has no model "
                "to compile for another target.",
                fix="give the endpoint model_data in place of compilation_job.",
            )
        ]

    def _arguments(self, asked: CompiledVariant, model_data: ModelData) -> CompilationArguments:
        return CompilationArguments(
            model_data=model_data,
            target=asked.target,
            framework=self._framework,
            data_input_config=self._inputs,
            compiler_options=asked.compiler_options,
            max_runtime=self._max_runtime,
            artifact_removal_policy=self._removal_policy,
        )

    def _check(self, asked: Sequence[CompiledVariant]) -> list[Finding]:
        """Say what is wrong with each target; what is wrong with the model is said once."""
        found = dict.fromkeys(self._check_names(asked))
        several, source = len(asked) > 1, self._source
        if not isinstance(source, ModelData):
            return list(found | dict.fromkeys(self._check_compiled(asked[0], source)))
        for number, each in enumerate(asked):
            compilation = plan_compilation(self._job_scope, self._arguments(each, source))
            plan = EndpointPlan(
                compilation=compilation,
                script=self._code,
                other_findings=each.check(
                    compilation.target,
                    f"targets[{number}]." if several else "",
                    is_in_vpc=self._vpc is not None,
                ),
            )
            found.update(dict.fromkeys(plan.check()))
        return list(found)

    def _check_compiled(self, asked: CompiledVariant, job: ICompilationJob) -> list[Finding]:
        """Say what is wrong with serving what a job has compiled already."""
        contract = ServingContract.of(job.framework, job.target)
        code = self._code
        return [
            *(code.check(contract) if code else check_needed(contract, str(job.framework))),
            *asked.check(job.target, is_in_vpc=self._vpc is not None),
        ]

    def _check_names(self, asked: Sequence[CompiledVariant]) -> list[Finding]:
        """Say if two variants have one name, those that are there already among them."""
        names = [*self._names, *(each.name for each in asked)]
        twice = sorted({repr(name) for name in names if names.count(name) > 1})
        if not twice:
            return []
        return [
            Finding(
                code="variant-name-twice",
                where="targets",
                message=f"Several variants are called {', '.join(twice)}.",
                fix="give each a variant_name of its own; by default it is the target's.",
            )
        ]

    def _make_config(
        self,
        asked: Sequence[CompiledVariant],
        capture: DataCaptureConfig | None,
        later: AsyncInferenceConfig | None,
        key: kms.IKey | None,
    ) -> EndpointConfig:
        variants = [each.variant(self._make_model(each)) for each in asked]
        return EndpointConfig(
            self,
            "EndpointConfig",
            production_variants=variants,
            data_capture_config=capture,
            async_inference_config=later,
            encryption_key=key,
        )

    def _make_model(self, asked: CompiledVariant) -> Model:
        """Compile for a target, and make a model of the result."""
        end = "" if asked.name == self._plain_id else asked.name
        source = self._source
        if isinstance(source, ModelData):
            job: ICompilationJob = self._make_job(asked, source, f"CompilationJob{end}")
        else:
            job = source
        is_serverless = asked.is_serverless and self._isolation is None
        model = Model(
            self,
            f"Model{end}",
            compilation_job=job,
            inference_code=self._code,
            image=asked.image,
            role=self._role,
            environment=self._environment,
            enable_network_isolation=False if is_serverless else self._isolation,
            vpc=self._vpc,
            vpc_subnets=self._subnets,
            security_groups=self._groups,
        )
        self._names.append(asked.name)
        self._models.append(model)
        return model

    def _make_job(
        self, asked: CompiledVariant, model_data: ModelData, construct_id: str
    ) -> CompilationJob:
        job = CompilationJob(
            self._job_scope,
            construct_id,
            artifact_bucket=self._artifact_bucket,
            role=self._compile_role,
            encryption_key=self._encryption_key,
            **self._arguments(asked, model_data).as_keywords(),
        )
        self._jobs.append(job)
        return job

    def _scale(self, asked: Sequence[CompiledVariant]) -> None:
        for each in asked:
            if each.scaling:
                each.scaling.apply(self.endpoint.variant(each.name))


def _source(
    model_data: ModelData | None,
    job: ICompilationJob | None,
    compiling: Mapping[str, object],
    *,
    subject: Callable[[], str],
) -> ModelData | ICompilationJob:
    """Return the model, or what has compiled it already.

    Raises
    ------
    ValidationError
        If neither is given, or both, or a job and what a compilation is given.
    """
    others = {"model_data": model_data, **compiling}
    given = [name for name, value in others.items() if value is not None]
    if job and not given:
        return job
    if model_data and job is None:
        return model_data
    where, message, fix = (
        (
            ", ".join(given),
            "It is given beside compilation_job, which has compiled the model already.",
            "leave it out, or leave out compilation_job.",
        )
        if job
        else (
            "model_data, compilation_job",
            "Exactly one of the two says what is served; neither is given.",
            'give model_data=ModelData.from_asset("model.onnx").',
        )
    )
    finding = Finding(code="model-source", where=where, message=message, fix=fix)
    raise ValidationError([finding], subject=subject())


def _check_targets(
    target: TargetDevice | None, targets: Sequence[CompiledVariant], given: Mapping[str, object]
) -> list[Finding]:
    """Say if neither one target nor several are described, or both."""
    if (target is None) == (not targets):
        return [
            Finding(
                code="target-missing",
                where="target, targets",
                message="Exactly one of the two says what to compile for; "
                f"{'both are given' if target else 'neither is given'}.",
                fix="give target and instance_type, or targets=[CompiledVariant(...), ...].",
            )
        ]
    if targets and given:
        return [
            Finding(
                code="target-missing",
                where=", ".join(given),
                message="It is given beside targets, which say it themselves.",
                fix="give it to one of the targets.",
            )
        ]
    return []


def _check_scope(scope: Construct | None, construct_id: str) -> list[Finding]:
    """Say if the jobs' scope has a construct of the endpoint's id already."""
    if scope is None or scope.node.try_find_child(construct_id) is None:
        return []
    return [
        Finding(
            code="compilation-scope",
            where="compilation_scope",
            message=f"{scope.node.path or 'It'} has a construct {construct_id!r} already.",
            fix="give another stack, or the endpoint another id; leave it out to compile in the "
            "same stack.",
        )
    ]
