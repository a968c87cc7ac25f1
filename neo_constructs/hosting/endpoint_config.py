"""The endpoint's configuration: which models, on what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import jsii
from aws_cdk import Fn, IStableAnyProducer, Lazy, Resource, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct, IConstruct, IValidation

from neo_constructs.engine.permissions import warn
from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.variant_rules import check_variants
from neo_constructs.hosting.variants import Rendered, Variant
from neo_constructs.typed import typed


class EndpointConfig(Resource):
    """An endpoint configuration.

    It has no name of its own: it cannot change, and a named one could not be replaced.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    production_variants
        What answers requests: values of ``InstanceVariant``, or one ``ServerlessVariant``. More
        can be added. Default: none yet.
    encryption_key
        Encrypts the instances' storage. Default: SageMaker's own key.

    Attributes
    ----------
    endpoint_config_name, endpoint_config_arn
        Known at deploy.
    production_variants
        What answers requests.

    Raises
    ------
    ValidationError
        If a variant cannot be served. What is wrong with all of them together is said when the
        app is synthesized.

    Examples
    --------
    >>> config = EndpointConfig(stack, "Config")  # doctest: +SKIP
    >>> config.add_production_variant(InstanceVariant(model=a, instance_type="ml.c5.large"))
    ... # doctest: +SKIP
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        production_variants: Sequence[Variant] = (),
        encryption_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._variants: list[Variant] = []
        several = len(production_variants) > 1
        found = [
            finding
            for variant in production_variants
            for finding in _check(self, variant, is_one_of_several=several)
        ]
        warn(self, raise_errors(found, subject=self.node.path))
        self._variants += production_variants
        self._resource = sagemaker.CfnEndpointConfig(
            self,
            "Resource",
            kms_key_id=encryption_key.key_arn if encryption_key else None,
            production_variants=Lazy.any(_RenderedVariants(self._variants)),
        )
        self.node.add_validation(_WholeCheck(self._variants))
        self.endpoint_config_name: Final[str] = self._resource.attr_endpoint_config_name
        self.endpoint_config_arn: Final[str] = self._resource.ref

    @staticmethod
    @typed
    def from_endpoint_config_name(
        scope: Construct, construct_id: str, endpoint_config_name: str
    ) -> ImportedEndpointConfig:
        """Return a configuration that is there already."""
        return ImportedEndpointConfig(scope, construct_id, name=endpoint_config_name)

    @staticmethod
    @typed
    def from_endpoint_config_arn(
        scope: Construct, construct_id: str, endpoint_config_arn: str
    ) -> ImportedEndpointConfig:
        """Return a configuration that is there already."""
        name = Fn.select(1, Fn.split("/", endpoint_config_arn))
        return ImportedEndpointConfig(scope, construct_id, name=name)

    @property
    def production_variants(self) -> tuple[Variant, ...]:
        """What answers requests."""
        return tuple(self._variants)

    @typed
    def add_production_variant(self, variant: Variant) -> None:
        """Let a variant more answer requests.

        Raises
        ------
        ValidationError
            If it cannot be served.
        """
        found = _check(self, variant, is_one_of_several=True)
        warn(self, raise_errors(found, subject=self.node.path))
        self._variants.append(variant)


class ImportedEndpointConfig(Resource):
    """A configuration that is there already; see ``EndpointConfig.from_endpoint_config_name``."""

    def __init__(self, scope: Construct, construct_id: str, *, name: str) -> None:
        super().__init__(scope, construct_id)
        self.endpoint_config_name: Final = name
        self.endpoint_config_arn: Final = Stack.of(self).format_arn(
            service="sagemaker", resource="endpoint-config", resource_name=name
        )


@jsii.implements(IStableAnyProducer)
class _RenderedVariants:
    """The variants as CloudFormation has them, once all are there."""

    def __init__(self, variants: list[Variant]) -> None:
        self._variants = variants

    def produce(self) -> list[Rendered]:
        return [variant.render() for variant in self._variants]


@jsii.implements(IValidation)
class _WholeCheck:
    """What is wrong with all variants together, once all are there."""

    def __init__(self, variants: list[Variant]) -> None:
        self._variants = variants

    def validate(self) -> list[str]:
        return [str(finding) for finding in check_variants(self._variants)]


def _check(scope: Construct, variant: Variant, *, is_one_of_several: bool) -> list[Finding]:
    where = f"variant {variant.variant_name!r}, " if is_one_of_several else ""
    return [*variant.check(variant.model.target, where), *_check_stack(scope, variant, where)]


def _check_stack(scope: Construct, variant: Variant, where: str) -> list[Finding]:
    """Say whether a model's name would be an export, which could not change while it is used."""
    mine, other = _root(scope), _root(variant.model)
    if mine.node.addr == other.node.addr:
        return []
    return [
        Finding(
            code="model-other-stack",
            where=f"{where}model",
            message=f"The model is in the stack {other.stack_name!r}, the configuration in "
            f"{mine.stack_name!r}. Its name would be an export, and a new model could not replace "
            "it while it is used.",
            fix="put the model into the configuration's stack; its compilation job may be in "
            "another.",
        )
    ]


def _root(scope: IConstruct) -> Stack:
    """Return the stack that a construct is deployed with, around nested ones."""
    stack = Stack.of(scope)
    while stack.nested_stack_parent:
        stack = stack.nested_stack_parent
    return stack
