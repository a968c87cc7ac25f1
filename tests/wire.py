"""Write protocol buffer messages by hand: model files of a few bytes, without their frameworks."""

from __future__ import annotations

from collections.abc import Sequence

FLOAT = 1


def varint(value: int) -> bytes:
    """Return a number as the wire has it; a negative one as its two's complement."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | str | bytes) -> bytes:
    """Return one field: a number, a text, or a message that is written already."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    body = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(body)) + body


def onnx_value(name: str, shape: Sequence[int | str] | None = (1, 2), dtype: int = FLOAT) -> bytes:
    """Return an ONNX ValueInfoProto of a tensor."""
    sizes = b"".join(
        field(1, field(2, s) if isinstance(s, str) else field(1, s)) for s in shape or ()
    )
    tensor = field(1, dtype) + (b"" if shape is None else field(2, sizes))
    return field(1, name) + field(2, field(1, tensor))


def onnx_node(kind: str, inputs: Sequence[str], output: str, domain: str = "") -> bytes:
    """Return an ONNX NodeProto."""
    names = b"".join(field(1, name) for name in inputs)
    return names + field(2, output) + field(4, kind) + (field(7, domain) if domain else b"")


def onnx_model(
    inputs: Sequence[bytes],
    nodes: Sequence[bytes],
    outputs: Sequence[bytes],
    *,
    initializers: Sequence[bytes] = (),
    opsets: Sequence[tuple[str, int]] = (("", 12),),
    ir_version: int = 7,
    producer: str = "",
) -> bytes:
    """Return an ONNX ModelProto."""
    graph = b"".join(
        (
            *(field(1, node) for node in nodes),
            field(2, "graph"),
            *(field(5, weights) for weights in initializers),
            *(field(11, value) for value in inputs),
            *(field(12, value) for value in outputs),
        )
    )
    imported = b"".join(field(8, field(1, domain) + field(2, v)) for domain, v in opsets)
    written = field(2, producer) if producer else b""
    return field(1, ir_version) + written + field(7, graph) + imported


TWICE = onnx_model([onnx_value("x")], [onnx_node("Add", ["x", "x"], "y")], [onnx_value("y")])
PAIR = onnx_model(
    [onnx_value("a"), onnx_value("b")],
    [onnx_node("Add", ["a", "b"], "sum"), onnx_node("Mul", ["a", "b"], "product")],
    [onnx_value("sum"), onnx_value("product")],
)
