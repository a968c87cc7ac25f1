"""Run a state machine as Step Functions would, on virtual time, and refuse what AWS would refuse.

Only what the engine's machine uses is known; anything else is an error, so that a new field of
the definition cannot go unnoticed. Source: Amazon States Language specification, and the
developer guide's pages on error handling and quotas.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

Json = dict[str, Any]

MAX_PAYLOAD_BYTES = 256 * 1024
NEVER_CAUGHT = {"States.Runtime", "States.DataLimitExceeded"}  # not even by States.ALL
KNOWN = {
    "Task": {
        "Resource",
        "Parameters",
        "TimeoutSeconds",
        "TimeoutSecondsPath",
        "Retry",
        "Catch",
        "Next",
    },
    "Choice": {"Choices", "Default"},
    "Wait": {"SecondsPath", "Next"},
    "Succeed": set(),
}


class TaskFailed(Exception):
    """What a task ends with when it does not succeed.

    Parameters
    ----------
    error, cause
        As Step Functions names them.
    """

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


@dataclass(frozen=True)
class Ended:
    """How an execution ended: SUCCEEDED, FAILED or TIMED_OUT; its output or its error."""

    status: str
    output: Any


Run = Generator[float, None, Ended]


def execute(
    definition: Json,
    given: Json,
    *,
    call: Callable[[str, Json], Any],
    now: Callable[[], float],
    started: str,
    visited: Counter[str] | None = None,
) -> Run:
    """Run an execution. It yields the seconds that pass until it goes on.

    Parameters
    ----------
    definition
        The machine.
    given
        The execution's input.
    call
        Runs a task's resource with a payload; raises TaskFailed.
    now
        The clock.
    started
        The execution's start, as the context object has it.
    visited
        Counts the paths that were taken.
    """
    assert set(definition) <= {"Comment", "StartAt", "TimeoutSeconds", "States"}
    paths: Counter[str] = Counter() if visited is None else visited
    context = {"Execution": {"StartTime": started}}
    until = now() + definition["TimeoutSeconds"]
    name, data = definition["StartAt"], given
    while True:
        state = definition["States"][name]
        assert set(state) - {"Type"} <= KNOWN[state["Type"]], f"{name} has an unknown field"
        assert len(json.dumps(data)) <= MAX_PAYLOAD_BYTES, "States.DataLimitExceeded"
        if now() >= until:
            return Ended("TIMED_OUT", None)  # no Catch sees that
        if state["Type"] == "Succeed":
            return Ended("SUCCEEDED", data)
        if state["Type"] == "Choice":
            name = next((c["Next"] for c in state["Choices"] if holds(c, data)), state["Default"])
        elif state["Type"] == "Wait":
            seconds = path(data, state["SecondsPath"])
            assert type(seconds) is int, f"{name}: AWS waits for integers only, not {seconds!r}"
            assert seconds >= 1
            yield min(seconds, until - now())
            name = state["Next"]
        else:
            payload = parameters(state["Parameters"], data, context)
            if "TimeoutSecondsPath" in state:
                seconds = path(data, state["TimeoutSecondsPath"])
                assert type(seconds) is int, f"{name}: AWS takes integers only, not {seconds!r}"
                assert 1 <= seconds <= 99_999_999
            paths[name] += 1
            invoke = partial(call, state["Resource"], payload)
            outcome = yield from _task(name, state, invoke, paths)
            yield 0.2  # a transition takes its time, also after the answer
            if isinstance(outcome, TaskFailed):
                catcher = _matching(state.get("Catch", []), outcome.error)
                if catcher is None:
                    return Ended("FAILED", outcome)
                paths[f"{name}: Catch {outcome.error}"] += 1
                assert catcher["ResultPath"] == "$.Error"
                data = {**data, "Error": {"Error": outcome.error, "Cause": outcome.cause}}
                name = catcher["Next"]
            else:
                data, name = outcome, state["Next"]


def _task(
    name: str, state: Json, invoke: Callable[[], Any], paths: Counter[str]
) -> Generator[float, None, Any]:
    retried: Counter[int] = Counter()
    rules = state.get("Retry", [])
    while True:
        try:
            return json.loads(json.dumps(invoke()))
        except TaskFailed as failure:
            rule = _matching(rules, failure.error)
            number = rules.index(rule) if rule else -1
            if rule is None or retried[number] >= rule["MaxAttempts"]:
                return failure
            paths[f"{name}: Retry {failure.error}"] += 1
            pause = rule["IntervalSeconds"] * rule["BackoffRate"] ** retried[number]
            yield min(pause, rule.get("MaxDelaySeconds", pause))
            retried[number] += 1


def _matching(rules: list[Json], error: str) -> Json | None:
    for rule in rules:
        names = rule["ErrorEquals"]
        if error in names or ("States.ALL" in names and error not in NEVER_CAUGHT):
            return rule
    return None


def parameters(template: Json, data: Json, context: Json) -> Json:
    """Fill a task's parameters; a path that leads nowhere is an error, as on AWS."""
    filled = {}
    for key, value in template.items():
        if not key.endswith(".$"):
            filled[key] = value
        elif value.startswith("$$."):
            filled[key[:-2]] = path(context, value[1:])
        else:
            filled[key[:-2]] = path(data, value)
    return filled


def holds(rule: Json, data: Json) -> bool:
    """Whether a choice rule holds; a variable that is not there is an error, as on AWS."""
    return path(data, rule["Variable"]) is rule["BooleanEquals"]


def path(data: Any, reference: str) -> Any:
    """Return what a reference path leads to."""
    for part in reference.split(".")[1:]:
        assert part in data, f"States.Runtime: {reference} leads nowhere"
        data = data[part]
    return data
