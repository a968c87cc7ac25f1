"""``neo validate``: what Neo or the container would refuse, in a second and without an account."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click

from neo_constructs.catalog.target import TargetDevice
from neo_constructs.cli.console import raise_keyboard_interrupt_on_signal, say, say_all, shown
from neo_constructs.cli.examples import examples
from neo_constructs.cli.parameters import any_version, on_command_line, parse_or_exit
from neo_constructs.cli.parameters import data_input_config as parse_shapes
from neo_constructs.findings.errors import ValidationError, errors_among
from neo_constructs.findings.wording import shortened
from neo_constructs.model_formats.model_input import ModelInput
from neo_constructs.plans.validation import Validation
from neo_constructs.plans.validation import validate as check

MAX_SHOWN = 4_000  # bytes of inputs, and of findings
UNREADABLE = frozenset(
    {
        "model-missing",
        "model-unreadable",
        "temporary-folder",
        "script-missing",
        "payload-missing",
        "payload-unreadable",
    }
)


@click.command(
    epilog=examples(
        "neo validate model.onnx --target ml_c5 --code code",
        "neo validate --payload payload.tar.gz",
    )
)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--framework", help="Such as pytorch:2.0. Default: the model's file says it.")
@click.option("--target", help="Such as ml_c5. Default: the rules of targets are left out.")
@click.option("--data-input-config", help="Shapes as JSON. Default: the model's file says them.")
@click.option("--code", type=click.Path(path_type=Path), help="The script, or its folder.")
@click.option("--payload", type=click.Path(path_type=Path), help="A sample payload archive.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object and nothing else.")
def validate(
    path: Path | None,
    *,
    framework: str | None,
    target: str | None,
    data_input_config: str | None,
    code: Path | None,
    payload: Path | None,
    is_json: bool,
) -> None:
    """Check the model at PATH: a model file, a folder or a model.tar.gz.

    Nothing of the model or the script is run. Exits 0 if there are no errors, 1 if there are, 2 if
    an argument is invalid or a file cannot be read.
    """
    if path is None and code is None and payload is None:
        raise click.UsageError("Give PATH, --code or --payload, or more of them.")
    raise_keyboard_interrupt_on_signal()
    parsed, device, shapes = parse_or_exit(
        (framework, any_version),
        (target, TargetDevice.parse),
        (data_input_config, parse_shapes),
        refuse=_refuse_as_json if is_json else None,
    )
    found = check(
        path, framework=parsed, target=device, data_input_config=shapes, code=code, payload=payload
    )
    found = replace(found, findings=tuple(map(on_command_line, found.findings)))
    if is_json:
        say(json.dumps(as_json(found)))
    else:
        _print(found)
    errors = {finding.code for finding in errors_among(found.findings)}
    sys.exit(2 if errors & UNREADABLE else int(bool(errors)))


def _refuse_as_json(error: ValidationError) -> NoReturn:
    """Print what is wrong with the arguments, in the form of ``--json``."""
    nothing = Validation(framework=None, model=None, findings=tuple(error.findings))
    say(json.dumps(as_json(nothing)))
    sys.exit(2)


def as_json(found: Validation) -> dict[str, Any]:
    """Return what was found, in the form of ``--json``."""
    fields = ("code", "level", "where", "message", "fix")
    findings = _within(
        {field: str(getattr(finding, field)) for field in fields} for finding in found.findings
    )
    said: dict[str, Any] = {
        "model": _model(found) if found.model else None,
        "findings": findings,
    }
    if left := len(found.findings) - len(findings):
        said["findings_left_off"] = left
    return said


def _model(found: Validation) -> dict[str, Any]:
    model = found.model
    assert model  # noqa: S101 - asked for by the caller
    inputs = _within(
        {"name": i.name, "shape": None if i.shape is None else list(i.shape), "dtype": i.dtype}
        for i in model.inputs
    )
    said = {
        "framework": model.framework,
        "framework_version": found.framework.version if found.framework else None,
        "format": model.format,
        "writer": model.writer or None,
        "opset": model.opset,
        "ir_version": model.ir_version,
        "inputs": inputs,
    }
    if left := len(model.inputs) - len(inputs):
        said["inputs_left_off"] = left
    return said


def _within(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first of some objects, as many as a reader may want."""
    kept, size = [], 0
    for item in items:
        size += len(json.dumps(item))
        if size > MAX_SHOWN:
            break
        kept.append(item)
    return kept


def _print(found: Validation) -> None:
    model = found.model
    if model:
        by = f", written by {model.writer}" if model.writer else ""
        say(f"{shown(model.where)}: {model.framework} ({model.format}{shown(by)})")
        say_all((_input(each) for each in model.inputs), MAX_SHOWN)
    texts = (f"{finding.level.capitalize()}: {finding}" for finding in found.findings)
    say_all(texts, MAX_SHOWN)
    errors = len(errors_among(found.findings))
    warnings = len(found.findings) - errors
    say(f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}")


def _input(each: ModelInput) -> str:
    sizes = ", ".join("?" if d is None else shown(str(d)) for d in each.shape or ("...",))
    return f"  input {shown(each.name)}: {shown(each.dtype)} [{shortened(sizes, 200)}]"
