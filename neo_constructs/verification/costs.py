"""How long a run takes, and about what it costs, with the arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from neo_constructs.verification.probe import Probe
from neo_constructs.verification.stack_names import BASE, SERVED

# us-east-1, on demand, hosting on ml.c5.large, as remembered of SageMaker's pricing page, which was
# not looked up. Other regions cost up to twice as much. Compilation jobs are free of charge.
DOLLARS_PER_HOUR: Final = 0.102
# What a stack takes to be deployed, from the figures of the AWS developer guide: a job of five to
# fifteen minutes, an endpoint of five to ten, and their removal.
DEPLOY_MINUTES: Final = {BASE: 4.0, **dict.fromkeys(SERVED, 25.0)}
REMOVE_MINUTES: Final = 8.0
# A key of KMS for the day that it lives, requests, and some megabytes.
REST_DOLLARS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run takes."""

    minutes: float
    dollars: float
    arithmetic: str


def estimate(probes: Iterable[Probe], stacks: Iterable[str]) -> Estimate:
    """Return what a run takes: stacks side by side, then probes side by side.

    Parameters
    ----------
    probes
        Those that are run.
    stacks
        Those that are deployed.
    """
    chosen, deployed = list(probes), list(stacks)
    deploy = sum(
        max((DEPLOY_MINUTES[name] for name in wave), default=0.0)
        for wave in ([n for n in deployed if n == BASE], [n for n in deployed if n != BASE])
    )
    longest = max((probe.minutes for probe in chosen), default=0.0)
    minutes = deploy + longest + (REMOVE_MINUTES if deployed else 0.0)
    served = [name for name in deployed if name in SERVED]
    hours = (DEPLOY_MINUTES[SERVED[0]] + longest + REMOVE_MINUTES) / 60
    endpoints = len(served) * hours * DOLLARS_PER_HOUR
    own = sum(probe.dollars for probe in chosen)
    dollars = endpoints + own + (REST_DOLLARS if deployed else 0.0)
    return Estimate(
        minutes,
        dollars,
        f"{deploy:.0f} min of deploys + {longest:.0f} min, the longest probe + "
        f"{REMOVE_MINUTES:.0f} min of removal; {len(served)} endpoints x {hours:.2f} h x "
        f"${DOLLARS_PER_HOUR} + ${own:.2f} of single probes + ${REST_DOLLARS} for the rest",
    )
