"""Read values of templates: what they refer to, across nested stacks and stacks, and their text.

What only a deploy knows is written in angle brackets: ``<region>``, ``<Digits/Model.ModelName>``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from neo_constructs.findings.wording import shortened
from neo_constructs.review.assembly import Json, StackTemplate, as_mapping

_PSEUDO: Final = {
    "AWS::AccountId": "<account>",
    "AWS::Region": "<region>",
    "AWS::Partition": "<partition>",
    "AWS::URLSuffix": "<suffix>",
    "AWS::StackId": "<stack>",
    "AWS::StackName": "<stack name>",
    "AWS::NoValue": "",
    "AWS::NotificationARNs": "<topics>",
}
_COMMERCIAL: Final = re.compile(r"(?!cn-|us-gov-|us-iso|eu-isoe)[a-z]+-[a-z]+-\d")
_IN_SUB: Final = re.compile(r"\$\{(!?)([^}]+)\}")
_SSM: Final = re.compile(r"\{\{resolve:ssm:([^}:]+)[^}]*\}\}")
MAX_DEPTH: Final = 60
MAX_TEXT: Final = 4_000
_MAX_DIGITS: Final = 10


class Key(NamedTuple):
    """A resource of an assembly: its stack's name and its logical id."""

    stack: str
    logical_id: str


class Place(NamedTuple):
    """A name in an account and a region; these are empty where a deploy decides."""

    account: str
    region: str
    name: str


def place(stack: StackTemplate, name: str) -> Place:
    """Return a name where a stack looks for it."""
    return Place(stack.account, stack.region, name)


class Source(NamedTuple):
    """What a value is taken from: a resource, and one of its attributes; empty for its Ref."""

    key: Key
    attribute: str


