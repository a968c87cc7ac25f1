"""What CloudFormation would do to each resource if one assembly followed another.

By CloudFormation's registry schemas, as cfn-lint ships them, and for the engine's resources by the
engine's own functions. A replaced resource has another name, which changes what refers to it, and
that change may be a replacement too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from cfnlint.schema.manager import ResourceNotFoundError

from neo_constructs.review import engine_inputs
from neo_constructs.review.assembly import NESTED, Json, StackTemplate
from neo_constructs.review.reading import CONDITION, Reader, Unknown
from neo_constructs.review.values import Assembly, Key
from neo_constructs.review.verdicts import EVERY, Change, Verdict

# Rests on A-REC-01.
_KEEPS: Final = ("Retain", "RetainExceptOnCreate")


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
    same, free = dict[str, str](), list(after.roots)
    # Two stages may have stacks of one name, of which only a deploy says where they are.
    for is_alike in (_is_same_path, _is_same_place, _may_be_same_place):
        for stack in before.roots:
            found = [] if stack.name in same else [each for each in free if is_alike(stack, each)]
            if len(found) == 1:
                same |= _with_nested(stack, found[0])
                free.remove(found[0])
    return Moves(before, after, same)


def _is_same_path(one: StackTemplate, other: StackTemplate) -> bool:
    return one.name == other.name and _is_same_place(one, other)


def _is_same_place(one: StackTemplate, other: StackTemplate) -> bool:
    return _place(one) == _place(other)


def _may_be_same_place(one: StackTemplate, other: StackTemplate) -> bool:
    """Whether two stacks have one name, and where one says no place the other may say it."""
    pairs = zip(_place(one), _place(other), strict=True)
    return one.stack_name == other.stack_name and all(a == b or not (a and b) for a, b in pairs)


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
            return found
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
            is_kept = _is_nested_in_kept(moves.before, name)
            for logical_id in moves.before.stacks[name].resources:
                key, change = _removed(moves, Key(name, logical_id), Key(name, logical_id))
                yield key, replace(change, verdict=Verdict.RETAINED) if is_kept else change


def _is_nested_in_kept(assembly: Assembly, name: str) -> bool:
    """Whether a nested stack, or one around it, is kept when its resource goes."""
    around = assembly.parent(name)
    if around is None:
        return False
    stack, logical_id = around
    is_kept = stack.resources[logical_id].get("DeletionPolicy") in _KEEPS
    return is_kept or _is_nested_in_kept(assembly, stack.name)


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
    was = Reader(moves.before, moves.same, {}, is_open=False).properties(old, before)
    sure = Reader(moves.after, {}, found, is_open=False).properties(new, after)
    reader = Reader(moves.after, {}, found, is_open=True)
    maybe = reader.properties(new, after)
    attributes = ("DeletionPolicy", "UpdateReplacePolicy", "CreationPolicy", "UpdatePolicy")
    if was == maybe:
        is_attribute = any(before.get(name) != after.get(name) for name in attributes)
        return (
            Change(key=key, path=path, type=kind, verdict=Verdict.UPDATED) if is_attribute else None
        )
    if CONDITION in {**was, **maybe} and was.get(CONDITION) != maybe.get(CONDITION):
        return Change(key=key, path=path, type=kind, verdict=Verdict.OPEN, because=("a condition",))
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
    fixed, by_case = fixed_properties(kind)
    # Rests on A-REV-01.
    if any(_differs(was, sure, path) for path in fixed):
        return replace(change, verdict=Verdict.REPLACED)
    is_open = any(_differs(was, maybe, path) for path in (*fixed, *by_case)) or was == sure
    others = kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource"
    return replace(
        change,
        verdict=Verdict.OPEN if is_open else Verdict.UPDATED,
        # Somebody else's handler may answer anything; an attribute named as a property follows it.
        answers=frozenset(n for n in maybe if was.get(n) != maybe[n]),
        open_answers=frozenset({EVERY}) if others else frozenset(),
    )


def _judged_by_engine(change: Change, kind: str, was: Json, sure: Json, maybe: Json) -> Change:
    try:
        verdict = engine_inputs.compare(kind, _sent(was), _sent(sure))
        open_verdict = engine_inputs.compare(kind, _sent(was), _sent(maybe))
    except (KeyError, TypeError, ValueError, AttributeError):
        # Not written by this library, or by a version of another form.
        return replace(change, verdict=Verdict.OPEN, open_answers=frozenset({EVERY}))
    if verdict.is_another:
        return replace(change, verdict=Verdict.REPLACED, because=verdict.differs_in)
    if open_verdict.is_another:
        return replace(
            change,
            verdict=Verdict.OPEN,
            because=open_verdict.differs_in,
            open_answers=frozenset({EVERY}),
        )
    return replace(
        change,
        verdict=Verdict.OPEN if was == sure else Verdict.UPDATED,
        answers=verdict.new_answers,
        open_answers=open_verdict.open_answers | open_verdict.new_answers,
    )


# Rests on A-REV-01.
def fixed_properties(kind: str) -> tuple[list[str], list[str]]:
    """Return the properties that only a new resource can change, and those that may need one."""
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    except ResourceNotFoundError:
        return [], ["/properties/*"]
    fixed = schema.get("createOnlyProperties") or []
    return list(fixed), list(schema.get("conditionalCreateOnlyProperties") or [])


def identifier(kind: str) -> list[str]:
    """Return the properties that tell resources of a type apart in an account and region."""
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    except ResourceNotFoundError:
        return []
    return list(schema.get("primaryIdentifier") or [])


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


def _sent(value: Any) -> Any:
    """Return properties as the engine gets them: texts, and what a deploy works out as a place."""
    if isinstance(value, Unknown):
        return f"s3://deploy/{value}"
    if isinstance(value, list):
        return [_sent(each) for each in value]
    if isinstance(value, dict):
        return {name: _sent(each) for name, each in value.items()}
    return value if isinstance(value, str) else str(value).lower()
