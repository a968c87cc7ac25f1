"""Where an endpoint writes in S3."""

from __future__ import annotations

from neo_constructs.compilation.model_data import check_key
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding


def check_prefix(prefix: str, where: str) -> list[Finding]:
    """Say if a prefix of keys would not name a folder of its own in a bucket."""
    if is_unresolved(prefix):
        return []
    if not prefix or prefix.startswith("/") or prefix.endswith("/"):
        return [
            Finding(
                code="key-prefix",
                where=where,
                message=f"{prefix!r} is given. Allowed: text without a slash at its ends.",
                fix="give the folder's name, such as captured/digits.",
            )
        ]
    return check_key(prefix, where)
