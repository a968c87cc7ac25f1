"""Arguments that are known only at deploy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aws_cdk import Stack, Token
from constructs import Construct

from neo_constructs.catalog.compilation_request import JobSettings
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.support import supported_versions
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.finding import Finding


def known_at_synth(target: TargetDevice, where: str) -> list[Finding]:
    """Say whether a target is known only at deploy: image and framework version hang on it."""
    if not Token.is_unresolved(target.name):
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
    return bool(Token.is_unresolved(value))


def without_tokens(settings: JobSettings) -> JobSettings:
    """Return settings to check: what is known only at deploy is taken as right.

    A dimension becomes 1, a version the newest that Neo compiles, and options are left out.
    """
    framework, config = settings.framework, settings.data_input_config
    if Token.is_unresolved(framework.version):
        versions = supported_versions(framework.name, settings.target)
        framework = replace(framework, version=versions[-1] if versions else "1.0")
    options = settings.compiler_options
    return replace(
        settings,
        framework=framework,
        data_input_config=config and replace(config, value=_known(config.value)),
        compiler_options=None if options and has_tokens(options.encoded) else options,
    )


def with_json_of_tokens(scope: Construct, settings: JobSettings) -> JobSettings:
    """Return settings to send: JSON in which a value known at deploy is a reference."""
    config = settings.data_input_config
    if config is None or not config.is_checked or not has_tokens(config.value):
        return settings
    text = Stack.of(scope).to_json_string(config.value)
    return replace(settings, data_input_config=DataInputConfig.of(text))


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _known(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_known(item) for item in value]
    return 1 if Token.is_unresolved(value) and not isinstance(value, str) else value
