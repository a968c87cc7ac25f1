"""Take out of answers what identifies an account or lets somebody in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

ACCOUNT: Final = "111122223333"  # the one of AWS's own examples
_URL: Final = re.compile(r"https?://\S*?[?&](?:X-Amz-|AWSAccessKeyId)\S*", re.IGNORECASE)
_KEY: Final = re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}(?::[^\s\"',]+)?")
_CALLER: Final = re.compile(
    r"arn:aws[\w-]*:(?:sts|iam)::\d{12}:(?:assumed-role|user|federated-user|role/aws-reserved)"
    r"/[^\s\"',]+"
)
_OTHER: Final = re.compile(r"(?<![\w-])\d{12}(?![\w-])")
# Accounts of AWS's own, that images lie in, say something and nothing of the caller.
_IMAGE: Final = re.compile(r"(\d{12})(\.dkr\.ecr\.)")


def redacted(value: Any, account: str) -> Any:
    """Return a value without account ids, presigned URLs, access keys and names of callers.

    Parameters
    ----------
    value
        What JSON holds.
    account
        The account of the run.

    Examples
    --------
    >>> redacted({"arn": "arn:aws:iam::123456789012:user/ann"}, "123456789012")
    {'arn': '<caller>'}
    """
    if isinstance(value, str):
        return _redacted(value, account)
    if isinstance(value, Mapping):
        return {str(redacted(k, account)): redacted(v, account) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(each, account) for each in value]
    if isinstance(value, bool | int | float) or value is None:
        return value
    return _redacted(str(value), account)


def _redacted(text: str, account: str) -> str:
    text = _URL.sub("<presigned URL>", text)
    text = _CALLER.sub("<caller>", text)
    text = _KEY.sub("<key>", text)
    text = text.replace(account, ACCOUNT)
    kept = _IMAGE.sub(r"image-of-\1-\2", text)
    kept = _OTHER.sub(ACCOUNT, kept)
    return re.sub(r"image-of-(\d{12})-(\.dkr)", r"\1\2", kept)
