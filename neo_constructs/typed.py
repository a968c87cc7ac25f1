"""Check the types of arguments: Python does not, and jsii does late and in its own words.

``typed`` reads the annotations of a public callable and raises one ``ValidationError`` with every
argument of a wrong type, before anything else looks at them.
"""

from __future__ import annotations

import functools
import inspect
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, ParamSpec, TypeVar

from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import shortened

P = ParamSpec("P")
R = TypeVar("R")

# The CDK encodes a number that is known only at deploy as one that no argument has.
_LEAST_TOKEN: Final = -1e280
# What to write for a type, given a value that was meant for it.
_EXAMPLES: Final[Mapping[str, str]] = {
    "ICompilationJob": 'CompilationJob(self, "Job", model_data=..., target=...)',
    "CompilerOptions": 'CompilerOptions.pytorch(dtype="int64")',
    "Construct": "self, the stack or construct it stands in",
    "DataInputConfig": 'a mapping such as {{"input": [1, 3, 224, 224]}}',
    "Duration": "Duration.seconds({value})",
    "IEndpointConfig": 'EndpointConfig(self, "Config", production_variants=[...])',
    "Framework": 'Framework.pytorch("2.0")',
    "IBucket": 's3.Bucket.from_bucket_name(self, "Bucket", {value})',
    "CapacitySize": "CapacitySize.percent(10)",
    "CompiledVariant": "CompiledVariant(target=..., instance_type=...)",
    "ContainerDefinition": "ContainerDefinition(compilation_job=job)",
    "DeploymentConfig": "DeploymentConfig.canary(CapacitySize.percent(10))",
    "IAlarm": 'cloudwatch.Alarm.from_alarm_arn(self, "Alarm", {value})',
    "IGrantable": "a role, a user or a function",
    "IKey": 'kms.Key.from_key_arn(self, "Key", {value})',
    "IRepository": 'ecr.Repository.from_repository_name(self, "Repository", {value})',
    "ISecurityGroup": 'ec2.SecurityGroup.from_security_group_id(self, "Group", {value})',
    "ITopic": 'sns.Topic.from_topic_arn(self, "Topic", {value})',
    "IVpc": 'ec2.Vpc.from_lookup(self, "Vpc", vpc_id={value})',
    "IRole": 'iam.Role.from_role_arn(self, "Role", {value})',
    "InferenceCode": "InferenceCode.from_asset({value})",
    "InferenceImage": "InferenceImage.from_uri({value})",
    "IModel": 'Model(self, "Model", compilation_job=job)',
    "ModelData": "ModelData.from_asset({value})",
    "PathLike": "a path",
    "EndpointInputConfiguration": 'EndpointInputConfiguration(instance_type="ml.c5.large")',
    "IModelPackage": 'ModelPackage(self, "Version", model_package_group=..., container=...)',
    "RecommendationRule": 'RecommendationRule(objective="CostPerHour")',
    "SamplePayload": "SamplePayload.from_asset({value})",
    "StoppingConditions": "StoppingConditions(max_invocations=1000)",
    "TrafficPattern": "TrafficPattern.phases([TrafficPhase(...)])",
    "TrafficPhase": "TrafficPhase(initial_number_of_users=1, spawn_rate=1, duration=...)",
    "InstanceVariant": "InstanceVariant(model=model, instance_type=...)",
    "RemovalPolicy": "RemovalPolicy.RETAIN",
    "Settings": "Settings.from_context(...)",
    "ServingContract": "ServingContract.TOOLKIT",
    "TargetDevice": "TargetDevice.ML_C5",
    "bool": "True or False",
    "float": "a number",
    "int": "a whole number",
    "str": "text",
}


def typed(call: Callable[P, R]) -> Callable[P, R]:
    """Return a callable that refuses arguments of wrong types.

    Raises
    ------
    ValidationError
        With a finding ``wrong-type`` for each.
    """
    # A constructor's arguments are looked at for each construct: without Signature.bind, which
    # costs more than the rest. What does not fit the signature, the call itself refuses.
    names = [
        name
        for name, parameter in inspect.signature(call).parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]

    @functools.wraps(call)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        wrong = list(_check(given, _hints(call)))
        if wrong:
            raise ValidationError(wrong, subject=_subject(given, call))
        return call(*args, **kwargs)

    return checked


def check_fields(value: Any) -> None:
    """Refuse fields of wrong types; called as a dataclass is made.

    Raises
    ------
    ValidationError
        With a finding ``wrong-type`` for each.
    """
    hints: Mapping[str, Any] = _hints(type(value))  # type: ignore[arg-type] # a class is hashable
    given = {field.name: getattr(value, field.name) for field in fields(value)}
    wrong = list(_check(given, hints))
    if wrong:
        raise ValidationError(wrong, subject=type(value).__name__)


