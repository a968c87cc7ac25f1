"""``DataInputConfig``: the names and shapes of a model's inputs, in the form Neo reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from neo_constructs.catalog.data_tables import documented
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.support import level_for
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.typed import check_fields, typed

Shape: TypeAlias = Sequence[int]

MAX_LENGTH = 16_384  # botocore, DataInputConfig
_CHANNELS = frozenset({1, 3, 4})  # grey, colour, colour with alpha
# API reference of InputConfig.DataInputConfig: only for the target coreml.
_COREML_KEYS = frozenset({"shape", "default_shape", "type", "bias", "scale"})


@dataclass(frozen=True, slots=True)
class DataInputConfig:
    """The inputs a model is compiled for.

    Parameters
    ----------
    value
        Name to shape, ``{"pixels": [1, 1, 8, 8]}``; for PyTorch also a list of shapes.
    is_checked
        False for ``DataInputConfig.of``: the value is then the text that is sent.
    is_read
        Whether it was read from the model file: then layout and order are not doubted.

    Examples
    --------
    >>> DataInputConfig({"pixels": [1, 1, 8, 8]}).to_json()
    '{"pixels":[1,1,8,8]}'
    """

    value: Any
    is_checked: bool = True
    is_read: bool = False

    def __post_init__(self) -> None:
        """Refuse fields of wrong types; the value is judged with the framework."""
        check_fields(self)

    @classmethod
    @typed
    def of(cls, text: str) -> DataInputConfig:
        """Return any text: the escape hatch when Neo has learned a form since this release.

        Only its length is checked, which is the API's own limit.
        """
        return cls(text, is_checked=False)

    @classmethod
    @typed
    def coerce(
        cls, value: DataInputConfig | Mapping[str, Shape] | Sequence[Shape]
    ) -> DataInputConfig:
        """Return ``value`` itself if it is one already; else with plain dicts and lists in it."""
        return value if isinstance(value, DataInputConfig) else cls(_plain(value))

    def to_json(self) -> str:
        """Return the string the API takes: compact JSON, in the order given."""
        if not self.is_checked:
            return str(self.value)
        return json.dumps(_plain(self.value), separators=(",", ":"))


DataInputConfigLike: TypeAlias = DataInputConfig | Mapping[str, Shape] | Sequence[Shape]


def is_required(framework: Framework, target: TargetDevice) -> bool:
    """Whether Neo needs ``DataInputConfig`` from the caller.

    XGBoost has none; for PyTorch 2.0 on CPU and GPU instances Neo derives it from the traced
    file (AWS developer guide, page neo-compilation-preparing-model; API change of 2023-09-05).
    """
    if framework.name == "XGBOOST":
        return False
    derived = framework.name == "PYTORCH" and _major(framework) >= 2
    return not (derived and target.processor in {"cpu", "gpu"})


def check(
    config: DataInputConfig | None, framework: Framework, target: TargetDevice
) -> list[Finding]:
    """Say what is wrong with a ``DataInputConfig`` for ``framework`` and ``target``.

    Source of the forms: AWS developer guide, page neo-compilation-preparing-model.
    """

    def found(code: str, message: str, level: Level | None = None) -> Finding:
        return Finding(
            code=f"data-input-config-{code}",
            where="data_input_config",
            level=level or level_for(framework, target),
            message=message,
            fix=_example(framework),
        )

    if config is None:
        missing = f"Neo needs the names and shapes of the inputs to compile {framework}."
        return [found("missing", missing)] if is_required(framework, target) else []
    form = _check_form(config.value, framework, found) if config.is_checked else []
    if form:
        return form
    length = len(config.to_json())
    if not 1 <= length <= MAX_LENGTH:
        # The API's own limit: no escape hatch helps.
        message = f"Its JSON has {length} characters. Allowed: 1 to {MAX_LENGTH}."
        return [found("length", message, Level.ERROR)]
    if config.is_read or not config.is_checked:
        return []
    return [*_check_layout(config.value, framework, found), *_check_order(config, framework, found)]


def check_shapes(config: DataInputConfig | None, framework: Framework) -> list[Finding]:
    """Say what is wrong with the shapes alone, whatever the framework is."""
    if config is None or not config.is_checked or not isinstance(config.value, Mapping | list):
        return []
    entries = config.value if isinstance(config.value, Mapping) else dict(enumerate(config.value))

    def found(code: str, message: str) -> Finding:
        return Finding(
            code=f"data-input-config-{code}",
            where="data_input_config",
            message=message,
            fix=_example(framework),
        )

    return [p for name, shape in entries.items() for p in _check_shape(name, shape, found)]


_Found: TypeAlias = Callable[..., Finding]


def _check_form(value: Any, framework: Framework, found: _Found) -> list[Finding]:
    given = f"{_short(value)} is given"
    if framework.name == "XGBOOST":
        message = f"{given}, but XGBoost models have no named inputs."
        return [found("unneeded", message, Level.WARNING)]
    if isinstance(value, Mapping):
        odd = [name for name in value if not isinstance(name, str)]
        if odd:
            return [found("form", f"The input name {odd[0]!r} is no text.")]
        named = [p for name, shape in value.items() for p in _check_shape(name, shape, found)]
        return named if value else [found("form", f"{given}; it names no input.")]
    return _check_list(value, given, framework, found)


def _check_list(value: Any, given: str, framework: Framework, found: _Found) -> list[Finding]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        message = f"{given}, a {type(value).__name__}. Allowed: names and their shapes."
        return [found("form", message)]
    if framework.name != "PYTORCH":
        return [found("names", f"{given}, a list. Only PyTorch takes shapes without names.")]
    if not value:
        return [found("form", f"{given}; it has no shape.")]
    if all(type(dimension) is int for dimension in value):
        return [
            found("form", f"{given}: one shape. Allowed: a list of shapes, one for each input.")
        ]
    return [p for index, shape in enumerate(value) for p in _check_shape(index, shape, found)]


def _check_shape(name: object, shape: object, found: _Found) -> list[Finding]:
    if isinstance(shape, Mapping):
        keys = ", ".join(sorted(map(str, shape)))
        what = "which only the target coreml takes" if _COREML_KEYS & set(shape) else "no shape"
        return [found("coreml", f"Input {name!r} is an object with {keys}, {what}.")]
    if _is_shape(shape):
        return []
    message = f"Input {name!r} has the shape {_short(shape)}. Allowed: a list of positive integers."
    return [found("form", message)]


def _is_shape(shape: object) -> bool:
    return (
        isinstance(shape, Sequence)
        and not isinstance(shape, str | bytes)
        and bool(shape)
        and all(type(dimension) is int and dimension > 0 for dimension in shape)
    )


def _check_layout(value: Any, framework: Framework, found: _Found) -> list[Finding]:
    """Look for images whose channels stand on the wrong side.

    Certain for square images of Keras, where Neo says so itself; elsewhere it may be meant.
    """
    layout = documented()["layouts"].get(framework.name)
    named = value.items() if isinstance(value, Mapping) else enumerate(value)
    findings = []
    for name, shape in named:
        if len(shape) != 4 or layout is None:
            continue
        first, last = shape[1] in _CHANNELS, shape[3] in _CHANNELS
        if last != first and last == (layout == "NCHW"):
            order = [0, 3, 1, 2] if layout == "NCHW" else [0, 2, 3, 1]
            likely = [shape[i] for i in order]
            message = (
                f"Input {name!r} has the shape {list(shape)}; for {framework.name} Neo expects "
                f"{layout}, which would be {likely}."
            )
            is_certain = framework.name == "KERAS" and shape[1] == shape[2]
            level = None if is_certain else Level.WARNING
            findings.append(found("layout", message, level))
    return findings


def _check_order(config: DataInputConfig, framework: Framework, found: _Found) -> list[Finding]:
    """Neo binds PyTorch's inputs by position, after sorting the names (neo-ai/neo-loader)."""
    if framework.name != "PYTORCH" or not isinstance(config.value, Mapping):
        return []
    names = list(config.value)
    if names == sorted(names):
        return []
    message = (
        f"Neo sorts the names of PyTorch's inputs and binds them by position: "
        f"{', '.join(sorted(names))}, not {', '.join(names)}."
    )
    return [found("order", message, Level.WARNING)]


def _plain(value: Any) -> Any:
    """Return mappings as dicts and sequences as lists, as JSON has them."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value


_MAX_DIGITS = 5


def _major(framework: Framework) -> int:
    head = (framework.version or "").split(".")[0]
    is_number = head.isascii() and head.isdigit() and len(head) < _MAX_DIGITS
    return int(head) if is_number else 0


def _example(framework: Framework) -> str:
    if framework.name == "XGBOOST":
        return "leave it out."
    if framework.name == "PYTORCH":
        return 'give {"input0": [1, 3, 224, 224]} or [[1, 3, 224, 224]] with the model\'s shapes.'
    layout = documented()["layouts"].get(framework.name, "NCHW")
    shape = "[1, 224, 224, 3]" if layout == "NHWC" else "[1, 3, 224, 224]"
    return f'give {{"input name": {shape}}} ({layout}) with the model\'s own names and shapes.'


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
