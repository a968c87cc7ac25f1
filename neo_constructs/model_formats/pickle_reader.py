"""Read a pickle as data: nothing is imported, called or built.

A pickle is a program. This reader follows its steps on a stack of its own and writes down what
the program would do: a name it would import is a ``Name``, a call it would make a ``Call``. So
whatever a hostile file asks for stays a description of it.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from neo_constructs.findings.errors import NeoConstructsError
from neo_constructs.model_formats.budget import Budget, BudgetExceededError

MAX_BYTES: Final = 4 << 20  # of structure; a model's numbers lie elsewhere
MAX_STEPS: Final = 500_000
_MAX_KEY: Final = 1 << 32  # larger numbers can be chosen so that they all collide in a dictionary


class PickleError(NeoConstructsError, ValueError):
    """The bytes are no pickle, or one of a kind that models are not written in."""


@dataclass(frozen=True, slots=True)
class Name:
    """Something the pickle would import."""

    module: str
    name: str


@dataclass(slots=True)
class Call:
    """Something the pickle would call, or make an object of, and the state it would set."""

    target: Any
    arguments: Any
    state: Any = None


@dataclass(frozen=True, slots=True)
class Reference:
    """Something the pickle leaves to its reader to find: a tensor's storage."""

    value: Any


@dataclass(slots=True)
class _Machine:
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        found = self.stack[start:]
        del self.stack[start:]
        return found


def read(data: bytes, budget: Budget | None = None) -> Any:
    """Return what a pickle describes.

    Parameters
    ----------
    data
        The pickle.
    budget
        What its steps count against. Default: a whole one.

    Raises
    ------
    PickleError
        If it cannot be read.
    """
    if len(data) > MAX_BYTES:
        raise PickleError(f"{len(data)} bytes of structure are more than {MAX_BYTES}")
    machine, budget = _Machine(), budget or Budget()
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            budget.spend()
            if step > MAX_STEPS:
                raise PickleError(f"more than {MAX_STEPS} steps")
            if opcode.name == "STOP":
                return machine.stack[-1]
            _step(machine, opcode.name, argument)
    except (PickleError, BudgetExceededError):
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise PickleError(f"no pickle: {error}") from error
    raise PickleError("it does not end")


def _step(machine: _Machine, name: str, argument: Any) -> None:
    stack = machine.stack
    if name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _LITERALS:
        stack.append(argument)
    elif name in _EMPTY:
        stack.append(_EMPTY[name]())
    elif name in _TUPLES:
        count = _TUPLES[name]
        made = tuple(stack[len(stack) - count :])
        del stack[len(stack) - count :]
        stack.append(made)
    elif name in _STEPS:
        _STEPS[name](machine, argument)
    elif name not in _NOTHING:
        raise PickleError(f"the step {name} is not known in models")


def _global(machine: _Machine, argument: str) -> None:
    module, _, name = argument.partition(" ")
    machine.stack.append(Name(module, name))


def _stack_global(machine: _Machine, _: object) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not (isinstance(module, str) and isinstance(name, str)):
        raise PickleError("a name that is no text")
    machine.stack.append(Name(module, name))


def _call(machine: _Machine, _: object) -> None:
    arguments, target = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(Call(target, arguments))


def _build(machine: _Machine, _: object) -> None:
    state = machine.stack.pop()
    if isinstance(machine.stack[-1], Call):
        machine.stack[-1].state = state


def _append(machine: _Machine, _: object) -> None:
    value = machine.stack.pop()
    _extend(machine.stack[-1], [value])


def _appends(machine: _Machine, _: object) -> None:
    values = machine.since_mark()
    _extend(machine.stack[-1], values)


def _extend(target: Any, values: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(values)


def _set_item(machine: _Machine, _: object) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _update(machine.stack[-1], [key, value])


def _set_items(machine: _Machine, _: object) -> None:
    values = machine.since_mark()
    _update(machine.stack[-1], values)


def _update(target: Any, values: list[Any]) -> None:
    if isinstance(target, Call):  # an OrderedDict is one
        target.state = {} if target.state is None else target.state
        target = target.state
    if isinstance(target, dict):
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Only what is cheap to hash, and to show: parts may be shared so often that either
            # would take for ever.
            plain = isinstance(key, str) or (isinstance(key, int) and abs(key) < _MAX_KEY)
            target[key if plain else f"({type(key).__name__} {len(target)})"] = value


def _mark(machine: _Machine, _: object) -> None:
    machine.marks.append(len(machine.stack))


def _tuple(machine: _Machine, _: object) -> None:
    machine.stack.append(tuple(machine.since_mark()))


def _put(machine: _Machine, argument: object) -> None:
    machine.memo[int(str(argument))] = machine.stack[-1]


def _memoize(machine: _Machine, _: object) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _get(machine: _Machine, argument: object) -> None:
    machine.stack.append(machine.memo[int(str(argument))])


def _persistent(machine: _Machine, _: object) -> None:
    machine.stack.append(Reference(machine.stack.pop()))


def _pop(machine: _Machine, _: object) -> None:
    machine.stack.pop()


_NOTHING: Final = frozenset({"PROTO", "FRAME"})
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS: Final = frozenset(
    {
        "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "FLOAT", "BINFLOAT",
        "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINSTRING",
        "SHORT_BINSTRING", "STRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    }
)  # fmt: skip
_EMPTY: Final[dict[str, Callable[[], Any]]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_STEPS: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _call,
    "NEWOBJ": _call,
    "BUILD": _build,
    "APPEND": _append,
    "APPENDS": _appends,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "MARK": _mark,
    "TUPLE": _tuple,
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": _memoize,
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
    "BINPERSID": _persistent,
    "POP": _pop,
}
