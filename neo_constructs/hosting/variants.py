"""What serves a model behind an endpoint: instances of one type, or serverless inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from aws_cdk import Duration
from aws_cdk import aws_sagemaker as sagemaker

from neo_constructs.catalog.instance_types import has_local_storage, is_arm
from neo_constructs.catalog.names import RESOURCE_NAME
from neo_constructs.catalog.serverless import CONCURRENCY, MEMORY_SIZES_IN_MB
from neo_constructs.catalog.target import TargetDevice, check_instance_type_name
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed, suggestion
from neo_constructs.hosting.instance_type_choice import InstanceTypeChoice, possible_types
from neo_constructs.hosting.interfaces import IModel
from neo_constructs.hosting.model_feature import NOT_SERVERLESS, ModelFeature
from neo_constructs.hosting.numbers import check_number, check_seconds, seconds_of
from neo_constructs.typed import check_fields

ALL_TRAFFIC: Final = "AllTraffic"

# botocore, ProductionVariantModelDataDownloadTimeoutInSeconds and
# ProductionVariantContainerStartupHealthCheckTimeoutInSeconds, ProductionVariantVolumeSizeInGB.
START_SECONDS: Final = (60, 3600)
_VOLUME_GB: Final = (1, 512)
ROUTING_STRATEGIES: Final = ("LEAST_OUTSTANDING_REQUESTS", "RANDOM", "PREFIX_AWARE")  # botocore

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
    model_data_download_timeout
        How long the artifact may take to arrive, 1 to 60 minutes. Default: SageMaker's.
    container_startup_health_check_timeout
        How long the container may take to answer its first ping, 1 to 60 minutes. Default:
        SageMaker's.
    volume_size_in_gb
        The instance's EBS volume, 1 to 512; refused where the instance has storage of its own.
        Default: SageMaker's choice.
    routing_strategy
        ``LEAST_OUTSTANDING_REQUESTS``, ``RANDOM`` or ``PREFIX_AWARE``: which instance gets a
        request. Default: SageMaker's, random.
    inference_ami_version
        The system of the instances, such as ``al2-ami-sagemaker-inference-gpu-2``. Default:
        SageMaker's choice.

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
    model_data_download_timeout: Duration | None = None
    container_startup_health_check_timeout: Duration | None = None
    volume_size_in_gb: int | None = None
    routing_strategy: str | None = None
    inference_ami_version: str | None = None

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
            *_check_instances(target, self.instance_type, self.initial_instance_count, where),
            *_check_weight(self.initial_variant_weight, where),
            *_check_name(self.variant_name, where),
            *check_seconds(
                self.model_data_download_timeout,
                f"{where}model_data_download_timeout",
                *START_SECONDS,
            ),
            *check_seconds(
                self.container_startup_health_check_timeout,
                f"{where}container_startup_health_check_timeout",
                *START_SECONDS,
            ),
            *_check_volume(self.volume_size_in_gb, self.instance_type, where),
            *_check_choice(self.routing_strategy, f"{where}routing_strategy", ROUTING_STRATEGIES),
            *self._check_architecture(where),
        ]

    def render(self) -> Rendered:
        """Return it as CloudFormation has it."""
        return Rendered(
            model_name=self.model.model_name,
            variant_name=self.variant_name,
            instance_type=self.instance_type,
            # Rests on A-HOST-07.
            initial_instance_count=self.initial_instance_count,
            initial_variant_weight=self.initial_variant_weight,
            model_data_download_timeout_in_seconds=seconds_of(self.model_data_download_timeout),
            container_startup_health_check_timeout_in_seconds=seconds_of(
                self.container_startup_health_check_timeout
            ),
            volume_size_in_gb=self.volume_size_in_gb,
            routing_config=(
                sagemaker.CfnEndpointConfig.RoutingConfigProperty(
                    routing_strategy=self.routing_strategy
                )
                if self.routing_strategy
                else None
            ),
            inference_ami_version=self.inference_ami_version,
        )

    def _check_architecture(self, where: str) -> list[Finding]:
        return [
            Finding(
                code="instance-type-architecture",
                where=f"{where}instance_type",
                message=f"{kind!r} has ARM processors, and the model's image is for x86.",
                fix="take an instance type such as ml.c5.large, or an image for ARM.",
            )
            for kind in possible_types(self.instance_type)
            if self.model.is_x86 and is_arm(kind)
        ]


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
            *self._check_model(where),
            *check_memory(self.memory_size_in_mb, where),
            *check_concurrency(self.max_concurrency, self.provisioned_concurrency, where),
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

    # Rests on A-HOST-01.
    def _check_model(self, where: str) -> list[Finding]:
        """Source: AWS developer guide, page serverless-endpoints, Feature exclusions."""
        found = []
        if self.model.is_isolated:
            found.append(
                Finding(
                    code="serverless-isolation",
                    where=f"{where}model",
                    message="It is cut off from the network, which serverless inference does not "
                    "do.",
                    fix="give the model enable_network_isolation=False.",
                )
            )
        if excluded := sorted(self.model.features & NOT_SERVERLESS):
            found.append(
                Finding(
                    code="serverless-feature",
                    where=f"{where}model",
                    message=f"It has {listed(excluded)}, which serverless inference does not take.",
                    fix="make a model without it, or serve it on instances.",
                )
            )
        return found


Variant: TypeAlias = InstanceVariant | ServerlessVariant


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """A model that is still to be made, for the checks of what is to serve it.

    Parameters
    ----------
    is_isolated, features
        As the model will be. Default: False, none.
    """

    is_isolated: bool = False
    features: frozenset[ModelFeature] = frozenset()
    is_x86: bool = False  # the target says what it runs on
    env: None = None
    model_name: str = ""
    model_arn: str = ""
    role: None = None
    compilation_job: None = None
    image_uri: None = None
    target: None = None


def _check_instances(
    target: TargetDevice | None, instance_type: str, count: int, where: str = ""
) -> list[Finding]:
    """Say what is wrong with serving on these instances; what is known at deploy only is right."""
    found: list[Finding] = []
    for each in possible_types(instance_type):
        found += (
            target.check_instance_type(each, where=f"{where}instance_type")
            if target
            else check_instance_type_name(each, where=f"{where}instance_type")
        )
    if target and isinstance(instance_type, InstanceTypeChoice) and not instance_type.candidates:
        found.append(
            Finding(
                code="instance-type-candidates",
                where=f"{where}instance_type",
                message="It is chosen at deploy among instance types that are not known, and the "
                f"model is compiled for {target.name!r} alone.",
                fix="give the recommendations job instance_types of the target's family, such as "
                f"{listed(target.instance_types[:2])}.",
            )
        )
    if not is_unresolved(count) and count < 1:
        found.append(
            Finding(
                code="instance-count",
                where=f"{where}initial_instance_count",
                message=f"{count!r} is given. Allowed: a whole number from 1.",
                fix="an endpoint needs at least one instance.",
            )
        )
    return found


def _check_volume(size: int | None, instance_type: str, where: str = "") -> list[Finding]:
    """Say if an instance cannot have a volume of a size."""
    found = check_number(size, f"{where}volume_size_in_gb", *_VOLUME_GB, unit="GB")
    found += [
        Finding(
            code="local-storage",
            where=f"{where}volume_size_in_gb",
            message=f"{each!r} has storage of its own, of a fixed size.",
            fix="leave it out, or take an instance type without storage of its own.",
        )
        for each in possible_types(instance_type)
        if size is not None and has_local_storage(each)
    ]
    return found


def _check_choice(value: str | None, where: str, allowed: Sequence[str]) -> list[Finding]:
    if value is None or is_unresolved(value) or value in allowed:
        return []
    return [
        Finding(
            code="variant-choice",
            where=where,
            message=f"{value!r} is given. Allowed: {listed(allowed)}.",
            fix=suggestion(value, allowed) or "leave it out to take SageMaker's own.",
        )
    ]


def _check_weight(weight: float, where: str) -> list[Finding]:
    if is_unresolved(weight) or weight >= 0:
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
    if is_unresolved(name) or RESOURCE_NAME.fullmatch(name):
        return []
    return [
        Finding(
            code="variant-name",
            where=f"{where}variant_name",
            message=f"{name!r} is given. Allowed: 1 to 63 letters, digits and inner hyphens.",
            fix=f"leave it out to take {ALL_TRAFFIC}; several variants need a name each.",
        )
    ]


# Rests on A-HOST-01.
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


def check_concurrency(most: int, provisioned: int | None, where: str = "") -> list[Finding]:
    """Say if a serverless variant cannot have these concurrencies."""
    found = []
    for name, value in (("max", most), ("provisioned", provisioned)):
        if value is None or is_unresolved(value) or value in CONCURRENCY:
            continue
        found.append(
            Finding(
                code="serverless-concurrency",
                where=f"{where}{name}_concurrency",
                message=f"{value} is given. Allowed: 1 to 200.",
                fix="serve more requests at once by instances.",
            )
        )
    known = not (is_unresolved(most) or is_unresolved(provisioned))
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


def check_memory(size: int, where: str) -> list[Finding]:
    """Say if serverless inference has no such memory."""
    if is_unresolved(size) or size in MEMORY_SIZES_IN_MB:
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
