"""What is declared of a model, against what its file says."""

from __future__ import annotations

from collections.abc import Mapping

from neo_constructs.archive.model_file import ModelFile
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.findings import Finding, Level, listed, suggestion


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
    if config is None or model is None or not isinstance(config.value, Mapping):
        return []
    given, there = config.value, {i.name: i for i in model.inputs}
    missing = [name for name in there if name not in given]
    found = []
    for name in (str(name) for name in given if name not in there):
        near = suggestion(name, missing)
        # A slip in one name is one fault, not one too many and one too few.
        missing = [other for other in missing if repr(other) not in near]
        found.append(f"the model has no input {name!r}; it has {listed(there)}. {near}")
    found += [f"the model's input {name!r} is missing" for name in missing]
    for name, shape in given.items():
        if name not in there or not isinstance(shape, list | tuple):
            continue  # said above, or by the rules of the form
        wanted = there[name].shape
        if wanted is None:
            continue
        fits = len(shape) == len(wanted) and all(
            not isinstance(w, int) or w == s for s, w in zip(shape, wanted, strict=False)
        )
        if not fits:
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
