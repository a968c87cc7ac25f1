"""What the roles of an assembly may do, and who may reach its resources, as sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from neo_constructs.review.assembly import Json, StackTemplate, as_list, as_mapping, branches
from neo_constructs.review.quoting import quoted
from neo_constructs.review.values import Assembly, Key

_ROLE: Final = "AWS::IAM::Role"
_PRINCIPALS: Final = (_ROLE, "AWS::IAM::User", "AWS::IAM::Group")
_POLICIES: Final = (
    "AWS::IAM::Policy",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::RolePolicy",
    "AWS::IAM::UserPolicy",
    "AWS::IAM::GroupPolicy",
)
_OWNER_KEYS: Final = ("RoleName", "UserName", "GroupName")
_EFFECTS: Final = {"Allow": "may", "Deny": "must not"}
# Actions whose names say something else than what they do.
_SAID_OTHERWISE: Final = {
    "s3:ListBucket": ("list", "objects of buckets"),
    "s3:ListBucketVersions": ("list", "versions of objects of buckets"),
    "s3:GetBucketLocation": ("get", "regions of buckets"),
    "iam:PassRole": ("hand over", "roles"),
}
Document = tuple[StackTemplate, Any]
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
        Who may assume a role, or whom a policy is for; empty for anything else.
    sentences
        One for each statement of its policies.
    """

    path: str
    who: str
    sentences: tuple[str, ...]


def rights_of_roles(assembly: Assembly) -> tuple[Rights, ...]:
    """Return what each role, user and group may do, in the order of their paths.

    A policy for somebody who is not in the assembly stands under its own path.
    """
    attached = dict[Key, list[Document]]()
    found = []
    for key, policy in assembly.resources(*_POLICIES):
        stack, given = assembly.stacks[key.stack], as_mapping(policy.get("Properties"))
        document = (stack, given.get("PolicyDocument"))
        owners = [given.get(name) for name in ("Roles", "Users", "Groups", *_OWNER_KEYS)]
        known = {
            source.key
            for owner in owners
            for source in assembly.sources(stack, owner)
            if assembly.resource(source.key).get("Type") in _PRINCIPALS
        }
        for owner_key in known:
            attached.setdefault(owner_key, []).append(document)
        others = [text for owner in owners for text in _others(assembly, stack, owner)]
        if others:
            named = ", ".join(quoted(each) for each in others)
            sentences = tuple(_once(_sentences(assembly, *document)))
            found.append(
                Rights(assembly.title(key), f"for {named}, not in this assembly", sentences)
            )
    for key, owner in assembly.resources(*_PRINCIPALS):
        found.append(_rights_of(assembly, key, owner, attached.get(key, [])))
    return tuple(sorted(found, key=lambda rights: rights.path))


def _others(assembly: Assembly, stack: StackTemplate, owners: Any) -> Iterator[str]:
    """Yield the principals of a policy that are not resources of the assembly."""
    for owner in as_list(owners) or ([owners] if owners else []):
        if not assembly.sources(stack, owner):
            yield assembly.text(stack, owner)


def _rights_of(assembly: Assembly, key: Key, owner: Json, attached: list[Document]) -> Rights:
    stack, given = assembly.stacks[key.stack], as_mapping(owner.get("Properties"))
    inline = [
        (stack, as_mapping(policy).get("PolicyDocument"))
        for policy in branches(given.get("Policies"))
    ]
    managed = [
        sentence
        for arn in branches(given.get("ManagedPolicyArns"))
        for sentence in _of_managed(assembly, stack, arn)
    ]
    own = [s for at, document in [*inline, *attached] for s in _sentences(assembly, at, document)]
    if boundary := given.get("PermissionsBoundary"):
        managed.insert(0, f"may do no more than {quoted(assembly.text(stack, boundary))} allows")
    who = f"assumed by {'; '.join(_trusted(assembly, stack, given)) or 'nobody'}"
    is_role = owner["Type"] == _ROLE
    return Rights(assembly.title(key), who if is_role else "", tuple(_once([*managed, *own])))


def _of_managed(assembly: Assembly, stack: StackTemplate, arn: Any) -> Iterator[str]:
    """Yield what a managed policy allows; its name, if its contents are not in the assembly."""
    key = assembly.first(stack, arn, "AWS::IAM::ManagedPolicy")
    if key is None:
        yield f"has all rights of the policy {quoted(assembly.text(stack, arn))}"
        return
    given = as_mapping(assembly.resource(key).get("Properties"))
    yield from _sentences(assembly, assembly.stacks[key.stack], given.get("PolicyDocument"))


def rights_on_resources(assembly: Assembly) -> tuple[Rights, ...]:
    """Return what resources' own policies let others do, in the order of their paths."""
    found = []
    for key, resource in assembly.resources(*_OF_RESOURCES, "AWS::Lambda::Permission"):
        stack, given = assembly.stacks[key.stack], as_mapping(resource.get("Properties"))
        if resource["Type"] == "AWS::Lambda::Permission":
            found.append(_of_permission(assembly, key, given))
            continue
        of, document = _OF_RESOURCES[resource["Type"]]
        owner = assembly.first(stack, given.get(of), "AWS::") if of else None
        sentences = tuple(_sentences(assembly, stack, given.get(document), is_of_resource=True))
        if sentences:
            found.append(Rights(assembly.title(owner or key), "", sentences))
    return tuple(found)


