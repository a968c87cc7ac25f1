"""CloudFormation's side of a custom resource: the request, the names, the response."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

log = logging.getLogger("neo_jobs")

# Rests on A-CFN-01.
DEADLINE_SECONDS = 3_300  # inside ServiceTimeout, which CloudFormation caps at 3,600
MAX_RESPONSE_BYTES = 4_096  # AWS CloudFormation user guide, custom resource response objects
MAX_REASON_BYTES = 1_200
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_NO_LONGER = frozenset({403, 404, 410})  # expired, or the bucket of a stack that is gone
# Step Functions takes 262,144 bytes; a state and the cause of an error need some of them.
MAX_EVENT_BYTES = 225_000
_NEEDED_BY_DELETE = ("StateMachineArn", "OutputConfig", "OutputLocation", "ArtifactRemovalPolicy")
# The query of a URL, and the parameters of a signature wherever they stand, in any spelling that
# JSON or a person may give them.
_QUERY = re.compile(
    r"((?:https?://|amazonaws\.com)[^\s\"'?]{0,2048})\?[^\s\"']+",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    r"((?:X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature)(?:=|%3D))"
    r"[^\s&\"'\\]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request of CloudFormation's, as its event states it."""

    type: str
    resource_type: str
    stack_id: str
    logical_id: str
    request_id: str
    response_url: str
    physical_id: str | None
    properties: Mapping[str, Any]
    old_properties: Mapping[str, Any]
    attempt: int = 0

    @classmethod
    def parse(cls, event: Mapping[str, Any], attempt: int = 0) -> Request:
        """Read an event. Scalars among the properties arrive as text.

        Parameters
        ----------
        event
            As CloudFormation sends it.
        attempt
            How often the engine has started over.
        """
        return cls(
            type=event["RequestType"],
            resource_type=event.get("ResourceType", ""),
            stack_id=event["StackId"],
            logical_id=event["LogicalResourceId"],
            request_id=event["RequestId"],
            response_url=event["ResponseURL"],
            physical_id=event.get("PhysicalResourceId"),
            properties=event.get("ResourceProperties") or {},
            old_properties=event.get("OldResourceProperties") or {},
            attempt=attempt,
        )

    @property
    def resource_prefix(self) -> str:
        """What the name of everything this resource ever makes starts with."""
        return f"{stack_prefix(self.stack_id)}-{digest(self.logical_id, 8)}"

    @property
    def execution_name(self) -> str:
        """The name of the execution that serves this request: the same for a duplicate."""
        return f"{self.execution_prefix}{self.request_id}"[:80]

    @property
    def execution_prefix(self) -> str:
        """What the names of all executions for this resource start with."""
        return f"{digest(self.logical_id, 8)}-"

    @property
    def signed(self) -> float | None:
        """When CloudFormation signed the response URL, or None if it does not say."""
        query = parse_qs(urlsplit(self.response_url).query)
        try:
            # Rests on A-CFN-02.
            signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ")
        except (KeyError, ValueError):
            return None
        return signed.replace(tzinfo=UTC).timestamp()

    def deadline(self, started: float) -> float:
        """Return when an answer must have been given, in seconds since the epoch.

        The event has no timestamp; the time signed into the response URL comes nearest.
        """
        signed = self.signed
        # Rests on A-CFN-02.
        return (started if signed is None else min(started, signed)) + DEADLINE_SECONDS


def stack_prefix(stack_id: str) -> str:
    """Return ``neo-`` and the first and last group of the stack id's UUID.

    The same is written with Fn::Select and Fn::Split into the policies, by
    neo_constructs/engine/names.py.
    """
    groups = stack_id.rsplit("/", 1)[-1].split("-")
    return f"neo-{groups[0]}{groups[-1]}".lower()


def digest(value: object, length: int) -> str:
    """Return a short hash in lower case letters and digits: SageMaker lowercases names in ARNs."""
    canonical = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    hashed = hashlib.sha256(canonical.encode()).digest()
    return base64.b32encode(hashed).decode().lower()[:length]


def response_body(
    request: Request,
    *,
    status: str,
    physical_id: str,
    reason: str = "",
    data: Mapping[str, str] | None = None,
) -> bytes:
    """Return a response that CloudFormation takes: valid JSON, never over 4,096 bytes."""
    body = {
        "Status": status,
        "Reason": clean(reason, MAX_REASON_BYTES) or status.lower(),
        "PhysicalResourceId": physical_id,
        "StackId": request.stack_id,
        "RequestId": request.request_id,
        "LogicalResourceId": request.logical_id,
        "Data": dict(data or {}),
    }
    encoded = json.dumps(body).encode()
    if len(encoded) > MAX_RESPONSE_BYTES:
        # Escapes swell a reason in a foreign script up to sixfold; the cause stands first.
        body["Reason"] = clean(reason, MAX_REASON_BYTES // 6)
        encoded = json.dumps(body).encode()
    return encoded


def clean(text: str, limit: int) -> str:
    """Return text without control characters, cut on a character boundary to ``limit`` bytes."""
    flat = _CONTROL.sub(" ", without_secrets(text)).strip()
    encoded = flat.encode()
    if len(encoded) <= limit:
        return flat
    return encoded[: limit - 3].decode(errors="ignore") + "..."


def send(
    request: Request,
    body: bytes,
    *,
    opener: Callable[..., Any] = urllib.request.urlopen,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """PUT a response. A URL that stays refused has expired or was answered: that is logged.

    Raises
    ------
    OSError
        If the answer could not be delivered after several tries.
    """
    put = urllib.request.Request(  # noqa: S310 - CloudFormation's own presigned URL
        request.response_url, data=body, method="PUT", headers={"Content-Type": ""}
    )
    attempt, attempts = 1, 5
    while True:
        try:
            with opener(put, timeout=10):
                return
        except OSError as error:  # HTTPError is one
            if attempt == attempts:
                # One refusal may be a passing one; so many are not.
                if isinstance(error, urllib.error.HTTPError) and error.code in _NO_LONGER:
                    log.warning("CloudFormation no longer takes this answer: HTTP %s", error.code)
                    return
                raise
        sleep(2.0**attempt)
        attempt += 1


def without_secrets(text: str) -> str:
    """Return text without the queries of URLs: whoever has a presigned one may use it."""
    return _SIGNATURE.sub(r"\1(redacted)", _QUERY.sub(r"\1?(redacted)", text))


def fitted(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return an event that Step Functions takes; None if it is too large.

    A Delete needs few of its properties, and must be served whatever the others are.
    """
    if len(json.dumps(event)) <= MAX_EVENT_BYTES:
        return event
    if event["RequestType"] != "Delete":
        return None
    properties = event.get("ResourceProperties") or {}
    needed = {key: properties[key] for key in _NEEDED_BY_DELETE if key in properties}
    return {**event, "ResourceProperties": needed, "OldResourceProperties": {}}


def redacted(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event fit for a log: whoever has the response URL can answer for the stack."""
    return {**event, "ResponseURL": "(redacted)"}
