"""What serves a model behind an endpoint: instances of one type, or serverless inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from aws_cdk import Token
from aws_cdk import aws_sagemaker as sagemaker

from neo_constructs.catalog.names import RESOURCE_NAME
from neo_constructs.catalog.serverless import CONCURRENCY, MEMORY_SIZES_IN_MB
from neo_constructs.catalog.target import TargetDevice, check_instance_type_name
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.interfaces import IModel
from neo_constructs.typed import check_fields

ALL_TRAFFIC: Final = "AllTraffic"

Rendered: TypeAlias = sagemaker.CfnEndpointConfig.ProductionVariantProperty


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceVariant:
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
        Its share of the traffic, against the sum of all weights; 0 gets none. Default: 1.
    variant_name
        Default: ``AllTraffic``. Several variants need a name each.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``check``.

    Examples
    --------
    >>> InstanceVariant(model=model, instance_type="ml.c5.large")  # doctest: +SKIP
    """

    model: IModel
    instance_type: str
    initial_instance_count: int = 1
    initial_variant_weight: float = 1.0
    variant_name: str = ALL_TRAFFIC

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    def check(self, target: TargetDevice | None, where: str = "") -> list[Finding]:
        """Say what is wrong with it for a model that was compiled for a target.

        Parameters
        ----------
        target
            None if it is not known.
        where
            What findings put before an argument's name. Default: nothing.
        """
        return [
            *check_instances(target, self.instance_type, self.initial_instance_count, where),
            *_check_weight(self.initial_variant_weight, where),
            *_check_name(self.variant_name, where),
        ]

    def render(self) -> Rendered:
        """Return it as CloudFormation has it."""
        return Rendered(
            model_name=self.model.model_name,
            variant_name=self.variant_name,
            instance_type=self.instance_type,
            initial_instance_count=self.initial_instance_count,
            initial_variant_weight=self.initial_variant_weight,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerlessVariant:
    """A model that SageMaker starts when a request comes, on processors that it chooses.

    Serverless inference has no GPU and no accelerator, no network isolation, and one variant alone
    on its endpoint. Source: AWS developer guide, page serverless-endpoints.

    Parameters
    ----------
    model
        What is served.
    memory_size_in_mb
        1024 to 6144, in steps of 1024. Default: 2048.
    max_concurrency
        How many requests it answers at once, 1 to 200. Default: 5.
    provisioned_concurrency
        How many of them it is always ready for. Default: none.
    initial_variant_weight
        Its share of the traffic. Default: 1.
    variant_name
        Default: ``AllTraffic``.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``check``.

    Examples
    --------
    >>> ServerlessVariant(model=model, memory_size_in_mb=4096)  # doctest: +SKIP
    """

    model: IModel
    memory_size_in_mb: int = 2048
    max_concurrency: int = 5
    provisioned_concurrency: int | None = None
    initial_variant_weight: float = 1.0
    variant_name: str = ALL_TRAFFIC

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    def check(self, target: TargetDevice | None, where: str = "") -> list[Finding]:
        """Say what is wrong with it for a model that was compiled for a target; None: unknown."""
        return [
            *_check_processor(target, where),
            *self._check_isolation(where),
            *_check_memory(self.memory_size_in_mb, where),
            *self._check_concurrency(where),
            *_check_weight(self.initial_variant_weight, where),
            *_check_name(self.variant_name, where),
        ]

    def render(self) -> Rendered:
        """Return it as CloudFormation has it."""
        return Rendered(
            model_name=self.model.model_name,
            variant_name=self.variant_name,
            initial_variant_weight=self.initial_variant_weight,
            serverless_config=sagemaker.CfnEndpointConfig.ServerlessConfigProperty(
                max_concurrency=self.max_concurrency,
                memory_size_in_mb=self.memory_size_in_mb,
                provisioned_concurrency=self.provisioned_concurrency,
            ),
        )

    def _check_isolation(self, where: str) -> list[Finding]:
        if not self.model.is_isolated:
            return []
        return [
            Finding(
                code="serverless-isolation",
                where=f"{where}model",
                message="It is cut off from the network, which serverless inference does not do.",
                fix="give the model enable_network_isolation=False.",
            )
        ]

    def _check_concurrency(self, where: str) -> list[Finding]:
        found = []
        most, provisioned = self.max_concurrency, self.provisioned_concurrency
        for name, value in (("max", most), ("provisioned", provisioned)):
            if value is None or Token.is_unresolved(value) or value in CONCURRENCY:
                continue
            found.append(
                Finding(
                    code="serverless-concurrency",
                    where=f"{where}{name}_concurrency",
                    message=f"{value} is given. Allowed: 1 to 200.",
                    fix="serve more requests at once by instances.",
                )
            )
        known = not (Token.is_unresolved(most) or Token.is_unresolved(provisioned))
        if not found and known and provisioned is not None and provisioned > most:
            found.append(
                Finding(
                    code="serverless-concurrency",
                    where=f"{where}provisioned_concurrency",
                    message=f"{provisioned} is given, more than max_concurrency, {most}.",
                    fix="give no more than max_concurrency.",
                )
            )
        return found


Variant: TypeAlias = InstanceVariant | ServerlessVariant


@dataclass(frozen=True, slots=True)
class Instances:
    """Instances for a model that is still to be made; a plan asks for their check."""

    instance_type: str
    count: int

    def check(self, target: TargetDevice | None, where: str, /) -> list[Finding]:
        """Say what is wrong with them for a target."""
        return check_instances(target, self.instance_type, self.count, where)


def check_instances(
    target: TargetDevice | None, instance_type: str, count: int, where: str = ""
) -> list[Finding]:
    """Say what is wrong with serving on these instances; what is known at deploy only is right."""
    found: list[Finding] = []
    if not Token.is_unresolved(instance_type):
        found += (
            target.check_instance_type(instance_type, where=f"{where}instance_type")
            if target
            else check_instance_type_name(instance_type, where=f"{where}instance_type")
        )
    if not Token.is_unresolved(count) and count < 1:
        found.append(
            Finding(
                code="instance-count",
                where=f"{where}initial_instance_count",
                message=f"{count!r} is given. Allowed: a whole number from 1.",
                fix="an endpoint needs at least one instance.",
            )
        )
    return found


def _check_weight(weight: float, where: str) -> list[Finding]:
    if Token.is_unresolved(weight) or weight >= 0:
        return []
    return [
        Finding(
            code="variant-weight",
            where=f"{where}initial_variant_weight",
            message=f"{weight!r} is given. Allowed: a number from 0.",
            fix="leave it out to take an equal share.",
        )
    ]


def _check_name(name: str, where: str) -> list[Finding]:
    if Token.is_unresolved(name) or RESOURCE_NAME.fullmatch(name):
        return []
    return [
        Finding(
            code="variant-name",
            where=f"{where}variant_name",
            message=f"{name!r} is given. Allowed: 1 to 63 letters, digits and inner hyphens.",
            fix=f"leave it out to take {ALL_TRAFFIC}; several variants need a name each.",
        )
    ]


def _check_processor(target: TargetDevice | None, where: str) -> list[Finding]:
    if target is None or target.processor in {None, "cpu"}:
        return []
    return [
        Finding(
            code="serverless-target",
            where=f"{where}model",
            message=f"It was compiled for {target.name!r}; serverless inference has CPUs only.",
            fix="compile it for ml_m5 or ml_c5, or serve it on instances.",
        )
    ]


def _check_memory(size: int, where: str) -> list[Finding]:
    if Token.is_unresolved(size) or size in MEMORY_SIZES_IN_MB:
        return []
    allowed = ", ".join(map(str, MEMORY_SIZES_IN_MB))
    return [
        Finding(
            code="serverless-memory",
            where=f"{where}memory_size_in_mb",
            message=f"{size} is given. Allowed: {allowed}.",
            fix="take one of these.",
        )
    ]
