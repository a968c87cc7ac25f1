"""How many instances each variant has, and its weight: as configured, changed, or retained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]
Capacities: TypeAlias = dict[str, Record]

_COUNT, _WEIGHT = "DesiredInstanceCount", "DesiredWeight"


def configured(variants: Sequence[Mapping[str, Any]]) -> Capacities:
    """Return what a configuration says of its variants."""
    return {
        each["VariantName"]: {
            _COUNT: int(each.get("InitialInstanceCount", 1)),
            _WEIGHT: float(each.get("InitialVariantWeight", 1)),
        }
        for each in variants
    }


def after_update(
    new: Capacities, current: Mapping[str, Record], *, retains: bool, excluded: Sequence[str] = ()
) -> Capacities:
    """Return what an update leaves: the new configuration's, or what the variants had.

    Parameters
    ----------
    new, current
        As the new configuration says, and as it is.
    retains
        ``RetainAllVariantProperties``
    excluded
        The types among ``ExcludeRetainedVariantProperties``.
    """
    if not retains:
        return new
    return {
        name: {
            key: current[name][key] if name in current and key not in excluded else value
            for key, value in of.items()
        }
        for name, of in new.items()
    }


def changed(current: Capacities, asked: Sequence[Mapping[str, Any]]) -> Capacities:
    """Return what UpdateEndpointWeightsAndCapacities makes of them."""
    by_name = {each["VariantName"]: each for each in asked}
    return {
        name: {key: by_name.get(name, {}).get(key, value) for key, value in of.items()}
        for name, of in current.items()
    }


def summary(name: str, of: Mapping[str, Any], *, is_serverless: bool) -> Record:
    """Return a variant as DescribeEndpoint shows it."""
    shown = {
        "VariantName": name,
        "CurrentWeight": of[_WEIGHT],
        "DesiredWeight": of[_WEIGHT],
    }
    if is_serverless:
        return shown
    return {**shown, "CurrentInstanceCount": of[_COUNT], "DesiredInstanceCount": of[_COUNT]}


def weights(capacities: Mapping[str, Record]) -> dict[str, float]:
    """Return each variant's weight."""
    return {name: float(of[_WEIGHT]) for name, of in capacities.items()}
