"""The engine's own errors, and what an error of a service means for a request."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from neo_jobs.actions import (
    FAULT_SECONDS,
    IAM_SECONDS,
    QUOTA_SECONDS,
    Fail,
    StepContext,
    Wait,
)

TRANSIENT_ERRORS = frozenset(
    {
        "BadDigest",  # a part that was damaged on its way
        "ConnectionError",
        "ExecutionLimitExceeded",
        "ExpiredToken",
        "ExpiredTokenException",  # the function's credentials are renewed
        "IncompleteBody",
        # Credentials that are seconds old are not known everywhere yet.
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        # Rests on A-S3-01.
        "NoSuchUpload",  # another try, or a newer request, has aborted it
        "OperationAborted",
        "PreconditionFailed",  # the source was replaced between the look and the copy
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "TooManyRequestsException",
        "UnrecognizedClientException",
    }
)
# Rests on A-IAM-02.
IAM_ERROR_MARKERS = ("assumerole", "assume role", "accessdenied", "access denied", "not authorized")


class PermanentError(Exception):
    """Something no further try can change; its text is for the person who deploys."""


class NotDeletedError(Exception):
    """S3 refuses to delete something.

    Parameters
    ----------
    places
        The keys, or prefixes of keys.
    why
        What S3 says.
    """

    def __init__(self, places: tuple[str, ...], why: str) -> None:
        super().__init__(why)
        self.places = places


class WorkerRequiredError(Exception):
    """It may take longer than a step has: the worker does it."""


def error_code(error: ClientError) -> str:
    """Return the service's error code."""
    return str(error.response.get("Error", {}).get("Code", ""))


def code_of(error: Exception) -> str:
    """Return the service's error code; what got no reply is a matter of the connection."""
    if isinstance(error, ClientError):
        return error_code(error)
    is_connection = isinstance(error, BotoCoreError) and not isinstance(error, ParamValidationError)
    return "ConnectionError" if is_connection else type(error).__name__


def classify(error: Exception, context: StepContext, *, grace_seconds: float) -> Wait | Fail:
    """Return what a call that was refused, or got no reply, means for the request.

    Parameters
    ----------
    error
        The engine's own, or boto3's.
    context
        The moment.
    grace_seconds
        How long a right may be on its way after it was granted.
    """
    if isinstance(error, PermanentError):
        return Fail(str(error))
    if isinstance(error, ClientError):
        fault = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        message = f"{error.operation_name}: {fault.get('Message', error)}"
        # Rests on A-IAM-06.
        in_grace = context.now < context.started + grace_seconds
        code = "ServiceUnavailable" if status >= 500 else code_of(error)
        return on_error(code, message, context, in_grace=in_grace)
    return on_error(code_of(error), str(error), context, in_grace=False)


def on_error(code: str, message: str, context: StepContext, *, in_grace: bool) -> Wait | Fail:
    """Return what a refused call means: wait for what passes, fail for what does not.

    Parameters
    ----------
    code, message
        As the service states them.
    in_grace
        Whether IAM's rights may still be on their way, as on a first deploy.
    """
    text = f"{message} ({code})"
    seconds = _retry_delay(code, message, context, in_grace=in_grace)
    # Past the deadline a job must still be stopped, so what passes gets another minute.
    if seconds and not (context.is_past_grace if is_transient(code) else context.is_past_deadline):
        return Wait(seconds, text)
    return Fail(f"{text}; there is no time left to try again." if seconds else text)


def _retry_delay(code: str, message: str, context: StepContext, *, in_grace: bool) -> int:
    """Return when to try a refused call again; 0 for never."""
    if code == "ResourceInUse":
        return context.soon()  # the job exists already
    # Rests on A-NEO-17.
    if code == "ResourceLimitExceeded":
        return QUOTA_SECONDS
    if is_transient(code):
        return FAULT_SECONDS
    return IAM_SECONDS if in_grace and is_about_rights(code, message) else 0


def is_about_rights(code: str, message: str) -> bool:
    """Whether a service's error is about a right or a role, which may be seconds old."""
    return code in {"AccessDenied", "AccessDeniedException", "403"} or (
        code == "ValidationException" and "role" in message.lower()
    )


def is_transient(code: str) -> bool:
    """Whether a service's error goes away by itself."""
    return (
        code in TRANSIENT_ERRORS or code.startswith(("5", "429", "Internal")) or "Throttl" in code
    )
