"""Statements of policies as plain values; a document is made of many in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from aws_cdk import aws_iam as iam

Statement: TypeAlias = Mapping[str, Any]


def allow(
    *,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: Mapping[str, Any] | None = None,
    sid: str | None = None,
) -> Statement:
    """Return a statement that allows actions on resources.

    Parameters
    ----------
    actions, resources
        What is allowed, and on what.
    conditions
        When. Default: always.
    sid
        Its id. Default: none.
    """
    return {
        **({"Sid": sid} if sid else {}),
        "Effect": "Allow",
        "Action": _one_or_all(actions),
        "Resource": _one_or_all(resources),
        **({"Condition": dict(conditions)} if conditions else {}),
    }


def _one_or_all(values: Sequence[str]) -> Any:
    """Return values as the CDK writes them: one alone is no list."""
    return values[0] if len(values) == 1 else list(values)


def policy_document(statements: Iterable[Statement]) -> iam.PolicyDocument:
    """Return a document of statements."""
    return iam.PolicyDocument.from_json({"Version": "2012-10-17", "Statement": list(statements)})


def policy_statement(given: Statement) -> iam.PolicyStatement:
    """Return a statement as the CDK has it."""
    return iam.PolicyStatement.from_json(given)
