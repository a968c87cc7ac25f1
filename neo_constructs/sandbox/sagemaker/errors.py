"""The errors the emulated service answers with."""

from __future__ import annotations

from neo_constructs.findings.errors import NeoConstructsError


class ApiError(NeoConstructsError):
    """An error of the service's.

    Parameters
    ----------
    code, message
        As a client sees them.
    status
        The HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def not_found(kind: str, arn: str) -> ApiError:
    """Return what the service says of a resource that is not there."""
    words = {"endpoint-config": "endpoint configuration"}.get(kind, kind)
    return ApiError("ValidationException", f'Could not find {words} "{arn}".')


def refused(message: str) -> ApiError:
    """Return what the service says of a request that it does not take."""
    return ApiError("ValidationException", message)


def not_emulated(what: str) -> ApiError:
    """Return the sandbox's own refusal: better than an answer that is not the service's."""
    return ApiError("ValidationException", f"The sandbox does not emulate {what}.")
