"""The policy that the caller of ``neo verify`` needs: printed by ``neo verify --policy``.

Whoever may make roles and give them rights may do anything in an account: it is a policy for a
person or a job that is trusted with the account, or for an account of its own.
"""

from __future__ import annotations

from typing import Any

from neo_constructs.verification.stack_names import JOBS, NAME_PREFIX, PREFIX, ROLE_PATH

Statement = dict[str, Any]
QUALIFIER = "hnb659fds"  # of the CDK's bootstrap, where nothing else is chosen


def policy(account: str, region: str) -> dict[str, Any]:
    """Return the policy document.

    Parameters
    ----------
    account, region
        Where the run is to take place.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [*_deploying(account, region), *_asking(account, region)],
    }


def _deploying(account: str, region: str) -> list[Statement]:
    """Return what it takes to deploy by the CDK, and to remove stacks."""
    stacks = f"arn:aws:cloudformation:{region}:{account}:stack/{PREFIX}*"
    return [
        # The CDK's own roles make the stacks; CloudFormation acts as its execution role.
        _allow("Cdk", ["sts:AssumeRole"], f"arn:aws:iam::{account}:role/cdk-{QUALIFIER}-*"),
        _allow(
            "Stacks",
            [
                "cloudformation:CreateStack",
                "cloudformation:UpdateStack",
                "cloudformation:CancelUpdateStack",
                "cloudformation:DeleteStack",
                "cloudformation:DescribeStackEvents",
                "cloudformation:ListStackResources",
                "cloudformation:TagResource",
            ],
            stacks,
        ),
        # DescribeStacks without a name cannot be limited to resources.
        _allow(
            "Look",
            ["cloudformation:DescribeStacks", "cloudformation:ListStacks", "sts:GetCallerIdentity"],
            "*",
        ),
        # What a stack with an echo makes is made in the caller's name.
        _allow(
            "Echo",
            ["lambda:InvokeFunction"],
            f"arn:aws:lambda:{region}:{account}:function:{PREFIX}*",
        ),
        _allow(
            "EchoBuckets",
            [
                "s3:CreateBucket",
                "s3:DeleteBucket",
                "s3:GetBucketPolicy",
                "s3:PutBucketPolicy",
                "s3:DeleteBucketPolicy",
                "s3:PutBucketTagging",
                "s3:GetBucketTagging",
                "s3:TagResource",
                "s3:PutEncryptionConfiguration",
                "s3:GetEncryptionConfiguration",
            ],
            [f"arn:aws:s3:::{PREFIX.lower()}*", f"arn:aws:s3:::{NAME_PREFIX}*"],
        ),
        _allow(
            "StagingBucket",
            ["s3:GetEncryptionConfiguration"],
            f"arn:aws:s3:::cdk-{QUALIFIER}-assets-{account}-{region}",
        ),
    ]


def _asking(account: str, region: str) -> list[Statement]:
    """Return what the probes do beside the stacks."""
    sagemaker = f"arn:aws:sagemaker:{region}:{account}"
    named = f"{NAME_PREFIX}*"
    return [
        _allow(
            "Objects",
            [
                "s3:GetObject",
                "s3:GetObjectVersion",
                "s3:PutObject",
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
                "s3:AbortMultipartUpload",
                "s3:ListBucket",
                "s3:ListBucketVersions",
                "s3:ListBucketMultipartUploads",
            ],
            [
                f"arn:aws:s3:::{PREFIX.lower()}*",
                f"arn:aws:s3:::{NAME_PREFIX}*",
            ],
        ),
        _allow(
            "Key",
            ["kms:GenerateDataKey", "kms:Decrypt", "kms:ListAliases"],
            "*",
            {"StringEquals": {"aws:ResourceAccount": account}},
        ),
        _allow(
            "Jobs",
            [
                "sagemaker:CreateCompilationJob",
                "sagemaker:DescribeCompilationJob",
                "sagemaker:StopCompilationJob",
                "sagemaker:DeleteCompilationJob",
                "sagemaker:AddTags",
                "sagemaker:DeleteTags",
                "sagemaker:ListTags",
            ],
            [f"{sagemaker}:compilation-job/{JOBS}-*"],
        ),
        _allow("ListJobs", ["sagemaker:ListCompilationJobs"], "*"),
        _allow(
            "Hosting",
            [
                "sagemaker:CreateModel",
                "sagemaker:DeleteModel",
                "sagemaker:CreateEndpointConfig",
                "sagemaker:DeleteEndpointConfig",
                "sagemaker:CreateEndpoint",
                "sagemaker:DeleteEndpoint",
                "sagemaker:AddTags",
            ],
            [f"{sagemaker}:{kind}/{named}" for kind in ("model", "endpoint-config", "endpoint")],
        ),
        _allow(
            "Ask",
            [
                "sagemaker:InvokeEndpoint",
                "sagemaker:DescribeEndpoint",
                "sagemaker:DescribeEndpointConfig",
                "sagemaker:DescribeModel",
            ],
            # Those of the stacks have names that CloudFormation makes of theirs.
            [f"{sagemaker}:*/*"],
        ),
        _allow(
            "Roles",
            [
                "iam:CreateRole",
                "iam:DeleteRole",
                "iam:TagRole",
                "iam:PutRolePolicy",
                "iam:DeleteRolePolicy",
                "iam:ListRolePolicies",
                "iam:GetRolePolicy",
                "iam:PassRole",
                "sts:AssumeRole",
            ],
            [
                f"arn:aws:iam::{account}:role{ROLE_PATH}{NAME_PREFIX}*",
                f"arn:aws:iam::{account}:role/{NAME_PREFIX}*",
                f"arn:aws:iam::{account}:role/{PREFIX}*",
            ],
        ),
        _allow(
            "Executions",
            [
                "states:StartExecution",
                "states:StopExecution",
                "states:ListExecutions",
                "states:DescribeExecution",
            ],
            [
                f"arn:aws:states:{region}:{account}:stateMachine:*",
                f"arn:aws:states:{region}:{account}:execution:*",
            ],
        ),
        _allow(
            "LogGroups",
            ["logs:DeleteLogGroup"],
            [
                f"arn:aws:logs:{region}:{account}:log-group:/aws/lambda/{PREFIX}*",
                f"arn:aws:logs:{region}:{account}:log-group:/aws/sagemaker/Endpoints/*",
            ],
        ),
        _allow(
            "Quotas",
            ["servicequotas:ListServiceQuotas", "servicequotas:ListAWSDefaultServiceQuotas"],
            "*",
        ),
    ]


def _allow(
    sid: str, actions: list[str], on: str | list[str], condition: Statement | None = None
) -> Statement:
    made: Statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": on}
    return {**made, "Condition": condition} if condition else made
