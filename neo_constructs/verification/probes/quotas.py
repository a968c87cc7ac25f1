"""What an account may have: quotas that a deploy meets."""

from __future__ import annotations

from typing import Final

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
    """Read the account's quotas of instances and jobs (A-NEO-17)."""
    # What was never changed for an account may be among the defaults only.
    seen = {
        **_listed(kit, "list_aws_default_service_quotas"),
        **_listed(kit, "list_service_quotas"),
    }
    missing = [name for name in NEEDED if name not in seen]
    if missing:
        return unknown(f"Service Quotas does not name {', '.join(missing)}.", quotas=seen)
    low = [f"{name} is {seen[name]:g}" for name in NEEDED if seen[name] < NEEDED[name]]
    said = f"Too low for an update: {'; '.join(low)}." if low else "High enough for an update."
    return compared(not low, said, quotas=seen, needed=NEEDED)


def _listed(kit: Kit, operation: str) -> dict[str, float]:
    pages = kit.client("service-quotas").get_paginator(operation).paginate(ServiceCode="sagemaker")
    return {
        quota["QuotaName"]: float(quota["Value"])
        for page in pages
        for quota in page["Quotas"]
        if quota["QuotaName"] in NEEDED
        or "compilation" in quota["QuotaName"].lower()  # told, not judged
    }


PROBES: Final = (
    Probe(
        id="A-NEO-17",
        does="Reads the account's quotas of instances and jobs.",
        run=quotas,
        minutes=1,
        stacks=(),
    ),
)
