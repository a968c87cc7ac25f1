"""Tell a refusal that answers a probe from one about the account or the caller's rights."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

# What says that an account may not, and not that an assumption is false.
QUOTAS: Final = frozenset(
    {
        "ResourceLimitExceeded", "LimitExceeded", "LimitExceededException", "QuotaExceeded",
        "ServiceQuotaExceededException", "ThrottlingException", "Throttling", "TooManyRequests",
        "TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "ServiceUnavailable",
        "ServiceUnavailableException", "InternalError", "InternalFailure", "InternalServerError",
        "RequestTimeout",
    }
)  # fmt: skip
DENIED: Final = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden",
        "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidToken",
        "InvalidClientTokenId", "SignatureDoesNotMatch", "OptInRequired",
    }
)  # fmt: skip


def judged(error: ClientError, *, may_be_denied: bool = False) -> str:
    """Return the code of a refusal that answers a probe.

    Parameters
    ----------
    error
        The refusal.
    may_be_denied
        Whether a missing right is what the probe asks about. Default: False.

    Raises
    ------
    ClientError
        The same, if it is about a quota, the caller's rights, or a failure of the service: then
        nothing is known of the assumption.
    """
    code = str(error.response["Error"]["Code"])
    if code in QUOTAS or (code in DENIED and not may_be_denied):
        raise error
    return code


def evidence_of(error: ClientError) -> dict[str, Any]:
    """Return what identifies a refused request."""
    found = error.response
    return {
        "code": found["Error"]["Code"],
        "text": found["Error"].get("Message", ""),
        "request_id": found.get("ResponseMetadata", {}).get("RequestId", ""),
        "operation": error.operation_name,
    }


def is_of_container(reason: str) -> bool:
    """Whether an endpoint failed since its container did not start, and not for want of anything.

    Source of the text: AWS developer guide, endpoint troubleshooting, "ping health check".
    """
    return "ping health check" in reason and not any(code in reason for code in QUOTAS)


def is_about_rights(reason: str) -> bool:
    """Whether a job failed for a right, or for its role."""
    texts = ("access denied", "accessdenied", "not authorized", "assumerole", "assume role")
    return any(text in reason.lower() for text in (*texts, "forbidden", "permission"))
