"""Rights that more than one construct gives, and how a role gets them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aws_cdk import Annotations, Stack, Tokenization
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct, IDependable

from neo_constructs.engine.acknowledgements import acknowledge_wildcards
from neo_constructs.engine.asked_once import (
    asked,
    is_same,
    pseudo,
    remembered,
    settle,
    stack_of,
)
from neo_constructs.engine.keys import real_key
from neo_constructs.engine.statements import Statement, allow, policy_document, policy_statement
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding, Level


def warn(scope: Construct, findings: Iterable[Finding]) -> None:
    """Attach findings to a construct as warnings that can be acknowledged by their codes."""
    for finding in findings:
        Annotations.of(scope).add_warning_v2(f"neo-constructs:{finding.code}", str(finding))


def extend_role(
    scope: Construct,
    role: iam.IRole,
    statements: Sequence[Statement],
    *,
    places: Sequence[str],
    wildcards: str = "",
) -> list[IDependable]:
    """Give a role more rights, and return what must be waited for.

    They are a policy of their own, in the stack of ``scope``: a role of another stack must not
    get this one's names. It is another policy for other places, so that CloudFormation takes the
    rights on former ones away only when nothing uses them any more.

    A role that cannot be extended from here (imported as immutable, or of another account) gets
    nothing; a warning on ``scope`` then carries the statements it needs.

    Parameters
    ----------
    scope, role, statements
        Who gets what, for whom.
    places
        The ARNs of the buckets and keys that the rights are about.
    wildcards
        Why resources with a ``*`` are right as they are. Default: only what is known of them.
    """
    policy = _policy_of(scope, role, places)
    policy.add_statements(*map(policy_statement, statements))
    role.attach_inline_policy(policy)
    acknowledge_wildcards(policy, statements, wildcards)
    (resource,) = [child for child in policy.node.children if isinstance(child, iam.CfnPolicy)]
    if stack_of(scope).resolve(resource.roles):
        return [policy]
    name = role.role_name
    shown = "The given role" if is_unresolved(name) else f"The role {name!r}"
    warning = Finding(
        code="role-not-extended",
        level=Level.WARNING,
        where="role",
        message=(
            f"{shown} cannot be extended from here. It needs this policy, in which neo-* stands "
            f"for the names that the stack's job engine makes: {pasteable(scope, statements)}"
        ),
        fix="add the policy to the role, then deploy.",
    )
    warn(scope, [warning])
    return []


def give_own_role(
    scope: Construct,
    role: iam.Role,
    statements: Sequence[Statement],
    *,
    places: Sequence[str],
    wildcards: str = "",
) -> list[IDependable]:
    """Give rights to a role that was made beside them; else as ``extend_role``."""
    policy = iam.Policy(
        scope,
        f"Policy{place_hash(scope, places)}",
        document=policy_document(statements),
        roles=[role],
    )
    settle(policy, scope)
    acknowledge_wildcards(policy, statements, wildcards)
    return [policy]


def place_hash(scope: Construct, arns: Sequence[str]) -> str:
    """Return a short name for some places; the same for the same ARNs, tokens or not."""
    stack = stack_of(scope)

    def hashed() -> str:
        owners = list(filter(None, (owner_elsewhere(stack, arn) for arn in arns)))
        resolved = json.dumps([*stack.resolve(list(arns)), *owners], sort_keys=True)
        return hashlib.sha256(resolved.encode()).hexdigest()[:8].upper()

    return remembered(stack, ("place", *arns), hashed)


def owner_elsewhere(stack: Stack, text: str) -> str:
    """Return the path of another stack's resource that a text refers to; empty if it does not.

    Resolved, resources of two stacks look the same where their logical ids do.
    """
    if not is_unresolved(text):
        return ""
    for token in Tokenization.reverse_string(text).tokens:
        target = getattr(token, "target", None)
        if target is not None and not is_same(stack_of(target), stack):
            return str(asked(target, "node", "path"))
    return ""


def _policy_of(scope: Construct, role: iam.IRole, arns: Sequence[str]) -> iam.Policy:
    """Return the policy that a role's rights on some places go into.

    A role that is given may be shared by many: they share a policy in their stack, in which the CDK
    writes the same statement once, because IAM counts all inline policies of a role together.
    """
    name = f"Policy{place_hash(scope, arns)}"
    stack = stack_of(scope)
    shared = f"Neo{name}{place_hash(scope, [role.node.path])}"
    found = stack.node.try_find_child(shared)
    return found if isinstance(found, iam.Policy) else iam.Policy(stack, shared)


def places(bucket: s3.IBucket, key: kms.IKey | None = None) -> list[str]:
    """Return the ARNs of a bucket and of the keys that its objects are encrypted with."""
    return [asked(bucket, "bucket_arn"), *key_arns(asked(bucket, "encryption_key"), key)]


def key_arns(*keys: kms.IKey | None) -> list[str]:
    """Return the ARNs of keys, each once; None is left out."""
    return list(dict.fromkeys(asked(real_key(key), "key_arn") for key in keys if key))


def pasteable(scope: Construct, statements: Sequence[Statement]) -> str:
    """Return a policy document as JSON, with what is known at synth written out.

    What the stack makes stands as ``<LogicalId>``; a region or an account that is known only at
    deploy as ``*``.
    """
    stack = stack_of(scope)
    known = {"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"} | {
        name: value
        for name, value in (("AWS::Region", stack.region), ("AWS::AccountId", stack.account))
        if not is_unresolved(value)
    }
    region = known.get("AWS::Region", "")
    for start, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(start):
            known["AWS::Partition"] = partition
    if region.startswith("cn-"):
        known["AWS::URLSuffix"] = "amazonaws.com.cn"
    document = {
        "Version": "2012-10-17",
        "Statement": stack.resolve(list(statements)),
    }
    return json.dumps(_written_out(document, known))


def _written_out(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_written_out(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    ((key, argument),) = value.items() if len(value) == 1 else [("", "")]
    if key == "Ref":
        return known.get(argument, "*" if argument.startswith("AWS::") else f"<{argument}>")
    if key == "Fn::GetAtt":
        return f"<{'.'.join(argument)}>"
    if key == "Fn::Join":
        joined = str(argument[0]).join(str(_written_out(item, known)) for item in argument[1])
        return re.sub(r"\*+", "*", joined)
    # Any other function gives a part of the stack's id, in the names that the engine makes.
    is_function = key.startswith("Fn::")
    return "*" if is_function else {k: _written_out(v, known) for k, v in value.items()}


def use_keys(
    actions: Sequence[str], bucket: s3.IBucket, key: kms.IKey | None = None
) -> list[Statement]:
    """Return the right to use the keys of objects in a bucket, by way of S3 only.

    Parameters
    ----------
    actions
        What is done with the keys.
    bucket
        Its own key is one of them, if it has one.
    key
        A further one.
    """
    arns = key_arns(asked(bucket, "encryption_key"), key)
    if not arns:
        return []
    return [
        allow(
            actions=list(actions),
            resources=arns,
            conditions={
                "StringEquals": {
                    # Rests on A-CFN-11.
                    "kms:ViaService": f"s3.{asked(bucket, 'env', 'region')}.{pseudo('URL_SUFFIX')}"
                }
            },
        )
    ]


def service_principal(source: str) -> iam.IPrincipal:
    """Return SageMaker as a principal, for jobs and models of this account only.

    Parameters
    ----------
    source
        What the call must come from, such as ``compilation-job/*``. Source of the form: AWS
        developer guide, page security-confused-deputy-prevention.
    """
    return iam.ServicePrincipal(
        "sagemaker.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": pseudo("ACCOUNT_ID")},
            # Rests on A-IAM-01.
            "ArnLike": {"aws:SourceArn": (f"{_here('sagemaker')}:{source}")},
        },
    )


def _here(service: str) -> str:
    """Return how ARNs of a service begin, in the region and account of a deploy."""
    return f"arn:{pseudo('PARTITION')}:{service}:{pseudo('REGION')}:{pseudo('ACCOUNT_ID')}"


def compile_statements() -> list[Statement]:
    """Return what any compile role needs beside its artifacts: Neo's logs and metrics.

    Source: API reference of CreateCompilationJob, parameter RoleArn.
    """
    return logging_statements("/aws/sagemaker/CompilationJobs")


# Rests on A-IAM-05.
def logging_statements(log_group: str) -> list[Statement]:
    """Return the rights to write SageMaker's logs and metrics.

    Parameters
    ----------
    log_group
        The name, or the pattern of the names, of the log groups.
    """
    group = f"{_here('logs')}:log-group:{log_group}"
    return [
        allow(
            actions=[
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            # A pattern covers the groups' streams too.
            resources=[group] if group.endswith("*") else [group, f"{group}:*"],
        ),
        # The API has no resource level; the namespace is what can be narrowed.
        allow(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={
                # Rests on A-IAM-09.
                "StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "AWS/SageMaker"]}
            },
        ),
    ]


def pass_role_statement(role: iam.IRole) -> Statement:
    """Return the right to hand a role to SageMaker, and to no other service."""
    return allow(
        actions=["iam:PassRole"],
        resources=[asked(role, "role_arn")],
        conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    )
