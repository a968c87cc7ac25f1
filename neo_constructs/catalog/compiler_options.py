"""``CompilerOptions``: one field of the API with three encodings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.support import level_for
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import listed, suggestion
from neo_constructs.typed import check_fields, typed

PYTORCH_DTYPES = ("float", "float32", "int64", "long")  # API reference, OutputConfig
LENGTHS = range(3, 1025)  # botocore, CompilerOptions


@dataclass(frozen=True, slots=True)
class CompilerOptions:
    """Options of the compiler, encoded as the API wants them.

    Parameters
    ----------
    encoded
        The text sent as ``OutputConfig.CompilerOptions``.
    kind
        Which encoding it is: ``pytorch``, ``neuron`` or ``raw``.

    Examples
    --------
    >>> CompilerOptions.pytorch(dtype="int64").encoded
    '{"dtype": "int64"}'
    >>> CompilerOptions.neuron("--neuroncore-pipeline-cores 2").encoded
    '"--neuroncore-pipeline-cores 2"'
    """

    encoded: str
    kind: str = "raw"

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    @classmethod
    @typed
    def pytorch(cls, *, dtype: str) -> CompilerOptions:
        """Return the input type of a PyTorch model: float, float32 (Neo's own), int64 or long."""
        return cls(json.dumps({"dtype": dtype}), "pytorch")

    @classmethod
    @typed
    def neuron(cls, flags: str) -> CompilerOptions:
        """Return flags of the Neuron compiler, which the API takes as a JSON string."""
        return cls(json.dumps(flags), "neuron")

    @classmethod
    @typed
    def of(cls, value: str | Mapping[str, Any]) -> CompilerOptions:
        """Return any options: text as it stands, a mapping as JSON. Only its length is checked."""
        return cls(value if isinstance(value, str) else json.dumps(value), "raw")

    @classmethod
    def coerce(cls, value: CompilerOptions | Mapping[str, Any] | str) -> CompilerOptions:
        """Return ``value`` itself if it is one already; a mapping of a dtype is PyTorch's."""
        if isinstance(value, CompilerOptions):
            return value
        if isinstance(value, Mapping) and set(value) == {"dtype"}:
            return cls(json.dumps(dict(value)), "pytorch")
        return cls.of(value)


CompilerOptionsLike: TypeAlias = CompilerOptions | Mapping[str, Any] | str


def check(
    options: CompilerOptions | None, framework: Framework, target: TargetDevice
) -> list[Finding]:
    """Say what is wrong with the options. Source: API reference, OutputConfig.CompilerOptions."""
    if options is None or check_length(options):
        return check_length(options)
    on_neuron = target.processor in {"inf", "neuronx"}
    hatch = "use CompilerOptions.of(...) if the service has learned it since this release."
    level = level_for(framework, target)
    if options.kind == "pytorch" and (framework.name != "PYTORCH" or on_neuron):
        message = f"dtype is for PyTorch on CPU and GPU, not for {framework.name} on {target}."
        return [_finding("target", message, hatch, level)]
    if options.kind == "neuron" and not on_neuron:
        message = f"Neuron's flags are for Inferentia and Trainium, not for {target.name!r}."
        return [_finding("target", message, hatch, level)]
    if options.kind == "pytorch":
        dtype = json.loads(options.encoded)["dtype"]
        if dtype not in PYTORCH_DTYPES:
            message = f"{dtype!r} is no dtype that Neo takes. Allowed: {listed(PYTORCH_DTYPES)}."
            return [_finding("dtype", message, suggestion(dtype, PYTORCH_DTYPES) or hatch, level)]
    return []


def check_length(options: CompilerOptions | None) -> list[Finding]:
    """Say whether the API takes as many characters; no escape hatch helps."""
    if options is None or len(options.encoded) in LENGTHS:
        return []
    message = f"The options have {len(options.encoded)} characters. Allowed: 3 to 1024."
    return [_finding("length", message, "leave out what the compiler does by itself.")]


def _finding(code: str, message: str, fix: str, level: Level = Level.ERROR) -> Finding:
    return Finding(
        code=f"compiler-options-{code}",
        where="compiler_options",
        level=level,
        message=message,
        fix=fix,
    )