@functools.cache
def _hints(of: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(of)
    hints.pop("return", None)
    return hints


def _check(given: Mapping[str, Any], hints: Mapping[str, Any]) -> Iterator[Finding]:
    for name, value in given.items():
        if name in hints and not matches(value, hints[name]):
            yield _wrong_type(name, value, hints[name])


def _wrong_type(name: str, value: object, hint: Any) -> Finding:
    allowed = list(dict.fromkeys(_names(hint)))
    shown = shortened(repr(value), 80)
    fix = f"write {_example(hint, shown)}."
    if allowed[0] in {"int", "float"} and hasattr(value, "item"):
        fix = f"write {allowed[0]}(...) around it: JSON and the CDK take Python's own numbers."
    if "str" in allowed and isinstance(value, int | float) and not isinstance(value, bool):
        fix = f"write it as {shortened(str(value), 80)!r}; Python takes 1.10 for 1.1."
    return Finding(
        code="wrong-type",
        where=name,
        message=f"{shown} is a {type(value).__name__}. Allowed: {', '.join(allowed)}.",
        fix=fix,
    )


def _example(hint: Any, shown: str) -> str:
    name = next((n for n in _names(hint, inner=True) if n in _EXAMPLES), "")
    return _EXAMPLES.get(name, "a value of an allowed type").format(value=shown)


def _subject(given: Mapping[str, Any], call: Callable[..., Any]) -> str:
    """Return the path of the construct that is being made; else the callable's name."""
    node = getattr(given.get("scope"), "node", None) or getattr(given.get("self"), "_node", None)
    path, name = getattr(node, "path", None), given.get("construct_id")
    if isinstance(path, str) and isinstance(name, str):
        return "/".join(filter(None, [path, name]))
    return call.__qualname__.removesuffix(".__init__")


def _names(hint: Any, *, inner: bool = False) -> Iterator[str]:
    """Yield what a hint allows, in words; with ``inner``, what its items are first."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        for each in arguments:
            yield from _names(each, inner=inner)
    elif hint is type(None):
        if not inner:
            yield "None"
    elif origin in {Sequence, list, tuple} or hint in {Sequence, list, tuple}:
        if inner and arguments:
            yield from _names(arguments[0], inner=True)
        yield f"a list of {'/'.join(_names(arguments[0]))}" if arguments else "a list"
    elif origin in {Mapping, dict} or hint in {Mapping, dict}:
        yield "a mapping"
    else:
        yield getattr(origin or hint, "__name__", str(hint))


def matches(value: object, hint: Any) -> bool:
    """Whether a value is of a type, as far as an annotation says.

    What the CDK knows only at deploy is text, a number or a list, and counts as such.
    """
    return _test_of(hint)(value)


@functools.cache
def _test_of(hint: Any) -> Callable[[object], bool]:
    """Return what tells whether a value is of a type; an annotation is read once."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object or isinstance(hint, TypeVar):
        return lambda _: True
    if origin in {typing.Union, types.UnionType}:
        tests = [_test_of(each) for each in arguments]
        return lambda value: any(test(value) for test in tests)
    if origin is not None:
        return lambda value: _matches_generic(value, origin, arguments)
    return _plain_test(type(None) if hint is None else hint)


def _plain_test(hint: Any) -> Callable[[object], bool]:
    if hint is int:
        return lambda value: (
            type(value) is int or (isinstance(value, float) and value < _LEAST_TOKEN)
        )
    if hint is float:
        return lambda value: isinstance(value, int | float) and not isinstance(value, bool)
    if getattr(hint, "_is_protocol", False):
        return lambda value: _implements(value, hint)
    return lambda value: isinstance(value, hint)


def _matches_generic(value: object, origin: Any, arguments: tuple[Any, ...]) -> bool:
    if isinstance(value, str | bytes) and issubclass(origin, Sequence):
        return False
    if not isinstance(value, origin):
        return False
    if isinstance(value, os.PathLike) or not arguments:
        return True
    if isinstance(value, Mapping):
        of_key, of_item = arguments
        return all(matches(k, of_key) and matches(v, of_item) for k, v in value.items())
    if isinstance(value, Sequence):
        return all(matches(item, arguments[0]) for item in value)
    return True


def _implements(value: object, protocol: type) -> bool:
    """Whether a value stands for one of the CDK's interfaces."""
    kind: Any = type(value)
    if _has_members(kind, protocol):
        return True
    members = _members(protocol)
    # What jsii hands out for an interface has its members on the instance. To ask for a method
    # costs no call.
    if type(value).__module__.startswith("neo_constructs."):
        # Without asking for a property, which may be a call.
        own = getattr(value, "__dict__", {})
        return all(name in own or hasattr(type(value), name) for name in members)
    return type(value).__module__.startswith("jsii.") and hasattr(value, members[0])


@functools.cache
def _has_members(kind: type, protocol: type) -> bool:
    return all(hasattr(kind, name) for name in _members(protocol))


@functools.cache
def _members(protocol: type) -> tuple[str, ...]:
    """Return what an interface has beside those that it extends; methods come first."""
    inherited = {name for base in protocol.__mro__[1:] for name in vars(base)}
    found = {name: member for name, member in vars(protocol).items() if not name.startswith("_")}
    own = {name: member for name, member in found.items() if name not in inherited} or found
    return tuple(sorted(own, key=lambda name: (isinstance(own[name], property), name)))
