"""The bucket that compiled models and the scripts beside them live in."""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from neo_constructs.engine.acknowledgements import acknowledge
from neo_constructs.typed import typed

_ID: Final = "NeoArtifactBucket"


class ArtifactBucket(s3.Bucket):
    """A bucket with the defaults that compiled models need.

    TLS only, no public access, encrypted, versioned with old versions expiring, and retained:
    a live endpoint reads its artifact again whenever it scales out.

    Parameters
    ----------
    scope, construct_id
        Where it stands.
    encryption_key
        Default: the bucket's objects are encrypted with S3's own keys.
    noncurrent_version_expiration
        How long an overwritten or deleted object stays. Default: 30 days.
    removal_policy
        Default: ``RemovalPolicy.RETAIN``.
    server_access_logs_bucket
        Takes a record of every access. Default: there is none.

    Examples
    --------
    >>> bucket = ArtifactBucket(stack, "Artifacts")  # doctest: +SKIP
    """

    @typed
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        encryption_key: kms.IKey | None = None,
        noncurrent_version_expiration: Duration | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        server_access_logs_bucket: s3.IBucket | None = None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            bucket_key_enabled=True if encryption_key else None,
            encryption=(
                s3.BucketEncryption.KMS if encryption_key else s3.BucketEncryption.S3_MANAGED
            ),
            encryption_key=encryption_key,
            enforce_ssl=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    noncurrent_version_expiration=noncurrent_version_expiration
                    or Duration.days(30),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=removal_policy,
            server_access_logs_bucket=server_access_logs_bucket,
            versioned=True,
        )
        if server_access_logs_bucket is None:
            acknowledge(
                self,
                "AwsSolutions-S1",
                "access logs need a bucket of the account's choice: server_access_logs_bucket",
            )

    @staticmethod
    @typed
    def of(scope: Construct) -> ArtifactBucket:
        """Return the bucket shared by the stack ``scope`` is in; the first call makes it."""
        stack = Stack.of(scope)
        found = stack.node.try_find_child(_ID)
        return found if isinstance(found, ArtifactBucket) else ArtifactBucket(stack, _ID)
