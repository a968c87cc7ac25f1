"""What may be done in an artifact bucket: by the compiler, by containers, by the engine."""

from __future__ import annotations

from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from neo_constructs.engine.asked_once import asked
from neo_constructs.engine.names import INPUTS, OUTPUTS, SERVING
from neo_constructs.engine.permissions import use_keys
from neo_constructs.engine.statements import Statement, allow


# Rests on A-IAM-11.
def compile_access(prefix: str, bucket: s3.IBucket, key: kms.IKey | None = None) -> list[Statement]:
    """Return what a compile role needs of an artifact bucket: its input and its output.

    It can write to the folders of jobs only: not to what endpoints serve, nor to the engine's
    records (lambda/neo_jobs/kinds/job_names.py has the keys).

    Parameters
    ----------
    prefix
        What the stack's names begin with.
    bucket
        The artifact bucket; if it has a key, the right to use that is among the statements.
    key
        A further key that the output is encrypted with.
    """
    return [
        # API reference, OutputConfig.KmsKeyId, names what Neo needs of a key.
        # Rests on A-CFN-11.
        *use_keys(["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"], bucket, key),
        allow(actions=["s3:GetObject"], resources=[_objects(prefix, bucket, INPUTS)]),
        allow(
            actions=["s3:PutObject", "s3:AbortMultipartUpload"],
            resources=[_objects(prefix, bucket, OUTPUTS)],
        ),
        allow(
            actions=["s3:ListBucket"],
            resources=[asked(bucket, "bucket_arn")],
            conditions={"StringLike": {"s3:prefix": f"{prefix}-*"}},
        ),
        allow(actions=["s3:GetBucketLocation"], resources=[asked(bucket, "bucket_arn")]),
    ]


def served_access(prefix: str, bucket: s3.IBucket, key: kms.IKey | None = None) -> list[Statement]:
    """Return what a container's role needs to read whatever this stack's engine has made.

    Never one artifact: during an update the old and the new fleet run side by side.

    Parameters
    ----------
    prefix, bucket, key
        As for ``compile_access``.
    """
    return [
        allow(
            actions=["s3:GetObject"],
            resources=[_objects(prefix, bucket, each) for each in (OUTPUTS, SERVING)],
        ),
        allow(
            actions=["s3:ListBucket"],
            resources=[asked(bucket, "bucket_arn")],
            conditions={"StringLike": {"s3:prefix": f"{prefix}-*"}},
        ),
        *use_keys(["kms:Decrypt"], bucket, key),
    ]


# Rests on A-IAM-08.
def engine_access(prefix: str, bucket: s3.IBucket, key: kms.IKey | None) -> list[Statement]:
    """Return what the engine needs of an artifact bucket."""
    return [
        # Amazon S3 user guide, page Using server-side encryption with AWS KMS keys.
        *use_keys(["kms:Decrypt", "kms:GenerateDataKey"], bucket, key),
        allow(
            actions=[
                "s3:GetObject",
                "s3:PutObject",
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
                "s3:AbortMultipartUpload",
            ],
            resources=[_objects(prefix, bucket, "*")],
        ),
        allow(
            actions=["s3:ListBucket", "s3:ListBucketVersions"],
            resources=[asked(bucket, "bucket_arn")],
            conditions={"StringLike": {"s3:prefix": f"{prefix}-*"}},
        ),
        # The action knows no condition on the prefix.
        # Rests on A-IAM-08.
        allow(actions=["s3:ListBucketMultipartUploads"], resources=[asked(bucket, "bucket_arn")]),
    ]


def _objects(prefix: str, bucket: s3.IBucket, pattern: str) -> str:
    """Return the pattern of objects that a stack's engine has to do with."""
    return f"{asked(bucket, 'bucket_arn')}/{prefix}-{pattern}"
