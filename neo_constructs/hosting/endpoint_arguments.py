"""What is wrong with an argument of an endpoint, or of one of its methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from aws_cdk import (
    Reference,
    Tokenization,
)
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from neo_constructs.catalog.names import RESOURCE_NAME
from neo_constructs.compilation.places import elsewhere
from neo_constructs.engine.asked_once import stack_of
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.deployment import DeploymentConfig
from neo_constructs.hosting.endpoint_config import EndpointConfig, is_deployed_with, root_stack
from neo_constructs.hosting.interfaces import IEndpoint, IEndpointConfig

# botocore, VariantPropertyType.
RETAINABLE: Final = ("DataCaptureConfig", "DesiredWeight", "DesiredInstanceCount")


def check_name(name: str | None) -> list[Finding]:
    """Say whether SageMaker takes a name for an endpoint. Source: botocore, EndpointName."""
    if name is None or is_unresolved(name) or RESOURCE_NAME.fullmatch(name):
        return []
    return [
        Finding(
            code="endpoint-name",
            where="endpoint_name",
            message=f"{name!r} is given. Allowed: 1 to 63 letters, digits and inner hyphens.",
            fix="leave it out to let CloudFormation make one.",
        )
    ]


def check_alarm_kind(alarm: cloudwatch.IAlarm) -> list[Finding]:
    """Say if an alarm is one over others: SageMaker's guide knows those on metrics only."""
    # Rests on A-HOST-06.
    if not isinstance(alarm, cloudwatch.CompositeAlarm):
        return []
    return [
        Finding(
            code="rollback-alarms",
            where="rollback_alarms",
            message=f"{alarm.node.path} is a composite alarm. Allowed: alarms on metrics.",
            fix="give the alarms that it is made of.",
        )
    ]


def check_deployment(deployment: DeploymentConfig | None) -> list[Finding]:
    """Say if alarms would never be looked at, for lack of a deployment or of a wait."""
    if deployment:
        return deployment.check_watching()
    return [
        Finding(
            code="rollback-never-watched",
            where="rollback_alarms",
            message="The endpoint has no deployment_config, which says how long alarms are "
            "watched.",
            fix="give it one, such as DeploymentConfig.all_at_once(wait=Duration.minutes(10)).",
        )
    ]


def check_config(scope: Construct, config: IEndpointConfig) -> list[Finding]:
    """Say whether a configuration's name would be an export, or is one of another region."""
    if isinstance(config, EndpointConfig):
        if is_deployed_with(scope, config):
            return []
        mine, other = root_stack(scope), root_stack(config)
        why = (
            f"It is in the stack {other.stack_name!r}, this endpoint in {mine.stack_name!r}: its "
            "name would be an export, and a new configuration could not replace it."
        )
    else:
        mine, theirs = stack_of(scope), config.env
        if not any(elsewhere(scope, theirs.region, theirs.account)):
            return []
        here = f"{mine.account}/{mine.region}"
        why = f"It is in {theirs.account}/{theirs.region}, this stack in {here}."
    return [
        Finding(
            code="config-other-stack",
            where="endpoint_config",
            message=why,
            fix="make the configuration in the endpoint's stack.",
        )
    ]


def check_retained(names: Sequence[str] | None) -> list[Finding]:
    """Say if something is to be set that an update cannot set."""
    unknown = [name for name in names or () if name not in RETAINABLE]
    if not unknown:
        return []
    return [
        Finding(
            code="variant-choice",
            where="exclude_retained_variant_properties",
            message=f"{', '.join(map(repr, unknown))} is given. Allowed: {', '.join(RETAINABLE)}.",
            fix="leave it out to keep what scaling has made of the instance counts.",
        )
    ]


def refers_to(alarm: cloudwatch.Alarm, endpoint: IEndpoint) -> bool:
    """Whether an alarm's metric names an endpoint by a reference."""
    return any(_is_reference_to(value, endpoint) for value in _dimensions(alarm.metric))


def _dimensions(metric: cloudwatch.IMetric) -> list[str]:
    """Return all texts of a metric that may name an endpoint: dimensions, and expressions."""
    config = metric.to_metric_config()
    if expression := config.math_expression:
        return [value for each in expression.using_metrics.values() for value in _dimensions(each)]
    dimensions = config.metric_stat.dimensions if config.metric_stat else None
    return [str(each.value) for each in dimensions or ()]


def _is_reference_to(value: str, endpoint: IEndpoint) -> bool:
    tokens = Tokenization.reverse_string(value).tokens
    owners = [cast(Reference, each).target for each in tokens if Reference.is_reference(each)]
    return any(owner.node.path.startswith(f"{endpoint.node.path}/") for owner in owners)
