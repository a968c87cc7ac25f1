"""What an account may have: quotas that a deploy meets."""

from __future__ import annotations

from typing import Any, Final

from neo_constructs.verification.answers import Answer, compared, unknown
from neo_constructs.verification.kit import Kit
from neo_constructs.verification.probe import Probe

# Service Quotas' names, and what a deploy of one compiled endpoint asks for: an update runs both
# fleets side by side.
NEEDED: Final = {
    "ml.c5.large for endpoint usage": 2.0,
    "Number of instances across active endpoints": 2.0,
}


def quotas(kit: Kit) -> Answer:
    """A-NEO-17."""
    seen = dict[str, Any]()
    pages = kit.client("service-quotas").get_paginator("list_service_quotas")
    for page in pages.paginate(ServiceCode="sagemaker"):
        for quota in page["Quotas"]:
            if quota["QuotaName"] in NEEDED or "ompilation" in quota["QuotaName"]:
                seen[quota["QuotaName"]] = quota["Value"]
    if not set(NEEDED) & set(seen):
        return unknown("Service Quotas names none of those that are looked for.", quotas=seen)
    low = [f"{name} is {seen[name]:g}" for name in NEEDED if seen.get(name, 1e9) < NEEDED[name]]
    said = f"Too low for an update: {'; '.join(low)}." if low else "High enough for an update."
    return compared(not low, said, quotas=seen, needed=NEEDED)


PROBES: Final = (
    Probe(
        id="A-NEO-17",
        does="Reads the account's quotas of instances and jobs.",
        run=quotas,
        minutes=1,
        stacks=(),
    ),
)
