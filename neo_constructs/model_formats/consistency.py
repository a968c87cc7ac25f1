"""What is declared of a model, against what its file says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import listed, suggestion
from neo_constructs.model_formats.model_file import ModelFile, ModelInput, channels_first
from neo_constructs.model_formats.torch_file import TORCHSCRIPT


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


def check_writer(framework: Framework, model: ModelFile | None) -> list[Finding]:
    """Say if a newer release wrote the file than Neo compiles, where the file says it.

    ONNX files name the program that exported them, and PyTorch's have a sign of their own.
    """
    if model is None or framework.name != model.framework or model.framework not in _WRITERS:
        return []
    written, known = _release(model.writer), _release(framework.version or "")
    if not written or not known or written <= known:
        return []
    return [
        Finding(
            code="framework-newer",
            level=Level.WARNING,
            where=model.where,
            message=f"{_WRITERS[framework.name]} {model.writer} wrote it; Neo has {framework}.",
            fix="save the model with the release that Neo has.",
        )
    ]


_WRITERS: Final = {"XGBOOST": "XGBoost", "KERAS": "Keras", "TENSORFLOW": "TensorFlow"}


def _release(text: str) -> tuple[int, ...]:
    """Return major and minor version."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})", text, re.ASCII)
    return (int(found[1]), int(found[2])) if found else ()


def check_inputs(config: DataInputConfig | None, model: ModelFile | None) -> list[Finding]:
    """Say what is wrong between the inputs given and those in the model file."""
    if config is None and model and model.format == TORCHSCRIPT and not model.inputs:
        return [
            Finding(
                code="torch-shapes-unread",
                level=Level.WARNING,
                where=model.where,
                message="It does not state its inputs' shapes, as traces of newer releases do, and "
                "none are given.",
                fix="give data_input_config, or trace the model again.",
            )
        ]
    if config is None or model is None or not model.inputs:
        return []
    if model.framework == "PYTORCH":
        problems = _by_order(config.value, model)
    elif isinstance(config.value, Mapping):
        problems = _by_name(config.value, model)
    else:
        return []
    return [
        Finding(
            code="data-input-config-contradicts-model",
            where="data_input_config",
            message=f"{problem.strip()}.".replace("..", "."),
            fix=how_to_give(model)
            or "leave data_input_config out: the model file states its inputs.",
        )
        for problem in [*problems[:_SHOWN], *_more(problems)]
    ]


_SHOWN: Final = 20


def how_to_give(model: ModelFile | None) -> str:
    """Return how to give the inputs of a model that leaves dimensions open; empty for another."""
    inputs = [i for i in (model.inputs if model else ()) if i.shape]
    is_open = any(not isinstance(d, int) for i in inputs for d in i.shape or ())
    if model is None or not is_open or len(inputs) < len(model.inputs):
        return ""
    shown = ", ".join(f'"{i.name}": {_shown(wanted_shape(model, i))}' for i in inputs[:_SHOWN])
    more = f" and {len(inputs) - _SHOWN} more" if len(inputs) > _SHOWN else ""
    return f"give data_input_config={{{shown}}}{more}, with a number for each ?, such as 1."


def with_inputs(findings: Iterable[Finding], model: ModelFile | None) -> list[Finding]:
    """Let findings about missing inputs name those that were read, with their dimensions."""
    fix = how_to_give(model)
    return [
        replace(f, fix=fix) if fix and f.code == "data-input-config-missing" else f
        for f in findings
    ]


def wanted_shape(model: ModelFile, there: ModelInput) -> list[object]:
    """Return an input's shape as Neo takes it."""
    shape: list[object] = list(there.shape or ())
    return channels_first(shape) if model.framework == "KERAS" else shape


def _shown(shape: Iterable[object]) -> str:
    return f"[{', '.join(str(d) if isinstance(d, int) else '?' for d in shape)}]"


def _more(problems: list[str]) -> list[str]:
    left = len(problems) - _SHOWN
    return [f"{left} more inputs differ"] if left > 0 else []


def _by_order(value: object, model: ModelFile) -> list[str]:
    """Compare the inputs of a traced model: their names are labels, and sorted before they bind."""
    if isinstance(value, Mapping):
        shapes = [value[name] for name in sorted(value, key=str)]
    elif isinstance(value, list | tuple):
        shapes = list(value)
    else:
        return []
    if len(shapes) != len(model.inputs):
        traced = listed([i.name for i in model.inputs])
        return [f"{len(shapes)} inputs are given; the model was traced with {traced}"]
    return [
        f"the model's input {there.name!r} was traced with the shape {list(there.shape)}; "
        f"{shape} has another number of dimensions"
        for shape, there in zip(shapes, model.inputs, strict=True)
        if isinstance(shape, list | tuple) and there.shape and len(shape) != len(there.shape)
    ]


def _by_name(given: Mapping[object, object], model: ModelFile) -> list[str]:
    there = {i.name: i for i in model.inputs}
    missing = [name for name in there if name not in given]
    found = []
    for number, unknown in enumerate(str(name) for name in given if name not in there):
        near = suggestion(unknown, missing) if number < _SHOWN else ""
        # A slip in one name is one fault, not one too many and one too few.
        missing = [other for other in missing if repr(other) not in near]
        found.append(
            f"the model has no input {unknown!r}; it has {listed([*there][:_SHOWN])}. {near}"
        )
    found += [f"the model's input {name!r} is missing" for name in missing]
    for name, shape in given.items():
        if name not in there or not isinstance(shape, list | tuple):
            continue  # said above, or by the rules of the form
        stated = there[str(name)].shape
        if stated is None:
            continue
        wanted = wanted_shape(model, there[str(name)])
        fits = len(shape) == len(wanted) and all(
            not isinstance(w, int) or w == s for s, w in zip(shape, wanted, strict=False)
        )
        if not fits:
            found.append(f"the model's input {name!r} has the shape {_shown(wanted)}, not {shape}")
    return found
