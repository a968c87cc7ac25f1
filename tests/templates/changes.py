"""What CloudFormation would do to each resource of a stack for a changed template.

By its own schemas, as cfn-lint ships them, and for the engine's resources by the engine's own
functions. A replaced resource changes what refers to it, whose change may be a replacement too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from neo_jobs.kinds.compilation import immutable_fields
from neo_jobs.kinds.serving_archive import ArchiveSpec

from tests.templates.stacks import ARCHIVE, JOB, Json

REPLACED, UPDATED, ADDED, REMOVED = "replaced", "updated", "added", "removed"


def changes(before: Json, after: Json) -> dict[str, str]:
    """Return what happens to each resource that does not stay, by its logical id."""
    old, new = before["Resources"], after["Resources"]
    found = {name: REMOVED for name in old if name not in new}
    found |= {name: ADDED for name in new if name not in old}
    while True:
        more = {
            name: verdict
            for name in old
            if name in new
            and (verdict := _verdict(old[name], new[name], found))
            and found.get(name) != verdict
        }
        if not more:
            return found
        found |= more


def of_types(found: dict[str, str], template: Json, other: Json) -> dict[str, str]:
    """Return changes by the resource's type, in short; each type at most once is expected."""
    known = {**template["Resources"], **other["Resources"]}
    return {known[name]["Type"].split("::")[-1]: verdict for name, verdict in found.items()}


def _verdict(old: Json, new: Json, so_far: dict[str, str]) -> str:
    """Return what happens to one resource, given what happens to others."""
    replaced = {name for name, verdict in so_far.items() if verdict == REPLACED}
    touched = [
        key
        for key in {**old.get("Properties", {}), **new.get("Properties", {})}
        if old.get("Properties", {}).get(key) != new.get("Properties", {}).get(key)
        or replaced & set(_references(new["Properties"].get(key)))
    ]
    kept = ("DeletionPolicy", "UpdateReplacePolicy")
    if not touched:
        return UPDATED if any(old.get(k) != new.get(k) for k in kept) else ""
    kind = new["Type"]
    if kind in {JOB, ARCHIVE}:
        return REPLACED if _is_another(kind, old, new, replaced) else UPDATED
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    fixed = {path.split("/")[2] for path in schema.get("createOnlyProperties", [])}
    return REPLACED if fixed & set(touched) else UPDATED


def _is_another(kind: str, old: Json, new: Json, replaced: set[str]) -> bool:
    """Whether the engine makes another thing of a request: compiles, or writes an archive."""
    before, after = _sent(old["Properties"], set()), _sent(new["Properties"], replaced)
    if kind == JOB:
        return immutable_fields(before) != immutable_fields(after)
    return ArchiveSpec.of(before).content != ArchiveSpec.of(after).content


def _sent(value: Any, replaced: set[str]) -> Any:
    """Return properties as the engine gets them: texts, and what refers to others by a name."""
    if isinstance(value, list):
        return [_sent(each, replaced) for each in value]
    if not isinstance(value, dict):
        return value if isinstance(value, str) else str(value).lower()
    if len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref")):
        new = "!new" if replaced & set(_references(value)) else ""
        return f"s3://bucket/{json.dumps(value, sort_keys=True)}{new}"
    return {key: _sent(each, replaced) for key, each in value.items()}


def _references(value: Any) -> Iterator[str]:
    """Yield the logical ids that a value refers to."""
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key == "Ref":
                yield each
            elif key == "Fn::GetAtt":
                yield each[0]
            else:
                yield from _references(each)
