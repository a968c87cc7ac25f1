"""What can be reached from where: functions, containers, buckets, endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, Final

from neo_constructs.review.assembly import StackTemplate, as_list, as_mapping
from neo_constructs.review.cards import ENDPOINT, MODEL
from neo_constructs.review.quoting import quoted
from neo_constructs.review.values import Assembly, Key
from neo_constructs.review.verdicts import Sentence

_BUCKET: Final = "AWS::S3::Bucket"
_FUNCTION: Final = "AWS::Lambda::Function"
_INVOCATIONS: Final = ("sagemaker:invokeendpoint", "sagemaker:invokeendpointasync")
_TO_DEPLOY: Final = re.compile("<[^<>]*>")
_NO_NAME: Final = "\0"
_BLOCKS: Final = (
    "BlockPublicAcls",
    "BlockPublicPolicy",
    "IgnorePublicAcls",
    "RestrictPublicBuckets",
)


def reach(assembly: Assembly) -> tuple[Sentence, ...]:
    """Return what can be reached from where, in the order of the resources' paths."""
    found = [*_endpoints(assembly), *_models(assembly), *_functions(assembly), *_buckets(assembly)]
    return tuple(sorted(found, key=lambda sentence: sentence.path))


def _endpoints(assembly: Assembly) -> Iterator[Sentence]:
    callers = _callers(assembly)
    for key, _ in assembly.resources(ENDPOINT):
        text = "answers signed calls of principals that may invoke it, by SageMaker's API only"
        named = [path for path, keys in callers if key in keys]
        if named:
            text += f"; here at least by {', '.join(map(quoted, named))}"
        yield Sentence(assembly.title(key), text)


def _callers(assembly: Assembly) -> list[tuple[str, set[Key]]]:
    """Return the policies that allow to invoke endpoints of the assembly, and which."""
    found = []
    for key, policy in assembly.resources("AWS::IAM::"):
        stack = assembly.stacks[key.stack]
        keys = set[Key]()
        for statement in _statements(policy.get("Properties")):
            if statement.get("Effect") == "Allow" and _may_invoke(statement):
                keys |= set(_covered(assembly, stack, statement))
        if keys:
            found.append((assembly.title(key), keys))
    return found


def _may_invoke(statement: Any) -> bool:
    """Whether a statement's actions cover an endpoint's invocation; IAM ignores their case."""

    def is_one(patterns: Any) -> bool:
        return any(fnmatchcase(a, str(p).lower()) for a in _INVOCATIONS for p in _each(patterns))

    if "NotAction" in statement:
        return not is_one(statement["NotAction"])
    return is_one(statement.get("Action"))


def _covered(assembly: Assembly, stack: StackTemplate, statement: Any) -> Iterator[Key]:
    """Yield the endpoints that a statement's resources cover, as far as they are known."""
    but = "NotResource" in statement
    given = _each(statement.get("NotResource" if but else "Resource"))
    named = {source.key for each in given for source in assembly.sources(stack, each)}
    patterns = [assembly.text(stack, each) for each in given]
    for key, endpoint in assembly.resources(ENDPOINT):
        arn = _arn(assembly, key, as_mapping(endpoint.get("Properties")))
        if (key in named or any(_matches(arn, pattern) for pattern in patterns)) is not but:
            yield key


def _matches(arn: list[str], pattern: str) -> bool:
    """Whether a policy's pattern covers an ARN, as far as both are known before the deploy."""
    wanted = pattern.split(":", 5)
    if len(wanted) < len(arn):
        return fnmatchcase(":".join(arn), pattern)
    *place, name = zip(arn, wanted, strict=True)
    is_there = (not known or fnmatchcase(known, _TO_DEPLOY.sub("*", part)) for known, part in place)
    return all(is_there) and fnmatchcase(*name)


