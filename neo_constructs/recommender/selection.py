"""How the one recommendation is chosen that is deployed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aws_cdk import Duration

from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed, suggestion
from neo_constructs.hosting.numbers import check_number
from neo_constructs.recommender.load_test import check_milliseconds, milliseconds_of
from neo_constructs.typed import check_fields

# The metrics of a recommendation; lambda/neo_jobs/kinds/recommendation_choice.py chooses by them.
OBJECTIVES: Final = ("CostPerHour", "CostPerInference", "ModelLatency", "MaxInvocations")
_MANY: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationRule:
    """Which recommendation is the best.

    Those that keep all limits come first, and of these the one with the best objective. If none
    keeps them, the one that exceeds them by the least share is taken, and ``meets_limits`` says so:
    a measurement that was paid for is not thrown away. Of equal ones, the cheaper one by the hour
    is taken, then the first by the name of its instance type. A change of the rule chooses anew
    among what was measured, and measures nothing.

    Parameters
    ----------
    objective
        ``CostPerInference``, ``CostPerHour`` and ``ModelLatency`` are best when least,
        ``MaxInvocations`` when most. Default: ``CostPerInference``.
    max_model_latency
        In whole milliseconds. Default: no limit.
    min_invocations
        That an instance must bear in a minute. Default: no limit.
    max_cost_per_hour, max_cost_per_inference
        In US dollars. Default: no limit.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``check``.

    Examples
    --------
    >>> RecommendationRule(objective="CostPerHour", max_model_latency=Duration.millis(50)).render()
    {'Objective': 'CostPerHour', 'AtMost': {'ModelLatency': 50}, 'AtLeast': {}}
    """

    objective: str = "CostPerInference"
    max_model_latency: Duration | None = None
    min_invocations: int | None = None
    max_cost_per_hour: float | None = None
    max_cost_per_inference: float | None = None

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    def check(self, where: str) -> list[Finding]:
        """Say what cannot be chosen by."""
        found = []
        if self.objective not in OBJECTIVES:
            found.append(
                Finding(
                    code="recommender-objective",
                    where=f"{where}.objective",
                    message=f"{self.objective!r} is given. Allowed: {listed(OBJECTIVES)}.",
                    fix=suggestion(self.objective, OBJECTIVES) or "take one of these.",
                )
            )
        for name in ("min_invocations", "max_cost_per_hour", "max_cost_per_inference"):
            value = getattr(self, name)
            if is_unresolved(value):
                found.append(
                    Finding(
                        code="known-at-synth",
                        where=f"{where}.{name}",
                        message="It is known only at deploy.",
                        fix="give a number that is known at synth.",
                    )
                )
            else:
                found += check_number(value, f"{where}.{name}", 0, _MANY)
        return [*found, *check_milliseconds(self.max_model_latency, f"{where}.max_model_latency")]

    def render(self) -> dict[str, Any]:
        """Return it as the job engine has it."""
        at_most = {
            # Rests on A-REC-07.
            "ModelLatency": milliseconds_of(self.max_model_latency),
            "CostPerHour": self.max_cost_per_hour,
            "CostPerInference": self.max_cost_per_inference,
        }
        at_least = {"MaxInvocations": self.min_invocations}
        return {
            "Objective": self.objective,
            "AtMost": _given(at_most),
            "AtLeast": _given(at_least),
        }


def _given(limits: dict[str, Any]) -> dict[str, Any]:
    return {name: limit for name, limit in limits.items() if limit is not None}
