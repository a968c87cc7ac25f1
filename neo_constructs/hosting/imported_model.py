"""A model that is there already."""

from __future__ import annotations

from typing import Final

from aws_cdk import Resource
from aws_cdk import aws_iam as iam
from constructs import Construct

from neo_constructs.catalog.target import TargetDevice
from neo_constructs.hosting.arns import arn_of
from neo_constructs.hosting.model_feature import ModelFeature


class ImportedModel(Resource):
    """A model that is there already; see ``Model.from_model_name``."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model_name: str,
        target: TargetDevice | None,
        role: iam.IRole | None = None,
        model_arn: str | None = None,
    ) -> None:
        # With an ARN, `env` is where that says.
        super().__init__(scope, construct_id, environment_from_arn=model_arn)
        self.model_name: Final = model_name
        self.model_arn: Final = model_arn or arn_of(self, "model", model_name)
        self.target: Final = target
        self.role: Final = role
        self.compilation_job: Final = None  # nor are these known
        self.image_uri: Final = None
        self.features: Final[frozenset[ModelFeature]] = frozenset()
        self.is_x86: Final = False
        self.is_isolated: Final = False
