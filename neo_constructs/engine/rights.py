"""Rights that more than one construct gives, and how a role gets them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from aws_cdk import Annotations, Aws, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct, IDependable

from neo_constructs.engine.acknowledgements import acknowledge_wildcards
from neo_constructs.findings import Finding, Level


def warn(scope: Construct, findings: Iterable[Finding]) -> None:
    """Attach findings to a construct as warnings that can be acknowledged by their codes."""
    for finding in findings:
        Annotations.of(scope).add_warning_v2(f"neo-constructs:{finding.code}", str(finding))


def extend_role(
    scope: Construct, role: iam.IRole, statements: Sequence[iam.PolicyStatement]
) -> list[IDependable]:
    """Give a role more rights, and return what must be waited for.

    A role that cannot be extended from here (imported, or of another account) pretends that it
    was; a warning on ``scope`` then carries the exact statements it needs.
    """
    results = [role.add_to_principal_policy(statement) for statement in statements]
    acknowledge_wildcards(role, statements)
    if not any(isinstance(child, iam.Policy) for child in role.node.find_all()):
        needed = json.dumps(Stack.of(scope).resolve([s.to_statement_json() for s in statements]))
        warning = Finding(
            code="role-not-extended",
            level=Level.WARNING,
            where="role",
            message=f"{role.role_name!r} cannot be extended from here. It must allow: {needed}",
        )
        warn(scope, [warning])
        return []
    return [result.policy_dependable for result in results if result.policy_dependable][:1]


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
            "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
            "ArnLike": {
                "aws:SourceArn": (
                    f"arn:{Aws.PARTITION}:sagemaker:{Aws.REGION}:{Aws.ACCOUNT_ID}:{source}"
                )
            },
        },
    )


def compile_statements() -> list[iam.PolicyStatement]:
    """Return what any compile role needs beside its artifacts: Neo's logs and metrics.

    Source: API reference of CreateCompilationJob, parameter RoleArn.
    """
    return logging_statements("/aws/sagemaker/CompilationJobs")


def logging_statements(log_group: str) -> list[iam.PolicyStatement]:
    """Return the rights to write SageMaker's logs and metrics."""
    group = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:{log_group}"
    return [
        iam.PolicyStatement(
            actions=[
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            resources=[group, f"{group}:*"],
        ),
        # The API has no resource level; the namespace is what can be narrowed.
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={
                "StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "AWS/SageMaker"]}
            },
        ),
    ]


def pass_role_statement(role: iam.IRole) -> iam.PolicyStatement:
    """Return the right to hand a role to SageMaker, and to no other service."""
    return iam.PolicyStatement(
        actions=["iam:PassRole"],
        resources=[role.role_arn],
        conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    )
