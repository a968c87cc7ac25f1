"""The key behind what is given as one: a policy on an alias is no right on its key."""

from __future__ import annotations

from aws_cdk import aws_kms as kms

from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding


def real_key(key: kms.IKey) -> kms.IKey:
    """Return a key itself, where an alias made in the app is given for it.

    Source: AWS KMS developer guide, page Controlling access to aliases.

    Raises
    ------
    ValidationError
        If an alias is given whose key is not known.
    """
    if isinstance(key, kms.Alias):
        return key.alias_target_key
    if ":alias/" in key.key_arn:
        raise ValidationError([_unknown(key.key_arn)], subject=key.node.path)
    return key


def _unknown(arn: str) -> Finding:
    return Finding(
        code="key-alias",
        where="encryption_key",
        message=f"{arn!r} is an alias: a right on an alias is none on the key behind it.",
        fix="give the key, by kms.Key.from_key_arn or kms.Key.from_lookup.",
    )
