"""What is known only at deploy: the CDK's tokens, recognised without a call to its other process.

``Token.is_unresolved`` costs a round trip to node each time, and most of what is asked about is a
literal. The encodings are those of aws-cdk-lib's ``core/lib/private/encoding.js``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import Token

_IN_TEXT: Final = "${Token["
_IN_LIST: Final = "#{Token["
_LEAST_NUMBER: Final = -1e280  # numbers that stand for tokens are below


def is_unresolved(value: object) -> bool:
    """Whether a value is known only at deploy: a text or a part of it, a number, a whole list.

    Examples
    --------
    >>> is_unresolved("ml.c5.large"), is_unresolved(1), is_unresolved(None)
    (False, False, False)
    """
    if value is None or isinstance(value, bool):
        return False
    if isinstance(value, str):
        return _IN_TEXT in value
    if isinstance(value, int | float):
        return value < _LEAST_NUMBER
    if isinstance(value, Sequence):
        return any(isinstance(each, str) and _IN_LIST in each for each in value)
    return bool(Token.is_unresolved(value))
