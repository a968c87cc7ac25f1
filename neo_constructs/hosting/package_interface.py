"""What a version in the registry hands to a model that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from aws_cdk.interfaces import ResourceEnvironment
from constructs import Construct, IConstruct

from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.model_data import ObjectLocation
from neo_constructs.engine.statements import Statement


class IModelPackage(IConstruct, Protocol):
    """A version of a model in the registry, made here or imported."""

    @property
    def env(self) -> ResourceEnvironment:
        """The account and region it is in."""
        ...

    @property
    def model_package_arn(self) -> str:
        """Its ARN."""
        ...

    @property
    def image_uri(self) -> str | None:
        """Its image, if that is known."""
        ...

    @property
    def target(self) -> TargetDevice | None:
        """What it was compiled for, if that is known."""
        ...

    @property
    def repository_arns(self) -> tuple[str, ...]:
        """Where its image is pulled from; empty if that is not known."""
        ...

    @property
    def contents(self) -> Mapping[str, Any]:
        """What it registers, by the API's names; empty if that is not known."""
        ...

    @property
    def sample_payload_location(self) -> ObjectLocation | None:
        """Where the requests it is measured with lie, if that is known."""
        ...

    @property
    def places(self) -> list[str]:
        """The ARNs of the buckets and keys that its artifact is read from."""
        ...

    def reading(self, scope: Construct) -> list[Statement]:
        """Return the rights to read its artifact."""
        ...
