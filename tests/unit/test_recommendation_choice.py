"""The choice among recommendations is a pure rule, whatever order they come in."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neo_jobs.kinds.recommendation_choice import OBJECTIVES, Rule, metric

from neo_constructs.recommender import selection

Json = dict[str, Any]
NAN = float("nan")


def recommended(kind: str, **metrics: float) -> Json:
    return {"Metrics": metrics, "EndpointConfiguration": {"InstanceType": kind}}


SMALL = recommended(
    "ml.c5.large", CostPerHour=0.1, CostPerInference=3e-6, ModelLatency=40, MaxInvocations=500
)
MIDDLE = recommended(
    "ml.c5.xlarge", CostPerHour=0.2, CostPerInference=2e-6, ModelLatency=30, MaxInvocations=1500
)
LARGE = recommended(
    "ml.c5.9xlarge", CostPerHour=1.8, CostPerInference=4e-6, ModelLatency=10, MaxInvocations=9000
)
UNKNOWN = recommended("ml.c5.2xlarge", CostPerHour=0.4, CostPerInference=NAN)
ALL = [SMALL, MIDDLE, LARGE, UNKNOWN]


def chosen(of: list[Json] | None = None, types: tuple[str, ...] = (), **rule: Any) -> str:
    """Return the chosen instance type, the same whatever the order is."""
    given = {"Selection": rule, "CandidateInstanceTypes": list(types)}
    found = {
        str((Rule.of(given).choose(order) or SERVERLESS)["EndpointConfiguration"])
        for order in itertools.permutations(ALL if of is None else of)
    }
    assert len(found) == 1
    best = Rule.of(given).choose(ALL if of is None else of)
    return best["EndpointConfiguration"].get("InstanceType", "serverless") if best else ""


SERVERLESS: Json = {"Metrics": {"CostPerInference": 1e-9}, "EndpointConfiguration": {}}


@pytest.mark.parametrize(
    ("objective", "kind"),
    [
        ("CostPerHour", "ml.c5.large"),
        ("CostPerInference", "ml.c5.xlarge"),
        ("ModelLatency", "ml.c5.9xlarge"),
        ("MaxInvocations", "ml.c5.9xlarge"),
        ("", "ml.c5.xlarge"),
    ],
)
def test_the_best_by_an_objective(objective: str, kind: str) -> None:
    assert chosen(Objective=objective) == kind


def test_limits_come_before_the_objective() -> None:
    assert chosen(Objective="CostPerHour", AtMost={"ModelLatency": "30"}) == "ml.c5.xlarge"
    assert chosen(Objective="CostPerHour", AtLeast={"MaxInvocations": "2000"}) == "ml.c5.9xlarge"
    assert chosen(AtMost={"CostPerHour": "0.15", "CostPerInference": "1"}) == "ml.c5.large"


def test_what_exceeds_the_limits_least_is_better_than_nothing() -> None:
    assert chosen(AtMost={"ModelLatency": "5"}) == "ml.c5.9xlarge"
    assert chosen(AtMost={"ModelLatency": "9", "CostPerHour": "0.09"}) == "ml.c5.xlarge"
    assert chosen(AtLeast={"MaxInvocations": "10000"}) == "ml.c5.9xlarge"


def test_limits_of_nothing() -> None:
    rule = Rule.of(
        {"Selection": {"AtMost": {"CostPerHour": "0"}, "AtLeast": {"ModelLatency": "0"}}}
    )
    assert rule.excess(SMALL) == pytest.approx(0.1)
    assert rule.excess(recommended("x", ModelLatency=-1, CostPerHour=0)) == 1


def test_what_was_not_measured_is_worst() -> None:
    assert metric(UNKNOWN, "CostPerInference") is None
    assert chosen([UNKNOWN, LARGE]) == "ml.c5.9xlarge"
    assert chosen([UNKNOWN, LARGE], AtMost={"ModelLatency": "1"}) == "ml.c5.2xlarge"
    assert chosen([{"EndpointConfiguration": {"InstanceType": "a"}}, UNKNOWN]) == "ml.c5.2xlarge"


def test_of_equal_ones_the_cheaper_then_the_first_by_name() -> None:
    twin = {**SMALL, "EndpointConfiguration": {"InstanceType": "ml.c5.a"}}
    assert chosen([SMALL, twin]) == "ml.c5.a"
    cheaper = recommended("ml.z", CostPerInference=3e-6, CostPerHour=0.05)
    assert chosen([SMALL, cheaper]) == "ml.z"


def test_only_candidates_are_chosen() -> None:
    assert chosen(types=("ml.c5.large", "ml.c5.9xlarge")) == "ml.c5.large"
    assert chosen(types=("ml.p3.2xlarge",)) == ""
    assert chosen([SERVERLESS, SMALL], types=("ml.c5.large",)) == "ml.c5.large"
    assert chosen([SERVERLESS, SMALL]) == "ml.c5.large", "it could not be named otherwise"
    assert chosen([SERVERLESS]) == "serverless"
    assert chosen([]) == ""


MEASURED = st.fixed_dictionaries(
    {"CostPerHour": st.floats(0, 9), "ModelLatency": st.integers(1, 99)}
)


@given(of=st.lists(MEASURED, min_size=1, max_size=6), limit=st.integers(1, 99))
def test_a_limit_that_is_kept_is_never_given_up_for_the_objective(
    of: list[Json], limit: int
) -> None:
    """The choice keeps the limit if anything does, and is then the best."""
    all_of_them = [recommended(f"ml.c5.{n}", **each) for n, each in enumerate(of)]
    asked = {"Objective": "CostPerHour", "AtMost": {"ModelLatency": str(limit)}}
    rule = Rule.of({"Selection": asked})
    best = rule.choose(all_of_them)
    assert best
    keeping = [each for each in all_of_them if each["Metrics"]["ModelLatency"] <= limit]
    if keeping:
        cheapest = min(each["Metrics"]["CostPerHour"] for each in keeping)
        assert best["Metrics"]["CostPerHour"] == cheapest
        assert best in keeping
    assert (rule.excess(best) == 0) == bool(keeping)


def test_the_library_and_the_engine_know_the_same_objectives() -> None:
    assert tuple(OBJECTIVES) == selection.OBJECTIVES
