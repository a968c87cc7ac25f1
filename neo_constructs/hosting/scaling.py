"""Scale the capacity of a variant, by requests, by any metric or by the clock."""

from __future__ import annotations

from typing import ClassVar, Final, Protocol, runtime_checkable

from aws_cdk import Duration
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from constructs import Construct

from neo_constructs.engine.asked_once import settle
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.endpoint_rules import Scaled
from neo_constructs.typed import typed

# Rests on A-HOST-07.
_INSTANCES: Final = "sagemaker:variant:DesiredInstanceCount"
_CONCURRENCY: Final = "sagemaker:variant:DesiredProvisionedConcurrency"
# Rests on A-HOST-15.
_SERVICE_ROLE: Final = (
    "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
# SageMaker developer guide, page Define a scaling policy: half of what an instance can take.
SAFETY_FACTOR: Final = 0.5
# SageMaker developer guide, page async-inference-autoscale: both have the endpoint's name alone.
# Rests on A-HOST-10.
_BACKLOG: Final = "ApproximateBacklogSizePerInstance"
# Rests on A-HOST-10.
_WAITING: Final = "HasBacklogWithoutCapacity"


class Measured(Protocol):
    """A variant with metrics."""

    @property
    def variant_name(self) -> str:
        """Its name."""
        ...

    @property
    def endpoint_name(self) -> str:
        """The name of its endpoint."""
        ...

    def metric_cpu_utilization(
        self, *, statistic: str = ..., period: Duration | None = ...
    ) -> cloudwatch.Metric:
        """Return the processors' load in percent."""
        ...

    def endpoint_metric(
        self, metric_name: str, *, statistic: str = ..., period: Duration | None = ...
    ) -> cloudwatch.Metric:
        """Return a metric of the endpoint as a whole."""
        ...


@runtime_checkable
class Scales(Protocol):
    """What wants to know of what scales in it: an endpoint."""

    def note_scaling(self, capacity: ScalableCapacity) -> None:
        """Take note."""
        ...


class ScalableCapacity(Construct):
    """The capacity of a variant, as Application Auto Scaling changes it.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    variant
        What scales.
    min_capacity, max_capacity
        From how much to how much.

    Raises
    ------
    ValidationError
        If the numbers are not ones that SageMaker takes.
    """

    dimension: ClassVar[str]

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        variant: Measured,
        min_capacity: int,
        max_capacity: int,
    ) -> None:
        super().__init__(scope, construct_id)
        settle(self, scope)
        raise_errors(check_capacity(min_capacity, max_capacity), subject=lambda: self.node.path)
        self._variant = variant
        self._min_capacity, self._max_capacity = min_capacity, max_capacity
        self._by_backlog = False
        self._target = scaling.ScalableTarget(
            self,
            "Target",
            service_namespace=scaling.ServiceNamespace.SAGEMAKER,
            resource_id=f"endpoint/{variant.endpoint_name}/variant/{variant.variant_name}",
            scalable_dimension=self.dimension,
            min_capacity=min_capacity,
            max_capacity=max_capacity,
            # Rests on A-HOST-15.
            role=iam.Role.from_role_name(self, "ServiceRole", _SERVICE_ROLE),
        )

        if isinstance(scope, Scales):
            scope.note_scaling(self)

    @property
    def scaled(self) -> Scaled:
        """What scales, for the endpoint's rules."""
        return Scaled(
            self._variant.variant_name,
            self._min_capacity,
            self._max_capacity,
            is_provisioned_concurrency=self.dimension == _CONCURRENCY,
            by_backlog=self._by_backlog,
        )

    @typed
    def scale_to_track_metric(
        self,
        construct_id: str,
        *,
        metric: cloudwatch.IMetric,
        target_value: float,
        scale_in_cooldown: Duration | None = None,
        scale_out_cooldown: Duration | None = None,
    ) -> scaling.TargetTrackingScalingPolicy:
        """Keep a metric at a value; it must fall as instances are added.

        Parameters
        ----------
        construct_id
            The policy's.
        metric, target_value
            What is kept where.
        scale_in_cooldown, scale_out_cooldown
            Default: Application Auto Scaling's, 5 minutes each.
        """
        return self._target.scale_to_track_metric(
            construct_id,
            target_value=target_value,
            custom_metric=metric,
            scale_in_cooldown=scale_in_cooldown,
            scale_out_cooldown=scale_out_cooldown,
        )

    @typed
    def scale_on_schedule(
        self,
        construct_id: str,
        *,
        schedule: scaling.Schedule,
        min_capacity: int | None = None,
        max_capacity: int | None = None,
    ) -> None:
        """Change the limits at times.

        Parameters
        ----------
        construct_id
            The schedule's.
        schedule
            When.
        min_capacity, max_capacity
            What they are from then on. Default: as they are; one of them is needed.
        """
        raise_errors(
            _check_schedule(construct_id, min_capacity, max_capacity),
            subject=lambda: self.node.path,
        )
        if min_capacity is not None and not is_unresolved(min_capacity):
            self._min_capacity = min(self._min_capacity, min_capacity)
        self._target.scale_on_schedule(
            construct_id, schedule=schedule, min_capacity=min_capacity, max_capacity=max_capacity
        )