def _arn(assembly: Assembly, key: Key, properties: Any) -> list[str]:
    """Return the parts of an endpoint's ARN; an account and a region are empty if not known.

    A name that a deploy makes is one that nothing but ``*`` covers.
    """
    stack, name = assembly.stacks[key.stack], properties.get("EndpointName")
    known = name.lower() if isinstance(name, str) else _NO_NAME
    return ["arn", "", "sagemaker", stack.region, stack.account, f"endpoint/{known}"]


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _statements(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _statements(each)
    elif isinstance(value, dict):
        if "Effect" in value and ("Action" in value or "NotAction" in value):
            yield value
        else:
            for each in value.values():
                yield from _statements(each)


def _models(assembly: Assembly) -> Iterator[Sentence]:
    for key, model in assembly.resources(MODEL):
        stack, given = assembly.stacks[key.stack], as_mapping(model.get("Properties"))
        vpc = given.get("VpcConfig")
        if given.get("EnableNetworkIsolation") is True:
            text = "its containers reach no network at all"
        elif isinstance(vpc, dict):
            groups = assembly.text(stack, vpc.get("SecurityGroupIds"))
            text = f"its containers reach what the security groups {quoted(groups)} let out"
        else:
            text = "its containers reach the internet, by SageMaker's own network"
        yield Sentence(assembly.title(key), text)


def _functions(assembly: Assembly) -> Iterator[Sentence]:
    for key, function in assembly.resources(_FUNCTION):
        stack, given = assembly.stacks[key.stack], as_mapping(function.get("Properties"))
        vpc = given.get("VpcConfig")
        where = "reaches AWS's APIs by Lambda's own network"
        if isinstance(vpc, dict):
            subnets = assembly.text(stack, vpc.get("SubnetIds"))
            where = f"reaches what its subnets {quoted(subnets)} reach"
        urls = [
            url
            for url, resource in assembly.resources("AWS::Lambda::Url")
            if key in {s.key for s in assembly.sources(assembly.stacks[url.stack], resource)}
        ]
        kinds = {
            str(as_mapping(assembly.resource(url).get("Properties")).get("AuthType"))
            for url in urls
        }
        called = "has no URL: it is invoked by Lambda's API only"
        if urls:
            called = "has a URL for signed requests"
        if urls and kinds != {"AWS_IAM"}:
            called = "has a URL that ANYBODY may call without a signature"
        yield Sentence(assembly.title(key), f"{where}; {called}")


def _buckets(assembly: Assembly) -> Iterator[Sentence]:
    for key, bucket in assembly.resources(_BUCKET):
        stack, given = assembly.stacks[key.stack], as_mapping(bucket.get("Properties"))
        blocks = as_mapping(given.get("PublicAccessBlockConfiguration"))
        is_closed = all(blocks.get(name) is True for name in _BLOCKS)
        text = "is closed to the public" if is_closed else "is NOT closed to the public by itself"
        rules = as_mapping(given.get("BucketEncryption")).get("ServerSideEncryptionConfiguration")
        text += f", encrypted with {quoted(_keys(assembly, stack, rules) or 'keys of S3 itself')}"
        versions = as_mapping(given.get("VersioningConfiguration")).get("Status") == "Enabled"
        policy = bucket.get("DeletionPolicy") or "Delete"
        text += f", {'keeps' if versions else 'keeps no'} versions, {_on_delete(policy)}"
        yield Sentence(assembly.title(key), text)


def _keys(assembly: Assembly, stack: StackTemplate, rules: Any) -> str:
    """Return the KMS keys of a bucket's rules; empty if S3 uses its own."""
    defaults = [
        as_mapping(rule.get("ServerSideEncryptionByDefault"))
        for rule in as_list(rules)
        if isinstance(rule, dict)
    ]
    return ", ".join(
        assembly.text(stack, rule.get("KMSMasterKeyID", "AWS's key for S3 in KMS"))
        for rule in defaults
        if str(rule.get("SSEAlgorithm")).startswith("aws:kms")
    )


def _on_delete(policy: str) -> str:
    return "is deleted with its stack" if policy == "Delete" else "outlives its stack"
