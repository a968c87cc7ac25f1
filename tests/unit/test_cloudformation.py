"""CloudFormation's side of the engine: names, responses, and what is logged."""

from __future__ import annotations

import io
import json
import logging
import urllib.error
from email.message import Message
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from neo_jobs.cloudformation import (
    Request,
    clean,
    digest,
    redacted,
    response_body,
    send,
    stack_prefix,
    without_secrets,
)

from tests.lifecycle.events import PREFIX, STACK_ID, event

REQUEST = Request.parse(event())


def test_the_prefix_is_made_of_the_stack_ids_uuid() -> None:
    assert stack_prefix(STACK_ID) == PREFIX


def test_hashes_do_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": 2}, 10) == digest({"b": 2, "a": 1}, 10)
    assert digest({"a": 1}, 10) != digest({"a": 2}, 10)
    assert digest("x", 8) == digest("x", 8).lower()


LONGEST = Request.parse(
    {
        **event(),
        "LogicalResourceId": "L" * 255,
        "StackId": STACK_ID.replace("/S/", f"/{'S' * 128}/"),
    }
)


@example("\u00e9" * 3_000)  # two bytes in UTF-8, six in JSON
@given(st.text(max_size=3_000) | st.text(alphabet="\u6f22\U0001f980", min_size=400, max_size=500))
def test_any_reason_gives_a_response_that_cloudformation_takes(reason: str) -> None:
    body = response_body(LONGEST, status="FAILED", physical_id="x" * 255, reason=reason)
    assert len(body) <= 4_096
    answer = json.loads(body)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"]
    assert not any(ord(c) < 32 for c in answer["Reason"])


@given(st.text(), st.integers(3, 50))
def test_text_is_cut_on_a_character_boundary(text: str, limit: int) -> None:
    assert len(clean(text, limit).encode()) <= limit


def test_the_response_url_is_never_logged() -> None:
    assert "sig=y" not in json.dumps(redacted(event()))


class Answers:
    """A server that answers as it is told."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.waited: list[float] = []

    def open(self, request: Any, timeout: float) -> io.BytesIO:
        assert request.get_method() == "PUT"
        assert timeout
        code = self.codes.pop(0)
        if code == 200:
            return io.BytesIO()
        if code == 0:
            raise ConnectionResetError
        raise urllib.error.HTTPError(request.full_url, code, "no", Message(), None)


def deliver(*codes: int) -> Answers:
    server = Answers(*codes)
    send(REQUEST, b"{}", opener=server.open, sleep=server.waited.append)
    return server


def test_an_answer_is_sent_again_until_it_arrives() -> None:
    server = deliver(503, 0, 200)
    assert server.codes == []
    assert server.waited == [2.0, 4.0]


def test_a_url_that_has_expired_is_logged_and_left(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(deliver(*[403] * 5).waited) == 4
    assert "no longer takes this answer" in caplog.text


def test_one_refusal_of_an_answer_is_not_the_last_word() -> None:
    assert deliver(403, 200).codes == []


@pytest.mark.parametrize("code", [500, 0])
def test_an_answer_that_cannot_be_delivered_is_an_error(code: int) -> None:
    with pytest.raises(OSError, match=r".*"):
        deliver(*[code] * 5)


SECRET = "0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        f"https://b.s3.amazonaws.com/k?X-Amz-Signature={SECRET}&X-Amz-Date=1",
        f"HTTPS://B.S3.AMAZONAWS.COM/k?x-amz-signature={SECRET}",
        f"b.s3.amazonaws.com/k?X-Amz-Signature={SECRET}",
        f"https://b/k?a=1\\u0026X-Amz-Signature={SECRET}\\u0026b=2",
        f"'a=1&X-Amz-Signature={SECRET}'",
        f"X-Amz-Security-Token%3D{SECRET}",
        f"https://b/k?AWSAccessKeyId=1&Signature={SECRET}&Expires=2",
        json.dumps({"ResponseURL": f"https://b/k?X-Amz-Credential={SECRET}&x=1"}),
        json.dumps(json.dumps({"url": f"https://b/k?X-Amz-Signature={SECRET}"})),
    ],
)
def test_no_spelling_of_a_signature_is_shown(text: str) -> None:
    assert SECRET not in without_secrets(text)


@pytest.mark.parametrize(
    "text",
    ["why? because", "s3://bucket/key?not", "a=1&b=2", "Signature mismatch", "x" * 1_000_000],
)
def test_what_is_no_secret_is_kept(text: str) -> None:
    assert without_secrets(text) == text
