"""Read ONNX files. Field numbers: onnx/onnx.proto."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from neo_constructs.model_formats import protobuf_wire
from neo_constructs.model_formats.model_input import ModelInput

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
_OPERATOR: Final = re.compile(r"\w+")
_EXTERNAL: Final = 1  # TensorProto.DataLocation
_MAX_NAMED: Final = 100  # of external files and of domains
_MAX_NAMES_BYTES: Final = 16 << 20  # of all inputs, as long as weights are among them
_PER_NAME: Final = 200  # what Python needs beside a name


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """What an ONNX file says about itself.

    Parameters
    ----------
    inputs
        Without the weights, which old exporters list among them.
    opset, ir_version
        Of the standard operators, None without them, and of the format.
    producer
        What wrote it.
    external
        The files that its weights lie in.
    domains
        Of operators that are not the standard ones.
    """

    inputs: tuple[ModelInput, ...]
    opset: int | None
    ir_version: int
    producer: str = ""
    external: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


def read(message: memoryview, read: protobuf_wire.Reader) -> OnnxFile | None:
    """Read a ModelProto. It has no magic number: a version and a graph of nodes must be there."""
    ir_version: int | None = None
    opset: int | None = None
    graphs = list[memoryview]()
    for field in read.fields(message):
        if field.number == 1 and isinstance(field.value, int):
            ir_version = field.value
        elif field.number == 7 and isinstance(field.value, memoryview):
            graphs.append(field.value)
        elif (
            field.number == 8
            and isinstance(field.value, memoryview)
            and read.text(field.value, 1) in STANDARD
        ):
            opset = read.integer(field.value, 2)
    if not ir_version or len(graphs) != 1:
        return None
    inputs = _named_inputs(graphs[0], read)
    external, domains, has_nodes = dict[str, None](), set[str](), False
    for field in read.fields(graphs[0]):
        if not isinstance(field.value, memoryview):
            continue
        if field.number == 1 and len(domains) < _MAX_NAMED:
            domains.add(read.text(field.value, 7))
            has_nodes = has_nodes or bool(_OPERATOR.fullmatch(read.text(field.value, 4)))
        elif field.number == 5:
            inputs.pop(read.text(field.value, 8), None)  # old exporters list weights, too
            if len(external) < _MAX_NAMED and (place := _location(field.value, read)):
                external[place] = None
    if not (opset or has_nodes):
        return None
    return OnnxFile(
        inputs=tuple(_input(value, read) for value in inputs.values()),
        opset=opset,
        ir_version=ir_version,
        producer=" ".join(filter(None, (read.text(message, 2), read.text(message, 3)))),
        external=tuple(external),
        domains=tuple(sorted(domains - STANDARD)),
    )


def _named_inputs(graph: memoryview, read: protobuf_wire.Reader) -> dict[str, memoryview]:
    """Return the inputs of a graph by their names, weights among them."""
    found, length = dict[str, memoryview](), 0
    for value in read.messages(graph, 11):
        name = read.text(value, 1)
        length += len(name) + _PER_NAME
        if length > _MAX_NAMES_BYTES:
            raise protobuf_wire.WireError("more inputs than a graph has weights")
        found[name] = value
    return found


def _location(tensor: memoryview, read: protobuf_wire.Reader) -> str:
    """Return the file that a tensor's numbers lie in; empty if that is this one."""
    if read.integer(tensor, 14) != _EXTERNAL:
        return ""
    entries = {read.text(e, 1): read.text(e, 2) for e in read.messages(tensor, 13)}
    return entries.get("location", "(it does not say)")


def _input(value: memoryview, read: protobuf_wire.Reader) -> ModelInput:
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


def _dimension(dimension: memoryview, read: protobuf_wire.Reader) -> int | str | None:
    size = read.integer(dimension, 1)
    if size is None:
        return read.text(dimension, 2) or None
    # Some exporters write -1 for "any"; the wire shows it as a number beyond 2**63.
    return size if size < 2**63 else None
