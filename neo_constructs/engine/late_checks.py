"""What is wrong with constructs once all of them are there: one validation for each stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import jsii
from constructs import IConstruct, IValidation

from neo_constructs.engine.asked_once import remembered, stack_of

_KEY: Final = "late checks"


def check_late(construct: IConstruct, check: Callable[[], list[str]]) -> None:
    """Let a construct be checked at synth, when all that it depends on is there.

    Parameters
    ----------
    construct
        What is checked.
    check
        Says what is wrong with it, or with what stands in it: then by its own path.
    """
    stack = stack_of(construct)

    def made() -> _Checks:
        checks = _Checks()
        stack.node.add_validation(checks)
        return checks

    remembered(stack, _KEY, made).add(construct, check)


@jsii.implements(IValidation)
class _Checks:
    """All checks of a stack: one call from node asks for all."""

    def __init__(self) -> None:
        self._checks: list[tuple[IConstruct, Callable[[], list[str]]]] = []

    def add(self, construct: IConstruct, check: Callable[[], list[str]]) -> None:
        self._checks.append((construct, check))

    def validate(self) -> list[str]:
        found = []
        for construct, check in self._checks:
            faults = check()
            path = construct.node.path if faults else ""
            # A check of many things names each by its own path.
            found += [f if f.startswith(f"{path}/") else f"{path}: {f}" for f in faults]
        return found
