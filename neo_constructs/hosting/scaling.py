"""Scale the instances of a variant, by requests, by any metric or by the clock."""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration, Token
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from constructs import Construct

from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.typed import typed

_DIMENSION: Final = "sagemaker:variant:DesiredInstanceCount"
_SERVICE_ROLE: Final = (
    "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
# SageMaker developer guide, page Define a scaling policy: half of what an instance can take.
SAFETY_FACTOR: Final = 0.5


class ScalableInstanceCount(Construct):
    """The number of a variant's instances, as Application Auto Scaling changes it.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    resource_id
        ``endpoint/<name>/variant/<name>``.
    min_capacity, max_capacity
        From how many instances to how many.

    Raises
    ------
    ValidationError
        If the numbers are not ones that SageMaker takes.

    Examples
    --------
    >>> count = endpoint.variant().auto_scale_instance_count(max_capacity=4)  # doctest: +SKIP
    >>> count.scale_on_invocations(max_requests_per_second=10)  # doctest: +SKIP
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        resource_id: str,
        min_capacity: int,
        max_capacity: int,
    ) -> None:
        super().__init__(scope, construct_id)
        raise_errors(check_capacity(min_capacity, max_capacity), subject=self.node.path)
        self._target = scaling.ScalableTarget(
            self,
            "Target",
            service_namespace=scaling.ServiceNamespace.SAGEMAKER,
            resource_id=resource_id,
            scalable_dimension=_DIMENSION,
            min_capacity=min_capacity,
            max_capacity=max_capacity,
            role=iam.Role.from_role_name(self, "ServiceRole", _SERVICE_ROLE),
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
        raise_errors(found, subject=self.node.path)
        return self._target.scale_to_track_metric(
            "Invocations",
            # The metric counts a minute's requests.
            target_value=max_requests_per_second * safety_factor * 60,
            predefined_metric=scaling.PredefinedMetric.SAGEMAKER_VARIANT_INVOCATIONS_PER_INSTANCE,
            scale_in_cooldown=scale_in_cooldown,
            scale_out_cooldown=scale_out_cooldown,
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
        """Keep any metric that falls as instances are added at a value.

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
        self._target.scale_on_schedule(
            construct_id, schedule=schedule, min_capacity=min_capacity, max_capacity=max_capacity
        )


def check_capacity(least: int, most: int) -> list[Finding]:
    """Say if a variant cannot scale between two numbers of instances.

    Zero instances are for inference components only (SageMaker developer guide, page Scale an
    endpoint to zero instances).
    """
    if Token.is_unresolved(least) or Token.is_unresolved(most) or 1 <= least <= most:
        return []
    return [
        Finding(
            code="scaling-capacity",
            where="min_capacity, max_capacity",
            message=f"{least} to {most} instances are given. Allowed: from 1, in this order.",
            fix="give a max_capacity that is not below min_capacity.",
        )
    ]


def check_requests(requests: float, factor: float) -> list[Finding]:
    """Say if a rate of requests cannot be kept to."""
    found = []
    if not Token.is_unresolved(requests) and requests <= 0:
        found.append(
            Finding(
                code="scaling-target",
                where="max_requests_per_second",
                message=f"{requests} is given. Allowed: a number above 0.",
                fix="measure what one instance can answer.",
            )
        )
    if not Token.is_unresolved(factor) and not 0 < factor <= 1:
        found.append(
            Finding(
                code="scaling-target",
                where="safety_factor",
                message=f"{factor} is given. Allowed: above 0, at most 1.",
                fix="leave it out to keep to half of what an instance can answer.",
            )
        )
    return found