class ScalableInstanceCount(ScalableCapacity):
    """The number of a variant's instances, as Application Auto Scaling changes it.

    Made by ``Endpoint.variant(...).auto_scale_instance_count``. With ``min_capacity=0``, the first
    request that waits starts an instance, whatever else it scales by. SageMaker refuses another
    instance type for a variant that scales: take the scaling away first, in a deploy of its own.

    Examples
    --------
    >>> count = endpoint.variant().auto_scale_instance_count(max_capacity=4)  # doctest: +SKIP
    >>> count.scale_on_invocations(max_requests_per_second=10)  # doctest: +SKIP
    """

    dimension = _INSTANCES

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        variant: Measured,
        min_capacity: int,
        max_capacity: int,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            variant=variant,
            min_capacity=min_capacity,
            max_capacity=max_capacity,
        )
        if not is_unresolved(min_capacity) and min_capacity == 0:
            self._target.scale_on_metric(
                "FirstInstance",
                metric=variant.endpoint_metric(_WAITING, period=Duration.minutes(1)),
                adjustment_type=scaling.AdjustmentType.CHANGE_IN_CAPACITY,
                evaluation_periods=1,
                scaling_steps=[
                    scaling.ScalingInterval(upper=0, change=0),
                    scaling.ScalingInterval(lower=1, change=1),
                ],
            )

    @typed
    def scale_on_invocations(
        self,
        *,
        max_requests_per_second: float,
        safety_factor: float = SAFETY_FACTOR,
        scale_in_cooldown: Duration | None = None,
        scale_out_cooldown: Duration | None = None,
    ) -> scaling.TargetTrackingScalingPolicy:
        """Keep the requests to each instance at what it can take.

        Parameters
        ----------
        max_requests_per_second
            What one instance can answer, as measured by a load test.
        safety_factor
            The part of it to keep to, above 0 and at most 1. Default: 0.5.
        scale_in_cooldown, scale_out_cooldown
            Default: Application Auto Scaling's, 5 minutes each.

        Raises
        ------
        ValidationError
            If a number is not one that makes sense.
        """
        found = check_requests(max_requests_per_second, safety_factor)
        raise_errors(found, subject=lambda: self.node.path)
        return self._target.scale_to_track_metric(
            "Invocations",
            # The metric counts a minute's requests.
            target_value=max_requests_per_second * safety_factor * 60,
            predefined_metric=scaling.PredefinedMetric.SAGEMAKER_VARIANT_INVOCATIONS_PER_INSTANCE,
            scale_in_cooldown=scale_in_cooldown,
            scale_out_cooldown=scale_out_cooldown,
        )

    @typed
    def scale_on_cpu_utilization(
        self,
        target_utilization_percent: float,
        *,
        scale_in_cooldown: Duration | None = None,
        scale_out_cooldown: Duration | None = None,
    ) -> scaling.TargetTrackingScalingPolicy:
        """Keep the processors' load at a value.

        Parameters
        ----------
        target_utilization_percent
            As ``metric_cpu_utilization`` counts: 100 is the whole of one processor, 400 of four.
        scale_in_cooldown, scale_out_cooldown
            Default: Application Auto Scaling's, 5 minutes each.

        Raises
        ------
        ValidationError
            If it is not above 0.
        """
        found = check_above_zero(target_utilization_percent, "target_utilization_percent")
        raise_errors(found, subject=lambda: self.node.path)
        return self.scale_to_track_metric(
            "CpuUtilization",
            metric=self._variant.metric_cpu_utilization(period=Duration.minutes(1)),
            target_value=target_utilization_percent,
            scale_in_cooldown=scale_in_cooldown,
            scale_out_cooldown=scale_out_cooldown,
        )

    @typed
    def scale_on_backlog(
        self,
        *,
        requests_per_instance: float,
        scale_in_cooldown: Duration | None = None,
        scale_out_cooldown: Duration | None = None,
    ) -> scaling.TargetTrackingScalingPolicy:
        """Keep the requests that wait for each instance of an asynchronous endpoint at a number.

        Parameters
        ----------
        requests_per_instance
            How many may wait for each, above 0.
        scale_in_cooldown, scale_out_cooldown
            Default: Application Auto Scaling's, 5 minutes each.

        Raises
        ------
        ValidationError
            If the number is not above 0.
        """
        found = check_above_zero(requests_per_instance, "requests_per_instance")
        raise_errors(found, subject=lambda: self.node.path)
        self._by_backlog = True
        return self.scale_to_track_metric(
            "Backlog",
            metric=self._variant.endpoint_metric(_BACKLOG, period=Duration.minutes(1)),
            target_value=requests_per_instance,
            scale_in_cooldown=scale_in_cooldown,
            scale_out_cooldown=scale_out_cooldown,
        )


