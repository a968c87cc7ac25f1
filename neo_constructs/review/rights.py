"""What the roles of an assembly may do, and who may reach its resources, as sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from neo_constructs.review.assembly import Json, StackTemplate
from neo_constructs.review.values import Assembly, Key

_ROLE: Final = "AWS::IAM::Role"
_POLICIES: Final = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
_OF_RESOURCES: Final = {
    "AWS::S3::BucketPolicy": ("Bucket", "PolicyDocument"),
    "AWS::KMS::Key": ("", "KeyPolicy"),
    "AWS::SQS::QueuePolicy": ("Queues", "PolicyDocument"),
    "AWS::SNS::TopicPolicy": ("Topics", "PolicyDocument"),
    "AWS::ECR::Repository": ("", "RepositoryPolicyText"),
    "AWS::SageMaker::ModelPackageGroup": ("", "ModelPackageGroupPolicy"),
}
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+")
_SERVICES: Final = {
    "lambda.amazonaws.com": "Lambda",
    "sagemaker.amazonaws.com": "SageMaker",
    "states.amazonaws.com": "Step Functions",
    "events.amazonaws.com": "EventBridge",
}


@dataclass(frozen=True, slots=True)
class Rights:
    """What a role may do, or what a resource lets others do.

    Parameters
    ----------
    path
        The construct path.
    who
        Who may assume the role; empty for a resource.
    sentences
        One for each statement of its policies.
    """

    path: str
    who: str
    sentences: tuple[str, ...]


def rights_of_roles(assembly: Assembly) -> tuple[Rights, ...]:
    """Return what each role may do, in the order of their paths."""
    attached = dict[Key, list[tuple[StackTemplate, Any]]]()
    for key, policy in assembly.resources(*_POLICIES):
        stack, given = assembly.stacks[key.stack], policy.get("Properties") or {}
        for to in {source.key for source in assembly.sources(stack, given.get("Roles"))}:
            attached.setdefault(to, []).append((stack, given.get("PolicyDocument")))
    found = []
    for role_key, role in assembly.resources(_ROLE):
        stack, given = assembly.stacks[role_key.stack], role.get("Properties") or {}
        inline = [
            (stack, policy.get("PolicyDocument"))
            for policy in given.get("Policies") or []
            if isinstance(policy, dict)
        ]
        sentences = [
            sentence
            for at, document in [*inline, *attached.get(role_key, [])]
            for sentence in _sentences(assembly, at, document)
        ]
        managed = [
            f"has all rights of the policy {assembly.text(stack, arn)}"
            for arn in given.get("ManagedPolicyArns") or []
        ]
        who = "; ".join(_trusted(assembly, stack, given.get("AssumeRolePolicyDocument")))
        found.append(Rights(assembly.title(role_key), who, tuple(_once([*managed, *sentences]))))
    return tuple(found)


def rights_on_resources(assembly: Assembly) -> tuple[Rights, ...]:
    """Return what resources' own policies let others do, in the order of their paths."""
    found = []
    for key, resource in assembly.resources(*_OF_RESOURCES, "AWS::Lambda::Permission"):
        stack, given = assembly.stacks[key.stack], resource.get("Properties") or {}
        if resource["Type"] == "AWS::Lambda::Permission":
            source = given.get("SourceArn")
            only = f", only for {assembly.text(stack, source)}" if source else ""
            function = assembly.first(stack, given.get("FunctionName"), "AWS::Lambda::Function")
            who = _principal(assembly, stack, given.get("Principal"))
            action = assembly.text(stack, given.get("Action"))
            path = assembly.title(function) if function else assembly.title(key)
            found.append(Rights(path, "", (f"{who} may {_verbs([action])}{only}",)))
            continue
        if resource["Type"] not in _OF_RESOURCES:
            continue
        of, document = _OF_RESOURCES[resource["Type"]]
        owner = assembly.first(stack, given.get(of), "AWS::") if of else None
        sentences = tuple(_sentences(assembly, stack, given.get(document), is_of_resource=True))
        if sentences:
            found.append(Rights(assembly.title(owner or key), "", sentences))
    return tuple(found)


def _trusted(assembly: Assembly, stack: StackTemplate, document: Any) -> Iterator[str]:
    for statement in _statements(document):
        if statement.get("Effect") == "Allow":
            who = _principal(assembly, stack, statement.get("Principal"))
            yield who + _conditions(assembly, stack, statement.get("Condition"))


