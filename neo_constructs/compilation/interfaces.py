"""What compiling hands to hosting, whichever stack has compiled."""

from __future__ import annotations

from typing import Protocol

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice


class ICompilationJob(IConstruct, Protocol):
    """A compilation job: one of this stack, of another stack, or one that is imported."""

    @property
    def model_data_url(self) -> str:
        """The compiled artifact, an ``s3://`` URI known at deploy."""
        ...

    @property
    def inference_image(self) -> str:
        """The image that the finished job reports, known at deploy."""
        ...

    @property
    def artifact_bucket(self) -> s3.IBucket:
        """Where the artifact lies."""
        ...

    @property
    def artifact_prefix(self) -> str:
        """What the keys of all that the job ever writes start with."""
        ...

    @property
    def encryption_key(self) -> kms.IKey | None:
        """What encrypts the artifact, if a key of KMS does."""
        ...

    @property
    def artifact_removal_policy(self) -> RemovalPolicy:
        """What happens to the artifact when the job is deleted."""
        ...

    @property
    def framework(self) -> Framework:
        """What was compiled."""
        ...

    @property
    def target(self) -> TargetDevice:
        """What it was compiled for."""
        ...