class ScalableProvisionedConcurrency(ScalableCapacity):
    """A serverless variant's provisioned concurrency, as Application Auto Scaling changes it.

    Made by ``Endpoint.variant(...).auto_scale_provisioned_concurrency``.

    Examples
    --------
    >>> capacity = endpoint.variant().auto_scale_provisioned_concurrency(  # doctest: +SKIP
    ...     max_capacity=10
    ... )
    >>> capacity.scale_on_utilization(0.7)  # doctest: +SKIP
    """

    dimension = _CONCURRENCY

    @typed
    def scale_on_utilization(
        self,
        target_utilization: float,
        *,
        scale_in_cooldown: Duration | None = None,
        scale_out_cooldown: Duration | None = None,
    ) -> scaling.TargetTrackingScalingPolicy:
        """Keep the part of the provisioned concurrency that is in use at a value.

        Parameters
        ----------
        target_utilization
            Above 0 and at most 1.
        scale_in_cooldown, scale_out_cooldown
            Default: Application Auto Scaling's, 5 minutes each.

        Raises
        ------
        ValidationError
            If it is not such a part.
        """
        found = check_part(target_utilization, "target_utilization")
        raise_errors(found, subject=lambda: self.node.path)
        metric = scaling.PredefinedMetric
        return self._target.scale_to_track_metric(
            "Utilization",
            target_value=target_utilization,
            predefined_metric=metric.SAGEMAKER_VARIANT_PROVISIONED_CONCURRENCY_UTILIZATION,
            scale_in_cooldown=scale_in_cooldown,
            scale_out_cooldown=scale_out_cooldown,
        )


def check_capacity(least: int, most: int, where: str = "") -> list[Finding]:
    """Say if a variant cannot scale between two numbers."""
    known = not (is_unresolved(least) or is_unresolved(most))
    if not known or (0 <= least <= most and most > 0):
        return []
    return [
        Finding(
            code="scaling-capacity",
            where=f"{where}min_capacity, max_capacity",
            message=f"{least} to {most} are given. Allowed: from 0, in this order, at most 1 or "
            "more.",
            fix="give a max_capacity that is not below min_capacity.",
        )
    ]


def _check_schedule(name: str, least: int | None, most: int | None) -> list[Finding]:
    if least is not None or most is not None:
        return []
    return [
        Finding(
            code="scaling-capacity",
            where=f"schedule {name!r}",
            message="Neither min_capacity nor max_capacity is given: nothing would change.",
            fix="give one of them, or both.",
        )
    ]


def check_known(value: float, where: str) -> list[Finding]:
    """Say if a number is known only at deploy, of which another is made at synth."""
    if not is_unresolved(value):
        return []
    return [
        Finding(
            code="known-at-synth",
            where=where,
            message="It is known only at deploy, and another number is made of it.",
            fix="give a number.",
        )
    ]


def check_requests(requests: float, factor: float) -> list[Finding]:
    """Say if a rate of requests cannot be kept to."""
    return [
        *check_known(requests, "max_requests_per_second"),
        *check_known(factor, "safety_factor"),
        *check_above_zero(requests, "max_requests_per_second"),
        *check_part(factor, "safety_factor"),
    ]


def check_above_zero(value: float, where: str) -> list[Finding]:
    """Say if a number is not above 0."""
    if is_unresolved(value) or value > 0:
        return []
    return [
        Finding(
            code="scaling-target",
            where=where,
            message=f"{value} is given. Allowed: a number above 0.",
            fix="give what one instance can bear, as measured by a load test.",
        )
    ]


def check_part(value: float, where: str) -> list[Finding]:
    """Say if a number is not a part of a whole."""
    if is_unresolved(value) or 0 < value <= 1:
        return []
    return [
        Finding(
            code="scaling-target",
            where=where,
            message=f"{value} is given. Allowed: above 0, at most 1.",
            fix="give 0.5 to keep to half of what there is.",
        )
    ]
