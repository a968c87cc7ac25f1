"""The bucket that compiled models and the scripts beside them live in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from neo_constructs.engine.acknowledgements import acknowledge
from neo_constructs.engine.asked_once import remembered, stack_of
from neo_constructs.engine.permissions import warn
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.typed import typed

BUCKET_ID: Final = "NeoArtifactBucket"
_PREFIX: Final = "neo-"  # of all keys that engines write


_NO_ACCESS_LOGS: Final = (
    "AwsSolutions-S1",
    "access logs need a bucket of the account's choice: server_access_logs_bucket",
)


class ArtifactBucket(s3.Bucket):
    """A bucket with the defaults that compiled models need.

    TLS only, no public access, encrypted, versioned with old versions expiring, and retained:
    a live endpoint reads its artifact again whenever it scales out.

    Jobs and endpoints of a stack that are given no bucket share one of the id
    ``NeoArtifactBucket``; one that is made with this id before them is what they share.

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
    bucket_name
        Default: CloudFormation makes one.
    lifecycle_rules
        Further rules. One that expires objects, or moves them where a container cannot read them at
        once, is warned of. Default: none.

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
        bucket_name: str | None = None,
        lifecycle_rules: Sequence[s3.LifecycleRule] = (),
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            bucket_name=bucket_name,
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
                    # Rests on A-S3-01.
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                ),
                *lifecycle_rules,
            ],
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=removal_policy,
            server_access_logs_bucket=server_access_logs_bucket,
            versioned=True,
        )
        warn(self, check_retention(removal_policy, lifecycle_rules))
        if server_access_logs_bucket is None:
            acknowledge(self, [_NO_ACCESS_LOGS])

    @staticmethod
    @typed
    def of(scope: Construct) -> ArtifactBucket:
        """Return the bucket shared by the stack ``scope`` is in; the first call makes it."""
        stack = stack_of(scope)

        def made() -> ArtifactBucket:
            found = stack.node.try_find_child(BUCKET_ID)
            return found if isinstance(found, ArtifactBucket) else ArtifactBucket(stack, BUCKET_ID)

        return remembered(stack, BUCKET_ID, made)


def check_retention(
    removal_policy: RemovalPolicy, rules: Sequence[s3.LifecycleRule]
) -> Iterator[Finding]:
    """Say what would take artifacts away that endpoints read again whenever they scale out."""
    if removal_policy is RemovalPolicy.DESTROY:
        yield _loses(
            "removal_policy",
            "DESTROY deletes the bucket with its stack, which fails as long as it holds artifacts; "
            "once it is emptied, endpoints of other stacks cannot scale out.",
            "leave it out, and delete the bucket by hand when nothing reads from it any more.",
        )
    for number, rule in enumerate(rules):
        where = f"lifecycle_rules[{number}]"
        if rule.enabled is False or (rule.prefix and not _PREFIX.startswith(rule.prefix[:4])):
            continue
        if rule.expiration or rule.expiration_date:
            yield _loses(
                where,
                "It expires objects, and an endpoint reads its artifact again whenever it scales "
                "out, however old that is.",
                "limit the rule by a prefix that is not the engine's (neo-...), or let only "
                "noncurrent versions expire.",
            )
        if any(_is_slow(each.storage_class) for each in rule.transitions or ()):
            yield _loses(
                where,
                "It moves objects where nothing can read them before they are restored.",
                "take a storage class with access at once, such as INTELLIGENT_TIERING.",
            )


def _is_slow(storage_class: s3.StorageClass) -> bool:
    return storage_class.value in {"GLACIER", "DEEP_ARCHIVE"}


def _loses(where: str, message: str, fix: str) -> Finding:
    return Finding(
        code="artifact-bucket-loses", level=Level.WARNING, where=where, message=message, fix=fix
    )
