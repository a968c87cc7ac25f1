"""What the engine's logs need of their keys, and the state machine of its log."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from neo_constructs.engine.options import ENGINE_ID
from neo_constructs.engine.statements import Statement, allow


def allow_logs(key: kms.IKey, stack: Stack) -> None:
    """Let CloudWatch Logs use a key for log groups of a stack.

    Source: CloudWatch Logs user guide, page Encrypt log data using AWS KMS. An imported key's
    policy stays as it is.
    """
    group = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group"
    key.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*"],
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            resources=["*"],
            conditions={
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": [
                        f"{group}:{stack.stack_name}-{ENGINE_ID}*",
                        f"{group}:{machine_log_group(stack)}",
                    ]
                }
            },
        ),
        allow_no_op=True,
    )


def allow_delivery(key: kms.IKey) -> None:
    """Let the delivery of a state machine's log decrypt what executions hold.

    Source: the CDK's own StateMachine, which says the same of its keys. An imported key's policy
    stays as it is.
    """
    key.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["kms:Decrypt"],
            principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
            resources=["*"],
        ),
        allow_no_op=True,
    )


def log_delivery() -> Statement:
    """Return what a state machine needs to log: the actions have no resource level.

    Source: Step Functions user guide, page Logging using CloudWatch Logs.
    """
    return allow(
        actions=[
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:DescribeLogGroups",
            "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery",
        ],
        resources=["*"],
    )


def machine_log_group(stack: Stack) -> str:
    """Return a name for the state machine's log group.

    Step Functions user guide, page Logging using CloudWatch Logs: with this start, many state
    machines do not exceed the size of the log groups' resource policy.
    """
    return f"/aws/vendedlogs/states/{stack.stack_name}-{ENGINE_ID}"
