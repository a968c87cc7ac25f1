"""Settings of what an endpoint can have: hardware, network, scaling, capture, deployment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.patterns import setting_makers as make
from neo_constructs.patterns.setting_readers import (
    arn,
    arns,
    matching,
    number,
    one_of,
    parsed,
    read_compiler_options,
    text,
    texts,
    whole_number,
    yes_or_no,
)
from neo_constructs.patterns.setting_schema import nested, setting

# Source: SageMaker API reference, ContainerDefinition.Image; a registry's host comes first.
_IMAGE = re.compile(r"[\w-]+(\.[\w-]+)+(:\d+)?/[\w./-]+([:@][\w.:-]+)?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")  # Amazon S3 user guide, naming rules

read_bucket = matching(_BUCKET, "the name of a bucket")
read_key = arn("kms", "arn:aws:kms:<region>:<account>:key/<id>")
read_role = arn("iam", "arn:aws:iam::<account>:role/<name>")
read_topic = arn("sns", "arn:aws:sns:<region>:<account>:<topic>")
read_image = matching(
    _IMAGE, "a registry's URI, such as 123456789012.dkr.ecr.<region>.amazonaws.com/a:1"
)


def key_setting(about: str) -> Any:
    """Return a setting for a key of KMS."""
    return setting(read_key, about, kind="ARN", make=make.key, default=None)


def minutes_setting(name: str, about: str, least: int = 1, most: int = 60, **default: Any) -> Any:
    """Return a setting for a time in minutes that becomes an argument of type Duration."""
    return setting(
        whole_number(least, most),
        about,
        kind="number",
        argument=name,
        make=make.minutes,
        **(default or {"default": None}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """Subnets and security groups of a VPC that is there already."""

    vpc_id: str = setting(text, "the VPC, such as `vpc-0abc`")
    subnet_ids: tuple[str, ...] = setting(texts, "its subnets", kind="list of texts")
    security_group_ids: tuple[str, ...] = setting(
        texts, "its security groups; one is made if none is given", kind="list of texts", default=()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingSettings:
    """Between how many instances a variant scales, and by what."""

    max_capacity: int = setting(whole_number(1, 1000), "instances at most", kind="number")
    min_capacity: int = setting(
        whole_number(0, 1000),
        "instances at least; 0 for an asynchronous endpoint only",
        kind="number",
        default=1,
    )
    max_requests_per_second: float | None = setting(
        number(0.001, 1_000_000),
        "what one instance can answer in a second, as measured; half of it is kept to",
        kind="number",
        default=None,
    )
    backlog_per_instance: float | None = setting(
        number(0.001, 1_000_000),
        "how many requests may wait for each instance of an asynchronous endpoint",
        kind="number",
        default=None,
    )
    target_cpu_utilization_percent: float | None = setting(
        number(1, 100_000),
        "the processors' load to keep; 100 is the whole of one",
        kind="number",
        default=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingSettings:
    """What serves a model that was compiled for a target: of an endpoint, and of a target."""

    compiler_options: CompilerOptions | None = setting(
        read_compiler_options,
        '`{"dtype": "int64"}` for PyTorch; any other text or object is sent as it is',
        kind="text or object",
        default=None,
    )
    image: str | None = setting(
        read_image,
        "the image to serve with; by default what the finished job reports",
        kind="URI",
        make=make.image,
        default=None,
    )
    initial_instance_count: int = setting(
        whole_number(1, 1000), "1 to 1000", kind="number", default=1
    )
    model_data_download_timeout_minutes: int | None = minutes_setting(
        "model_data_download_timeout",
        "how long the artifact may take to arrive, 1 to 60; by default SageMaker's",
    )
    container_startup_health_check_timeout_minutes: int | None = minutes_setting(
        "container_startup_health_check_timeout",
        "how long the container may take to answer its first ping, 1 to 60; by default SageMaker's",
    )
    volume_size_in_gb: int | None = setting(
        whole_number(1, 512),
        "the instance's volume, 1 to 512; by default SageMaker's choice",
        kind="number",
        default=None,
    )
    memory_size_in_mb: int | None = setting(
        whole_number(1024, 6144),
        "serverless inference with this memory, in place of `instance_type`",
        kind="number",
        default=None,
    )
    max_concurrency: int | None = setting(
        whole_number(1, 200),
        "of serverless inference, 1 to 200; by default 5",
        kind="number",
        default=None,
    )
    scaling: ScalingSettings | None = nested(
        ScalingSettings,
        "between how many instances it scales; by default it does not",
        make.scaling,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSettings(ServingSettings):
    """A target, and what serves the model that was compiled for it."""

    target: TargetDevice = setting(
        parsed(TargetDevice.parse),
        "the hardware to compile for",
        unchecked=parsed(TargetDevice.of),
    )
    instance_type: str | None = setting(
        text, "what serves it; needed without `memory_size_in_mb`", default=None
    )
    initial_variant_weight: float = setting(
        number(0, 1_000_000),
        "its share of the requests, against the sum of all; 0 gets none",
        kind="number",
        default=1.0,
    )
    variant_name: str | None = setting(
        text, "by default the target's name, as `MlC5`", default=None
    )
    provisioned_concurrency: int | None = setting(
        whole_number(1, 200),
        "how much serverless inference is always ready for",
        kind="number",
        default=None,
    )

    @staticmethod
    def _needed(values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what is needed beside what has no default."""
        return () if "memory_size_in_mb" in values else ("instance_type",)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCaptureSettings:
    """A sample of requests and answers, kept in S3."""

    bucket: str = setting(read_bucket, "where it goes", make=make.bucket)
    prefix: str = setting(text, "what the keys start with", default="data-capture")
    sampling_percentage: int = setting(
        whole_number(0, 100), "how much is kept, 0 to 100", kind="number", default=100
    )
    capture_modes: tuple[str, ...] = setting(
        texts, "`Input`, `Output` or both", kind="list of texts", default=("Input", "Output")
    )
    csv_content_types: tuple[str, ...] = setting(
        texts, "content types that are kept as text", kind="list of texts", default=()
    )
    json_content_types: tuple[str, ...] = setting(
        texts, "content types that are kept as text, and as JSON", kind="list of texts", default=()
    )
    encryption_key: str | None = key_setting("encrypts it; by default as the bucket does")
    is_enabled: bool = setting(yes_or_no, "false keeps nothing", kind="true or false", default=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncSettings:
    """An endpoint that answers later, by way of S3."""

    bucket: str = setting(read_bucket, "where answers go", make=make.bucket)
    prefix: str = setting(text, "what the answers' keys start with", default="async-output")
    failure_prefix: str = setting(
        text, "what the keys of failures start with", default="async-failures"
    )
    input_bucket: str | None = setting(
        read_bucket,
        "where requests lie; by default `bucket`",
        make=make.bucket,
        default=None,
    )
    input_prefix: str = setting(text, "what the requests' keys start with", default="async-input")
    max_concurrent_invocations_per_instance: int | None = setting(
        whole_number(1, 1000), "1 to 1000", kind="number", default=None
    )
    success_topic: str | None = setting(
        read_topic, "told of each answer", kind="ARN", make=make.topic, default=None
    )
    error_topic: str | None = setting(
        read_topic, "told of each failure", kind="ARN", make=make.topic, default=None
    )
    include_response_in_topics: bool = setting(
        yes_or_no, "whether topics are told small answers", kind="true or false", default=False
    )
    encryption_key: str | None = key_setting("encrypts the answers; by default as the bucket does")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSettings:
    """How the endpoint moves to a new configuration, and what makes it go back."""

    strategy: str = setting(
        one_of("ALL_AT_ONCE", "CANARY", "LINEAR", "ROLLING"),
        "`ALL_AT_ONCE`, `CANARY`, `LINEAR` or `ROLLING`",
    )
    step_percent: int | None = setting(
        whole_number(1, 50),
        "the canary, the linear step or the batch, in percent of the fleet",
        kind="number",
        argument=None,
        default=None,
    )
    step_instances: int | None = setting(
        whole_number(1, 1000),
        "the same as a number of instances",
        kind="number",
        argument=None,
        default=None,
    )
    wait_minutes: int | None = minutes_setting(
        "wait",
        "how long alarms are watched after each step, up to 60; by default 5, and not at all for "
        "`ALL_AT_ONCE`",
        least=0,
    )
    termination_wait_minutes: int | None = minutes_setting(
        "termination_wait", "how long the old fleet stays after the last step, up to 60", least=0
    )
    maximum_execution_timeout_minutes: int | None = minutes_setting(
        "maximum_execution_timeout", "how long the whole may take, 10 to 480", 10, 480
    )
    rollback_step_percent: int | None = setting(
        whole_number(1, 100),
        "the batch of a rolling update's way back, in percent; by default all at once",
        kind="number",
        argument=None,
        default=None,
    )
    rollback_step_instances: int | None = setting(
        whole_number(1, 1000),
        "the same as a number of instances",
        kind="number",
        argument=None,
        default=None,
    )
    rollback_alarms: tuple[str, ...] = setting(
        arns("cloudwatch", "arn:aws:cloudwatch:<region>:<account>:alarm:<name>"),
        "alarms that make an update go back",
        kind="list of ARNs",
        make=make.alarms,
        default=(),
    )

    @staticmethod
    def _needed(values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what is needed beside what has no default."""
        has_step = "step_percent" in values or "step_instances" in values
        at_once = values.get("strategy") in {None, "ALL_AT_ONCE"}
        return () if has_step or at_once else ("step_percent",)

    @staticmethod
    def _excluded(values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what is given beside what says the same."""
        return tuple(
            f"{name}_instances"
            for name in ("step", "rollback_step")
            if f"{name}_instances" in values and f"{name}_percent" in values
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSettings:
    """Alarms on the endpoint's errors, latency, memory and disk."""

    max_error_percent: float = setting(
        number(0, 100), "5xx errors of 100 requests", kind="number", default=1.0
    )
    max_model_latency_ms: int | None = setting(
        whole_number(1, 3_600_000),
        "how long the container may take for 99 of 100 answers, in milliseconds",
        kind="number",
        argument="max_model_latency",
        make=make.milliseconds,
        default=None,
    )
    max_memory_percent: float = setting(
        number(0, 100), "how full the memory may be", kind="number", default=90.0
    )
    max_disk_percent: float = setting(
        number(0, 100), "how full the disk may be", kind="number", default=90.0
    )
    evaluation_periods: int = setting(
        whole_number(1, 1440), "for how many minutes", kind="number", default=3
    )
    topics: tuple[str, ...] = setting(
        arns("sns", "arn:aws:sns:<region>:<account>:<topic>"),
        "who is told",
        kind="list of ARNs",
        make=make.topics,
        default=(),
    )
    roll_back: bool = setting(
        yes_or_no,
        "whether they make an update go back, too; needs `endpoint_name` and `deployment_config`",
        kind="true or false",
        argument=None,
        default=False,
    )
