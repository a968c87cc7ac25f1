"""What a reviewer's rules find in the library's own resources, each answered with its reason.

Only the CDK's own interface is used, so cdk-nag need not be there. Its ids name one resource of
one statement: a wildcard that is added later is found again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_iam as iam
from constructs import IConstruct

_REASONS: Final = (
    (":compilation-job/", "names end in hashes made at run time; the prefix is this stack's own"),
    (
        ":inference-recommendations-job/",
        "names end in hashes made at run time; the prefix is this stack's own",
    ),
    (":execution:", "executions of this stack's own state machine only; they have no fixed names"),
    (
        ":log-group:",
        "streams of SageMaker's own log groups; their names are made later",
    ),
    (":repository/", "repositories of the account that owns these images, and of no other"),
    (":network-interface/", "interfaces in the model's subnets; their names are made later"),
    ("/sm-epc-", "what Inference Recommender makes for a measurement, and removes again"),
    ("/neo-", "objects of this stack's own jobs only; their names are made at run time"),
)


def acknowledge(scope: IConstruct, rule: str, reason: str) -> None:
    """Answer one finding of a rule on a construct and what is below it.

    Parameters
    ----------
    scope
        The construct.
    rule
        Its id, exactly as cdk-nag writes it: ``AwsSolutions-SF1``.
    reason
        Why it is right as it is.
    """
    Validations.of(scope).acknowledge(Acknowledgment(id=rule, reason=reason))


def acknowledge_wildcards(
    scope: IConstruct, statements: Iterable[iam.PolicyStatement], reason: str = ""
) -> None:
    """Answer the finding of AwsSolutions-IAM5 for every wildcard that has a known reason.

    One that has none is left to be found.

    Parameters
    ----------
    scope, statements
        What has been said, and where it stands.
    reason
        Of all wildcards that are not known. Default: none.
    """
    stack = Stack.of(scope)
    for statement in statements:
        found = stack.resolve(statement.to_statement_json())
        resources = found["Resource"]
        for resource in resources if isinstance(resources, list) else [resources]:
            text = flat(resource)
            actions = found["Action"]
            known = _reason(text) or reason or _no_level(text, actions)
            if "*" in text and known:
                acknowledge(scope, f"AwsSolutions-IAM5[Resource::{text}]", known)


def flat(value: Any) -> str:
    """Return a resolved value as cdk-nag writes it into the id of a finding."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1:
        ((key, argument),) = value.items()
        if key == "Ref":
            return f"<{argument}>"
        if key == "Fn::GetAtt":
            return f"<{'.'.join(argument)}>"
        if key == "Fn::Join":
            return str(argument[0]).join(map(flat, argument[1]))
    return json.dumps(value, separators=(",", ":"))


def _reason(resource: str) -> str:
    return next((reason for part, reason in _REASONS if part in resource), "")


def _no_level(resource: str, actions: str | list[str]) -> str:
    if resource != "*":
        return ""
    named = [actions] if isinstance(actions, str) else sorted(actions)
    return f"{', '.join(named)}: the API has no resource level"
