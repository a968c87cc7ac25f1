"""Whether this release of the engine understands a request."""

from __future__ import annotations

from neo_jobs.actions import Fail
from neo_jobs.cloudformation import Request

PROPERTIES_VERSION = "1"  # the newest shape of the properties that is known here
KNOWN_VERSIONS = (PROPERTIES_VERSION,)


def check_version(request: Request) -> Fail | None:
    """Return why a request cannot be served; a Delete needs no more than the id it names."""
    version = request.properties.get("PropertiesVersion") or PROPERTIES_VERSION
    if request.type == "Delete" or str(version) in KNOWN_VERSIONS:
        return None
    return Fail(
        f"The template has version {version} of the job engine's properties; this engine knows "
        f"{', '.join(KNOWN_VERSIONS)}. Deploy with the release of neo_constructs that wrote it."
    )
