"""Read properties in a form in which two are equal if CloudFormation takes them for the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from neo_constructs.review.assembly import Json, StackTemplate, as_list, as_mapping
from neo_constructs.review.values import (
    MAX_DEPTH,
    Assembly,
    Key,
    output_of,
    parameter_store_name,
    place,
)
from neo_constructs.review.verdicts import EVERY, Change, Verdict

CONDITION: Final = "(condition)"
_IN_SUB: Final = re.compile(r"\$\{(!?)([^}]+)\}")


class Unknown(str):
    """A value that a deploy works out; equal to another that is worked out in the same way."""

    __slots__ = ()


class Reader:
    """Reads properties, with what is known to change.

    Parameters
    ----------
    assembly
        Where the properties stand.
    same
        The newer names of its stacks.
    found
        What changes: a reference to it is another value.
    is_open
        Whether what may change counts, too.
    """

    def __init__(
        self,
        assembly: Assembly,
        same: Mapping[str, str],
        found: Mapping[Key, Change],
        *,
        is_open: bool,
    ) -> None:
        self._assembly, self._same, self._found, self._is_open = assembly, same, found, is_open
        self._reading = set[tuple[str, int]]()
        self.met = set[str]()

    def properties(self, stack: StackTemplate, resource: Json) -> dict[str, Any]:
        """Return a resource's properties, and its condition as one of them."""
        given = as_mapping(resource.get("Properties"))
        read = {name: self.read(stack, value) for name, value in given.items()}
        if condition := resource.get("Condition"):
            read[CONDITION] = Unknown(json.dumps(self._condition(stack, condition, 0)))
        return {name: value for name, value in read.items() if value is not None}

    def read(self, stack: StackTemplate, value: Any) -> Any:
        """Return a value with each function of CloudFormation's as an ``Unknown``."""
        function = _function(value)
        if function:
            if value == {"Ref": "AWS::NoValue"}:
                return None
            parts = self._parts(stack, value, 0)
            if all(isinstance(part, str) for part in parts):
                return "".join(parts)
            return Unknown(json.dumps(parts, sort_keys=True))
        if isinstance(value, dict):
            read = {name: self.read(stack, each) for name, each in value.items()}
            return {name: each for name, each in read.items() if each is not None}
        if isinstance(value, list):
            return [each for item in value if (each := self.read(stack, item)) is not None]
        return value

    def _parts(  # noqa: PLR0911 - a line for each function of CloudFormation's
        self, stack: StackTemplate, value: Any, depth: int
    ) -> list[Any]:
        """Return a value as texts and, between them, what a deploy fills in.

        A text put together by Join is thus the same as one by Sub.
        """
        if depth > MAX_DEPTH:
            return [["..."]]
        if isinstance(value, str):
            return [value]
        function = _function(value)
        if not function:
            return [["value", self._inner(stack, value, depth)]]
        given = value[function]
        match function, given:
            case "Ref", _:
                return self._ref(stack, str(given), depth)
            case "Fn::GetAtt", _:
                return self._attribute(stack, given, depth)
            case "Fn::Join", [str(between), list(items)]:
                parts: list[Any] = []
                for number, item in enumerate(items):
                    parts += [between] if number and between else []
                    parts += self._parts(stack, item, depth + 1)
                return _merged(parts)
            case "Fn::Sub", _:
                return _merged(self._sub(stack, given, depth))
            case "Fn::ImportValue", _:
                exported = self._assembly.exports.get(
                    place(stack, self._assembly.text(stack, given))
                )
                if exported:
                    return self._elsewhere(*exported, depth)
            case "Fn::FindInMap", [str(name), *_]:
                table = as_mapping(stack.template.get("Mappings")).get(name)
                return [[function, table, self._inner(stack, given, depth)]]
            case "Fn::If", [condition, yes, no]:
                both = [self._parts(stack, each, depth + 1) for each in (yes, no)]
                return [[function, self._condition(stack, condition, depth), *both]]
        return [[function, self._inner(stack, given, depth)]]

    def _inner(self, stack: StackTemplate, value: Any, depth: int) -> Any:
        """Return a function's arguments, whose own functions are read as well."""
        if _function(value):
            return self._parts(stack, value, depth + 1)
        if isinstance(value, dict):
            return {name: self._inner(stack, each, depth + 1) for name, each in value.items()}
        if isinstance(value, list):
            return [self._inner(stack, each, depth + 1) for each in value]
        return value

    def _ref(self, stack: StackTemplate, name: str, depth: int) -> list[Any]:
        if name in stack.resources:
            return [self._named(Key(stack.name, name), "")]
        if given := self._assembly.given(stack, name):
            return self._elsewhere(*given, depth)
        if ssm := parameter_store_name(stack, name):
            written = self._assembly.parameters.get(place(stack, ssm))
            return [["ssm", ssm, *(self._elsewhere(*written, depth) if written else ())]]
        return [["Ref", name]]

    def _attribute(self, stack: StackTemplate, given: Any, depth: int) -> list[Any]:
        names = given if isinstance(given, list) else str(given).split(".", 1)
        logical_id, attribute = str(names[0]) if names else "", ".".join(map(str, names[1:]))
        nested, output = stack.nested.get(logical_id), attribute.removeprefix("Outputs.")
        if nested and output != attribute:
            return self._elsewhere(nested, output_of(nested, output), depth)
        return [self._named(Key(stack.name, logical_id), attribute)]

    def _sub(self, stack: StackTemplate, given: Any, depth: int) -> list[Any]:
        text, values = (given, {}) if isinstance(given, str) else (*as_list(given), {}, {})[:2]
        parts, end = list[Any](), 0
        for found in _IN_SUB.finditer(str(text)):
            parts.append(str(text)[end : found.start()])
            escaped, name = found.groups()
            if escaped:
                parts.append(f"${{{name}}}")
            elif name in as_mapping(values):
                parts += self._parts(stack, values[name], depth + 1)
            elif "." in name:
                parts += self._attribute(stack, name, depth)
            else:
                parts += self._ref(stack, name, depth)
            end = found.end()
        return [*parts, str(text)[end:]]

    def _condition(self, stack: StackTemplate, name: Any, depth: int) -> Any:
        """Return a condition as it is worked out."""
        if depth > MAX_DEPTH or not isinstance(name, str):
            return str(name)
        given = as_mapping(stack.template.get("Conditions")).get(name)

        def inner(value: Any, at: int) -> Any:
            if isinstance(value, dict) and set(value) == {"Condition"}:
                return self._condition(stack, value["Condition"], at + 1)
            if isinstance(value, dict) and _function(value) in _LOGIC and at < MAX_DEPTH:
                (function,) = value
                return [function, [inner(each, at + 1) for each in as_list(value[function])]]
            return self._inner(stack, value, at)

        return inner(given, depth)

    def _elsewhere(self, stack: StackTemplate, value: Any, depth: int) -> list[Any]:
        """Return a value of another template; one that refers back to itself ends here."""
        key = (stack.name, id(value))
        if key in self._reading:
            return [["itself"]]
        self._reading.add(key)
        try:
            return self._parts(stack, value, depth + 1)
        finally:
            self._reading.discard(key)

    def _named(self, key: Key, attribute: str) -> list[Any]:
        name = self._same.get(key.stack, key.stack)
        change = self._found.get(key)
        if change and _is_moved(change, attribute, is_open=self._is_open):
            self.met.add(change.path)
            return ["resource", name, key.logical_id, attribute, f"changed: {change.verdict}"]
        return ["resource", name, key.logical_id, attribute]


_LOGIC: Final = frozenset({"Fn::And", "Fn::Or", "Fn::Not"})


def _function(value: Any) -> str:
    """Return the name of a function of CloudFormation's; empty if a value is none."""
    if not isinstance(value, dict) or len(value) != 1:
        return ""
    (name,) = value
    return str(name) if name == "Ref" or str(name).startswith("Fn::") else ""


def _merged(parts: list[Any]) -> list[Any]:
    """Return parts with texts that stand side by side as one."""
    merged = list[Any]()
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return merged


def _is_moved(change: Change, attribute: str, *, is_open: bool) -> bool:
    """Whether a reference to a changed resource gets another value."""
    if change.verdict is Verdict.REPLACED or (attribute and attribute in change.answers):
        return True
    if not is_open:
        return False
    if attribute and {attribute, EVERY} & change.open_answers:
        return True
    # A version of a resource that is updated is a new one.
    # Rests on A-REV-04.
    is_version = "Version" in attribute and change.verdict is Verdict.UPDATED
    is_custom = change.type.startswith("Custom::")
    return is_version or (change.verdict is Verdict.OPEN and not is_custom)
