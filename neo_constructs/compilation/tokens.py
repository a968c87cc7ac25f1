"""Values that are known only at deploy, wherever they stand in a structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Token


def has_tokens(value: object) -> bool:
    """Whether a value, or anything in it, is known only at deploy."""
    if isinstance(value, Mapping):
        return any(has_tokens(key) or has_tokens(item) for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(has_tokens(item) for item in value)
    return bool(Token.is_unresolved(value))
