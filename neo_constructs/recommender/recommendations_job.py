"""The inference recommendations job: the stack measures, then chooses, then deploys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import jsii
from aws_cdk import Duration, ITaggable, RemovalPolicy, Resource, TagManager, TagType, Token
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct, IDependable

from neo_constructs.compilation.artifact_bucket import ArtifactBucket
from neo_constructs.compilation.job_tags import TagCheck
from neo_constructs.compilation.places import check_artifact_bucket, check_region
from neo_constructs.engine.artifact_access import compile_access, served_access
from neo_constructs.engine.job_engine import JobEngine
from neo_constructs.engine.keys import real_key
from neo_constructs.engine.late_checks import check_late
from neo_constructs.engine.permissions import extend_role, places, service_principal, warn
from neo_constructs.engine.retention import not_retained
from neo_constructs.engine.subnets import check_vpc
from neo_constructs.findings.errors import ValidationError, raise_errors
from neo_constructs.hosting.instance_type_choice import InstanceTypeChoice
from neo_constructs.hosting.network import ModelNetwork
from neo_constructs.hosting.numbers import seconds_of
from neo_constructs.hosting.package_interface import IModelPackage
from neo_constructs.recommender.load_test import (
    EndpointInputConfiguration,
    StoppingConditions,
    TrafficPattern,
)
from neo_constructs.recommender.recommendation_rules import MAX_JOB_SECONDS, RecommendationsFacts
from neo_constructs.recommender.recommender_role import recommender_statements
from neo_constructs.recommender.selection import RecommendationRule
from neo_constructs.registry.sample_payload import SamplePayload
from neo_constructs.typed import typed

RESOURCE_TYPE: Final = "Custom::NeoInferenceRecommendationsJob"
_BY_COST: Final = RecommendationRule()


@jsii.implements(ITaggable)
class InferenceRecommendationsJob(Resource):
    """A SageMaker Inference Recommender job that lives and dies with its stack.

    It deploys the version to candidate instance types, sends them the sample payload, and
    recommends; the best by a rule is read from the attributes, all of them from an object in the
    artifact bucket. A deploy with the same model, payload and load measures nothing. A rollback or
    a deletion stops the job.

    What a run costs: each test serves one candidate for as long as it takes to start (about five
    minutes) and to measure, billed as any endpoint. A run with the defaults thus costs at most
    ``job_duration`` times the sum of the candidates' prices by the hour: for the six sizes of
    ml_c5, whose vCPUs add up to 138, three quarters of an hour of 138 vCPUs. Name
    fewer ``instance_types`` to pay less. A run takes up to ``job_duration``, repeated with each new
    model.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    model_package
        The version that is measured. It need not be approved.
    instance_types
        The candidates. Default: those of the target that the version was compiled for; for one that
        was not compiled, the service chooses.
    sample_payload
        The requests. Default: the version's own.
    supported_content_types
        Of the requests. Default: the version's.
    endpoint_configurations
        For a load test of your own (job type ``Advanced``): what is measured, up to 10. Default:
        the service measures the candidates by a load of its own (job type ``Default``).
    traffic_pattern, stopping_conditions
        With ``endpoint_configurations``: the load, and when it is enough.
    max_number_of_tests, max_parallel_of_tests
        How many tests, and how many at once. Default: the service's own.
    job_duration
        After which the service ends the job, 5 to 45 minutes: CloudFormation waits an hour.
        Default: 45.
    selection
        Which recommendation is the best. Default: the least cost of an inference.
    artifact_bucket
        Where the record of all recommendations goes. Default: one bucket per stack, made and
        shared.
    role
        What Inference Recommender, and the models that it measures, act as. Default: a role with
        the least that is known to be needed.
    encryption_key
        Encrypts what is written. Default: the bucket's own key.
    volume_encryption_key
        Encrypts the volumes of the instances. Default: SageMaker's own key.
    vpc, vpc_subnets, security_groups
        Where the network interfaces of what is measured are. Default: in no VPC of yours.
    description
        Up to 128 characters. Default: none.
    artifact_removal_policy
        ``DESTROY`` deletes the record with the job. Default: ``RETAIN``.

    Attributes
    ----------
    instance_type
        The chosen one, known at deploy; it goes wherever the name of an instance type goes, in the
        same stack: another stack would take it as an export, which cannot change while it is used.
    candidate_instance_types
        What may be chosen.
    initial_instance_count
        A number known at deploy.
    environment
        The variables that were found best, as JSON; known at deploy.
    image_uri, model_data_url
        Of a version that the app registers, if the best is the model as it was registered; else
        empty.
    compilation_job_name
        Of the model that the job compiled by itself, if that is the best; else empty.
    inference_specification_name
        The version's specification that is the best; empty for the main one.
    memory_size_in_mb, max_concurrency
        Of a serverless endpoint, where nothing else was measured; numbers known at deploy.
    cost_per_hour, cost_per_inference, max_invocations, model_latency, cpu_utilization
        What was measured of it, as text, known at deploy; empty if the service does not say.
    memory_utilization, model_setup_time, recommendation_id
        Likewise.
    meets_limits
        ``true`` or ``false`` as text: whether the best keeps all limits of the rule.
    recommendations_url
        All recommendations, one JSON object in the artifact bucket.
    job_name, job_arn, job_type
        Of the job; the first two are known at deploy.
    artifact_bucket, encryption_key, artifact_removal_policy, role
        As given, or the defaults.
    tags
        The tags of the job. A change measures nothing.

    Raises
    ------
    ValidationError
        With every fault that can be known at synth.

    Examples
    --------
    >>> InferenceRecommendationsJob(  # doctest: +SKIP
    ...     stack,
    ...     "Recommendation",
    ...     model_package=version,
    ...     sample_payload=SamplePayload.from_asset("payloads"),
    ...     selection=RecommendationRule(max_model_latency=Duration.millis(50)),
    ... )
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_package: IModelPackage,
        instance_types: Sequence[str] | None = None,
        sample_payload: SamplePayload | None = None,
        supported_content_types: Sequence[str] = (),
        endpoint_configurations: Sequence[EndpointInputConfiguration] = (),
        traffic_pattern: TrafficPattern | None = None,
        stopping_conditions: StoppingConditions | None = None,
        max_number_of_tests: int | None = None,
        max_parallel_of_tests: int | None = None,
        job_duration: Duration | None = None,
        selection: RecommendationRule = _BY_COST,
        artifact_bucket: s3.IBucket | None = None,
        role: iam.IRole | None = None,
        encryption_key: kms.IKey | None = None,
        volume_encryption_key: kms.IKey | None = None,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] = (),
        description: str | None = None,
        artifact_removal_policy: RemovalPolicy | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        facts = RecommendationsFacts(
            package=model_package,
            instance_types=instance_types,
            configurations=endpoint_configurations,
            traffic=traffic_pattern,
            stopping=stopping_conditions,
            max_tests=max_number_of_tests,
            max_parallel=max_parallel_of_tests,
            job_duration=job_duration or Duration.seconds(MAX_JOB_SECONDS),
            payload=sample_payload,
            rule=selection,
            description=description,
            has_volume_key=volume_encryption_key is not None,
        )
        keys = {"encryption_key": encryption_key, "volume_encryption_key": volume_encryption_key}
        found = [
            *facts.check(),
            *check_region(self, model_package, "model_package"),
            *check_vpc(vpc, vpc_subnets, security_groups),
            *(f for name, key in keys.items() if key for f in check_region(self, key, name)),
        ]
        warn(self, raise_errors(found, subject=lambda: self.node.path))
        self._tags: TagManager | None = None
        self.job_type: Final[str] = facts.job_type
        self.candidate_instance_types: Final[tuple[str, ...]] = facts.candidates

        engine = JobEngine.of(self)
        self.artifact_bucket: Final[s3.IBucket] = artifact_bucket or ArtifactBucket.of(self)
        bucket_found = check_artifact_bucket(self, self.artifact_bucket)
        warn(self, raise_errors(bucket_found, subject=lambda: self.node.path))
        self.encryption_key: Final = encryption_key or self.artifact_bucket.encryption_key
        self.artifact_removal_policy: Final = artifact_removal_policy or RemovalPolicy.RETAIN
        self.role: Final[iam.IRole] = role or iam.Role(
            self,
            "Role",
            assumed_by=service_principal("*"),
            description="What Inference Recommender may do while it measures",
        )
        self._facts, self._package = facts, model_package
        self._content_types, self._description = tuple(supported_content_types), description
        self._payload = sample_payload.bind(self) if sample_payload else None
        self._network = (
            ModelNetwork(
                self, vpc=vpc, vpc_subnets=vpc_subnets, security_groups=tuple(security_groups)
            )
            if vpc
            else None
        )
        self._volume_key = volume_encryption_key
        area = engine.artifact_area(self.artifact_bucket, encryption_key)
        self._resource = engine.custom_resource(
            self,
            "Resource",
            resource_type=RESOURCE_TYPE,
            depends_on=[
                area.engine_policy,
                *self._extend_role(engine),
                *([self._network.connectivity] if self._network else ()),
            ],
            properties=self._properties(),
        )
        self.job_name: Final[str] = self._resource.ref
        self.instance_type: Final = InstanceTypeChoice(
            self._attribute("InstanceType"), facts.candidates
        )
        count = Token.as_number(self._resource.get_att("InitialInstanceCount"))
        self.initial_instance_count: Final = cast(int, count)

    @property
    def memory_size_in_mb(self) -> int:
        """Of a serverless endpoint, where nothing else was measured."""
        return cast(int, Token.as_number(self._resource.get_att("MemorySizeInMB")))

    @property
    def max_concurrency(self) -> int:
        """Of a serverless endpoint, where nothing else was measured."""
        return cast(int, Token.as_number(self._resource.get_att("MaxConcurrency")))

    @property
    def job_arn(self) -> str:
        """The ARN, known at deploy."""
        return self._attribute("JobArn")

    @property
    def environment(self) -> str:
        """The variables that were found best, as JSON."""
        return self._attribute("Environment")

    @property
    def image_uri(self) -> str:
        """The version's image, if the best is the model as it was registered."""
        return self._attribute("Image")

    @property
    def model_data_url(self) -> str:
        """The version's artifact, if the best is the model as it was registered."""
        return self._attribute("ModelDataUrl")

    @property
    def compilation_job_name(self) -> str:
        """The job by which Inference Recommender compiled the best model; else empty."""
        return self._attribute("CompilationJobName")

    @property
    def inference_specification_name(self) -> str:
        """The version's specification that the best model is of; empty for the main one."""
        return self._attribute("InferenceSpecificationName")

    @property
    def recommendation_id(self) -> str:
        """The id by which the SageMaker SDK deploys a recommendation."""
        return self._attribute("RecommendationId")

    @property
    def meets_limits(self) -> str:
        """``true`` or ``false``: whether the best keeps all limits of the rule."""
        return self._attribute("MeetsLimits")

    @property
    def cost_per_hour(self) -> str:
        """In US dollars."""
        return self._attribute("CostPerHour")

    @property
    def cost_per_inference(self) -> str:
        """In US dollars."""
        return self._attribute("CostPerInference")

    @property
    def max_invocations(self) -> str:
        """In a minute."""
        return self._attribute("MaxInvocations")

    @property
    def model_latency(self) -> str:
        """In milliseconds, at the most invocations."""
        return self._attribute("ModelLatency")

    @property
    def cpu_utilization(self) -> str:
        """In percent, at the most invocations."""
        return self._attribute("CpuUtilization")

    @property
    def memory_utilization(self) -> str:
        """In percent, at the most invocations."""
        return self._attribute("MemoryUtilization")

    @property
    def model_setup_time(self) -> str:
        """How long a serverless endpoint takes to start."""
        return self._attribute("ModelSetupTime")

    @property
    def recommendations_url(self) -> str:
        """All recommendations: an object in the artifact bucket."""
        return self._attribute("RecordUrl")

    @property
    def tags(self) -> TagManager:
        """The tags of the job; ``Tags.of`` puts them here. A change measures nothing."""
        if self._tags is None:
            self._tags = TagManager(TagType.KEY_VALUE, RESOURCE_TYPE)
            self._resource.add_property_override("Tags", self._tags.rendered_tags)
            check_late(self, TagCheck(self._tags).validate)
        return self._tags

    def apply_removal_policy(self, policy: RemovalPolicy) -> None:
        """Take ``DESTROY``, which a job does anyway, and refuse anything else.

        Raises
        ------
        ValidationError
            If CloudFormation would never delete the job: it would go on running.
        """
        if policy is not RemovalPolicy.DESTROY:
            raise ValidationError([not_retained(policy.name)], subject=self.node.path)

    @property
    def _may_compile(self) -> bool:
        return bool(self._package.contents.get("DataInputConfig"))

    def _extend_role(self, engine: JobEngine) -> list[IDependable]:
        """Give the role what it needs; one of the caller's gets a policy in this stack."""
        engine.pass_role(self.role)
        locations = [self._payload or self._package.sample_payload_location]
        payloads = [each for each in locations if each]
        compiling = (
            [
                *compile_access(engine.name_prefix, self.artifact_bucket, self.encryption_key),
                *served_access(engine.name_prefix, self.artifact_bucket, self.encryption_key),
            ]
            if self._may_compile
            else []
        )
        return extend_role(
            self,
            self.role,
            [
                *recommender_statements(
                    self,
                    self.role,
                    self._package,
                    payloads,
                    may_compile=self._may_compile,
                    volume_key=self._volume_key,
                ),
                *(self._network.statements() if self._network else ()),
                *compiling,
            ],
            places=[
                *places(self.artifact_bucket, self.encryption_key),
                *self._package.places,
                *(place for each in payloads for place in places(each.bucket)),
            ],
        )

    def _properties(self) -> dict[str, Any]:
        """Return the properties of the custom resource."""
        key = self.encryption_key
        stopping = self._facts.stopping
        return {
            "JobType": self.job_type,
            "JobDescription": self._description,
            "RoleArn": self.role.role_arn,
            "InputConfig": self._input_config(),
            "StoppingConditions": stopping.render() if stopping else None,
            "OutputConfig": {
                "S3OutputLocation": f"s3://{self.artifact_bucket.bucket_name}/",
                "KmsKeyId": key.key_arn if key else None,
            },
            "MayCompile": True if self._may_compile else None,
            "ModelContents": dict(self._package.contents) or None,
            "PayloadFingerprint": self._payload.fingerprint if self._payload else None,
            "CandidateInstanceTypes": list(self.candidate_instance_types) or None,
            "CandidatesAreOfTarget": True if self._facts.has_default_candidates else None,
            "Selection": self._facts.rule.render(),
            "ArtifactRemovalPolicy": self.artifact_removal_policy.name,
        }

    def _input_config(self) -> dict[str, Any]:
        facts, network = self._facts, self._network
        types = list(self._content_types) or None
        payload = {
            "SamplePayloadUrl": self._payload.s3_uri if self._payload else None,
            "SupportedContentTypes": types,
        }
        candidates = None if facts.configurations else list(facts.candidates) or None
        key = self._volume_key
        return {
            "ModelPackageVersionArn": self._package.model_package_arn,
            # Rests on A-REC-06.
            "JobDurationInSeconds": seconds_of(facts.job_duration),
            "TrafficPattern": facts.traffic.render() if facts.traffic else None,
            "ResourceLimit": {
                "MaxNumberOfTests": facts.max_tests,
                "MaxParallelOfTests": facts.max_parallel,
            },
            "EndpointConfigurations": [each.render() for each in facts.configurations] or None,
            "VolumeKmsKeyId": real_key(key).key_arn if key else None,
            "ContainerConfig": {
                "PayloadConfig": payload,
                # Rests on A-REC-05.
                "SupportedInstanceTypes": candidates,
                # By default, it recommends serverless endpoints too.
                "SupportedEndpointType": None if facts.configurations else "RealTime",
            },
            "VpcConfig": network.ids() if network else None,
        }

    def _attribute(self, name: str) -> str:
        return Token.as_string(self._resource.get_att(name))
