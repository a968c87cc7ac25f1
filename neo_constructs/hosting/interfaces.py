"""What hosting's constructs hand to each other, made here or imported."""

from __future__ import annotations

from typing import Protocol

from aws_cdk import aws_iam as iam
from aws_cdk.interfaces import ResourceEnvironment
from constructs import IConstruct

from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.interfaces import ICompilationJob
from neo_constructs.hosting.model_feature import ModelFeature


class IModel(IConstruct, Protocol):
    """A SageMaker model."""

    @property
    def env(self) -> ResourceEnvironment:
        """The account and region it is in."""
        ...

    @property
    def model_name(self) -> str:
        """Its name."""
        ...

    @property
    def model_arn(self) -> str:
        """Its ARN."""
        ...

    @property
    def role(self) -> iam.IRole | None:
        """What its containers act as, if that is known."""
        ...

    @property
    def compilation_job(self) -> ICompilationJob | None:
        """What compiled it, if that is known."""
        ...

    @property
    def image_uri(self) -> str | None:
        """The image of its first container, if that is known."""
        ...

    @property
    def is_x86(self) -> bool:
        """Whether one of its images is known to be for x86 processors only."""
        ...

    @property
    def features(self) -> frozenset[ModelFeature]:
        """What it has that some ways to serve it do not take, as far as that is known."""
        ...

    @property
    def target(self) -> TargetDevice | None:
        """What it was compiled for, if that is known."""
        ...

    @property
    def is_isolated(self) -> bool:
        """Whether its containers are cut off from the network, as far as that is known."""
        ...


class IEndpointConfig(IConstruct, Protocol):
    """A SageMaker endpoint configuration."""

    @property
    def env(self) -> ResourceEnvironment:
        """The account and region it is in."""
        ...

    @property
    def endpoint_config_name(self) -> str:
        """Its name."""
        ...

    @property
    def endpoint_config_arn(self) -> str:
        """Its ARN."""
        ...


class IEndpoint(IConstruct, Protocol):
    """A SageMaker endpoint."""

    @property
    def endpoint_name(self) -> str:
        """Its name."""
        ...

    @property
    def endpoint_arn(self) -> str:
        """Its ARN."""
        ...

    @property
    def metric_endpoint_name(self) -> str:
        """The name as metrics bear it: the literal one, where it is known."""
        ...
