"""What a change of an assembly means, in words: what compiles, moves, is replaced or deleted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from neo_constructs.review.assembly import Json, StackTemplate, as_mapping
from neo_constructs.review.cards import (
    APPROVED,
    ARCHIVE,
    COMPILATION,
    CONFIG,
    ENDPOINT,
    RECOMMENDATION,
    EndpointCard,
    endpoint_cards,
)
from neo_constructs.review.changes import Moves, find_changes, match_stacks
from neo_constructs.review.quoting import quoted
from neo_constructs.review.refusals import refused_exports, with_refusals
from neo_constructs.review.values import Assembly, Key
from neo_constructs.review.verdicts import Change, Consequences, Sentence, Verdict

_RUNS: Final = {
    COMPILATION: ("compiles", "does not compile again", "Neo runs for minutes"),
    RECOMMENDATION: ("measures", "measures nothing again", "the run is paid"),
    ARCHIVE: ("is written again", "stays as it is", ""),
}


def consequences(before: Assembly, after: Assembly) -> Consequences:
    """Return what happens if an assembly is deployed after another."""
    moves = match_stacks(before, after)
    found = with_refusals(moves, find_changes(moves))
    changes = tuple(sorted(found.values(), key=lambda change: (change.path, change.key)))
    return Consequences(
        refused=(
            *(Sentence(change.path, change.refused) for change in changes if change.refused),
            *refused_exports(moves, found),
        ),
        jobs=tuple(_jobs(moves, found)),
        endpoints=tuple(_endpoints(moves, found)),
        stacks=tuple(_stacks(moves)),
        changes=changes,
    )


def _stacks(moves: Moves) -> Iterator[Sentence]:
    for name in moves.made:
        yield Sentence(name, "is a new stack")
    for name in moves.gone:
        if moves.before.stacks[name].stack_name:
            text = "is no longer in the assembly; it stays deployed until it is destroyed"
            yield Sentence(name, text)


# --- jobs and archives ---------------------------------------------------------------------------


def _jobs(moves: Moves, found: Mapping[Key, Change]) -> Iterator[Sentence]:
    for key, resource in moves.after.resources(*_RUNS, APPROVED):
        kind, change = resource["Type"], found.get(key)
        yield Sentence(moves.after.title(key), _job_text(kind, change))
    for change in sorted(found.values(), key=lambda change: change.path):
        if change.type in _RUNS and change.verdict in {Verdict.REMOVED, Verdict.RETAINED}:
            yield Sentence(change.path, "is deleted; what still runs is stopped")


def _job_text(kind: str, change: Change | None) -> str:
    if kind == APPROVED:
        looks = change and (change.open_answers or change.verdict is Verdict.ADDED)
        does = "looks for the newest" if looks else "does not look again for the newest"
        return f"{does} approved version of its group"
    return _run_text(kind, change) if change else _RUNS[kind][1]


def _run_text(kind: str, change: Change) -> str:
    runs, stays, costs = _RUNS[kind]
    paid = f" ({costs})" if costs else ""
    if change.verdict is Verdict.ADDED:
        return f"{'is written' if kind == ARCHIVE else runs} for the first time{paid}"
    inputs = ", ".join(change.because)
    why = f": another {inputs}".replace("another the ", "another ") if inputs else ""
    if change.verdict is Verdict.REPLACED:
        return f"{runs}{' again' if kind != ARCHIVE else ''}{paid}{why}"
    if change.verdict is Verdict.OPEN and not change.properties:
        return f"may come, go or run again, decided at deploy by {_listed(change.because)}{paid}"
    if change.verdict is Verdict.OPEN:
        return f"may run again, decided at deploy by {_listed(change.because)}{paid}"
    if kind == RECOMMENDATION and change.open_answers:
        return f"{stays}, and chooses again among what was measured"
    return f"{stays}; {_changing(change)}"


# --- endpoints -----------------------------------------------------------------------------------


def _endpoints(moves: Moves, found: Mapping[Key, Change]) -> Iterator[Sentence]:
    old_cards = {card.path: card for card in endpoint_cards(moves.before)}
    new_cards = {card.path: card for card in endpoint_cards(moves.after)}
    renamed = dict(_renamed(moves, found))
    older = {new: old for old, new in moves.same.items()}
    for key, resource in moves.after.resources(ENDPOINT):
        path, change = moves.after.title(key), found.get(key)
        old_path = moves.before.title(Key(older.get(key.stack, key.stack), key.logical_id))
        yield Sentence(
            path,
            _endpoint_text(
                change, old_cards.get(old_path), new_cards[path], resource, renamed.get(path, "")
            ),
        )
    for change in sorted(found.values(), key=lambda change: change.path):
        if change.type == ENDPOINT and change.verdict in {Verdict.REMOVED, Verdict.RETAINED}:
            is_kept = change.verdict is Verdict.RETAINED
            kept = "stays, and is no longer the stack's"
            gone = "is deleted: callers of its name fail from then on"
            yield Sentence(change.path, kept if is_kept else gone)


def _endpoint_text(
    change: Change | None,
    old: EndpointCard | None,
    new: EndpointCard,
    resource: Json,
    renamed_from: str,
) -> str:
    if change is None:
        return "stays as it is"
    if change.verdict is Verdict.ADDED:
        return _new_endpoint_text(new, renamed_from)
    if change.verdict is Verdict.REPLACED:
        return (
            f"is replaced by an endpoint of another name ({_listed(change.properties)} cannot "
            "change in place): callers must change, and both are running until the old one is "
            "deleted"
        )
    if change.verdict is Verdict.OPEN and not change.properties:
        return f"may come or go, decided at deploy by {_listed(change.because)}"
    if "EndpointConfigName" not in change.properties:
        return f"keeps its instances and its name; {_changing(change)} in place"
    may = "may move" if change.verdict is Verdict.OPEN else "moves"
    when = (
        f", decided at deploy by {_listed(change.because)}"
        if change.verdict is Verdict.OPEN
        else ""
    )
    capacity = _capacity(old, new, as_mapping(resource.get("Properties"))) if old else ""
    return f"{may} in place to a new configuration{when}: its name stays.{capacity}"


def _new_endpoint_text(new: EndpointCard, renamed_from: str) -> str:
    if not renamed_from:
        return f"is new, and starts {_fleet(new)}"
    return (
        f"is a new endpoint: the construct path of {quoted(renamed_from)} is another now, and "
        "to CloudFormation that is another resource. What it serves is made "
        "anew, both are running until the old one is deleted, and callers must change. It "
        f"starts {_fleet(new)}"
    )


# Rests on A-REV-05.
def _capacity(old: EndpointCard, new: EndpointCard, endpoint: Json) -> str:
    """Return how many instances run while an endpoint moves, and for how long at least."""
    given = as_mapping(endpoint.get("DeploymentConfig"))
    rolling = given.get("RollingUpdatePolicy")
    scaled = ", or as many as automatic scaling has set" if new.scaling else ""
    if isinstance(rolling, dict):
        size = as_mapping(rolling.get("MaximumBatchSize"))
        unit = "instances" if size.get("Type") == "INSTANCE_COUNT" else "% of the fleet"
        return (
            f" It moves {size.get('Value')} {unit} at a time: so many more are running "
            f"and count toward the quota, beside {_fleet(old)}{scaled}."
        )
    wait = _waits(given)
    until = f" and for at least {wait} s" if wait else ""
    return (
        f" Capacity doubles: {_fleet(old)} (old) and {_fleet(new)} (new){scaled} run and count "
        f"toward the quota side by side, from the start of the new instances{until} until the old "
        "ones are gone; a new fleet takes minutes to start."
    )


# Rests on A-REV-05.
def _waits(given: Any) -> int:
    """Return for how many seconds both fleets run after the new one has started, at the least.

    Source: SageMaker developer guide, blue/green deployments: a wait after each step of traffic,
    and before the old fleet is terminated.
    """
    blue = (given or {}).get("BlueGreenUpdatePolicy") if isinstance(given, dict) else None
    if not isinstance(blue, dict):
        return 0
    routing = as_mapping(blue.get("TrafficRoutingConfiguration"))
    step = as_mapping(routing.get("LinearStepSize"))
    steps = 1
    try:
        if routing.get("Type") == "LINEAR" and step.get("Type") == "CAPACITY_PERCENT":
            steps = math.ceil(100 / max(1, int(step.get("Value") or 100)))
        wait = int(routing.get("WaitIntervalInSeconds") or 0)
        return wait * steps + int(blue.get("TerminationWaitInSeconds") or 0)
    except (TypeError, ValueError, OverflowError):  # worked out at deploy, or no number
        return 0


def _fleet(card: EndpointCard) -> str:
    return " + ".join(quoted(variant.hardware) for variant in card.variants) or "nothing"


def _renamed(moves: Moves, found: Mapping[Key, Change]) -> Iterator[tuple[str, str]]:
    """Yield the paths of endpoints that come for one that goes and looks the same: new, old."""
    older = {new: old for old, new in moves.same.items()}
    for stack in sorted(set(moves.same.values())):
        here = [c for c in found.values() if c.type == ENDPOINT and c.key.stack == stack]
        come = [change for change in here if change.verdict is Verdict.ADDED]
        gone = [c for c in here if c.verdict in {Verdict.REMOVED, Verdict.RETAINED}]
        shapes = {
            change.path: _shape(moves.before, Key(older[stack], change.key.logical_id))
            for change in gone
        }
        for change in come:
            shape = _shape(moves.after, change.key)
            alike = [path for path, other in shapes.items() if other == shape]
            if len(alike) == 1:
                yield change.path, alike[0]


def _shape(assembly: Assembly, key: Key) -> str:
    """Return what an endpoint's configuration says, the names of resources aside."""
    stack = assembly.stacks[key.stack]
    config = assembly.first(stack, assembly.resource(key), CONFIG)
    return json.dumps(
        _without_ids(stack, assembly.resource(config) if config else {}), sort_keys=True
    )


def _without_ids(stack: StackTemplate, value: Any) -> Any:
    if isinstance(value, str) and value in stack.resources:
        return stack.resources[value].get("Type")
    if isinstance(value, list):
        return [_without_ids(stack, each) for each in value]
    if isinstance(value, dict):
        return {name: _without_ids(stack, each) for name, each in value.items()}
    return value


def _changing(change: Change) -> str:
    """Return what of a resource changes, in a sentence."""
    if not change.properties:
        return "attributes beside its properties change"
    return f"{_listed(change.properties)} change{'s' * (len(change.properties) == 1)}"


def _listed(texts: tuple[str, ...]) -> str:
    return ", ".join(map(quoted, texts)) or "nothing"
