"""The function as Lambda calls it, and the clients it makes."""

from __future__ import annotations

import io
import urllib.request
from datetime import datetime

import boto3
import pytest
from botocore.stub import Stubber
from neo_jobs import executions, s3_objects, time_budget
from neo_jobs import handler as module
from neo_jobs.aws import S3_TRANSFER
from neo_jobs.cloudformation import Request, send

from neo_constructs.engine.limits import MACHINE_SECONDS, WORKER_SECONDS
from tests.lifecycle.events import event
from tests.lifecycle.world import World


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")


def test_an_invocation_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(module, "_engine", lambda: world.engine)
    assert module.handler(event(), None) == {}
    assert len(world.states.all) == 1


def test_all_tries_of_a_call_fit_into_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IAM_GRACE_SECONDS", "7")
    module._engine.cache_clear()
    engine = module._engine()
    assert engine is module._engine()
    assert engine._grace_seconds == 7
    for service in ("sagemaker", "s3", "stepfunctions", S3_TRANSFER):
        config = engine._aws.client(service).meta.config
        tries = config.retries["total_max_attempts"]
        assert tries * (config.connect_timeout + config.read_timeout) <= 125, service
    assert engine._aws.client(S3_TRANSFER).meta.config.read_timeout == 50
    module._engine.cache_clear()


@pytest.mark.parametrize("version", [None, "v1"])
def test_an_object_is_deleted_for_good(version: str | None) -> None:
    s3 = boto3.client("s3")
    named = {"Bucket": "bucket", "Key": "key"}
    found = {"ContentLength": 1, "ETag": "e", **({"VersionId": version} if version else {})}
    with Stubber(s3) as answers:
        answers.add_response("head_object", found, named)
        answers.add_response(
            "delete_object", {}, {**named, **({"VersionId": version} if version else {})}
        )
        s3_objects.delete(s3, "bucket", "key")
        answers.assert_no_pending_responses()


def test_an_object_that_is_gone_is_not_deleted_again() -> None:
    s3 = boto3.client("s3")
    with Stubber(s3) as answers:
        answers.add_client_error("head_object", "404")
        s3_objects.delete(s3, "bucket", "key")


def test_more_than_a_thousand_objects_are_deleted() -> None:
    s3 = boto3.client("s3")
    versions = [{"Key": f"p/{n}", "VersionId": "v"} for n in range(1_500)]
    marker = {"Key": "p/x", "VersionId": "m"}
    with Stubber(s3) as answers:
        answers.add_response(
            "list_object_versions", {"Versions": versions, "DeleteMarkers": [marker]}
        )
        for part in ([*versions, marker][:1000], [*versions, marker][1000:]):
            deleted = {"Bucket": "bucket", "Delete": {"Objects": part, "Quiet": True}}
            answers.add_response("delete_objects", {}, deleted)
        s3_objects.destroy(s3, "bucket", "p/")
        answers.assert_no_pending_responses()


def test_the_worker_ends_before_lambda_ends_it() -> None:
    """A call that is under way as its time is over may take another two minutes."""
    assert time_budget.WORK_LIMIT + 125 <= WORKER_SECONDS
    assert MACHINE_SECONDS == executions.MACHINE_SECONDS


def test_a_key_that_only_begins_like_the_one_in_question_is_another() -> None:
    """HeadObject answers 403 for what is not there, and a listing tells."""
    s3 = boto3.client("s3")
    listed = {"Contents": [{"Key": "key-of-another", "LastModified": datetime(2026, 1, 1)}]}
    with Stubber(s3) as answers:
        answers.add_client_error("head_object", "403", http_status_code=403)
        answers.add_response("list_objects_v2", listed)
        assert s3_objects.head(s3, "bucket", "key") is None


def test_an_answer_has_no_content_type() -> None:
    """The presigned URL was signed without one."""
    sent: list[urllib.request.Request] = []

    def opener(put: urllib.request.Request, timeout: float) -> io.BytesIO:
        assert timeout
        sent.append(put)
        return io.BytesIO()

    send(Request.parse(event()), b"{}", opener=opener)
    assert sent[0].get_header("Content-type") == ""
    assert sent[0].get_method() == "PUT"
