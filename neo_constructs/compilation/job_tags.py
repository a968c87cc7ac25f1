"""The tags of a job: checked when all of them are there."""

from __future__ import annotations

from aws_cdk import TagManager

from neo_constructs.catalog.tags import check_tags


class TagCheck:
    """Whether the API takes the tags, once all are there. Source: botocore, Tag and TagList."""

    def __init__(self, tags: TagManager) -> None:
        self._tags = tags

    def validate(self) -> list[str]:
        """Return what is wrong with the tags."""
        return [str(finding) for finding in check_tags(self._tags.tag_values())]
