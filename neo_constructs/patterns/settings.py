"""The ``neo`` context of cdk.json: the deployer's whole interface, typed.

The schema is the classes below: a setting's reader, its meaning and the argument it becomes stand
together. docs/settings.md is made from them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.errors import ValidationError, raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.patterns import setting_makers as make
from neo_constructs.patterns.setting_overrides import apply_overrides
from neo_constructs.patterns.setting_readers import (
    SettingError,
    any_framework,
    arn,
    arns,
    json_value,
    matching,
    number,
    one_of,
    parsed,
    path_or_uri,
    read_compiler_options,
    read_shapes,
    read_string_map,
    tags,
    text,
    texts,
    whole_number,
    yes_or_no,
)
from neo_constructs.patterns.setting_schema import nested, read_settings, setting, wrong_value
from neo_constructs.typed import typed

CONTEXT_KEY: Final = "neo"
_ENDPOINT_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_RESERVED_IDS = frozenset({"NeoJobEngine", "NeoArtifactBucket", "NeoImageAccounts"})
# What a stack puts out for each endpoint, after its construct's id.
OUTPUTS: Final = ("EndpointName", "CompilationJobName", "CompiledModel")
_SCRIPT = re.compile(r"[^/\\\x00-\x1f]+\.py")
# Source: IAM API reference, PolicyName and the ARN of a policy.
_POLICY = re.compile(r"[\w+=,.@-]{1,128}|arn:aws[\w-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]{1,512}")
# Source: SageMaker API reference, ContainerDefinition.Image; a registry's host comes first.
_IMAGE = re.compile(r"[\w-]+(\.[\w-]+)+(:\d+)?/[\w./-]+([:@][\w.:-]+)?")
_STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")  # AWS CloudFormation API reference
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")  # Amazon S3 user guide, naming rules

_read_bucket = matching(_BUCKET, "the name of a bucket")
_read_key = arn("kms", "arn:aws:kms:<region>:<account>:key/<id>")
_read_role = arn("iam", "arn:aws:iam::<account>:role/<name>")
_read_topic = arn("sns", "arn:aws:sns:<region>:<account>:<topic>")
_read_image = matching(
    _IMAGE, "a registry's URI, such as 123456789012.dkr.ecr.<region>.amazonaws.com/a:1"
)


def _key(about: str) -> Any:
    """Return a setting for a key of KMS."""
    return setting(_read_key, about, kind="ARN", make=make.key, default=None)


def _minutes(name: str, about: str, least: int = 1, most: int = 60, **default: Any) -> Any:
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
class _ServingSettings:
    """What serves a model that was compiled for a target: of an endpoint, and of a target."""

    compiler_options: CompilerOptions | None = setting(
        read_compiler_options,
        '`{"dtype": "int64"}` for PyTorch; any other text or object is sent as it is',
        kind="text or object",
        default=None,
    )
    image: str | None = setting(
        _read_image,
        "the image to serve with; by default what the finished job reports",
        kind="URI",
        make=make.image,
        default=None,
    )
    initial_instance_count: int = setting(
        whole_number(1, 1000), "1 to 1000", kind="number", default=1
    )
    model_data_download_timeout_minutes: int | None = _minutes(
        "model_data_download_timeout",
        "how long the artifact may take to arrive, 1 to 60; by default SageMaker's",
    )
    container_startup_health_check_timeout_minutes: int | None = _minutes(
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
class VariantSettings(_ServingSettings):
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

    bucket: str = setting(_read_bucket, "where it goes", make=make.bucket)
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
    encryption_key: str | None = _key("encrypts it; by default as the bucket does")
    is_enabled: bool = setting(yes_or_no, "false keeps nothing", kind="true or false", default=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncSettings:
    """An endpoint that answers later, by way of S3."""

    bucket: str = setting(_read_bucket, "where answers go", make=make.bucket)
    prefix: str = setting(text, "what the answers' keys start with", default="async-output")
    failure_prefix: str = setting(
        text, "what the keys of failures start with", default="async-failures"
    )
    input_bucket: str | None = setting(
        _read_bucket,
        "where requests lie; by default `bucket`",
        make=make.bucket,
        default=None,
    )
    input_prefix: str = setting(text, "what the requests' keys start with", default="async-input")
    max_concurrent_invocations_per_instance: int | None = setting(
        whole_number(1, 1000), "1 to 1000", kind="number", default=None
    )
    success_topic: str | None = setting(
        _read_topic, "told of each answer", kind="ARN", make=make.topic, default=None
    )
    error_topic: str | None = setting(
        _read_topic, "told of each failure", kind="ARN", make=make.topic, default=None
    )
    include_response_in_topics: bool = setting(
        yes_or_no, "whether topics are told small answers", kind="true or false", default=False
    )
    encryption_key: str | None = _key("encrypts the answers; by default as the bucket does")


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
    wait_minutes: int | None = _minutes(
        "wait",
        "how long alarms are watched after each step, up to 60; by default 5, and not at all for "
        "`ALL_AT_ONCE`",
        least=0,
    )
    termination_wait_minutes: int | None = _minutes(
        "termination_wait", "how long the old fleet stays after the last step, up to 60", least=0
    )
    maximum_execution_timeout_minutes: int | None = _minutes(
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings(_ServingSettings):
    """One endpoint: the arguments of ``CompiledEndpoint``, under the same names."""

    name: str = setting(
        matching(_ENDPOINT_NAME, "small letters, digits and hyphens, a letter first, up to 41"),
        "small letters, digits and hyphens; unique in the stack. It names the construct, so "
        "renaming it replaces the endpoint",
        argument=None,
    )
    model_data: str = setting(
        path_or_uri,
        "the trained model: a model file, a folder or a `model.tar.gz` on this machine, or an "
        "archive in S3",
        kind="path or `s3://` URI",
        make=make.model_data,
    )
    target: TargetDevice | None = setting(
        parsed(TargetDevice.parse),
        "the hardware to compile for: `ml_c5`, `ml_m5`, `ml_g4dn`, `ml_inf2`, ...; needed without "
        "`targets`",
        unchecked=parsed(TargetDevice.of),
        default=None,
    )
    instance_type: str | None = setting(
        text,
        "what serves it, of the target's family: `ml.c5.large` for `ml_c5`; needed without "
        "`targets` and `memory_size_in_mb`",
        default=None,
    )
    targets: tuple[VariantSettings, ...] = nested(
        VariantSettings,
        "several targets, each compiled by a job of its own, in place of `target` and what "
        "describes it alone",
        make.targets,
        many=True,
    )
    framework: Framework | None = setting(
        parsed(Framework.parse),
        "`onnx`, `pytorch:2.0`, `tensorflow:2.9`, ...; by default read from the model, in the "
        "newest version that Neo compiles for the target",
        unchecked=parsed(any_framework),
        default=None,
    )
    data_input_config: Any = setting(
        read_shapes,
        'names and shapes of the inputs: `{"pixels": [1, 1, 8, 8]}`; by default read from the '
        "model",
        kind="object or list",
        default=None,
    )
    inference_code: str | None = setting(
        path_or_uri,
        "the folder with the script, or the script; in S3 the `.tar.gz` that a training job left",
        kind="path or `s3://` URI",
        make=make.inference_code,
        default=None,
    )
    entry_point: str = setting(
        matching(_SCRIPT, "the name of a .py file in the folder, without the folder"),
        "the script's name in that folder, which it may not leave",
        argument=None,
        default="inference.py",
    )
    variant_name: str | None = setting(text, "by default `AllTraffic`", default=None)
    endpoint_name: str | None = setting(
        text,
        "a name of your own is stable for clients, but blocks a replacement; by default made by "
        "CloudFormation",
        default=None,
    )
    max_runtime_minutes: int = _minutes(
        "max_runtime", "how long the compilation may take, 1 to 45", most=45, default=15
    )
    unchecked: bool = setting(
        yes_or_no,
        "true turns what the catalog says against the framework and the target into warnings, "
        "for when Neo has learned something since this release",
        kind="true or false",
        argument=None,
        default=False,
    )
    artifact_removal_policy: str = setting(
        one_of("RETAIN", "DESTROY"),
        "`DESTROY` deletes a compiled artifact together with its job",
        make=make.removal_policy,
        default="RETAIN",
    )
    role: str | None = setting(
        _read_role,
        "what the containers act as; by default a role with the least they need",
        kind="ARN",
        make=make.role,
        default=None,
    )
    compile_role: str | None = setting(
        _read_role,
        "what Neo acts as; by default one role per stack, with the least it needs",
        kind="ARN",
        make=make.role,
        default=None,
    )
    environment: Mapping[str, str] | None = setting(
        read_string_map, "variables of the containers", kind="object of texts", default=None
    )
    encryption_key: str | None = _key(
        "encrypts what is compiled and served; by default as the artifact bucket does"
    )
    storage_encryption_key: str | None = _key(
        "encrypts the instances' volumes; by default SageMaker's own key"
    )
    vpc: NetworkSettings | None = nested(
        NetworkSettings, "where the containers' network interfaces are", make.vpc
    )
    enable_network_isolation: bool | None = setting(
        yes_or_no,
        "by default true, but false where a container must reach out as it starts",
        kind="true or false",
        default=None,
    )
    data_capture_config: DataCaptureSettings | None = nested(
        DataCaptureSettings, "keeps a sample of requests and answers in S3", make.data_capture
    )
    async_inference_config: AsyncSettings | None = nested(
        AsyncSettings, "makes the endpoint answer later, by way of S3", make.async_inference
    )
    deployment_config: DeploymentSettings | None = nested(
        DeploymentSettings, "how the endpoint moves to a new configuration", make.deployment
    )
    alarms: AlarmSettings | None = nested(
        AlarmSettings,
        "alarms on errors, latency, memory and disk",
        make.arguments_only,
        argument=None,
    )
    dashboard: bool = setting(
        yes_or_no,
        "true makes a CloudWatch dashboard of the endpoint",
        kind="true or false",
        argument=None,
        default=False,
    )

    @staticmethod
    def _needed(values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what is needed beside what has no default."""
        if "targets" in values:
            return ()
        return ("target",) if "memory_size_in_mb" in values else ("target", "instance_type")

    @property
    def construct_id(self) -> str:
        """The name as the stack's construct carries it: ``resnet-50`` is ``Resnet50``."""
        return _construct_id(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactBucketSettings:
    """The bucket that compiled models live in."""

    bucket_name: str | None = setting(
        _read_bucket, "by default made by CloudFormation", default=None
    )
    encryption_key: str | None = _key("by default S3's own keys")
    noncurrent_version_expiration_days: int = setting(
        whole_number(1, 3650),
        "how long an overwritten or deleted object stays",
        kind="number",
        argument="noncurrent_version_expiration",
        make=make.days,
        default=30,
    )
    removal_policy: str = setting(
        one_of("RETAIN", "DESTROY"),
        "`DESTROY` deletes the bucket with the stack, once it is empty",
        make=make.removal_policy,
        default="RETAIN",
    )
    server_access_logs_bucket: str | None = setting(
        _read_bucket, "takes a record of every access", make=make.bucket, default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How the stack's job engine is operated."""

    log_retention_days: int = setting(
        make.read_retention,
        "how long the functions' logs stay",
        kind="number",
        argument="log_retention",
        make=make.retention,
        default=30,
    )
    log_encryption_key: str | None = _key(
        "encrypts the logs; its policy must let CloudWatch Logs use it"
    )
    vpc: NetworkSettings | None = nested(
        NetworkSettings, "where the functions' network interfaces are", make.vpc
    )
    reserved_concurrent_executions: int | None = setting(
        whole_number(1, 1000),
        "how many of each of the two functions may run at once",
        kind="number",
        default=None,
    )
    state_machine_encryption_key: str | None = _key("encrypts what executions hold")
    state_machine_log_level: str = setting(
        one_of("OFF", "ERROR", "FATAL", "ALL"),
        "`OFF`, `ERROR`, `FATAL` or `ALL`; what executions hold is never logged",
        default="OFF",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of the ``neo`` context."""

    endpoints: tuple[EndpointSettings, ...] = nested(
        EndpointSettings, "the endpoints, at least one", make.arguments_only, many=True
    )
    stack_name: str = setting(
        matching(_STACK_NAME, "letters, digits and hyphens, a letter first, up to 128"),
        "letters, digits and hyphens, a letter first",
        default="CompiledEndpointStack",
    )
    compilation_stack_name: str | None = setting(
        matching(_STACK_NAME, "letters, digits and hyphens, a letter first, up to 128"),
        "a stack of its own for the compilation jobs, deployed before the other; by default there "
        "is one stack",
        default=None,
    )
    tags: Mapping[str, str] = setting(
        tags, "put on every resource that takes tags", kind="object of texts", default_factory=dict
    )
    permissions_boundary: str | None = setting(
        matching(_POLICY, "a policy's name, or its ARN arn:aws:iam::<account>:policy/<name>"),
        "name or ARN of the policy that bounds every role in the stack",
        default=None,
    )
    artifact_bucket: ArtifactBucketSettings | None = nested(
        ArtifactBucketSettings, "the bucket that compiled models live in", make.arguments_only
    )
    engine: EngineSettings | None = nested(
        EngineSettings, "how the stack's job engine is operated", make.arguments_only
    )

    @staticmethod
    def _needed(_values: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what is needed beside what has no default."""
        return ("endpoints",)

    @classmethod
    @typed
    def from_context(cls, context: Mapping[str, Any]) -> Settings:
        """Read the settings from an app's context.

        Parameters
        ----------
        context
            All of it: ``neo`` (an object, or JSON text from ``-c neo=...``), and overrides of
            single values, ``neo.<endpoint name>.<key>`` or ``neo.<key>``; a key may have keys of
            its own, as in ``neo.digits.scaling.max_capacity``.

        Raises
        ------
        ValidationError
            With every unknown key and every wrong value.
        """
        raw = context.get(CONTEXT_KEY)
        if raw is None:
            raise ValidationError([_missing_context()])
        try:
            values = json_value(raw) if isinstance(raw, str) else raw
        except SettingError as wrong:
            raise ValidationError([wrong_value(CONTEXT_KEY, raw, str(wrong))]) from wrong
        if not isinstance(values, dict):
            message = "Allowed: an object with the key endpoints."
            raise ValidationError([wrong_value(CONTEXT_KEY, values, message)])
        values = json.loads(json.dumps(values))
        findings = apply_overrides(values, context, cls, EndpointSettings, CONTEXT_KEY)
        settings = read_settings(cls, values, CONTEXT_KEY, findings)
        findings += _colliding(_names(values), {"endpoints", *cls.__slots__})
        raise_errors(findings, subject="The context in cdk.json")
        assert isinstance(settings, cls)  # noqa: S101 - or there was a finding
        return settings


def _construct_id(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))


def _names(values: Mapping[str, Any]) -> list[str]:
    """Return the names of all endpoints, right or wrong."""
    listing = values.get("endpoints")
    entries = listing if isinstance(listing, list) else []
    names = [each.get("name") for each in entries if isinstance(each, dict)]
    return [name for name in names if isinstance(name, str) and _ENDPOINT_NAME.fullmatch(name)]


def _colliding(names: list[str], keys: set[str]) -> list[Finding]:
    """Look for names that would be one and the same construct, or a key of the stack's."""
    ids = [_construct_id(name) for name in names]
    taken = {f"{own}{output}" for own in ids for output in OUTPUTS}
    return [
        Finding(
            code="setting-value",
            where=f"{CONTEXT_KEY}.endpoints",
            message=f"The name {name!r} is taken already; it becomes the construct {own}.",
            fix="give each endpoint a name that differs in more than its hyphens.",
        )
        for index, (name, own) in enumerate(zip(names, ids, strict=True))
        if own in ids[:index] or own in _RESERVED_IDS or own in taken
    ] + [
        Finding(
            code="setting-value",
            where=f"{CONTEXT_KEY}.endpoints",
            message=f"The name {name!r} is a key of the stack's: {CONTEXT_KEY}.{name} would be "
            "both.",
            fix="give the endpoint another name.",
        )
        for name in names
        if name in keys
    ]


def _missing_context() -> Finding:
    return Finding(
        code="setting-missing",
        where=CONTEXT_KEY,
        message="cdk.json has no context of that name.",
        fix='add "context": {"neo": {"endpoints": [...]}}; docs/settings.md has an example.',
    )
