"""Where buckets and images are, against where the stack is."""

from __future__ import annotations

import json
from typing import Protocol

from aws_cdk import aws_s3 as s3
from aws_cdk.interfaces import ResourceEnvironment
from constructs import Construct, IConstruct

from neo_constructs.engine.asked_once import account_of, asked, region_of, stack_of
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding, Level


class Placed(IConstruct, Protocol):
    """What is in an account and a region."""

    @property
    def env(self) -> ResourceEnvironment:
        """Where it is."""
        ...


def elsewhere(scope: Construct, region: str, account: str) -> tuple[str, str]:
    """Return region and account of something where they differ from a stack's; empty if not.

    What is known only at deploy is taken as right.
    """

    def differing(theirs: str, ours: str) -> str:
        is_known = not (is_unresolved(theirs) or is_unresolved(ours))
        return theirs if is_known and theirs != ours else ""

    return differing(region, region_of(scope)), differing(account, account_of(scope))


def check_artifact_bucket(scope: Construct, bucket: s3.IBucket) -> list[Finding]:
    """Say whether SageMaker and the engine can write to a bucket from a stack."""
    whose = "the engine's role, the compile role and the models' roles"
    return check_bucket(scope, bucket, "artifact_bucket", whose=whose)


def check_bucket(scope: Construct, bucket: s3.IBucket, where: str, *, whose: str) -> list[Finding]:
    """Say whether SageMaker can use a bucket from a stack.

    Parameters
    ----------
    scope, bucket
        The construct that uses it, and the bucket.
    where
        The argument.
    whose
        Which roles a bucket of another account must let in.
    """
    region, account = elsewhere(
        scope, asked(bucket, "env", "region"), asked(bucket, "env", "account")
    )
    stack, found = stack_of(scope), []
    if region:
        found.append(
            Finding(
                code="artifact-bucket-region",
                where=where,
                message=f"The bucket is in {region!r}, the stack in {stack.region!r}; SageMaker "
                "reads and writes in its own region only.",
                fix="give a bucket of the stack's region.",
            )
        )
    if account:
        found.append(
            Finding(
                code="bucket-account",
                level=Level.WARNING,
                where=where,
                message=f"The bucket is of the account {account!r}, the stack of "
                f"{stack.account!r}; the bucket's own policy must let it in.",
                fix=f"let the bucket's policy allow {whose} what this stack's policies allow them, "
                "or give a bucket of the stack's account.",
            )
        )
    return found


def check_region(scope: Construct, resource: Placed, where: str) -> list[Finding]:
    """Say whether a key, a topic or a version is in another region than SageMaker uses it in."""
    region, _ = elsewhere(scope, asked(resource, "env", "region"), "")
    if not region:
        return []
    return [
        Finding(
            code="resource-region",
            where=where,
            message=f"{resource.node.path} is in {region!r}, the stack in "
            f"{stack_of(scope).region!r}; SageMaker uses those of its own region.",
            fix="give one of the stack's region.",
        )
    ]


def check_source_bucket(
    scope: Construct, bucket: s3.IBucket, key: str, where: str
) -> list[Finding]:
    """Say whether the engine can read an object of another account."""
    _, account = elsewhere(scope, "", asked(bucket, "env", "account"))
    if not account:
        return []
    stack = stack_of(scope)
    name = bucket.bucket_name if not is_unresolved(bucket.bucket_name) else "<bucket>"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{stack.account}:root"},
        "Action": ["s3:GetObject", "s3:GetObjectVersion"],
        "Resource": f"arn:aws:s3:::{name}/{key}",
    }
    return [
        Finding(
            code="bucket-account",
            level=Level.WARNING,
            where=where,
            message=f"The bucket is of the account {account!r}, the stack of {stack.account!r}; "
            "the bucket's own policy must let it in.",
            fix=f"add this statement to the bucket's policy: {json.dumps(statement)}",
        )
    ]


def check_image(scope: Construct, region: str) -> list[Finding]:
    """Say whether SageMaker can pull an image of a region's registry."""
    other, _ = elsewhere(scope, region, "")
    if not other:
        return []
    return [
        Finding(
            code="image-region",
            where="image",
            message=f"The image is in {other!r}, the stack in {stack_of(scope).region!r}; "
            "SageMaker pulls images of its own region only.",
            fix="copy the image to a repository of the stack's region.",
        )
    ]
