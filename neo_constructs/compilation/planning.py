"""Make a compilation's plan of a construct's arguments, of which some are known only at deploy."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from constructs import Construct

from neo_constructs.catalog.compilation_request import DEFAULT_RUNTIME_SECONDS
from neo_constructs.catalog.compiler_options import CompilerOptions, CompilerOptionsLike
from neo_constructs.catalog.data_input import DataInputConfig, DataInputConfigLike
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.compilation.model_data import ModelData
from neo_constructs.compilation.tokens import (
    has_tokens,
    inputs_to_check,
    known_at_synth,
    known_version,
)
from neo_constructs.engine.asked_once import region_of
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding
from neo_constructs.plans.compilation_plan import CompilationPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilationArguments:
    """What a compilation is asked for, as ``CompilationJob`` takes it."""

    model_data: ModelData
    target: TargetDevice
    framework: Framework | None = None
    data_input_config: DataInputConfigLike | None = None
    compiler_options: CompilerOptionsLike | None = None
    max_runtime: Duration | None = None
    artifact_removal_policy: RemovalPolicy | None = None

    def as_keywords(self) -> dict[str, Any]:
        """Return the arguments by their names."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def plan_compilation(scope: Construct, given: CompilationArguments) -> CompilationPlan:
    """Return the plan of a compilation job's arguments.

    What is known only at deploy is taken as right: a dimension is 1, a version the newest that Neo
    compiles; an unknown target, options and durations become None.
    """
    late_target = known_at_synth(given.target, "target")
    seconds, late_duration = seconds_of(given.max_runtime)
    inputs = given.data_input_config
    inputs = None if inputs is None else DataInputConfig.coerce(inputs)
    options = given.compiler_options
    options = None if options is None else CompilerOptions.coerce(options)
    region = region_of(scope)
    return CompilationPlan(
        inspection=given.model_data.inspection,
        source_findings=given.model_data.findings,
        declared_framework=given.framework and known_version(given.framework, given.target),
        target=None if late_target else given.target,
        data_input_config=inputs and inputs_to_check(inputs),
        compiler_options=None if options and has_tokens(options.encoded) else options,
        max_runtime_seconds=seconds,
        region=None if is_unresolved(region) else region,
        argument_findings=(
            *late_target,
            *late_duration,
            *check_removal_policy(given.artifact_removal_policy),
        ),
    )


def seconds_of(max_runtime: Duration | None) -> tuple[int | None, list[Finding]]:
    """Return a duration in seconds, None where it is known at deploy only; and what is wrong."""
    if max_runtime is None:
        return DEFAULT_RUNTIME_SECONDS, []
    if not max_runtime.is_unresolved():
        return math.ceil(max_runtime.to_seconds(integral=False)), []
    try:
        max_runtime.to_seconds()
    except RuntimeError as error:  # the CDK cannot convert a token from another unit
        finding = Finding(
            code="known-at-synth",
            where="max_runtime",
            message=f"It is known only at deploy, and not in seconds: {error}.",
            fix="give Duration.seconds(parameter).",
        )
        return None, [finding]
    return None, []


def check_removal_policy(policy: RemovalPolicy | None) -> list[Finding]:
    """Say if an artifact cannot be kept or deleted so."""
    if policy in {None, RemovalPolicy.RETAIN, RemovalPolicy.DESTROY}:
        return []
    return [
        Finding(
            code="artifact-removal-policy",
            where="artifact_removal_policy",
            message=f"{policy} is given. Allowed: RETAIN, DESTROY.",
            fix="leave it out to keep the artifact.",
        )
    ]
