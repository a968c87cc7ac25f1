"""All probes, each by the id of its assumption."""

from __future__ import annotations

from typing import Final

from neo_constructs.verification.probe import Probe
from neo_constructs.verification.probes import (
    custom_resources,
    endpoints,
    executions,
    failing_jobs,
    jobs,
    objects,
    quotas,
    roles,
)

_MODULES: Final = (
    custom_resources,
    endpoints,
    executions,
    failing_jobs,
    jobs,
    objects,
    quotas,
    roles,
)
PROBES: Final[tuple[Probe, ...]] = tuple(
    sorted((p for module in _MODULES for p in module.PROBES), key=lambda probe: probe.id)
)
