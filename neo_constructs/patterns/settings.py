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

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.errors import ValidationError, raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.patterns import setting_makers as make
from neo_constructs.patterns.hosting_settings import (
    AlarmSettings,
    AsyncSettings,
    DataCaptureSettings,
    DeploymentSettings,
    NetworkSettings,
    ServingSettings,
    VariantSettings,
    key_setting,
    minutes_setting,
    read_bucket,
    read_role,
)
from neo_constructs.patterns.setting_overrides import apply_overrides
from neo_constructs.patterns.setting_readers import (
    SettingError,
    any_framework,
    json_value,
    matching,
    one_of,
    parsed,
    path_or_uri,
    read_shapes,
    read_string_map,
    tags,
    text,
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
_STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")  # AWS CloudFormation API reference


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings(ServingSettings):
    """One endpoint: most arguments of ``CompiledEndpoint``, its alarms and a dashboard."""

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
    max_runtime_minutes: int = minutes_setting(
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
        read_role,
        "what the containers act as; by default a role with the least they need",
        kind="ARN",
        make=make.role,
        default=None,
    )
    compile_role: str | None = setting(
        read_role,
        "what Neo acts as; by default one role per stack, with the least it needs",
        kind="ARN",
        make=make.role,
        default=None,
    )
    environment: Mapping[str, str] | None = setting(
        read_string_map, "variables of the containers", kind="object of texts", default=None
    )
    encryption_key: str | None = key_setting(
        "encrypts what is compiled and served; by default as the artifact bucket does"
    )
    storage_encryption_key: str | None = key_setting(
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
        read_bucket, "by default made by CloudFormation", default=None
    )
    encryption_key: str | None = key_setting("by default S3's own keys")
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
        read_bucket, "takes a record of every access", make=make.bucket, default=None
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
    log_encryption_key: str | None = key_setting(
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
    state_machine_encryption_key: str | None = key_setting("encrypts what executions hold")
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
