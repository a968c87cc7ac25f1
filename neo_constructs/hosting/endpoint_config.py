"""The endpoint's configuration: which model, on which instances."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aws_cdk import Resource, Stack, Token
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from neo_constructs.catalog.target import TargetDevice, check_instance_type_name
from neo_constructs.engine.permissions import warn
from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.model import Model
from neo_constructs.typed import check_fields, typed

_VARIANT_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")  # botocore, VariantName


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductionVariant:
    """A model on instances of one type.

    Parameters
    ----------
    model
        What is served.
    instance_type
        Such as ``ml.c5.large``; of the family the model was compiled for.
    initial_instance_count
        Default: 1.
    initial_variant_weight
        Its share of the traffic. Default: 1.
    variant_name
        Default: ``AllTraffic``.
    """

    model: Model
    instance_type: str
    initial_instance_count: int = 1
    initial_variant_weight: float = 1.0
    variant_name: str = "AllTraffic"

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)


class EndpointConfig(Resource):
    """An endpoint configuration.

    It has no name of its own: it cannot change, and a named one could not be replaced.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    production_variants
        Exactly one in this release.
    encryption_key
        Encrypts the instances' storage. Default: SageMaker's own key.

    Attributes
    ----------
    endpoint_config_name, endpoint_config_arn
        Known at deploy.
    production_variants
        As given.

    Raises
    ------
    ValidationError
        If a variant cannot be served.
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        production_variants: Sequence[ProductionVariant],
        encryption_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        found = [*_check(production_variants), *_check_stack(self, production_variants)]
        warn(self, raise_errors(found, subject=self.node.path))
        self.production_variants: Final = tuple(production_variants)
        self._resource = sagemaker.CfnEndpointConfig(
            self,
            "Resource",
            kms_key_id=encryption_key.key_arn if encryption_key else None,
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    model_name=variant.model.model_name,
                    variant_name=variant.variant_name,
                    instance_type=variant.instance_type,
                    initial_instance_count=variant.initial_instance_count,
                    initial_variant_weight=variant.initial_variant_weight,
                )
                for variant in production_variants
            ],
        )
        self.endpoint_config_name: Final[str] = self._resource.attr_endpoint_config_name
        self.endpoint_config_arn: Final[str] = self._resource.ref


def _check(variants: Sequence[ProductionVariant]) -> list[Finding]:
    if len(variants) != 1:
        return [
            Finding(
                code="variant-count",
                where="production_variants",
                message=f"{len(variants)} variants are given; this release serves exactly one.",
                fix="make one endpoint for each.",
            )
        ]
    return [finding for variant in variants for finding in _check_variant(variant)]


def _check_stack(scope: Construct, variants: Sequence[ProductionVariant]) -> list[Finding]:
    """Say whether a model's name would be an export, which could not change while it is used."""
    root = _root(Stack.of(scope))
    return [
        Finding(
            code="model-other-stack",
            where="production_variants",
            message=f"The model is in the stack {other.stack_name!r}, the configuration in "
            f"{root.stack_name!r}. Its name would be an export, and a new model could not replace "
            "it while it is used.",
            fix="put the configuration into the model's stack.",
        )
        for variant in variants
        if (other := _root(Stack.of(variant.model))).node.addr != root.node.addr
    ]


def _root(stack: Stack) -> Stack:
    """Return the stack that a nested one is deployed with."""
    parent = stack.nested_stack_parent
    return _root(parent) if parent else stack


def _check_variant(variant: ProductionVariant) -> list[Finding]:
    found = check_variant(
        variant.model.target,
        variant.instance_type,
        variant.initial_instance_count,
        variant.initial_variant_weight,
    )
    name = variant.variant_name
    if not Token.is_unresolved(name) and not _VARIANT_NAME.fullmatch(name):
        found.append(
            Finding(
                code="variant-name",
                where="variant_name",
                message=f"{name!r} is given. Allowed: 1 to 63 letters, digits and inner hyphens.",
                fix="leave it out to take AllTraffic.",
            )
        )
    return found


def check_variant(
    target: TargetDevice | None, instance_type: str, count: int, weight: float = 1.0
) -> list[Finding]:
    """Say what is wrong with serving on these instances; what is known at deploy only is right.

    Parameters
    ----------
    target
        What the model was compiled for; None if that is not known.
    instance_type, count, weight
        As in ``ProductionVariant``.
    """
    found = []
    if not Token.is_unresolved(instance_type):
        found += (
            target.check_instance_type(instance_type)
            if target
            else check_instance_type_name(instance_type)
        )
    if not Token.is_unresolved(count) and (type(count) is not int or count < 1):
        found.append(
            Finding(
                code="instance-count",
                where="initial_instance_count",
                message=f"{count!r} is given. Allowed: a whole number from 1.",
                fix="an endpoint needs at least one instance.",
            )
        )
    if not Token.is_unresolved(weight) and (not isinstance(weight, int | float) or weight < 0):
        found.append(
            Finding(
                code="variant-weight",
                where="initial_variant_weight",
                message=f"{weight!r} is given. Allowed: a number from 0.",
                fix="leave it out to take all traffic.",
            )
        )
    return found