def _of_permission(assembly: Assembly, key: Key, given: Json) -> Rights:
    stack = assembly.stacks[key.stack]
    limits = {"SourceArn": "for", "SourceAccount": "of the account", "PrincipalOrgID": "of"}
    only = [
        f"only {word} {quoted(assembly.text(stack, given[name]))}"
        for name, word in limits.items()
        if name in given
    ]
    function = assembly.first(stack, given.get("FunctionName"), "AWS::Lambda::Function")
    who = _principal(assembly, stack, given.get("Principal"))
    does = _verbs([assembly.text(stack, given.get("Action"))])
    return Rights(assembly.title(function or key), "", (", ".join([f"{who} may {does}", *only]),))


def _trusted(assembly: Assembly, stack: StackTemplate, given: Json) -> Iterator[str]:
    for statement in _statements(given.get("AssumeRolePolicyDocument")):
        if statement.get("Effect") != "Deny":
            who = _who(assembly, stack, statement)
            yield who + _conditions(assembly, stack, statement.get("Condition"))


def _sentences(
    assembly: Assembly, stack: StackTemplate, document: Any, *, is_of_resource: bool = False
) -> Iterator[str]:
    for statement in _statements(document):
        said = _EFFECTS.get(str(statement.get("Effect")), "may, or must not, as a deploy decides,")
        if is_of_resource:
            said = f"{_who(assembly, stack, statement)} {said}"
        if "NotAction" in statement:
            but = " and ".join(map(quoted, _texts(assembly, stack, statement["NotAction"])))
            does = f"do everything but {but}"
        else:
            does = _verbs(_texts(assembly, stack, statement.get("Action")))
        resources = _texts(assembly, stack, statement.get("Resource"))
        other = _texts(assembly, stack, statement.get("NotResource"))
        on = "everything" if resources == ["*"] else ", ".join(quoted(each) for each in resources)
        if other:
            on = f"everything but {', '.join(quoted(each) for each in other)}"
        condition = _conditions(assembly, stack, statement.get("Condition"))
        yield f"{said} {does}" + (f" on {on}" if on else "") + condition


def _verbs(actions: Iterable[str]) -> str:
    """Return actions as what is done: ``create and stop compilation jobs (sagemaker)``."""
    by_service = dict[str, dict[str, list[str]]]()
    for action in actions:
        service, _, name = action.rpartition(":")
        verb, of = _SAID_OTHERWISE.get(action) or _verb(name)
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
        named = service if service.replace("-", "").isalnum() else quoted(service)
        said.append(f"{', '.join(parts)}{f' ({named})' if service else ''}")
    return "; ".join(said)


def _verb(name: str) -> tuple[str, str]:
    """Return the verb and the object of an action's name: ``stop``, ``compilation jobs``."""
    if not name.isalpha():
        return ("do everything", "") if name == "*" else (f"call {quoted(name)}", "")
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
    if set(given) == {"Fn::If"}:
        return ", under conditions that a deploy decides"
    said = []
    for operator, keys in given.items():
        for key, values in (keys if isinstance(keys, dict) else {}).items():
            texts = " or ".join(quoted(each) for each in _texts(assembly, stack, values))
            said.append(f"{quoted(key)} {_OPERATORS.get(operator) or quoted(operator)} {texts}")
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


def _who(assembly: Assembly, stack: StackTemplate, statement: Json) -> str:
    if "NotPrincipal" in statement:
        return f"everybody but {_principal(assembly, stack, statement['NotPrincipal'])}"
    return _principal(assembly, stack, statement.get("Principal"))


def _principal(assembly: Assembly, stack: StackTemplate, given: Any) -> str:
    if isinstance(given, dict) and not any(k == "Ref" or k.startswith("Fn::") for k in given):
        names = [text for each in given.values() for text in _texts(assembly, stack, each)]
    else:
        names = _texts(assembly, stack, given)
    return _and([_SERVICES.get(n, "anybody" if n == "*" else quoted(n)) for n in names]) or "nobody"


def _texts(assembly: Assembly, stack: StackTemplate, value: Any) -> list[str]:
    if value is None:
        return []
    return [assembly.text(stack, each) for each in (value if isinstance(value, list) else [value])]


def _statements(document: Any) -> list[Json]:
    """Return the statements of a document, those of both branches where a condition chooses."""
    return [
        statement
        for each in branches(document)
        for statement in branches(as_mapping(each).get("Statement"))
        if isinstance(statement, dict) and "Ref" not in statement
    ]


def _and(texts: Iterable[str]) -> str:
    *others, last = list(texts) or [""]
    return f"{', '.join(others)} and {last}" if others else last


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
