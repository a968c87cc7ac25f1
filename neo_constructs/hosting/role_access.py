"""Rights that an endpoint's features need of its models' roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from constructs import Construct, IDependable

from neo_constructs.engine.permissions import extend_role, pasteable, warn
from neo_constructs.engine.statements import Statement
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.hosting.interfaces import IModel


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRights:
    """What a feature of an endpoint needs of every role of its models.

    Parameters
    ----------
    statements
        The rights.
    places
        The ARNs that the rights are about.
    what
        The argument that asks for them.
    wildcards
        Why resources with a ``*`` are right as they are. Default: there are none.
    """

    statements: Sequence[Statement]
    places: Sequence[str]
    what: str
    wildcards: str = ""


def allow_models(
    scope: Construct, models: Sequence[IModel], rights: FeatureRights
) -> list[IDependable]:
    """Give models' roles rights, and return what must be waited for.

    Parameters
    ----------
    scope
        The construct whose feature needs them; warnings are its own.
    models
        Whose roles; one of an imported model may not be known.
    rights
        What they get.
    """
    dependencies: list[IDependable] = []
    for role in dict.fromkeys(model.role for model in models if model.role):
        dependencies += extend_role(
            scope,
            role,
            rights.statements,
            places=rights.places,
            wildcards=rights.wildcards,
        )
    unknown = sorted({model.node.path for model in models if model.role is None})
    if unknown:
        warn(scope, [role_unknown(scope, unknown, rights)])
    return dependencies


def role_unknown(scope: Construct, paths: Sequence[str], rights: FeatureRights) -> Finding:
    """Return what is said where a role is not known that needs rights."""
    return Finding(
        code="model-role-unknown",
        level=Level.WARNING,
        where=rights.what,
        message=f"The role of {', '.join(paths)} is not known. It needs this policy: "
        f"{pasteable(scope, rights.statements)}",
        fix="import the model by Model.from_model_attributes with its role, or add the policy "
        "to the role.",
    )
