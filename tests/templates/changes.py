"""What happens to each resource for a changed template, as ``neo review`` predicts it."""

from __future__ import annotations

from neo_constructs.review.assembly import StackTemplate
from neo_constructs.review.changes import find_changes, match_stacks
from neo_constructs.review.values import Assembly
from tests.templates.stacks import Json


def changes(before: Json, after: Json) -> dict[str, str]:
    """Return what happens to each resource that does not stay, by its logical id."""
    found = find_changes(match_stacks(_assembly(before), _assembly(after)))
    return {key.logical_id: str(change.verdict) for key, change in found.items()}


def of_types(found: dict[str, str], template: Json, other: Json) -> dict[str, str]:
    """Return changes by the resource's type, in short; each type at most once is expected."""
    known = {**template["Resources"], **other["Resources"]}
    return {known[name]["Type"].split("::")[-1]: verdict for name, verdict in found.items()}


def _assembly(template: Json) -> Assembly:
    stack = StackTemplate(
        name="Stack", stack_name="Stack", account="", region="", template=template, paths={}
    )
    return Assembly((stack,))
