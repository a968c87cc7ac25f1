"""A hardware that a model is compiled for, and what serves it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, cast

from aws_cdk import Duration

from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.inference_image import InferenceImage
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.endpoint_variant import EndpointVariant
from neo_constructs.hosting.interfaces import IModel
from neo_constructs.hosting.model_feature import ModelFeature
from neo_constructs.hosting.scaling import ScalableInstanceCount, check_above_zero, check_capacity
from neo_constructs.hosting.variants import (
    InstanceVariant,
    PlannedModel,
    ServerlessVariant,
    Variant,
)
from neo_constructs.typed import check_fields

_TARGETS: Final = (
    "max_requests_per_second",
    "backlog_per_instance",
    "target_cpu_utilization_percent",
)
# What only instances have, and only serverless inference.
_OF_INSTANCES: Final = (
    "initial_instance_count",
    "model_data_download_timeout",
    "container_startup_health_check_timeout",
    "volume_size_in_gb",
    "scaling",
)
_OF_SERVERLESS: Final = ("max_concurrency", "provisioned_concurrency")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceScaling:
    """Between how many instances a variant scales, and by what.

    Parameters
    ----------
    max_capacity
        How many instances at most.
    min_capacity
        How many at least; 0 for an asynchronous endpoint only. Default: 1.
    max_requests_per_second
        What one instance can answer; half of it is kept to. Default: not scaled by it.
    backlog_per_instance
        How many requests may wait for each instance of an asynchronous endpoint. Default: not
        scaled by it.
    target_cpu_utilization_percent
        The processors' load to keep; 100 is the whole of one processor. Default: not scaled by it.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``check``.

    Examples
    --------
    >>> InstanceScaling(max_capacity=4, max_requests_per_second=10).min_capacity
    1
    """

    max_capacity: int
    min_capacity: int = 1
    max_requests_per_second: float | None = None
    backlog_per_instance: float | None = None
    target_cpu_utilization_percent: float | None = None

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    def check(self, where: str = "scaling") -> list[Finding]:
        """Say what Application Auto Scaling would not take."""
        found = [
            *check_capacity(self.min_capacity, self.max_capacity, f"{where}, "),
            *(
                finding
                for name in _TARGETS
                if (value := getattr(self, name)) is not None
                for finding in check_above_zero(value, f"{where}, {name}")
            ),
        ]
        if all(getattr(self, name) is None for name in _TARGETS):
            found.append(
                Finding(
                    code="scaling-target",
                    where=where,
                    message="It does not say by what to scale.",
                    fix="give max_requests_per_second, backlog_per_instance or "
                    "target_cpu_utilization_percent.",
                )
            )
        return found

    def apply(self, variant: EndpointVariant) -> ScalableInstanceCount:
        """Let a variant scale."""
        count = variant.auto_scale_instance_count(
            min_capacity=self.min_capacity, max_capacity=self.max_capacity
        )
        if self.max_requests_per_second is not None:
            count.scale_on_invocations(max_requests_per_second=self.max_requests_per_second)
        if self.backlog_per_instance is not None:
            count.scale_on_backlog(requests_per_instance=self.backlog_per_instance)
        if self.target_cpu_utilization_percent is not None:
            count.scale_on_cpu_utilization(self.target_cpu_utilization_percent)
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledVariant:
    """A hardware that a model is compiled for, and what serves it there.

    Either ``instance_type`` is given, or ``memory_size_in_mb`` for serverless inference.

    Parameters
    ----------
    target
        The hardware to compile for.
    instance_type
        What serves it, of the target's family.
    initial_instance_count
        Default: 1.
    initial_variant_weight
        Its share of the traffic, against the sum of all weights; 0 gets none. Default: 1.
    variant_name
        Known at synth. Default: the target's name, as ``MlC5``.
    compiler_options
        ``CompilerOptions``, or a mapping such as ``{"dtype": "int64"}``. Default: none.
    image
        Default: the image that the finished job reports.
    model_data_download_timeout, container_startup_health_check_timeout, volume_size_in_gb
        As ``InstanceVariant`` has them. Default: SageMaker's.
    memory_size_in_mb, max_concurrency, provisioned_concurrency
        As ``ServerlessVariant`` has them. Default: not serverless, 5, none.
    scaling
        Default: the number of instances stays.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``check``.

    Examples
    --------
    >>> CompiledVariant(target=TargetDevice.ML_G4DN, instance_type="ml.g4dn.xlarge").name
    'MlG4dn'
    """

    target: TargetDevice
    instance_type: str | None = None
    initial_instance_count: int = 1
    initial_variant_weight: float = 1.0
    variant_name: str | None = None
    compiler_options: CompilerOptions | Mapping[str, Any] | str | None = None
    image: InferenceImage | None = None
    model_data_download_timeout: Duration | None = None
    container_startup_health_check_timeout: Duration | None = None
    volume_size_in_gb: int | None = None
    memory_size_in_mb: int | None = None
    max_concurrency: int | None = None
    provisioned_concurrency: int | None = None
    scaling: InstanceScaling | None = None

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    @property
    def name(self) -> str:
        """The variant's name: as given, or the target's."""
        words = self.target.name.split("_")
        return self.variant_name or "".join(word.capitalize() for word in words)

    @property
    def is_serverless(self) -> bool:
        """Whether SageMaker chooses what serves it."""
        return self.memory_size_in_mb is not None

    def check(
        self, target: TargetDevice | None, where: str = "", *, is_in_vpc: bool = False
    ) -> list[Finding]:
        """Say what is wrong with serving a model that is to be compiled for a target.

        Parameters
        ----------
        target
            None if it is not known.
        where
            What findings put before an argument's name. Default: nothing.
        is_in_vpc
            Whether the model will be in a VPC. Default: False.
        """
        if (self.instance_type is None) == (self.memory_size_in_mb is None):
            return [_serves_once(where, is_twice=self.instance_type is not None)]
        features = frozenset({ModelFeature.VPC} if is_in_vpc else ())
        planned = cast(IModel, PlannedModel(features=features))
        return [
            *self._check_name(where),
            *self._check_kind(where),
            *self.variant(planned).check(target, where),
            *(self.scaling.check(f"{where}scaling") if self.scaling else ()),
        ]

    def _check_name(self, where: str) -> list[Finding]:
        """Say if the name is not known at synth: construct ids are made of it."""
        if not is_unresolved(self.name):
            return []
        return [
            Finding(
                code="known-at-synth",
                where=f"{where}variant_name",
                message="It is known only at deploy, and construct ids are made of it.",
                fix="give a name that is known at synth.",
            )
        ]

    def _check_kind(self, where: str) -> list[Finding]:
        """Say if something is given that what serves the model does not have."""
        others = _OF_INSTANCES if self.is_serverless else _OF_SERVERLESS
        defaults = {each.name: each.default for each in fields(self)}
        given = [name for name in others if getattr(self, name) != defaults[name]]
        if not given:
            return []
        kind = "serverless inference" if self.is_serverless else "instances"
        return [
            Finding(
                code="variant-hardware",
                where=", ".join(f"{where}{name}" for name in given),
                message=f"The model is served by {kind}, to which it means nothing.",
                fix="leave it out.",
            )
        ]

    def variant(self, model: IModel) -> Variant:
        """Return what serves a model that was compiled for the target."""
        if self.memory_size_in_mb is not None:
            return ServerlessVariant(
                model=model,
                memory_size_in_mb=self.memory_size_in_mb,
                max_concurrency=5 if self.max_concurrency is None else self.max_concurrency,
                provisioned_concurrency=self.provisioned_concurrency,
                initial_variant_weight=self.initial_variant_weight,
                variant_name=self.name,
            )
        return InstanceVariant(
            model=model,
            instance_type=self.instance_type or "",
            initial_instance_count=self.initial_instance_count,
            initial_variant_weight=self.initial_variant_weight,
            variant_name=self.name,
            model_data_download_timeout=self.model_data_download_timeout,
            container_startup_health_check_timeout=self.container_startup_health_check_timeout,
            volume_size_in_gb=self.volume_size_in_gb,
        )


def _serves_once(where: str, *, is_twice: bool) -> Finding:
    given = "both are given" if is_twice else "neither is given"
    return Finding(
        code="variant-hardware",
        where=f"{where}instance_type, memory_size_in_mb",
        message=f"Exactly one of the two says what serves the model; {given}.",
        fix="give instance_type for instances, memory_size_in_mb for serverless inference.",
    )