@dataclass(frozen=True)
class Assembly:
    """The stacks of an assembly, and the ways in which their values reach each other.

    Parameters
    ----------
    roots
        The stacks that are deployed by themselves.
    """

    roots: tuple[StackTemplate, ...]

    @cached_property
    def stacks(self) -> dict[str, StackTemplate]:
        """Every stack, nested ones included, by name."""
        return {stack.name: stack for root in self.roots for stack in root.and_nested()}

    @cached_property
    def _parents(self) -> dict[str, tuple[StackTemplate, str]]:
        return {
            nested.name: (stack, logical_id)
            for stack in self.stacks.values()
            for logical_id, nested in stack.nested.items()
        }

    @cached_property
    def exports(self) -> dict[Place, tuple[StackTemplate, Any]]:
        """The values that stacks export, by account, region and the export's name."""
        found = self.__dict__["exports"] = {}  # a name that imports one ends here
        for stack in self.stacks.values():
            for output in as_mapping(stack.template.get("Outputs")).values():
                export = as_mapping(as_mapping(output).get("Export"))
                if "Name" in export:
                    name = self.text(stack, export["Name"])
                    found[place(stack, name)] = (stack, output.get("Value"))
        return found

    @cached_property
    def parameters(self) -> dict[Place, tuple[StackTemplate, Any]]:
        """What stacks write into Parameter Store, by account, region and the parameter's name."""
        found = self.__dict__["parameters"] = {}
        for stack in self.stacks.values():
            for resource in stack.resources.values():
                properties = as_mapping(resource.get("Properties"))
                if resource.get("Type") == "AWS::SSM::Parameter" and "Name" in properties:
                    name = self.text(stack, properties["Name"])
                    found[place(stack, name)] = (stack, properties.get("Value"))
        return found

    def resource(self, key: Key) -> Json:
        """Return a resource; empty if there is none."""
        stack = self.stacks.get(key.stack)
        return (stack.resources.get(key.logical_id) or {}) if stack else {}

    def resources(self, *types: str) -> Iterator[tuple[Key, Json]]:
        """Yield the resources of some types, in a stable order; ``AWS::IAM::`` is all of IAM's."""
        for name in sorted(self.stacks):
            stack = self.stacks[name]
            for logical_id in sorted(stack.resources, key=lambda each: (stack.path(each), each)):
                resource = stack.resources[logical_id]
                if not types or _is_of(resource, types):
                    yield Key(name, logical_id), resource

    def title(self, key: Key) -> str:
        """Return a resource's construct path, its stack's included."""
        stack = self.stacks.get(key.stack)
        return f"{key.stack}/{stack.path(key.logical_id) if stack else key.logical_id}"

    # --- what a value refers to --------------------------------------------------------------

    def sources(self, stack: StackTemplate, value: Any) -> tuple[Source, ...]:
        """Return every resource that a value is taken from, through stacks and parameters."""
        # What is asked for again while it is being worked out refers to itself, and adds nothing.
        key = ("sources", stack.name, id(value))
        if key not in self._known:
            self._known[key] = (value, ())
            self._known[key] = (value, tuple(dict.fromkeys(self._sources(stack, value, 0))))
        found: tuple[Source, ...] = self._known[key][1]
        return found

    @cached_property
    def _known(self) -> dict[tuple[str, str, int], tuple[Any, Any]]:
        # With the value, whose id is its own for as long as it is kept.
        return {}

    def _sources(self, stack: StackTemplate, value: Any, depth: int) -> Iterator[Source]:
        if depth > MAX_DEPTH:
            return
        if isinstance(value, str):
            for found in _SSM.finditer(value):
                yield from self._of_parameter(stack, found[1])
        elif isinstance(value, list):
            for each in value:
                yield from self._sources(stack, each, depth + 1)
        elif isinstance(value, dict):
            if len(value) == 1:
                ((function, given),) = value.items()
                if function in {"Ref", "Fn::GetAtt", "Fn::Sub", "Fn::ImportValue"}:
                    yield from self._of_function(stack, function, given, depth + 1)
                    return
            for each in value.values():
                yield from self._sources(stack, each, depth + 1)

    def _of_function(
        self, stack: StackTemplate, function: str, given: Any, depth: int
    ) -> Iterator[Source]:
        if function == "Ref":
            yield from self._of_ref(stack, str(given))
        elif function == "Fn::GetAtt":
            logical_id, attribute = _attribute(given)
            yield from self._of_attribute(stack, logical_id, attribute)
        elif function == "Fn::Sub":
            text, values = given if _is_pair(given) else (given, {})
            yield from self._sources(stack, values, depth)
            for escaped, name in _IN_SUB.findall(str(text)):
                if not escaped and name not in values:
                    logical_id, _, attribute = name.partition(".")
                    if attribute:
                        yield from self._of_attribute(stack, logical_id, attribute)
                    else:
                        yield from self._of_ref(stack, name)
        else:
            exported = self.exports.get(place(stack, self.text(stack, given)))
            if exported:
                yield from self.sources(*exported)

    def _of_ref(self, stack: StackTemplate, name: str) -> Iterator[Source]:
        if name in stack.resources:
            yield Source(Key(stack.name, name), "")
            return
        given = self.given(stack, name)
        if given:
            yield from self.sources(*given)
        elif ssm := parameter_store_name(stack, name):
            yield from self._of_parameter(stack, ssm)

    def _of_attribute(
        self, stack: StackTemplate, logical_id: str, attribute: str
    ) -> Iterator[Source]:
        nested, output = stack.nested.get(logical_id), attribute.removeprefix("Outputs.")
        if nested and output != attribute:
            yield from self.sources(nested, output_of(nested, output))
        elif logical_id in stack.resources:
            yield Source(Key(stack.name, logical_id), attribute)

    def _of_parameter(self, stack: StackTemplate, name: str) -> Iterator[Source]:
        written = self.parameters.get(place(stack, name))
        if written:
            yield from self.sources(*written)

    def given(self, stack: StackTemplate, parameter: str) -> tuple[StackTemplate, Any] | None:
        """Return what a nested stack's parameter is given, and by which stack."""
        parent = self.parent(stack.name)
        if parent is None:
            return None
        properties = as_mapping(parent[0].resources[parent[1]].get("Properties"))
        given = as_mapping(properties.get("Parameters"))
        return (parent[0], given[parameter]) if parameter in given else None

    def parent(self, name: str) -> tuple[StackTemplate, str] | None:
        """Return the stack around a nested one, and the logical id that this has in it."""
        return self._parents.get(name)

    def first(self, stack: StackTemplate, value: Any, *types: str) -> Key | None:
        """Return the first resource of some types that a value is taken from."""
        for source in self.sources(stack, value):
            if _is_of(self.resource(source.key), types):
                return source.key
        return None

    # --- a value as text ---------------------------------------------------------------------

    def text(self, stack: StackTemplate, value: Any, depth: int = 0) -> str:
        """Return a value as a person reads it, evaluated as far as the template goes."""
        if depth > MAX_DEPTH:
            return "<...>"
        if isinstance(value, dict) and len(value) == 1:
            ((function, given),) = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._function_text(stack, function, given, depth + 1)
        if isinstance(value, dict):
            inner = (f"{key}: {self.text(stack, each, depth + 1)}" for key, each in value.items())
            return f"{{{', '.join(inner)}}}"
        if isinstance(value, list):
            return ", ".join(self.text(stack, each, depth + 1) for each in value)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _function_text(  # noqa: PLR0911 - one line for each function of CloudFormation's
        self, stack: StackTemplate, function: str, given: Any, depth: int
    ) -> str:
        match function, given:
            case "Ref", name:
                return self._ref_text(stack, str(name), depth)
            case "Fn::GetAtt", _:
                logical_id, attribute = _attribute(given)
                nested, output = stack.nested.get(logical_id), attribute.removeprefix("Outputs.")
                if nested and output != attribute:
                    return self._elsewhere(nested, output_of(nested, output))
                return f"<{stack.path(logical_id)}.{attribute}>"
            case "Fn::Join", [str(between), list(parts)]:
                joined = between.join(self.text(stack, part, depth) for part in parts)
                # The engine's names carry two parts of the stack's id.
                return joined.replace("<stack><stack>", "<stack>")
            case "Fn::Sub", _:
                return self._sub_text(stack, given, depth)
            case "Fn::Select", [index, list(parts)] if (number := whole_number(index)) is not None:
                return self.text(stack, parts[number], depth) if number < len(parts) else "<...>"
            case "Fn::Select", [index, from_]:
                return _selected(self.text(stack, from_, depth), str(index))
            case "Fn::Split", [str(at), from_]:
                text = self.text(stack, from_, depth)
                return text if "<" in text or not at else ", ".join(text.split(at))
            case "Fn::FindInMap", [name, first, second, *_]:
                return self._map_text(stack, name, first, second, depth)
            case "Fn::If", [condition, yes, no]:
                chosen = [self.text(stack, each, depth) for each in (yes, no)]
                return f"{chosen[0] or 'nothing'} if {condition}, else {chosen[1] or 'nothing'}"
            case "Fn::ImportValue", _:
                name = self.text(stack, given, depth)
                exported = self.exports.get(place(stack, name))
                return self._elsewhere(*exported) if exported else f"<export {name}>"
        return f"<{function}>"

    def _ref_text(self, stack: StackTemplate, name: str, depth: int) -> str:
        known = _known(stack).get(name) or _PSEUDO.get(name)
        if known is not None:
            return known
        given = self.given(stack, name)
        if given:
            return self._elsewhere(*given)
        if ssm := parameter_store_name(stack, name):
            written = self.parameters.get(place(stack, ssm))
            return self._elsewhere(*written) if written else f"<parameter {ssm}>"
        return f"<{stack.path(name)}>"

    def _elsewhere(self, stack: StackTemplate, value: Any) -> str:
        """Return the text of a value of another template; it may refer back."""
        key = ("text", stack.name, id(value))
        if key not in self._known:
            self._known[key] = (value, "<...>")
            self._known[key] = (value, shortened(self.text(stack, value), MAX_TEXT))
        return str(self._known[key][1])

    def _sub_text(self, stack: StackTemplate, given: Any, depth: int) -> str:
        text, values = given if _is_pair(given) else (given, {})
        known = dict[str, str]()  # one that stands in the text many times is worked out once

        def one(found: re.Match[str]) -> str:
            escaped, name = found.groups()
            if escaped:
                return f"${{{name}}}"
            if name in values:
                if name not in known:
                    known[name] = self.text(stack, values[name], depth)
                return known[name]
            logical_id, _, attribute = name.partition(".")
            if attribute:
                return self._function_text(stack, "Fn::GetAtt", [logical_id, attribute], depth)
            return self._ref_text(stack, name, depth)

        return shortened(_IN_SUB.sub(one, str(text)), MAX_TEXT)

    def _map_text(
        self, stack: StackTemplate, name: Any, first: Any, second: Any, depth: int
    ) -> str:
        table = as_mapping(stack.template.get("Mappings")).get(str(name))
        keys = self.text(stack, first, depth), self.text(stack, second, depth)
        if isinstance(table, Mapping):
            row = table.get(keys[0])
            if isinstance(row, Mapping) and keys[1] in row:
                return self.text(stack, row[keys[1]], depth)
            if keys[0].startswith("<"):
                return f"<{keys[1]} by {keys[0].strip('<>')}>"
        return f"<{name}.{keys[0]}.{keys[1]}>"


