"""``DataInputConfig``: the names and shapes of a model's inputs, in the form Neo reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings import Finding, Level

Shape: TypeAlias = Sequence[int]
DataInputConfigLike: TypeAlias = "DataInputConfig | Mapping[str, Shape] | Sequence[Shape]"

MAX_LENGTH = 16_384  # botocore, DataInputConfig


@dataclass(frozen=True, slots=True)
class DataInputConfig:
    """The inputs a model is compiled for.

    Parameters
    ----------
    value
        Name to shape, ``{"pixels": [1, 1, 8, 8]}``; for PyTorch also a list of shapes.

    Examples
    --------
    >>> DataInputConfig({"pixels": [1, 1, 8, 8]}).to_json()
    '{"pixels":[1,1,8,8]}'
    """

    value: Any

    @classmethod
    def coerce(cls, value: DataInputConfigLike) -> DataInputConfig:
        """Return ``value`` itself if it is one already."""
        return value if isinstance(value, DataInputConfig) else cls(value)

    def to_json(self) -> str:
        """Return the string the API takes: compact JSON, in the order given."""
        return json.dumps(self.value, separators=(",", ":"))


def is_required(framework: Framework, target: TargetDevice) -> bool:
    """Whether Neo needs ``DataInputConfig`` from the caller.

    XGBoost has none; for PyTorch 2.0 on CPU and GPU instances Neo derives it from the traced
    file (AWS developer guide, page neo-compilation-preparing-model; API change of 2023-09-05).
    """
    if framework.name == "XGBOOST":
        return False
    derived = framework.name == "PYTORCH" and _is_at_least(framework, 2)
    return not (derived and target.processor in {"cpu", "gpu"})


def check(
    config: DataInputConfig | None, framework: Framework, target: TargetDevice
) -> list[Finding]:
    """Say what is wrong with a ``DataInputConfig`` for ``framework`` and ``target``.

    Source of the forms: AWS developer guide, page neo-compilation-preparing-model.
    """
    if config is None:
        return _missing(framework) if is_required(framework, target) else []
    problems = list(_form(config.value, lists_allowed=framework.name == "PYTORCH"))
    if not problems and len(config.to_json()) > MAX_LENGTH:
        problems.append(f"its JSON has more than {MAX_LENGTH} characters")
    return [
        Finding(
            code="data-input-config",
            where="data_input_config",
            level=Level.ERROR if framework.is_checked else Level.WARNING,
            message=f"{_short(config.value)}: {problem}.",
            fix=_example(framework),
        )
        for problem in problems
    ]


def _missing(framework: Framework) -> list[Finding]:
    return [
        Finding(
            code="data-input-config-missing",
            where="data_input_config",
            level=Level.ERROR if framework.is_checked else Level.WARNING,
            message=f"Neo needs the names and shapes of the inputs to compile {framework}.",
            fix=_example(framework),
        )
    ]


def _form(value: Any, *, lists_allowed: bool) -> list[str]:
    if isinstance(value, Mapping):
        if not value:
            return ["it names no input"]
        return [
            f"input {name!r} has the shape {shape!r}, but a shape is a list of positive integers"
            for name, shape in value.items()
            if not _is_shape(shape)
        ]
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return [f"a {type(value).__name__} is given, but names and shapes are a dict"]
    if not lists_allowed:
        return ["a list of shapes is given, but only PyTorch takes a list; the others need names"]
    if not value:
        return ["it has no shape"]
    return [
        f"entry {index} is {shape!r}, but each entry is a shape: a list of positive integers"
        for index, shape in enumerate(value)
        if not _is_shape(shape)
    ]


def _is_shape(shape: object) -> bool:
    return (
        isinstance(shape, Sequence)
        and not isinstance(shape, str | bytes)
        and bool(shape)
        and all(type(dimension) is int and dimension > 0 for dimension in shape)
    )


def _is_at_least(framework: Framework, major: int) -> bool:
    head = (framework.version or "0").split(".")[0]
    return head.isdigit() and int(head) >= major


def _example(framework: Framework) -> str:
    if framework.name == "PYTORCH":
        return 'give {"input0": [1, 3, 224, 224]} or [[1, 3, 224, 224]] with the model\'s shapes.'
    layout = "NHWC" if framework.name == "TENSORFLOW" else "NCHW"
    shape = "[1, 224, 224, 3]" if layout == "NHWC" else "[1, 3, 224, 224]"
    return f'give {{"input name": {shape}}} ({layout}) with the model\'s own names and shapes.'


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
