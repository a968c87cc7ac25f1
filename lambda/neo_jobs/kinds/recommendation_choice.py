"""The one recommendation that is deployed, of all that a finished job gives.

Pure: the same recommendations and the same rule give the same choice, in whatever order they come.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Recommendation: TypeAlias = Mapping[str, Any]

# What a rule can ask for, and whether less of it is better. Source of the names: API reference,
# RecommendationMetrics; of the units (US dollars, milliseconds, invocations per minute): developer
# guide, page inference-recommender-interpret-results.
# Rests on A-REC-07.
OBJECTIVES: Mapping[str, bool] = {
    "CostPerHour": True,
    "CostPerInference": True,
    "ModelLatency": True,
    "MaxInvocations": False,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """How to choose.

    Parameters
    ----------
    objective
        The metric that is to be best, one of ``OBJECTIVES``.
    at_most, at_least
        Limits of metrics, by their names.
    instance_types
        What may be chosen; empty for anything. A serverless recommendation has no instance type,
        and is chosen only if this is empty and nothing was measured on instances.
    """

    objective: str
    at_most: Mapping[str, float]
    at_least: Mapping[str, float]
    instance_types: frozenset[str]

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> Rule:
        """Read the rule of a custom resource, whose numbers are texts."""
        given = properties.get("Selection") or {}
        return cls(
            objective=given.get("Objective") or "CostPerInference",
            at_most=_numbers(given.get("AtMost") or {}),
            at_least=_numbers(given.get("AtLeast") or {}),
            instance_types=frozenset(properties.get("CandidateInstanceTypes") or ()),
        )

    def excess(self, recommendation: Recommendation) -> float:
        """Return by how much the limits are exceeded, as a share of each; 0 if they are kept.

        What was not measured counts as exceeded by all of the limit.
        """
        over = (_over(metric(recommendation, name), limit) for name, limit in self.at_most.items())
        under = (
            _under(metric(recommendation, name), limit) for name, limit in self.at_least.items()
        )
        return math.fsum((*over, *under))

    def choose(self, recommendations: Sequence[Recommendation]) -> Recommendation | None:
        """Return the best that may be chosen; None if there is none.

        One that keeps all limits comes before one that does not, and one that exceeds them by less
        before one that exceeds them by more: a run that was paid for always leads to a choice.
        Then the objective decides, then the cost of an hour, then the name of the instance type.
        """
        on_instances = [each for each in recommendations if instance_type(each)]
        allowed = [
            each
            for each in on_instances
            # Rests on A-REC-05.
            if not self.instance_types or instance_type(each) in self.instance_types
        ]
        if not on_instances and not self.instance_types:
            allowed = list(recommendations)  # nothing but serverless endpoints was measured
        return min(allowed, key=self._rank, default=None)

    def _rank(self, recommendation: Recommendation) -> tuple[float, float, float, str, str]:
        value = metric(recommendation, self.objective)
        is_less_better = OBJECTIVES.get(self.objective, True)
        worst = math.inf if value is None else value if is_less_better else -value
        cost = metric(recommendation, "CostPerHour")
        return (
            self.excess(recommendation),
            worst,
            math.inf if cost is None else cost,
            instance_type(recommendation),
            json.dumps(recommendation, sort_keys=True),
        )


def metric(recommendation: Recommendation, name: str) -> float | None:
    """Return a metric; None if it was not measured, which the service also says as NaN."""
    value = (recommendation.get("Metrics") or {}).get(name)
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def instance_type(recommendation: Recommendation) -> str:
    """Return the instance type; empty for a serverless endpoint."""
    return str((recommendation.get("EndpointConfiguration") or {}).get("InstanceType") or "")


def _over(value: float | None, limit: float) -> float:
    return 1.0 if value is None else max(0.0, value / limit - 1) if limit else max(0.0, value)


def _under(value: float | None, limit: float) -> float:
    return 1.0 if value is None else max(0.0, 1 - value / limit) if limit else max(0.0, -value)


def _numbers(limits: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(limit) for name, limit in limits.items()}
