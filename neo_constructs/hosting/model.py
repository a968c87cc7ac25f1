"""The model: containers, and a role with the least that they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

import jsii
from aws_cdk import Fn, Resource
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct, IConstruct, IDependable

from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.inference_image import InferenceImage, pull_statements
from neo_constructs.compilation.interfaces import ICompilationJob
from neo_constructs.engine.asked_once import asked, remembered, settle, stack_of
from neo_constructs.engine.permissions import (
    extend_role,
    give_own_role,
    logging_statements,
    service_principal,
    warn,
)
from neo_constructs.engine.subnets import check_vpc
from neo_constructs.findings.errors import ValidationError, raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.container import (
    MULTI_MODEL,
    BoundContainer,
    ContainerDefinition,
    bind_container,
)
from neo_constructs.hosting.imported_model import ImportedModel
from neo_constructs.hosting.inference_code import InferenceCode
from neo_constructs.hosting.model_feature import ModelFeature
from neo_constructs.hosting.model_rules import SERIAL, check_model, pull_not_granted
from neo_constructs.hosting.network import ModelNetwork
from neo_constructs.hosting.package_interface import IModelPackage
from neo_constructs.typed import typed

_UNPACKED: Final = "the files of a model that is not packed: all below the prefix given"


@jsii.implements(iam.IGrantable, ec2.IConnectable)
class Model(Resource):
    """A SageMaker model, made from a compilation job or from an artifact of your own.

    It has no name of its own: a model cannot change, and a named one could not be replaced.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    compilation_job
        What compiled it; its result and the image it reports are served.
    model_data_url
        An artifact in S3, instead of a job; then ``image`` is needed, and ``artifact_bucket``
        for the right to read it. With neither, ``image`` serves what is in it.
    uncompressed_model_data
        Whether ``model_data_url`` is a prefix, ending in a slash, whose objects are the files of
        the model; else it is a ``.tar.gz``. Default: False.
    inference_code
        The script. Default: the container's own handler.
    image
        Default: the image that the finished job reports.
    model_package
        A version in the registry, in place of a job, an artifact and an image. The version must be
        approved when it is deployed.
    containers
        Several containers, in place of all of the above: a pipeline, where each gets what the one
        before it answers. Up to 15.
    inference_execution_mode
        With ``containers``: ``Serial`` for a pipeline, ``Direct`` for containers that requests name
        one by one. Default: ``Serial``.
    role
        What the containers act as. Default: a role with the least they need.
    environment
        Variables of the container; they win over those set here. Default: none more.
    artifact_bucket
        Where ``model_data_url`` lies; with a job and a script, where the archive of both is
        written. Default: the job's bucket.
    enable_network_isolation
        Default: on, but off where a container must reach out as it starts: for a script in S3,
        or for what a ``requirements.txt`` beside the script names.
    vpc
        Where the containers' network interfaces are. Default: in no VPC of yours.
    vpc_subnets
        Default: the private subnets.
    security_groups
        Default: one is made; see ``connections``.
    allow_all_outbound
        Whether the group that is made lets everything out. Default: True.

    Attributes
    ----------
    model_name, model_arn
        Known at deploy.
    compilation_job
        As given, as this stack may use it; that of the first container which has one.
    role, grant_principal
        As given, or the model's own.
    connections
        What the containers may reach, and what may reach them; of a model in a VPC only.
    target
        What the model was compiled for, if that is known; else None.
    is_isolated
        Whether its containers are cut off from the network.
    is_x86
        Whether one of its images is known to run on x86 processors only.
    features
        What it has that some ways to serve it do not take: a VPC, several containers.
    image_uri
        The first container's image.

    Raises
    ------
    ValidationError
        If what is given does not add up to a model, or the script does not fit the container.

    Examples
    --------
    >>> Model(stack, "Model", compilation_job=job)  # doctest: +SKIP
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        compilation_job: ICompilationJob | None = None,
        model_data_url: str | None = None,
        uncompressed_model_data: bool = False,
        inference_code: InferenceCode | None = None,
        image: InferenceImage | None = None,
        model_package: IModelPackage | None = None,
        containers: Sequence[ContainerDefinition] = (),
        inference_execution_mode: str = SERIAL,
        role: iam.IRole | None = None,
        environment: Mapping[str, str] | None = None,
        artifact_bucket: s3.IBucket | None = None,
        enable_network_isolation: bool | None = None,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] = (),
        allow_all_outbound: bool | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        settle(self, scope)
        alone = ContainerDefinition(
            compilation_job=compilation_job,
            model_data_url=model_data_url,
            uncompressed_model_data=uncompressed_model_data,
            inference_code=inference_code,
            image=image,
            environment=environment,
            artifact_bucket=artifact_bucket,
            model_package=model_package,
        )
        found = [
            *check_model(
                self,
                alone,
                containers,
                mode=inference_execution_mode,
                role=role,
                isolation=enable_network_isolation,
            ),
            *check_vpc(vpc, vpc_subnets, security_groups, allow_all_outbound=allow_all_outbound),
        ]
        raise_errors(found, subject=lambda: self.node.path)
        asked = containers or [alone]
        needs = next((each.needs_network for each in asked if each.needs_network), "")
        self.is_isolated: Final[bool] = (
            # Rests on A-NEO-04.
            not needs if enable_network_isolation is None else enable_network_isolation
        )
        bound = self._bind(asked)
        jobs = [each.definition.compilation_job for each in bound]
        packages = [each.definition.model_package for each in bound]
        self._package = next((each for each in packages if each), None)
        self.compilation_job: Final = next((job for job in jobs if job), None)
        self.image_uri: Final = bound[0].image_uri or None
        self._network = (
            ModelNetwork(
                self,
                vpc=vpc,
                vpc_subnets=vpc_subnets,
                security_groups=security_groups,
                allow_all_outbound=allow_all_outbound is not False,
            )
            if vpc
            else None
        )
        self.features: Final = _features(asked, is_in_vpc=vpc is not None)
        self.is_x86: Final = any(each.definition.is_x86 for each in bound)
        self._warn_of_pulling(bound, role)
        self._own_role = None if role else self._make_role()
        self.role: Final[iam.IRole] = role or cast(iam.IRole, self._own_role)
        dependencies = self._allow(bound)
        self._resource = self._make_resource(
            bound, inference_execution_mode, is_pipeline=bool(containers)
        )
        if needs and not self.is_isolated:
            self._resource.add_metadata("NetworkIsolation", f"Off: {needs}")
        # SageMaker reads the artifact as the model is made: the rights must be there.
        self._resource.node.add_dependency(*dependencies)
        if self._network:
            self._resource.node.add_dependency(self._network.connectivity)
        self._is_granted = False
        self._configs: list[IConstruct] = []

    @property
    def model_name(self) -> str:
        """The model's name."""
        return str(asked(self._resource, "attr_model_name"))

    @property
    def model_arn(self) -> str:
        """The model's ARN."""
        return str(asked(self._resource, "ref"))

    def _make_resource(
        self, bound: Sequence[BoundContainer], mode: str, *, is_pipeline: bool
    ) -> sagemaker.CfnModel:
        rendered = [each.render() for each in bound]
        made = sagemaker.CfnModel
        return made(
            self,
            "Resource",
            execution_role_arn=asked(self.role, "role_arn"),
            enable_network_isolation=self.is_isolated,
            primary_container=None if is_pipeline else rendered[0],
            containers=rendered if is_pipeline else None,
            inference_execution_config=(
                made.InferenceExecutionConfigProperty(mode=mode) if is_pipeline else None
            ),
            vpc_config=self._network.render() if self._network else None,
        )

    @property
    def target(self) -> TargetDevice | None:
        """What the model was compiled for, if a job of this app compiled it."""
        if self.compilation_job:
            return self.compilation_job.target
        return self._package.target if self._package else None

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """The role, for the grants of other constructs; the endpoint waits for them."""
        self._wait_for_grants()
        return self.role.grant_principal

    @property
    def connections(self) -> ec2.Connections:
        """The security groups of the containers.

        Raises
        ------
        ValidationError
            If the model is in no VPC.
        """
        if self._network is None:
            raise ValidationError([_no_vpc()], subject=self.node.path)
        return self._network.connections

    @typed
    def add_to_role_policy(self, statement: iam.PolicyStatement) -> None:
        """Let the containers do something more.

        Parameters
        ----------
        statement
            What.
        """
        self._wait_for_grants()
        self.role.add_to_principal_policy(statement)

    @staticmethod
    @typed
    def from_model_name(
        scope: Construct, construct_id: str, model_name: str, *, target: TargetDevice | None = None
    ) -> ImportedModel:
        """Return a model that is there already.

        Parameters
        ----------
        scope, construct_id
            Where it stands.
        model_name
            Its name.
        target
            What it was compiled for. Default: not known, and instance types are not checked.
        """
        return ImportedModel(scope, construct_id, model_name=model_name, target=target)

    @staticmethod
    @typed
    def from_model_arn(
        scope: Construct, construct_id: str, model_arn: str, *, target: TargetDevice | None = None
    ) -> ImportedModel:
        """Return a model that is there already, by its ARN; else as ``from_model_name``.

        SageMaker lowercases names in ARNs: of one with capitals, use ``from_model_name``.
        """
        name = Fn.select(1, Fn.split("/", model_arn))
        return ImportedModel(
            scope, construct_id, model_name=name, target=target, model_arn=model_arn
        )

    @staticmethod
    @typed
    def from_model_attributes(
        scope: Construct,
        construct_id: str,
        *,
        model_name: str,
        role: iam.IRole | None = None,
        target: TargetDevice | None = None,
    ) -> ImportedModel:
        """Return a model that is there already, with its role.

        Parameters
        ----------
        scope, construct_id
            Where it stands.
        model_name
            Its name.
        role
            What its containers act as; data capture and asynchronous inference give it rights.
            Default: not known.
        target
            As for ``from_model_name``.
        """
        return ImportedModel(scope, construct_id, model_name=model_name, target=target, role=role)

    @staticmethod
    @typed
    def from_model_package(
        scope: Construct,
        construct_id: str,
        model_package: IModelPackage,
        *,
        role: iam.IRole | None = None,
        environment: Mapping[str, str] | None = None,
        enable_network_isolation: bool | None = None,
    ) -> Model:
        """Return a model that serves an approved version of the registry.

        Parameters
        ----------
        scope, construct_id
            Where it stands.
        model_package
            A ``ModelPackage``, one by its ARN (``ModelPackage.from_model_package_arn``), or the
            newest approved one of a group as each deploy finds it (``ApprovedModelPackage``).
        role, environment, enable_network_isolation
            As ``Model`` has them.
        """
        return Model(
            scope,
            construct_id,
            model_package=model_package,
            role=role,
            environment=environment,
            enable_network_isolation=enable_network_isolation,
        )

    def let_wait(self, config: IConstruct) -> None:
        """Let an endpoint configuration wait for what the containers are granted beside the model.

        The model itself refers to the role, and cfn-lint would find it named twice.
        """
        self._configs.append(config)
        if self._is_granted:
            config.node.add_dependency(self.role)

    def _wait_for_grants(self) -> None:
        if self._is_granted or not self._own_role:
            return
        self._is_granted = True
        for config in self._configs:
            config.node.add_dependency(self.role)

    def _bind(self, asked: Sequence[ContainerDefinition]) -> list[BoundContainer]:
        """Make what the containers need; that of the first stands in the model itself."""
        return [
            bind_container(
                Construct(self, f"Container{number}") if number else self,
                each,
                is_isolated=self.is_isolated,
            )
            for number, each in enumerate(asked)
        ]

    def _warn_of_pulling(self, bound: Sequence[BoundContainer], role: iam.IRole | None) -> None:
        if role is None:
            warn(
                self,
                [
                    pull_not_granted(each.definition.image, each.image_uri)
                    for each in bound
                    if not each.repository_arns
                ],
            )

    def _allow(self, bound: Sequence[BoundContainer]) -> list[IDependable]:
        """Give the role what the containers need, and return what must be waited for."""
        repositories = [arn for each in bound for arn in each.repository_arns]
        statements = [
            *pull_statements(tuple(dict.fromkeys(repositories))),
            # API reference of CreateModel, ExecutionRoleArn.
            *logging_statements("/aws/sagemaker/Endpoints/*"),
            *(statement for each in bound for statement in each.reading(self)),
            *(self._network.statements() if self._network else ()),
        ]
        places = list(dict.fromkeys(place for each in bound for place in each.places))
        wildcards = _UNPACKED if any(each.is_unpacked for each in bound) else ""
        if self._own_role:
            return give_own_role(
                self, self._own_role, statements, places=places, wildcards=wildcards
            )
        return extend_role(self, self.role, statements, places=places, wildcards=wildcards)

    def _make_role(self) -> iam.Role:
        return iam.Role(
            self,
            "Role",
            assumed_by=remembered(
                # Rests on A-IAM-01.
                stack_of(self),
                "any of SageMaker's",
                lambda: service_principal("*"),
            ),
            description="What the serving container may do",
        )


def _features(asked: Sequence[ContainerDefinition], *, is_in_vpc: bool) -> frozenset[ModelFeature]:
    known = {
        ModelFeature.VPC: is_in_vpc,
        ModelFeature.PIPELINE: len(asked) > 1,
        ModelFeature.MULTI_MODEL: any(each.mode == MULTI_MODEL for each in asked),
        ModelFeature.UNPACKED: any(each.uncompressed_model_data for each in asked),
    }
    return frozenset(feature for feature, has_it in known.items() if has_it)


def _no_vpc() -> Finding:
    return Finding(
        code="vpc-missing",
        where="connections",
        message="The model is in no VPC of yours, so nothing can be let in or out.",
        fix="give the model a vpc.",
    )
