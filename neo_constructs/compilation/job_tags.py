"""The tags of a job: rendered and checked when all of them are there."""

from __future__ import annotations

import jsii
from aws_cdk import IStableAnyProducer, TagManager
from constructs import IValidation

from neo_constructs.catalog.tags import check_tags


@jsii.implements(IStableAnyProducer)
class RenderedTags:
    """The tags as the API names them, once all are there."""

    def __init__(self, tags: TagManager) -> None:
        self._tags = tags

    def produce(self) -> list[dict[str, str]] | None:
        """Return the tags as the API names them."""
        values = sorted(self._tags.tag_values().items())
        return [{"Key": key, "Value": value} for key, value in values] or None


@jsii.implements(IValidation)
class TagCheck:
    """Whether the API takes the tags, once all are there. Source: botocore, Tag and TagList."""

    def __init__(self, tags: TagManager) -> None:
        self._tags = tags

    def validate(self) -> list[str]:
        """Return what is wrong with the tags."""
        return [str(finding) for finding in check_tags(self._tags.tag_values())]
