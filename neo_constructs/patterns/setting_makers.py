"""Make constructs' arguments of settings: what JSON names becomes what the CDK takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aws_cdk import Annotations, Duration, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

from neo_constructs.compilation.inference_image import InferenceImage
from neo_constructs.compilation.model_data import ModelData
from neo_constructs.findings.wording import listed
from neo_constructs.hosting.async_inference import AsyncInferenceConfig
from neo_constructs.hosting.data_capture import DataCaptureConfig
from neo_constructs.hosting.deployment import CapacitySize, DeploymentConfig
from neo_constructs.hosting.inference_code import InferenceCode
from neo_constructs.patterns.compiled_variant import CompiledVariant, InstanceScaling
from neo_constructs.patterns.setting_readers import SettingError
from neo_constructs.patterns.setting_schema import Place, arguments

# CloudWatch Logs API reference, PutRetentionPolicy; the CDK's names for the numbers of days.
_RETENTION: Final = {
    1: logs.RetentionDays.ONE_DAY,
    3: logs.RetentionDays.THREE_DAYS,
    5: logs.RetentionDays.FIVE_DAYS,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    120: logs.RetentionDays.FOUR_MONTHS,
    150: logs.RetentionDays.FIVE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    400: logs.RetentionDays.THIRTEEN_MONTHS,
    545: logs.RetentionDays.EIGHTEEN_MONTHS,
    731: logs.RetentionDays.TWO_YEARS,
    1096: logs.RetentionDays.THREE_YEARS,
    1827: logs.RetentionDays.FIVE_YEARS,
    2192: logs.RetentionDays.SIX_YEARS,
    2557: logs.RetentionDays.SEVEN_YEARS,
    2922: logs.RetentionDays.EIGHT_YEARS,
    3288: logs.RetentionDays.NINE_YEARS,
    3653: logs.RetentionDays.TEN_YEARS,
}


def arguments_only(_place: Place, value: Any, _settings: Any) -> Any:
    """Return settings that the stack itself makes something of."""
    return value


def minutes(_place: Place, value: int, _settings: Any) -> Duration:
    """Return a time."""
    return Duration.minutes(value)


def days(_place: Place, value: int, _settings: Any) -> Duration:
    """Return a time."""
    return Duration.days(value)


def milliseconds(_place: Place, value: int, _settings: Any) -> Duration:
    """Return a time."""
    return Duration.millis(value)


def removal_policy(_place: Place, value: str, _settings: Any) -> RemovalPolicy:
    """Return a removal policy."""
    return RemovalPolicy[value]


def read_retention(value: object) -> int:
    """Read a number of days that CloudWatch Logs keeps logs for."""
    given = int(value) if isinstance(value, str) and value.isdecimal() else value
    if type(given) is not int or given not in _RETENTION:
        raise SettingError(f"Allowed: {listed(map(str, _RETENTION))}.")
    return given


def retention(_place: Place, value: int, _settings: Any) -> logs.RetentionDays:
    """Return how long logs stay."""
    return _RETENTION[value]


def bucket(place: Place, value: str, _settings: Any) -> s3.IBucket:
    """Return a bucket that is there already."""
    return place.imported(
        "Bucket", value, lambda name: s3.Bucket.from_bucket_name(place.scope, name, value)
    )


def key(place: Place, value: str, _settings: Any) -> kms.IKey:
    """Return a key that is there already."""
    return place.imported("Key", value, lambda name: kms.Key.from_key_arn(place.scope, name, value))


def role(place: Place, value: str, _settings: Any) -> iam.IRole:
    """Return a role that is there already; it gets the rights that it needs."""
    return place.imported(
        "Role", value, lambda name: iam.Role.from_role_arn(place.scope, name, value)
    )


def topic(place: Place, value: str, _settings: Any) -> sns.ITopic:
    """Return a topic that is there already."""
    return place.imported(
        "Topic", value, lambda name: sns.Topic.from_topic_arn(place.scope, name, value)
    )


def topics(place: Place, value: Sequence[str], settings: Any) -> list[sns.ITopic]:
    """Return topics that are there already."""
    return [topic(place, each, settings) for each in value]


def alarms(place: Place, value: Sequence[str], _settings: Any) -> list[cloudwatch.IAlarm]:
    """Return alarms that are there already."""

    def imported(arn: str) -> cloudwatch.IAlarm:
        return place.imported(
            "Alarm", arn, lambda name: cloudwatch.Alarm.from_alarm_arn(place.scope, name, arn)
        )

    return [imported(each) for each in value]


def vpc(place: Place, value: Any, _settings: Any) -> ec2.IVpc:
    """Return a VPC that is there already, with the given subnets as its private ones."""
    zones = [f"zone{number}" for number, _ in enumerate(value.subnet_ids)]

    def imported(name: str) -> ec2.IVpc:
        found = ec2.Vpc.from_vpc_attributes(
            place.scope,
            name,
            vpc_id=value.vpc_id,
            # Only the subnets count; their zones are not asked for.
            availability_zones=zones,
            private_subnet_ids=list(value.subnet_ids),
        )
        Annotations.of(found).acknowledge_warning(
            "@aws-cdk/aws-ec2:noSubnetRouteTableId", "no route is made"
        )
        return found

    return place.imported("Vpc", f"{value.vpc_id} {value.subnet_ids}", imported)


def security_groups(place: Place, value: Any) -> list[ec2.ISecurityGroup]:
    """Return the security groups that a VPC's settings name."""

    def imported(group: str) -> ec2.ISecurityGroup:
        return place.imported(
            "Group",
            group,
            lambda name: ec2.SecurityGroup.from_security_group_id(place.scope, name, group),
        )

    return [imported(each) for each in value.security_group_ids]


