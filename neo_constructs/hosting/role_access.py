"""Rights that an endpoint's features need of its models' roles."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct, IDependable

from neo_constructs.engine.permissions import extend_role, pasteable, warn
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.hosting.interfaces import IModel


def allow_models(
    scope: Construct,
    models: Sequence[IModel],
    statements: Sequence[iam.PolicyStatement],
    *,
    places: Sequence[str],
    what: str,
) -> list[IDependable]:
    """Give models' roles rights, and return what must be waited for.

    Parameters
    ----------
    scope
        The construct whose feature needs them; warnings are its own.
    models
        Whose roles; one of an imported model may not be known.
    statements
        The rights.
    places
        The ARNs that the rights are about.
    what
        The argument that asks for them.
    """
    dependencies: list[IDependable] = []
    for role in dict.fromkeys(model.role for model in models if model.role):
        dependencies += extend_role(
            scope,
            role,
            statements,
            places=places,
            wildcards="what the endpoint reads and writes below a prefix; SageMaker and clients "
            "make the names",
        )
    unknown = sorted({model.node.path for model in models if model.role is None})
    if unknown:
        warn(scope, [_role_unknown(scope, unknown, statements, what)])
    return dependencies


def _role_unknown(
    scope: Construct, paths: Sequence[str], statements: Sequence[iam.PolicyStatement], what: str
) -> Finding:
    return Finding(
        code="model-role-unknown",
        level=Level.WARNING,
        where=what,
        message=f"The role of {', '.join(paths)} is not known. It needs this policy: "
        f"{pasteable(scope, statements)}",
        fix="import the model by Model.from_model_attributes with its role, or add the policy "
        "to the role.",
    )
