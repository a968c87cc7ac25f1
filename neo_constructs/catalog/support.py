"""Which framework versions Neo compiles for which targets, and where."""

from __future__ import annotations

import re

from neo_constructs.catalog.data_tables import documented, service_model
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import listed, suggestion

# botocore, InputConfig.FrameworkVersion: 3 to 10 characters of this form
_VERSION = re.compile(r"(?=.{3,10}$)[0-9]\.[A-Za-z0-9.]+")


# Rests on A-NEO-16.
def level_for(framework: Framework, target: TargetDevice) -> Level:
    """Return how bad a rule's breach is: made by ``.of``, the value only earns a warning."""
    return Level.ERROR if framework.is_checked and target.is_checked else Level.WARNING


def supported_versions(framework: str, target: TargetDevice) -> tuple[str, ...]:
    """Return the versions (major.minor) of a framework that Neo compiles for a target."""
    return tuple(documented()["support"].get(framework, {}).get(target.processor, ()))


def newest(framework: str, target: TargetDevice) -> Framework:
    """Return a framework with the newest version that Neo compiles for a target.

    For a model file that says its framework and not the version. ONNX, Keras and XGBoost have
    one version each, which is not sent.
    """
    if framework in {"PYTORCH", "TENSORFLOW", "MXNET"}:
        versions = supported_versions(framework, target) or supported_versions(
            framework, TargetDevice.ML_C5
        )
        return Framework(framework, max(versions, key=_order))
    return Framework.parse(framework.lower())


def check(framework: Framework, target: TargetDevice) -> list[Finding]:
    """Say what is wrong with compiling ``framework`` for ``target``.

    Source: AWS developer guide, page neo-supported-cloud.
    """
    if not target.is_known:
        return _check_name(framework)  # there is nothing to say about the two together
    problem = (
        _check_name(framework)
        or _check_target(framework, target)
        or _check_version(framework, target)
    )
    return problem or _check_framework(framework)


def newest_of_older(framework: str, target: TargetDevice) -> str | None:
    """Return the newest version, where Neo compiles that and every older one; else None."""
    if target.processor not in {"cpu", "gpu"}:
        return None
    limit: str | None = documented()["older_versions_too"].get(framework)
    return limit


def supports(framework: Framework, target: TargetDevice) -> bool:
    """Whether Neo compiles a framework's version for a target, whatever ``.of`` lets through."""
    versions = supported_versions(framework.name, target)
    return bool(versions) and not _check_version(framework, target)


def check_region(target: TargetDevice, region: str) -> list[Finding]:
    """Say what is wrong with compiling for ``target`` in ``region``.

    Source: API reference of ``OutputConfig.TargetDevice``.
    """
    allowed = documented()["region_locks"].get(target.name)
    if not allowed or region in allowed:
        return []
    return [
        Finding(
            code="target-region",
            level=Level.ERROR if target.is_checked else Level.WARNING,
            where="region",
            message=(
                f"Neo does not compile for {target.name!r} in {region!r}. "
                f"Allowed: {listed(allowed)}."
            ),
            fix="deploy to that region, or choose another target.",
        )
    ]


def framework_version_to_send(framework: Framework, target: TargetDevice) -> str | None:
    """Return ``InputConfig.FrameworkVersion``: major.minor where Neo accepts it, else None.

    Where the field is not accepted the service refuses the request; where it is accepted and
    left out, the service silently takes a default of its own.
    """
    accepted = documented()["framework_version_field"]["sent"][target.processor]
    return framework.major_minor if framework.name in accepted else None


def _check_name(framework: Framework) -> list[Finding]:
    known = documented()["support"]
    if framework.name in known:
        return []
    in_api = framework.name in service_model()["frameworks"]
    what = "for edge devices only" if in_api else "not at all"
    return [
        Finding(
            code="framework-unknown",
            level=Level.ERROR if framework.is_checked else Level.WARNING,
            where="framework",
            message=f"Neo compiles {framework.name!r} {what}. Allowed: {listed(known)}.",
            fix=suggestion(framework.name, known) or "convert the model to one of these.",
        )
    ]


def _check_target(framework: Framework, target: TargetDevice) -> list[Finding]:
    if supported_versions(framework.name, target):
        return []
    targets = [TargetDevice(name) for name in documented()["processors"]]
    able = [t.name for t in targets if supported_versions(framework.name, t)]
    return [
        Finding(
            code="framework-target",
            level=level_for(framework, target),
            where="framework",
            message=(
                f"Neo does not compile {framework.name} for {target.name!r}. "
                f"Targets for {framework.name}: {listed(able)}."
            ),
            fix="choose one of those targets, or convert the model.",
        )
    ]


def _check_version(framework: Framework, target: TargetDevice) -> list[Finding]:
    versions = supported_versions(framework.name, target)
    sent = framework_version_to_send(framework, target)
    if sent is not None and not _VERSION.fullmatch(sent):
        return [
            Finding(
                code="framework-version-form",
                where="framework",
                message=(
                    f"{sent!r} is no version that the API takes. "
                    "Allowed: one digit, a dot, and more, 3 to 10 characters in all."
                ),
                fix=f"write it as {versions[-1]!r}.",
            )
        ]
    limit = newest_of_older(framework.name, target)
    if limit and _order(framework.version) <= _order(limit):
        return []
    if not limit and framework.major_minor in versions:
        return []
    allowed = f"up to {limit}" if limit else listed(versions)
    given = framework if framework.version else f"{framework.name} without a version"
    return [
        Finding(
            code="framework-version",
            level=level_for(framework, target),
            where="framework",
            message=(
                f"Neo does not compile {given} for {target.name!r}. Allowed versions: {allowed}."
            ),
            fix=f"save the model with {framework.name} {versions[-1]} and declare that version.",
        )
    ]


def _order(version: str | None) -> tuple[int, ...]:
    """Return a version as numbers; one that is none comes after all others."""
    parts = (version or "?").split(".")
    return tuple(int(p) for p in parts) if all(p.isdecimal() for p in parts) else (10**6,)


def _check_framework(framework: Framework) -> list[Finding]:
    doubt = documented()["frameworks"].get(framework.name)
    if not doubt:
        return []
    return [
        Finding(
            code="framework-doubtful",
            level=Level.WARNING,
            where="framework",
            message=f"{doubt['status']}; the documentation still lists it.",
            fix=f"{doubt['instead']}.",
        )
    ]
