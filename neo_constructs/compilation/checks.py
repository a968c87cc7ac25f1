"""All that can be said at synth against one compilation job, together."""

from __future__ import annotations

from dataclasses import replace

from neo_constructs.archive.model_file import ModelFile
from neo_constructs.catalog import compiler_options, data_input, images, support
from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.errors import ValidationError
from neo_constructs.findings import Finding, Level, listed, suggestion

# CloudFormation waits an hour for a custom resource; the engine needs part of it.
MAX_RUNTIME_SECONDS = range(60, 2_701)


def check_framework(framework: Framework | None, model: ModelFile | None) -> list[Finding]:
    """Say what is wrong between the framework given and the model file."""
    if framework is None and model is None:
        return [
            Finding(
                code="framework-missing",
                where="framework",
                message="It is not given, and cannot be read from the model.",
                fix='give it, such as Framework.pytorch("2.0").',
            )
        ]
    if framework and model and framework.name != model.framework:
        return [
            Finding(
                code="framework-contradicts-model",
                where="framework",
                level=Level.ERROR if framework.is_checked else Level.WARNING,
                message=f"{framework} is given, but {model.where} is {model.framework}.",
                fix="leave framework out, or give the other model.",
            )
        ]
    return []


def check_inputs(config: DataInputConfig | None, model: ModelFile | None) -> list[Finding]:
    """Say what is wrong between the inputs given and those in the model file."""
    if config is None or model is None or not isinstance(config.value, dict):
        return []
    given, there = config.value, {i.name: i for i in model.inputs}
    found = [
        f"the model has no input {name!r}; it has {listed(there)}. {suggestion(name, there)}"
        for name in given
        if name not in there
    ]
    found += [f"the model's input {name!r} is missing" for name in there if name not in given]
    for name, shape in given.items():
        wanted = there[name].shape if name in there else ()
        fits = len(shape) == len(wanted) and all(
            not isinstance(w, int) or w == s for s, w in zip(shape, wanted, strict=False)
        )
        if name in there and not fits:
            found.append(f"the model's input {name!r} has the shape {list(wanted)}, not {shape}")
    return [
        Finding(
            code="data-input-config-contradicts-model",
            where="data_input_config",
            message=f"{problem.strip()}.".replace("..", "."),
            fix="leave data_input_config out where the model file states its inputs.",
        )
        for problem in found
    ]


def check_job(
    *,
    framework: Framework,
    target: TargetDevice,
    data_input_config: DataInputConfig | None,
    options: CompilerOptions | None,
    region: str | None,
) -> list[Finding]:
    """Say what Neo would refuse.

    Parameters
    ----------
    region
        None where it is not known at synth.
    """
    return [
        *support.check(framework, target),
        *data_input.check(data_input_config, framework, target),
        *compiler_options.check(options, framework, target),
        *_check_region(framework, target, region),
    ]


def _check_region(framework: Framework, target: TargetDevice, region: str | None) -> list[Finding]:
    if region is None:
        return []
    try:
        image = images.find_image(framework, target)
    except ValidationError:
        return []  # said by support.check already, or let through by .of
    try:
        image.uri(region)
    except ValidationError as error:
        return [replace(finding, where="region") for finding in error.findings]
    return []


def check_max_runtime(seconds: int) -> list[Finding]:
    """Say what is wrong with ``max_runtime``."""
    if seconds in MAX_RUNTIME_SECONDS:
        return []
    return [
        Finding(
            code="max-runtime",
            where="max_runtime",
            message=f"{seconds} seconds are given. Allowed: 60 to 2700 (1 to 45 minutes).",
            fix="CloudFormation waits no longer than an hour for a job; take at most 45 minutes.",
        )
    ]
