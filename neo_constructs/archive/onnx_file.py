"""Read ONNX files. Field numbers: onnx/onnx.proto."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from neo_constructs.archive import wire
from neo_constructs.archive.model_input import ModelInput

FORMAT: Final = "onnx"
STANDARD: Final = frozenset({"", "ai.onnx"})  # the one set of operators, by both its names
# TensorProto.DataType
_DTYPES: Final = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
    8: "string", 9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
    14: "complex64", 15: "complex128", 16: "bfloat16", 17: "float8e4m3fn", 18: "float8e4m3fnuz",
    19: "float8e5m2", 20: "float8e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4e2m1",
}  # fmt: skip
# TypeProto: what is no dense tensor
_KINDS: Final = {4: "sequence", 5: "map", 8: "sparse tensor", 9: "optional"}
_EXTERNAL: Final = 1  # TensorProto.DataLocation
_MAX_NAMED: Final = 100  # of external files and of domains


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """What an ONNX file says about itself.

    Parameters
    ----------
    inputs
        Without the weights, which old exporters list among them.
    opset, ir_version
        Of the standard operators, and of the format.
    producer
        What wrote it.
    external
        The files that its weights lie in.
    domains
        Of operators that are not the standard ones.
    """

    inputs: tuple[ModelInput, ...]
    opset: int
    ir_version: int
    producer: str = ""
    external: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


def read(message: memoryview, read: wire.Reader) -> OnnxFile | None:
    """Read a ModelProto. It has no magic number: a graph and an opset must be there."""
    ir_version = read.integer(message, 1)
    opsets = {read.text(m, 1): read.integer(m, 2) for m in read.messages(message, 8)}
    graphs = list(read.messages(message, 7))
    opset = opsets.get("") or opsets.get("ai.onnx")
    if ir_version is None or opset is None or len(graphs) != 1:
        return None
    weights, external, domains = set[str](), dict[str, None](), set[str]()
    inputs = []
    for field in read.fields(graphs[0]):
        if not isinstance(field.value, memoryview):
            continue
        if field.number == 1:
            domains.add(read.text(field.value, 7))
        elif field.number == 5:
            weights.add(read.text(field.value, 8))
            if len(external) < _MAX_NAMED and (place := _location(field.value, read)):
                external[place] = None
        elif field.number == 11:
            inputs.append(_input(field.value, read))
    return OnnxFile(
        inputs=tuple(i for i in inputs if i.name not in weights),
        opset=opset,
        ir_version=ir_version,
        producer=" ".join(filter(None, (read.text(message, 2), read.text(message, 3)))),
        external=tuple(external),
        domains=tuple(sorted(domains - STANDARD))[:_MAX_NAMED],
    )


def _location(tensor: memoryview, read: wire.Reader) -> str:
    """Return the file that a tensor's numbers lie in; empty if that is this one."""
    if read.integer(tensor, 14) != _EXTERNAL:
        return ""
    entries = {read.text(e, 1): read.text(e, 2) for e in read.messages(tensor, 13)}
    return entries.get("location", "(it does not say)")


def _input(value: memoryview, read: wire.Reader) -> ModelInput:
    dtype: str = "unknown"
    shape: tuple[int | str | None, ...] | None = None
    for type_ in read.messages(value, 2):
        for field in read.fields(type_):
            if field.number in _KINDS:
                dtype = _KINDS[field.number]
            if field.number != 1 or not isinstance(field.value, memoryview):
                continue
            number = read.integer(field.value, 1) or 0
            dtype = _DTYPES.get(number, "unknown")
            for shape_ in read.messages(field.value, 2):
                shape = tuple(_dimension(d, read) for d in read.messages(shape_, 1))
    return ModelInput(read.text(value, 1), shape, dtype)


def _dimension(dimension: memoryview, read: wire.Reader) -> int | str | None:
    size = read.integer(dimension, 1)
    if size is None:
        return read.text(dimension, 2) or None
    # Some exporters write -1 for "any"; the wire shows it as a number beyond 2**63.
    return size if size < 2**63 else None
