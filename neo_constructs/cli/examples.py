"""Examples at the end of a command's help, each a line that is not broken."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """Return what click prints after a command's options, line by line."""
    head = "Examples:" if len(lines) > 1 else "Example:"
    return "\n".join(["\b", head, *(f"  {line}" for line in lines)])
