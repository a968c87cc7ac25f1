"""What CloudFormation refuses of a change: names that are taken, exports in use, service tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from neo_constructs.review.assembly import StackTemplate
from neo_constructs.review.changes import Moves, fixed_properties, identifier
from neo_constructs.review.quoting import quoted
from neo_constructs.review.reading import Reader
from neo_constructs.review.values import Assembly, Key, Place, place
from neo_constructs.review.verdicts import Change, Sentence, Verdict

_CUSTOM: Final = "Custom::"
_PLAIN_CUSTOM: Final = "AWS::CloudFormation::CustomResource"
_NEEDS_NAME: Final = (Verdict.REPLACED, Verdict.ADDED)

Name = tuple[str, str, str, Any]  # account, region, type, name


# Rests on A-REV-03.
def with_refusals(moves: Moves, found: Mapping[Key, Change]) -> dict[Key, Change]:
    """Return changes, those marked that CloudFormation refuses."""
    holders = dict(_holders(moves))
    marked = {}
    for key, change in found.items():
        reason = change.refused or _service_token(change)
        name = _name(moves, change)
        said = quoted(str(name[3])) if name else ""
        if not reason and name and change.verdict in _NEEDS_NAME:
            holder = holders.get(name)
            if holder == key:
                reason = f"it has the name {said}, which its successor cannot have beside it"
            elif holder:
                path = quoted(_old_path(moves, holder))
                how_long = _for_how_long(found, holder, key)
                reason = f"the name {said} is still taken by {path}{how_long}"
        marked[key] = replace(change, refused=reason)
    return marked


# Rests on A-REV-03.
def refused_exports(moves: Moves, found: Mapping[Key, Change]) -> Iterator[Sentence]:
    """Yield the stacks whose exports may not change, since a deployed stack imports them."""
    sure = Reader(moves.after, {}, found, is_open=False)
    was = Reader(moves.before, moves.same, {}, is_open=False)
    older = {new: old for old, new in moves.same.items()}
    for export, (stack, value) in sorted(moves.before.exports.items()):
        users = sorted(_importers(moves.before, export) - {stack.name})
        if not users or stack.name not in moves.same:
            continue
        now = moves.after.exports.get(export)
        new_name = moves.same[stack.name]
        if now and older.get(now[0].name) == stack.name:
            if was.read(stack, value) == sure.read(*now):
                continue
            what = "changes"
        else:
            what = "goes"
        who = ", ".join(map(quoted, users))
        text = (
            f"the export {quoted(export.name)} {what}, and is imported by {who} as deployed today: "
            "deploy that first, without the import"
        )
        yield Sentence(new_name, text)


def _importers(assembly: Assembly, export: Place) -> set[str]:
    return {
        stack.name
        for stack in assembly.stacks.values()
        if export in {place(stack, name) for name in _imports(assembly, stack, stack.template)}
    }


def _imports(assembly: Assembly, stack: StackTemplate, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "Fn::ImportValue":
                yield assembly.text(stack, each)
            else:
                yield from _imports(assembly, stack, each)
    elif isinstance(value, list):
        for each in value:
            yield from _imports(assembly, stack, each)


# Rests on A-REV-02.
def _service_token(change: Change) -> str:
    is_custom = change.type.startswith(_CUSTOM) or change.type == _PLAIN_CUSTOM
    if is_custom and change.verdict is not Verdict.ADDED and "ServiceToken" in change.properties:
        return "CloudFormation lets no service token change: give the resource another construct id"
    return ""


def _holders(moves: Moves) -> Iterator[tuple[Name, Key]]:
    """Yield the names that resources have today, and who has each."""
    reader = Reader(moves.before, moves.same, {}, is_open=False)
    for key, resource in moves.before.resources():
        stack = moves.before.stacks[key.stack]
        name = _own_name(stack, str(resource.get("Type")), reader.properties(stack, resource))
        if name:
            yield name, Key(moves.same.get(key.stack, key.stack), key.logical_id)


def _name(moves: Moves, change: Change) -> Name | None:
    """Return the name that a resource is to have; None if CloudFormation makes one."""
    stack = moves.after.stacks.get(change.key.stack)
    resource = stack.resources.get(change.key.logical_id) if stack else None
    if stack is None or resource is None:
        return None
    reader = Reader(moves.after, {}, {change.key: change}, is_open=True)
    return _own_name(stack, change.type, reader.properties(stack, resource))


def _own_name(stack: StackTemplate, kind: str, properties: Mapping[str, Any]) -> Name | None:
    if kind.startswith(_CUSTOM):
        return None
    fixed, _ = fixed_properties(kind)
    for name in (f"{kind.rpartition('::')[2]}Name", "Name"):
        # A plain "Name" may be one within something else, as an alias's within its function.
        is_own = name != "Name" or identifier(kind) == ["/properties/Name"]
        given = properties.get(name)
        if type(given) is str and f"/properties/{name}" in fixed and is_own:
            return stack.account, stack.region, kind, given
    return None


def _old_path(moves: Moves, key: Key) -> str:
    older = {new: old for old, new in moves.same.items()}
    return moves.before.title(Key(older.get(key.stack, key.stack), key.logical_id))


def _for_how_long(found: Mapping[Key, Change], holder: Key, taker: Key) -> str:
    change = found.get(holder)
    if change is None or change.verdict in {Verdict.UPDATED, Verdict.OPEN}:
        return ", which stays"
    if change.verdict is Verdict.RETAINED:
        return ", which is retained"
    if holder.stack != taker.stack:
        return f" until {quoted(holder.stack)} is deployed: deploy that first"
    return ", which goes only afterwards"