def _is_of(resource: Json, types: tuple[str, ...]) -> bool:
    """Whether a resource is of one of some types; one that ends in colons is a service."""
    kind = str(resource.get("Type"))
    return any(kind.startswith(each) if each.endswith("::") else kind == each for each in types)


def _known(stack: StackTemplate) -> dict[str, str]:
    """Return the pseudo parameters that a stack's environment settles."""
    known = {"AWS::AccountId": stack.account, "AWS::Region": stack.region}
    if _COMMERCIAL.match(stack.region):
        known |= {"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
    return {name: value for name, value in known.items() if value}


def output_of(stack: StackTemplate, name: str) -> Any:
    """Return the value of a stack's output; None if there is none."""
    return as_mapping(as_mapping(stack.template.get("Outputs")).get(name)).get("Value")


def parameter_store_name(stack: StackTemplate, name: str) -> str:
    """Return what a template's parameter reads from Parameter Store; empty if it does not."""
    parameter = as_mapping(as_mapping(stack.template.get("Parameters")).get(name))
    # Rests on A-CFN-17.
    is_read = str(parameter.get("Type")).startswith("AWS::SSM::Parameter::Value")
    return str(parameter.get("Default") or "") if is_read else ""


def _attribute(given: Any) -> tuple[str, str]:
    """Return the two parts of a GetAtt, in either of its spellings."""
    if isinstance(given, list) and given:
        return str(given[0]), ".".join(map(str, given[1:]))
    logical_id, _, attribute = str(given).partition(".")
    return logical_id, attribute


def _is_pair(given: Any) -> bool:
    return isinstance(given, Sequence) and len(given) == 2 and isinstance(given[1], dict)


def _selected(text: str, index: str) -> str:
    """Return one part of a text that was split; as a whole if a deploy decides."""
    parts = text.split(", ")
    number = whole_number(index)
    if "<" in text or number is None or number >= len(parts):
        return text if text.startswith("<") and text.endswith(">") else f"<part of {text}>"
    return parts[number]


def whole_number(value: Any) -> int | None:
    """Return the number that a value is or spells; None if it does neither."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _MAX_DIGITS else None
