"""``CompilerOptions``: one field of the API with three encodings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings import Finding, Level, listed

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
    >>> CompilerOptions.neuron("--neuroncore-pipeline-cores 2").encoded
    '"--neuroncore-pipeline-cores 2"'
    """

    encoded: str
    kind: str = "raw"

    @classmethod
    def pytorch(cls, *, dtype: str) -> CompilerOptions:
        """Return the input type of a PyTorch model: float, float32 (default), int64 or long."""
        return cls(json.dumps({"dtype": dtype}), "pytorch")

    @classmethod
    def neuron(cls, flags: str) -> CompilerOptions:
        """Return flags of the Neuron compiler, which the API takes as a JSON string."""
        return cls(json.dumps(flags), "neuron")

    @classmethod
    def of(cls, value: str | Mapping[str, Any]) -> CompilerOptions:
        """Return any options: text as it stands, a mapping as JSON. Only its length is checked."""
        return cls(value if isinstance(value, str) else json.dumps(value), "raw")


def check(
    options: CompilerOptions | None, framework: Framework, target: TargetDevice
) -> list[Finding]:
    """Say what is wrong with the options. Source: API reference, OutputConfig.CompilerOptions."""
    if options is None:
        return []
    problem = _problem(options, framework, target)
    if not problem:
        return []
    return [
        Finding(
            code="compiler-options",
            where="compiler_options",
            level=Level.ERROR if framework.is_checked and target.is_known else Level.WARNING,
            message=f"{options.encoded!r}: {problem}",
            fix="use CompilerOptions.of(...) if the service has learned it since this release.",
        )
    ]


def _problem(options: CompilerOptions, framework: Framework, target: TargetDevice) -> str | None:
    on_neuron = target.processor in {"inf", "neuronx"}
    if len(options.encoded) not in LENGTHS:
        return f"it has {len(options.encoded)} characters. Allowed: 3 to 1024."
    if options.kind == "pytorch" and (framework.name != "PYTORCH" or on_neuron):
        return "dtype is for PyTorch on CPU and GPU instances only."
    if options.kind == "pytorch" and json.loads(options.encoded)["dtype"] not in PYTORCH_DTYPES:
        return f"dtype is not one of: {listed(PYTORCH_DTYPES)}."
    if options.kind == "neuron" and not on_neuron:
        return f"Neuron flags are for Inferentia and Trainium, not for {target.name!r}."
    return None
