"""The protocol buffer wire format, as far as reading a model's header needs it.

Which field means what is decided by each format's reader; see https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from neo_constructs.findings.errors import NeoConstructsError
from neo_constructs.model_formats.budget import Budget

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MAX_TEXT: Final = 1 << 16  # of a name


class WireError(NeoConstructsError, ValueError):
    """The bytes are no protocol buffer message."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its number and its value, an integer or the bytes of a string or message."""

    number: int
    value: int | memoryview


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads messages, and counts their fields.

    Parameters
    ----------
    budget
        How many fields may be read in all.
    """

    budget: Budget

    def fields(self, message: memoryview) -> Iterator[Field]:
        """Yield the fields of a message, without copying them.

        Raises
        ------
        WireError
            Where the bytes stop making sense.
        BudgetExceededError
            If there are more fields than anyone should read.
        """
        position = 0
        while position < len(message):
            self.budget.spend()
            key, position = _varint(message, position)
            number, kind = key >> 3, key & 7
            if number == 0:
                raise WireError("field number 0")
            if kind == VARINT:
                value, position = _varint(message, position)
                yield Field(number, value)
                continue
            if kind == LENGTH:
                size, position = _varint(message, position)
            elif kind in {FIXED64, FIXED32}:
                size = 8 if kind == FIXED64 else 4
            else:
                raise WireError(f"wire type {kind}")
            if position + size > len(message):
                raise WireError("a field runs past the end")
            yield Field(number, message[position : position + size])
            position += size

    def messages(self, message: memoryview, number: int) -> Iterator[memoryview]:
        """Yield the values of every occurrence of one field that holds bytes."""
        for field in self.fields(message):
            if field.number == number and isinstance(field.value, memoryview):
                yield field.value

    def integer(self, message: memoryview, number: int) -> int | None:
        """Return the last value of an integer field, as the format demands, or None."""
        value = None
        for field in self.fields(message):
            if field.number == number and isinstance(field.value, int):
                value = field.value
        return value

    def text(self, message: memoryview, number: int) -> str:
        """Return the last value of a string field, or an empty string."""
        value = memoryview(b"")
        for chunk in self.messages(message, number):
            value = chunk
        if len(value) > MAX_TEXT:
            raise WireError(f"a name of {len(value):,} bytes")
        return bytes(value).decode("utf-8")


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(message) or shift > 63:
            raise WireError("a number runs past the end")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
