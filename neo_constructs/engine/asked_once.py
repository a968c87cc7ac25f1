"""What never changes of a construct, asked of the CDK's other process once.

Each attribute of a CDK object is a round trip to node, and most of the time of a synth is made of
these. What is asked here is kept with the object itself, and lives as long as that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

from aws_cdk import Aws, Stack
from constructs import IConstruct

_KEPT: Final = "_neo_constructs_asked"
_STACK: Final = "stack of"
Value = TypeVar("Value")


def asked(thing: object, *names: str) -> Any:
    """Return an attribute that never changes, or one of an attribute.

    Parameters
    ----------
    thing
        Such as a bucket.
    names
        Such as ``"bucket_arn"``, or ``"env", "region"``.
    """

    def ask() -> Any:
        value: Any = thing
        for name in names:
            value = getattr(value, name)
        return value

    return remembered(thing, names, ask)


def remembered(thing: object, key: Hashable, make: Callable[[], Value]) -> Value:
    """Return what is made for a thing, once for each key.

    Parameters
    ----------
    thing
        What it is kept with.
    key
        What it is kept by.
    make
        Makes it.
    """
    kept = vars(thing).setdefault(_KEPT, {})
    if key not in kept:
        kept[key] = make()
    value: Value = kept[key]
    return value


def stack_of(scope: IConstruct) -> Stack:
    """Return the stack that a construct is in."""
    return remembered(scope, _STACK, lambda: Stack.of(scope))


def settle(construct: IConstruct, scope: IConstruct) -> None:
    """Note that a construct is in the stack of its scope."""
    stack = stack_of(scope)
    remembered(construct, _STACK, lambda: stack)


def is_same(one: IConstruct, other: IConstruct) -> bool:
    """Whether two constructs are one: node's objects may come back as others in Python."""
    return one is other or bool(asked(one, "node", "addr") == asked(other, "node", "addr"))


def region_of(scope: IConstruct) -> str:
    """Return the region of a construct's stack; a token if a deploy decides."""
    return str(asked(stack_of(scope), "region"))


def account_of(scope: IConstruct) -> str:
    """Return the account of a construct's stack; a token if a deploy decides."""
    return str(asked(stack_of(scope), "account"))


@functools.cache
def pseudo(name: str) -> str:
    """Return one of CloudFormation's pseudo parameters: ``pseudo("REGION")``."""
    return str(getattr(Aws, name))
