"""What a reviewer's rules find in the library's own resources, each answered with its reason.

Only the CDK's own interface is used, so cdk-nag need not be there. Its ids name one resource of
one statement: a wildcard that is added later is found again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct

from neo_constructs.engine.asked_once import remembered, stack_of
from neo_constructs.engine.statements import Statement

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


def acknowledge(scope: IConstruct, answers: Iterable[tuple[str, str]]) -> None:
    """Answer findings of rules on a construct and what is below it, in one call.

    Parameters
    ----------
    scope
        The construct.
    answers
        Ids of rules exactly as cdk-nag writes them, such as ``AwsSolutions-SF1``, each with why it
        is right as it is.
    """
    Validations.of(scope).acknowledge(
        *(Acknowledgment(id=rule, reason=reason) for rule, reason in answers)
    )


def acknowledge_wildcards(
    scope: IConstruct, statements: Iterable[Statement], reason: str = ""
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
    stack, given = stack_of(scope), list(statements)
    # Most endpoints of a stack have the same rights, and what tokens stand for stays.
    found = remembered(
        stack, ("wildcards", repr(given), reason), lambda: _found(given, reason, stack)
    )
    if found:
        acknowledge(scope, found)


def _found(statements: Sequence[Statement], reason: str, stack: Stack) -> list[tuple[str, str]]:
    """Return the findings that statements meet, each with its reason."""
    answered = []
    for statement in stack.resolve(list(statements)):
        resources = statement["Resource"]
        for resource in resources if isinstance(resources, list) else [resources]:
            text = flat(resource)
            known = _reason(text) or reason or _no_level(text, statement["Action"])
            if "*" in text and known:
                answered.append((f"AwsSolutions-IAM5[Resource::{text}]", known))
    return answered


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
