"""Arguments that are known only at deploy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from constructs import Construct

from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.support import supported_versions
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.engine.asked_once import stack_of
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding


def known_at_synth(target: TargetDevice, where: str) -> list[Finding]:
    """Say whether a target is known only at deploy: image and framework version hang on it."""
    if not is_unresolved(target.name):
        return []
    return [
        Finding(
            code="known-at-synth",
            where=where,
            message="The target is known only at deploy, and the request depends on it.",
            fix="choose it at synth, by the app's context for example.",
        )
    ]


def has_tokens(value: object) -> bool:
    """Whether a value, or anything in it, is known only at deploy."""
    if isinstance(value, Mapping):
        return any(has_tokens(key) or has_tokens(item) for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(has_tokens(item) for item in value)
    return is_unresolved(value)


def known_version(framework: Framework, target: TargetDevice) -> Framework:
    """Return a framework to check: the newest version in place of one known only at deploy."""
    if not is_unresolved(framework.version):
        return framework
    versions = supported_versions(framework.name, target)
    return replace(framework, version=versions[-1] if versions else "1.0")


def inputs_to_check(config: DataInputConfig) -> DataInputConfig:
    """Return inputs to check: 1 in place of a dimension that is known only at deploy."""
    if isinstance(config.value, str) and has_tokens(config.value):
        return DataInputConfig.of(config.value)  # a parameter that holds the JSON
    return replace(config, value=_known(config.value))


def inputs_to_send(scope: Construct, config: DataInputConfig) -> DataInputConfig:
    """Return inputs to send: JSON in which a value known at deploy is a reference."""
    if not has_tokens(config.value):
        return config
    if isinstance(config.value, str):
        return DataInputConfig.of(config.value)
    return DataInputConfig.of(stack_of(scope).to_json_string(config.value))


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _known(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_known(item) for item in value]
    return 1 if is_unresolved(value) and not isinstance(value, str) else value
