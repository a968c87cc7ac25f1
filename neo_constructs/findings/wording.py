"""How findings quote values: shortened, listed, with the nearest allowed one."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any


def shortened(text: str, length: int) -> str:
    """Return a text, cut in its middle if it is longer than so many characters."""
    if len(text) <= length:
        return text
    end = length // 4
    return f"{text[: length - end - 5]} ... {text[-end:]}"


def parse_json(text: str | bytes) -> Any:
    """Return what JSON says, of whatever depth and length it is.

    Raises
    ------
    ValueError
        If it is not JSON, or no one could read it.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def listed(values: Iterable[str]) -> str:
    """Return the allowed values as one phrase."""
    return ", ".join(values) or "none"


def suggestion(value: str, allowed: Iterable[str]) -> str:
    """Return ``Did you mean 'x'?`` for the nearest allowed value, or nothing."""
    by_lower = {name.lower(): name for name in allowed}
    given = value.lower()
    # Slips are rarely in the first letters, and comparing with every name takes its time.
    alike = [name for name in by_lower if name[:2] == given[:2]]
    for names in (alike, by_lower):
        near = difflib.get_close_matches(given, list(names), n=1, cutoff=0.6)
        if near:
            return f"Did you mean {by_lower[near[0]]!r}?"
    return ""
