"""The rights of a container to read what it serves, by where that comes from."""

from __future__ import annotations

from aws_cdk import aws_s3 as s3
from constructs import Construct

from neo_constructs.compilation.interfaces import ICompilationJob
from neo_constructs.engine.asked_once import stack_of
from neo_constructs.engine.permissions import use_keys
from neo_constructs.engine.statements import Statement, allow
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.hosting.artifact_url import split_url


def read_prefix(job: ICompilationJob) -> list[Statement]:
    """Return the right to read what a job of another stack has compiled, and nothing else."""
    bucket, prefix = job.artifact_bucket, job.artifact_prefix
    return [
        allow(actions=["s3:GetObject"], resources=[bucket.arn_for_objects(f"{prefix}-*")]),
        allow(
            actions=["s3:ListBucket"],
            resources=[bucket.bucket_arn],
            conditions={"StringLike": {"s3:prefix": f"{prefix}-*"}},
        ),
        *use_keys(["kms:Decrypt"], bucket, job.encryption_key),
    ]


def read_artifact(bucket: s3.IBucket, url: str, *, is_prefix: bool) -> list[Statement]:
    """Return the right to read an artifact that no job has compiled: the key that its URL names.

    Parameters
    ----------
    bucket, url
        Where it lies. A key that is known only at deploy gives ``*``, and cdk-nag reports that
        wildcard.
    is_prefix
        Whether the artifact is all objects below the key.
    """
    _, place = split_url(url)
    place = f"{place}*" if is_prefix else place or "*"
    return [
        allow(actions=["s3:GetObject"], resources=[bucket.arn_for_objects(place)]),
        allow(
            actions=["s3:ListBucket"],
            resources=[bucket.bucket_arn],
            conditions={"StringLike": {"s3:prefix": place}},
        ),
    ]


def reading_of(scope: Construct, url: str) -> list[Statement]:
    """Return the right to read an artifact that no job of the stack has compiled.

    Containers whose script has an archive of its own load the artifact from its original place.
    """
    name, key = split_url(url)
    if is_unresolved(url) or not key:
        return []
    arn = f"arn:{stack_of(scope).partition}:s3:::{name}"
    return [
        allow(actions=["s3:GetObject"], resources=[f"{arn}/{key}"]),
        allow(
            actions=["s3:ListBucket"],
            resources=[arn],
            conditions={"StringLike": {"s3:prefix": key}},
        ),
    ]