def model_data(place: Place, value: str, _settings: Any) -> ModelData:
    """Return the trained model."""
    if value.startswith("s3://"):
        return ModelData.from_s3_uri(value)
    return ModelData.from_asset(place.folder / value)


def inference_code(place: Place, value: str, settings: Any) -> InferenceCode:
    """Return the script."""
    if not value.startswith("s3://"):
        return InferenceCode.from_asset(place.folder / value, settings.entry_point)
    name, _, object_key = value.removeprefix("s3://").partition("/")
    return InferenceCode.from_bucket(
        bucket(place, name, settings), object_key, entry_point=settings.entry_point
    )


def image(_place: Place, value: str, _settings: Any) -> InferenceImage:
    """Return an image."""
    return InferenceImage.from_uri(value)


def scaling(place: Place, value: Any, _settings: Any) -> InstanceScaling:
    """Return how a variant scales."""
    return InstanceScaling(**arguments(value, place))


def targets(place: Place, value: Sequence[Any], _settings: Any) -> list[CompiledVariant]:
    """Return the targets."""
    return [CompiledVariant(**arguments(each, place)) for each in value]


def data_capture(place: Place, value: Any, _settings: Any) -> DataCaptureConfig:
    """Return what is kept of requests and answers."""
    return DataCaptureConfig(**arguments(value, place))


def async_inference(place: Place, value: Any, _settings: Any) -> AsyncInferenceConfig:
    """Return how an endpoint answers later."""
    return AsyncInferenceConfig(**arguments(value, place))


def deployment(place: Place, value: Any, _settings: Any) -> DeploymentConfig:
    """Return how an endpoint moves to a new configuration."""
    return DeploymentConfig(
        step=_size(value.step_percent, value.step_instances),
        rollback_step=_size(value.rollback_step_percent, value.rollback_step_instances),
        **arguments(value, place),
    )


def _size(percent: int | None, instances: int | None) -> CapacitySize | None:
    if instances is not None:
        return CapacitySize.instances(instances)
    return None if percent is None else CapacitySize.percent(percent)
