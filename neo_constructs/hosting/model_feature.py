"""What a model can have that some ways to serve it do not take."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ModelFeature(StrEnum):
    """A feature of a model, in words."""

    VPC = "a VPC"
    PIPELINE = "several containers"
    MULTI_MODEL = "a container of several models"
    UNPACKED = "files that are not packed"


# AWS developer guide, page serverless-endpoints, Feature exclusions; botocore on ModelDataSource.
NOT_SERVERLESS: Final = frozenset(ModelFeature)
# AWS developer guide, page shadow-tests-exclusions.
NOT_SHADOWED: Final = frozenset({ModelFeature.PIPELINE, ModelFeature.MULTI_MODEL})
