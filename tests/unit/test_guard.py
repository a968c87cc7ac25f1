"""Who may talk to the emulator, and to a local container's port."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import pytest

from neo_constructs.local.server import refusal as refusal_of_container
from neo_constructs.sandbox.guard import Credentials, guarded, refusal

KEY = "NEO0123456789"
ISSUED = "ASIA0123456789ABCDEF"


def key_of(headers: Mapping[str, str], query: Mapping[str, list[str]]) -> str:
    """Read an access key, as the emulator does; the sandbox's tests use the emulator's own."""
    found = re.search(r"Credential=([^/]+)/", headers.get("authorization", ""))
    given = query.get("X-Amz-Credential") or query.get("AWSAccessKeyId") or [""]
    return found[1] if found else given[0].partition("/")[0]


KNOWN = Credentials(KEY, key_of, ISSUED.__eq__)
SIGNED = f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/s3/aws4_request, SignedHeaders=x"


def scope(path: str = "/", query: str = "", **headers: str) -> dict[str, Any]:
    named = {"host": "localhost:4566", **headers}
    return {
        "type": "http",
        "path": path,
        "query_string": query.encode(),
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in named.items()],
    }


@pytest.mark.parametrize(
    "request_",
    [
        scope(authorization=SIGNED),
        scope(authorization=SIGNED, host="127.0.0.1:1"),
        scope(authorization=SIGNED, host="bucket.localhost:1"),
        scope(authorization=SIGNED.replace(KEY, ISSUED)),
        scope(query=f"X-Amz-Credential={KEY}%2F20260101%2Fus-east-1"),
        scope("/_ministack/cfn-response/0123"),
        scope("/_ministack/health", x_neo_sandbox_key=KEY),
    ],
)
def test_this_runs_own_requests_are_let_through(request_: dict[str, Any]) -> None:
    assert refusal(request_, KNOWN) == ""


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (scope(), "access key"),
        (scope(authorization=SIGNED.replace(KEY, "test")), "access key"),
        (scope(authorization=SIGNED.replace(KEY, "000000000000")), "access key"),
        (scope(authorization="AWS test:signature"), "access key"),
        (scope(query="AWSAccessKeyId=test&Signature=x"), "access key"),
        (scope(authorization=SIGNED.replace(KEY, "AKIA0123456789ABCDEF")), "access key"),
        (scope(authorization=SIGNED.replace(KEY, "ASIA0000000000000000")), "access key"),
        (scope("/_ministack/reset"), "access key"),
        (scope("/_ministack/reset", authorization=SIGNED.replace(KEY, ISSUED)), "access key"),
        (scope("/_ministack/health"), "another sandbox"),
        (scope("/_ministack/health", x_neo_sandbox_key="NEO9"), "another sandbox"),
        (scope(authorization=SIGNED, origin="https://evil.example"), "web pages"),
        (scope(authorization=SIGNED, sec_fetch_site="cross-site"), "web pages"),
        (scope("/_ministack/cfn-response/0123", origin="null"), "web pages"),
        (scope(authorization=SIGNED, host="evil.example:4566"), "localhost only"),
        (scope(authorization=SIGNED, host="localhost.evil.example"), "localhost only"),
        (scope(authorization=SIGNED, host="169.254.169.254"), "localhost only"),
    ],
)
def test_nobody_elses_requests_are(request_: dict[str, Any], says: str) -> None:
    assert says in refusal(request_, KNOWN)


def test_what_is_refused_reaches_nothing() -> None:
    sent: list[dict[str, Any]] = []

    async def app(*_: Any) -> None:
        raise AssertionError("it came through")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(guarded(app, KNOWN)(scope(), None, send))
    assert sent[0]["status"] == 403
    asyncio.run(guarded(app, KNOWN)({"type": "websocket"}, None, send))
    assert sent[-1]["type"] == "websocket.close"


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({"host": "localhost:8080"}, False),
        ({"host": "127.0.0.1:8080"}, False),
        ({"host": "[::1]:8080"}, False),
        ({"host": "evil.example"}, True),
        ({}, True),
        ({"host": "localhost:8080", "origin": "https://evil.example"}, True),
    ],
)
def test_a_web_page_cannot_use_a_local_container(headers: dict[str, str], is_refused: bool) -> None:
    assert bool(refusal_of_container(headers)) is is_refused
