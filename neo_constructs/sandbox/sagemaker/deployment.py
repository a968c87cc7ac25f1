"""The steps in which an endpoint moves to a new fleet, by its DeploymentConfig."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]


def shares(config: Config | None, instances: int) -> list[int]:
    """Return the percentages of requests that the new fleet gets, step by step.

    Examples
    --------
    >>> shares(None, 1)
    [100]
    >>> canary = {"Type": "CANARY", "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10}}
    >>> shares({"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": canary}}, 4)
    [10, 100]
    """
    config = config or {}
    if rolling := config.get("RollingUpdatePolicy"):
        return _equal(_percent(rolling["MaximumBatchSize"], instances))
    routing = (config.get("BlueGreenUpdatePolicy") or {}).get("TrafficRoutingConfiguration", {})
    if routing.get("Type") == "CANARY":
        return [_percent(routing["CanarySize"], instances), 100]
    if routing.get("Type") == "LINEAR":
        return _equal(_percent(routing["LinearStepSize"], instances))
    return [100]


def alarms(config: Config | None) -> list[str]:
    """Return the names of the alarms that make an update go back."""
    rollback = (config or {}).get("AutoRollbackConfiguration") or {}
    return [each["AlarmName"] for each in rollback.get("Alarms", [])]


def _percent(size: Config, instances: int) -> int:
    value = int(size["Value"])
    if size["Type"] == "INSTANCE_COUNT":
        value = round(100 * value / max(instances, 1))
    return min(max(value, 1), 100)


def _equal(step: int) -> list[int]:
    return [*range(step, 100, step), 100]
