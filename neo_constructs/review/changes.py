"""What CloudFormation would do to each resource if one assembly followed another.

By CloudFormation's registry schemas, as cfn-lint ships them, and for the engine's resources by the
engine's own functions. A replaced resource has another name, which changes what refers to it, and
that change may be a replacement too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from cfnlint.schema.manager import ResourceNotFoundError

from neo_constructs.review import engine_inputs
from neo_constructs.review.assembly import NESTED, Json, StackTemplate
from neo_constructs.review.values import Assembly, Key, Source
from neo_constructs.review.verdicts import Change, Verdict

_KEEPS: Final = ("Retain", "RetainExceptOnCreate")
_EVERY: Final = engine_inputs.EVERY


@dataclass(frozen=True, slots=True)
class Moves:
    """The stacks of two assemblies that are the same one to CloudFormation.

    Parameters
    ----------
    before, after
        The assemblies.
    same
        The newer name of each older stack that there still is, nested ones included.
    """

    before: Assembly
    after: Assembly
    same: Mapping[str, str]

    @property
    def made(self) -> tuple[str, ...]:
        """The stacks that are new."""
        kept = set(self.same.values())
        return tuple(name for name in self.after.stacks if name not in kept)

    @property
    def gone(self) -> tuple[str, ...]:
        """The stacks that the newer assembly no longer has."""
        return tuple(name for name in self.before.stacks if name not in self.same)


def match_stacks(before: Assembly, after: Assembly) -> Moves:
    """Return which stacks of two assemblies are the same one: of one name in one place."""
    by_place = {_place(stack): stack for stack in after.roots}
    same = dict[str, str]()
    for stack in before.roots:
        found = by_place.get(_place(stack))
        if found:
            same |= _with_nested(stack, found)
    return Moves(before, after, same)


def _place(stack: StackTemplate) -> tuple[str, str, str]:
    return stack.stack_name, stack.account, stack.region


def _with_nested(old: StackTemplate, new: StackTemplate) -> dict[str, str]:
    same = {old.name: new.name}
    for logical_id, nested in old.nested.items():
        if logical_id in new.nested:
            same |= _with_nested(nested, new.nested[logical_id])
    return same


def find_changes(moves: Moves) -> dict[Key, Change]:
    """Return what happens to each resource that does not stay as it is."""
    found = dict(_come_and_gone(moves))
    pairs = [(moves.before.stacks[old], moves.after.stacks[new]) for old, new in moves.same.items()]
    while True:
        more = {
            change.key: change
            for old, new in pairs
            for logical_id in old.resources
            if logical_id in new.resources
            and (change := _change(moves, old, new, logical_id, found))
            and found.get(change.key) != change
        }
        if not more:
            return _with_refusals(moves, found)
        found |= more


def _come_and_gone(moves: Moves) -> Iterator[tuple[Key, Change]]:
    for name in moves.made:
        for logical_id in moves.after.stacks[name].resources:
            yield _added(moves, Key(name, logical_id))
    for old_name, name in moves.same.items():
        old, new = moves.before.stacks[old_name], moves.after.stacks[name]
        for logical_id in new.resources:
            if logical_id not in old.resources:
                yield _added(moves, Key(name, logical_id))
        for logical_id in old.resources:
            if logical_id not in new.resources:
                yield _removed(moves, Key(old_name, logical_id), Key(name, logical_id))
    for name in moves.gone:
        # A nested stack goes with its resource; a stack of its own stays until it is destroyed.
        if not moves.before.stacks[name].stack_name:
            for logical_id in moves.before.stacks[name].resources:
                yield _removed(moves, Key(name, logical_id), Key(name, logical_id))


def _added(moves: Moves, key: Key) -> tuple[Key, Change]:
    kind = str(moves.after.resource(key).get("Type"))
    return key, Change(key=key, path=moves.after.title(key), type=kind, verdict=Verdict.ADDED)


def _removed(moves: Moves, old: Key, key: Key) -> tuple[Key, Change]:
    resource = moves.before.resource(old)
    is_kept = resource.get("DeletionPolicy") in _KEEPS
    return key, Change(
        key=key,
        path=moves.before.title(old),
        type=str(resource.get("Type")),
        verdict=Verdict.RETAINED if is_kept else Verdict.REMOVED,
    )


def _change(
    moves: Moves,
    old: StackTemplate,
    new: StackTemplate,
    logical_id: str,
    found: Mapping[Key, Change],
) -> Change | None:
    """Return what happens to a resource that both have, given what happens to others."""
    key, before, after = (
        Key(new.name, logical_id),
        old.resources[logical_id],
        new.resources[logical_id],
    )
    kind, path = str(after.get("Type")), moves.after.title(Key(new.name, logical_id))
    if before.get("Type") != kind:
        refused = f"a logical id keeps its type; it was {before.get('Type')}"
        return Change(key=key, path=path, type=kind, verdict=Verdict.REPLACED, refused=refused)
    was = _Reader(moves.before, moves.same, {}, is_open=False).properties(old, before)
    sure = _Reader(moves.after, {}, found, is_open=False).properties(new, after)
    reader = _Reader(moves.after, {}, found, is_open=True)
    maybe = reader.properties(new, after)
    attributes = ("DeletionPolicy", "UpdateReplacePolicy", "CreationPolicy", "UpdatePolicy")
    if was == maybe:
        is_attribute = any(before.get(name) != after.get(name) for name in attributes)
        return (
            Change(key=key, path=path, type=kind, verdict=Verdict.UPDATED) if is_attribute else None
        )
    change = _judged(kind, was, sure, maybe)
    names = tuple(sorted(n for n in {**was, **maybe} if was.get(n) != maybe.get(n)))
    return replace(
        change,
        key=key,
        path=path,
        properties=names,
        because=change.because or tuple(sorted(reader.met)),
        keeps_old=after.get("UpdateReplacePolicy") in _KEEPS,
    )


def _judged(kind: str, was: Json, sure: Json, maybe: Json) -> Change:
    """Return the verdict on changed properties; the caller knows the place."""
    change = Change(key=Key("", ""), path="", type=kind, verdict=Verdict.UPDATED)
    if kind in engine_inputs.ENGINE_TYPES:
        return _judged_by_engine(change, kind, was, sure, maybe)
    if kind == NESTED:
        return change
    fixed, by_case = _fixed_properties(kind)
    if any(_differs(was, sure, path) for path in fixed):
        return replace(change, verdict=Verdict.REPLACED)
    is_open = any(_differs(was, maybe, path) for path in (*fixed, *by_case)) or was == sure
    others = kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource"
    return replace(
        change,
        verdict=Verdict.OPEN if is_open else Verdict.UPDATED,
        # Somebody else's handler may answer anything; an attribute named as a property follows it.
        answers=frozenset(n for n in maybe if was.get(n) != maybe[n]),
        open_answers=frozenset({_EVERY}) if others else frozenset(),
    )


def _judged_by_engine(change: Change, kind: str, was: Json, sure: Json, maybe: Json) -> Change:
    try:
        verdict = engine_inputs.compare(kind, _sent(was), _sent(sure))
        open_verdict = engine_inputs.compare(kind, _sent(was), _sent(maybe))
    except (KeyError, TypeError, ValueError, AttributeError):
        # Not written by this library, or by a version of another form.
        return replace(change, verdict=Verdict.OPEN, open_answers=frozenset({_EVERY}))
    if verdict.is_another:
        return replace(change, verdict=Verdict.REPLACED, because=verdict.differs_in)
    if open_verdict.is_another:
        return replace(
            change,
            verdict=Verdict.OPEN,
            because=open_verdict.differs_in,
            open_answers=frozenset({_EVERY}),
        )
    return replace(
        change,
        verdict=Verdict.OPEN if was == sure else Verdict.UPDATED,
        answers=verdict.new_answers,
        open_answers=open_verdict.open_answers | open_verdict.new_answers,
    )


def _fixed_properties(kind: str) -> tuple[list[str], list[str]]:
    """Return the properties that only a new resource can change, and those that may need one."""
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    except ResourceNotFoundError:
        return [], ["/properties/*"]
    fixed = schema.get("createOnlyProperties") or []
    return list(fixed), list(schema.get("conditionalCreateOnlyProperties") or [])


def _differs(was: Any, now: Any, path: str) -> bool:
    """Whether two sets of properties differ at a path of a schema: ``/properties/A/*/B``."""
    steps = [step for step in path.split("/")[2:] if step]
    return _found(was, steps) != _found(now, steps)


def _found(value: Any, steps: list[str]) -> list[Any]:
    if not steps or isinstance(value, Unknown):
        return [value]
    step, *rest = steps
    if step == "*":
        inner = (
            value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        )
        return [found for each in inner for found in _found(each, rest)]
    return _found(value[step], rest) if isinstance(value, dict) and step in value else []


# --- properties, with what they refer to --------------------------------------------------------


class Unknown(str):
    """A value that only a deploy knows; equal to another that is worked out in the same way."""

    __slots__ = ()


class _Reader:
    """Read properties so that two that are equal are the same to CloudFormation.

    Parameters
    ----------
    assembly
        Where the properties stand.
    same
        The newer names of its stacks.
    found
        What is known to change: a reference to it is another value.
    is_open
        Whether what may change counts, too.
    """

    def __init__(
        self,
        assembly: Assembly,
        same: Mapping[str, str],
        found: Mapping[Key, Change],
        *,
        is_open: bool,
    ) -> None:
        self._assembly, self._same, self._found, self._is_open = assembly, same, found, is_open
        self.met = set[str]()

    def properties(self, stack: StackTemplate, resource: Json) -> dict[str, Any]:
        """Return a resource's properties."""
        given = resource.get("Properties") or {}
        read = {name: self._read(stack, value) for name, value in given.items()}
        condition = resource.get("Condition")
        return {**read, **({"(condition)": condition} if condition else {})}

    def _read(self, stack: StackTemplate, value: Any) -> Any:
        if isinstance(value, dict) and len(value) == 1:
            ((function, given),) = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                if function == "Ref" and given == "AWS::NoValue":
                    return None
                return self._unknown(stack, function, given)
        if isinstance(value, dict):
            read = {name: self._read(stack, each) for name, each in value.items()}
            return {name: each for name, each in read.items() if each is not None}
        if isinstance(value, list):
            return [each for item in value if (each := self._read(stack, item)) is not None]
        return value

    def _unknown(self, stack: StackTemplate, function: str, given: Any) -> Unknown | str:
        """Return a function's value: what it is taken from, and the text that it makes of it."""
        taken = sorted(
            {self._named(source) for source in self._assembly.sources(stack, {function: given})}
        )
        # The text has every map, parameter and nested stack's output worked into it.
        text = self._assembly.text(stack, {function: given})
        if not taken and "<" not in text:
            return text
        inner = json.dumps(given, sort_keys=True) if function == "Fn::If" else ""
        return Unknown(f"{_without_titles(text) if taken else text} {taken} {inner}")

    def _named(self, source: Source) -> str:
        name = self._same.get(source.key.stack, source.key.stack)
        mark, change = "", self._found.get(source.key)
        if change and _is_moved(change, source.attribute, is_open=self._is_open):
            mark = f" changed: {change.verdict}"
            self.met.add(change.path)
        return f"{name} {source.key.logical_id} {source.attribute}{mark}"


def _without_titles(text: str) -> str:
    """Return a text without construct paths: a construct's path is not its logical id."""
    kept, depth = [], 0
    for character in text:
        depth += (character == "<") - (character == ">")
        kept.append(character if not depth else "")
    return "".join(kept)


def _is_moved(change: Change, attribute: str, *, is_open: bool) -> bool:
    """Whether a reference to a changed resource gets another value."""
    if change.verdict is Verdict.REPLACED or (attribute and attribute in change.answers):
        return True
    if not is_open:
        return False
    return (attribute and bool({attribute, _EVERY} & change.open_answers)) or (
        change.verdict is Verdict.OPEN and not change.type.startswith("Custom::")
    )


def _sent(value: Any) -> Any:
    """Return properties as the engine gets them: texts, and what a deploy works out as a place."""
    if isinstance(value, Unknown):
        return f"s3://deploy/{value}"
    if isinstance(value, list):
        return [_sent(each) for each in value]
    if isinstance(value, dict):
        return {name: _sent(each) for name, each in value.items()}
    return value if isinstance(value, str) else str(value).lower()


# --- what CloudFormation refuses ----------------------------------------------------------------


def _with_refusals(moves: Moves, found: dict[Key, Change]) -> dict[Key, Change]:
    """Return changes with what CloudFormation would refuse marked."""
    taken = {
        (change.type, name): change.path
        for change in found.values()
        if change.verdict is Verdict.REMOVED and (name := _own_name(moves, change, is_new=False))
    }
    refused = {}
    for key, change in found.items():
        reason = ""
        name = _own_name(moves, change, is_new=True)
        if (
            change.verdict is Verdict.REPLACED
            and name
            and name == _own_name(moves, change, is_new=False)
        ):
            reason = f"it has the name {name}, which its successor cannot have at the same time"
        elif change.verdict is Verdict.ADDED and (change.type, name) in taken:
            other = taken[change.type, name]
            reason = f"the name {name} is still taken by {other}, which goes only afterwards"
        elif change.verdict is Verdict.REPLACED and (user := _importer(moves, key)):
            reason = (
                f"{user} imports a value of it, and CloudFormation lets no export change in use"
            )
        refused[key] = replace(change, refused=change.refused or reason)
    return refused


def _own_name(moves: Moves, change: Change, *, is_new: bool) -> str:
    """Return the name that a template gives to a resource; empty if CloudFormation makes one."""
    assembly = moves.after if is_new else moves.before
    older = {new: old for old, new in moves.same.items()}
    stack = assembly.stacks.get(
        change.key.stack if is_new else older.get(change.key.stack, change.key.stack)
    )
    resource = stack.resources.get(change.key.logical_id) if stack else None
    if not stack or not resource or change.type.startswith("Custom::"):
        return ""
    properties = resource.get("Properties") or {}
    for name in (f"{change.type.rpartition('::')[2]}Name", "Name"):
        fixed, _ = _fixed_properties(change.type)
        if name in properties and f"/properties/{name}" in fixed:
            return assembly.text(stack, properties[name])
    return ""


def _importer(moves: Moves, key: Key) -> str:
    """Return a resource of another stack that imports a value of a resource, before and after."""
    older = {new: old for old, new in moves.same.items()}
    old = Key(older.get(key.stack, key.stack), key.logical_id)
    users = [_users(moves.before, old), _users(moves.after, key)]
    shared = sorted(users[0] & users[1])
    return shared[0] if shared else ""


def _users(assembly: Assembly, key: Key) -> set[str]:
    exported = {
        name
        for name, (stack, value) in assembly.exports.items()
        if stack.name == key.stack and key in {s.key for s in assembly.sources(stack, value)}
    }
    return {
        assembly.title(user)
        for user, resource in assembly.resources()
        if user.stack != key.stack
        and exported & set(_imports(assembly, assembly.stacks[user.stack], resource))
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
