"""Which framework versions Neo compiles for which targets."""

from __future__ import annotations

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.tables import documented
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings import Finding, Level, listed


def supported_versions(framework: str, target: TargetDevice) -> tuple[str, ...]:
    """Return the versions (major.minor) of a framework that Neo compiles for a target."""
    return tuple(documented()["support"].get(framework, {}).get(target.processor, ()))


def check(framework: Framework, target: TargetDevice) -> list[Finding]:
    """Say what is wrong with compiling ``framework`` for ``target``.

    Source: AWS developer guide, page neo-supported-cloud. A framework or a target made by
    ``.of`` turns the errors into warnings.
    """
    level = Level.ERROR if framework.is_checked and target.is_known else Level.WARNING
    versions = supported_versions(framework.name, target)
    if not versions:
        targets = [TargetDevice(name) for name in documented()["processors"]]
        able = [t.name for t in targets if supported_versions(framework.name, t)]
        return [
            Finding(
                code="framework-target",
                level=level,
                where="framework",
                message=(
                    f"Neo does not compile {framework.name} for {target.name!r}. "
                    f"Targets for {framework.name}: {listed(able)}."
                ),
                fix="choose one of those targets, or convert the model.",
            )
        ]
    if framework.major_minor in versions:
        return []
    return [
        Finding(
            code="framework-version",
            level=level,
            where="framework",
            message=(
                f"Neo does not compile {framework} for {target.name!r}. "
                f"Allowed versions: {listed(versions)}."
            ),
            fix=f"save the model with {framework.name} {versions[-1]} and declare that version.",
        )
    ]


def framework_version_to_send(framework: Framework, target: TargetDevice) -> str | None:
    """Return ``InputConfig.FrameworkVersion``: major.minor where Neo accepts it, else None.

    Where the field is not accepted the service refuses the request; where it is accepted and
    left out, the service silently takes a default of its own.
    """
    accepted = documented()["framework_version_field"]["sent"][target.processor]
    return framework.major_minor if framework.name in accepted else None
