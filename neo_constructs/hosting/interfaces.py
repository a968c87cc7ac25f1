"""What hosting's constructs hand to each other, made here or imported."""

from __future__ import annotations

from typing import Protocol

from constructs import IConstruct

from neo_constructs.catalog.target import TargetDevice


class IModel(IConstruct, Protocol):
    """A SageMaker model."""

    @property
    def model_name(self) -> str:
        """Its name."""
        ...

    @property
    def model_arn(self) -> str:
        """Its ARN."""
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
