"""Alarms on a variant: errors, latency, memory and disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.endpoint_variant import EndpointVariant
from neo_constructs.hosting.numbers import check_number
from neo_constructs.typed import typed

_DAY: Final = 24 * 60 * 60
_GREATER: Final = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD


class EndpointAlarms(Construct):
    """Alarms on a variant, that tell topics and can make an update go back.

    Each goes off when what it watches is above its threshold for all of ``evaluation_periods``.
    While there are no requests, there is nothing to be alarmed about.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    variant
        As ``Endpoint.variant`` returns it.
    max_error_percent
        How many of 100 requests may end in a 5xx error. Default: 1.
    max_model_latency
        How long the container may take for 99 of 100 answers. Default: not watched.
    max_memory_percent, max_disk_percent
        How full instances may be; None for a serverless variant, which reports neither. Default:
        90 each.
    period
        Default: 1 minute.
    evaluation_periods
        Default: 3.
    topics
        Who is told. A topic's own policy, where it has one, must let cloudwatch.amazonaws.com
        publish, and so must its key, which cannot be AWS's own ``alias/aws/sns``. Default: nobody.

    Attributes
    ----------
    alarms
        All that were made.

    Raises
    ------
    ValidationError
        If a number is out of range, or alarms would look back over more than a day.

    Examples
    --------
    >>> alarms = EndpointAlarms(stack, "Alarms", variant=endpoint.variant())  # doctest: +SKIP
    >>> for alarm in alarms.alarms:  # doctest: +SKIP
    ...     endpoint.add_rollback_alarm(alarm)
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        variant: EndpointVariant,
        max_error_percent: float = 1,
        max_model_latency: Duration | None = None,
        max_memory_percent: float | None = 90,
        max_disk_percent: float | None = 90,
        period: Duration | None = None,
        evaluation_periods: int = 3,
        topics: Sequence[sns.ITopic] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        seconds = _period_seconds(period)
        found = [
            *check_number(max_error_percent, "max_error_percent", 0, 100),
            *check_number(max_memory_percent, "max_memory_percent", 0, 100),
            *check_number(max_disk_percent, "max_disk_percent", 0, 100),
            # CloudWatch API reference, PutMetricAlarm: the periods of one alarm are a day at most.
            *check_number(evaluation_periods, "evaluation_periods", 1, _DAY // seconds),
            *check_latency(max_model_latency),
        ]
        raise_errors(found, subject=lambda: self.node.path)
        self._period = period or Duration.minutes(1)
        self._times = evaluation_periods
        self._actions = [actions.SnsAction(topic) for topic in topics]
        watched: list[tuple[str, str, cloudwatch.IMetric, float]] = [
            (
                "Errors",
                "too many requests end in a 5xx error",
                self._error_percent(variant),
                max_error_percent,
            )
        ]
        if max_model_latency:
            watched.append(
                (
                    "Latency",
                    "the container takes too long for 1 of 100 answers",
                    variant.metric_model_latency(statistic="p99", period=self._period),
                    max_model_latency.to_milliseconds() * 1000,
                )
            )
        for name, metric, most in (
            ("Memory", variant.metric_memory_utilization, max_memory_percent),
            ("Disk", variant.metric_disk_utilization, max_disk_percent),
        ):
            if most is not None:
                full = metric(statistic="Maximum", period=self._period)
                watched.append((name, f"an instance's {name.lower()} is filling up", full, most))
        self.alarms: Final = tuple(self._alarm(variant, *each) for each in watched)

    def _error_percent(self, variant: EndpointVariant) -> cloudwatch.MathExpression:
        """Return how many of 100 requests fail; nothing while there are none."""
        return cloudwatch.MathExpression(
            expression="IF(requests > 0, 100 * errors / requests, 0)",
            using_metrics={
                "errors": variant.metric_invocation_5xx_errors(period=self._period),
                "requests": variant.metric_invocations(period=self._period),
            },
            label="5xx errors, percent",
            period=self._period,
        )

    def _alarm(
        self,
        variant: EndpointVariant,
        name: str,
        what: str,
        metric: cloudwatch.IMetric,
        threshold: float,
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=self._times,
            comparison_operator=_GREATER,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"Variant {variant.variant_name}: {what}",
        )
        if self._actions:
            alarm.add_alarm_action(*self._actions)
        return alarm


def _period_seconds(period: Duration | None) -> int:
    """Return the length of a period; the shortest for one that is known only at deploy."""
    if period is None:
        return 60
    return 1 if period.is_unresolved() else max(int(period.to_seconds(integral=False)), 1)


def check_latency(latency: Duration | None) -> list[Finding]:
    """Say if a latency is known only at deploy: CloudWatch wants it in microseconds."""
    if latency is None or not latency.is_unresolved():
        return []
    return [
        Finding(
            code="known-at-synth",
            where="max_model_latency",
            message="It is known only at deploy, and CloudWatch counts it in microseconds.",
            fix="give a duration that is known at synth.",
        )
    ]