def _sentences(
    assembly: Assembly, stack: StackTemplate, document: Any, *, is_of_resource: bool = False
) -> Iterator[str]:
    for statement in _statements(document):
        is_allowed = statement.get("Effect") == "Allow"
        said = "may" if is_allowed else "must not"
        if is_of_resource:
            who = _principal(assembly, stack, statement.get("Principal"))
            said = f"{who} {said}"
        if "NotAction" in statement:
            does = f"do everything but {_verbs(_texts(assembly, stack, statement['NotAction']))}"
        else:
            does = _verbs(_texts(assembly, stack, statement.get("Action")))
        resources = _texts(assembly, stack, statement.get("Resource"))
        other = _texts(assembly, stack, statement.get("NotResource"))
        on = "everything" if resources == ["*"] else ", ".join(f"`{each}`" for each in resources)
        if other:
            on = f"everything but {', '.join(f'`{each}`' for each in other)}"
        condition = _conditions(assembly, stack, statement.get("Condition"))
        yield f"{said} {does}" + (f" on {on}" if on else "") + condition


def _verbs(actions: Iterable[str]) -> str:
    """Return actions as what is done: ``create and stop compilation jobs (sagemaker)``."""
    by_service = dict[str, dict[str, list[str]]]()
    for action in actions:
        service, _, name = action.rpartition(":")
        verb, of = _verb(name)
        verbs = by_service.setdefault(service, {}).setdefault(of, [])
        if verb not in verbs:
            verbs.append(verb)
    said = []
    for service, objects in by_service.items():
        # Objects that the same is done to stand together.
        grouped = dict[tuple[str, ...], list[str]]()
        for of, verbs in objects.items():
            grouped.setdefault(tuple(verbs), []).append(of)
        parts = [f"{_and(verbs)} {_and(of)}".strip() for verbs, of in grouped.items()]
        said.append(f"{', '.join(parts)}{f' ({service})' if service else ''}")
    return "; ".join(said)


def _verb(name: str) -> tuple[str, str]:
    """Return the verb and the object of an action's name: ``stop``, ``compilation jobs``."""
    if "*" in name:
        return ("do everything", "") if name == "*" else (f"call {name}", "")
    words = [
        word if word.isupper() and len(word) > 1 else word.lower() for word in _WORDS.findall(name)
    ]
    if not words:
        return "do nothing", ""
    verb, of = words[0], " ".join(words[1:])
    is_plural = not of or of.endswith(("s", "data"))
    return verb, of if is_plural else f"{of[:-1]}ies" if of.endswith("y") else f"{of}s"


def _conditions(assembly: Assembly, stack: StackTemplate, given: Any) -> str:
    if not isinstance(given, dict):
        return ""
    said = []
    for operator, keys in given.items():
        for key, values in (keys if isinstance(keys, dict) else {}).items():
            texts = " or ".join(f"`{each}`" for each in _texts(assembly, stack, values))
            said.append(f"{key} {_OPERATORS.get(operator, operator)} {texts}")
    return f", only if {' and '.join(said)}" if said else ""


_OPERATORS: Final = {
    "StringEquals": "is",
    "StringNotEquals": "is not",
    "StringLike": "is like",
    "StringNotLike": "is not like",
    "ArnLike": "is like",
    "ArnEquals": "is",
    "ArnNotLike": "is not like",
    "Bool": "is",
    "Null": "is absent:",
    "NumericLessThan": "is less than",
}


def _principal(assembly: Assembly, stack: StackTemplate, given: Any) -> str:
    if isinstance(given, dict) and not any(k == "Ref" or k.startswith("Fn::") for k in given):
        names = [text for each in given.values() for text in _texts(assembly, stack, each)]
    else:
        names = _texts(assembly, stack, given)
    return _and([_SERVICES.get(n, "anybody" if n == "*" else f"`{n}`") for n in names]) or "nobody"


def _texts(assembly: Assembly, stack: StackTemplate, value: Any) -> list[str]:
    if value is None:
        return []
    return [assembly.text(stack, each) for each in (value if isinstance(value, list) else [value])]


def _statements(document: Any) -> list[Json]:
    found = document.get("Statement") if isinstance(document, dict) else None
    listed = found if isinstance(found, list) else [found]
    return [statement for statement in listed if isinstance(statement, dict)]


def _and(texts: Iterable[str]) -> str:
    *others, last = list(texts) or [""]
    return f"{', '.join(others)} and {last}" if others else last


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
