"""The engine's decisions, one by one: what is seen, and the one next action."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from neo_jobs.actions import (
    CopyInput,
    CreateJob,
    DeleteJob,
    DestroyArtifacts,
    DiscardInput,
    Fail,
    RecordResult,
    RetryUnderNewName,
    StepContext,
    StopJob,
    Succeed,
    TagJob,
    Wait,
)
from neo_jobs.cloudformation import Request
from neo_jobs.errors import IAM_ERROR_MARKERS, TRANSIENT_ERRORS, is_transient, on_error
from neo_jobs.kinds.compilation import COMPILATION
from neo_jobs.kinds.job_names import job_name
from neo_jobs.kinds.job_result import Job, Result
from neo_jobs.kinds.job_rules import Observed, reconcile
from neo_jobs.request_rules import check_version

from tests.lifecycle.events import BUCKET, event
from tests.lifecycle.helpers import record_key

EARLY = StepContext(now=1_000, deadline=4_300, started=1_000)
LAST = replace(EARLY, now=4_299)
LATE = replace(EARLY, now=4_300)
LATER = replace(EARLY, now=4_359)
OVERDUE = replace(EARLY, now=4_360)

CREATE = Request.parse(event())
NAME = job_name(CREATE)
DELETE = Request.parse(event("Delete", physical_id=NAME))
DESTROY = Request.parse(event("Delete", physical_id=NAME, ArtifactRemovalPolicy="DESTROY"))
ARTIFACT = f"s3://artifacts/{NAME}/model-ml_c5.tar.gz"
FIELDS = {"S3ModelArtifacts": ARTIFACT, "InferenceImage": "image:1", "ArtifactDigest": "digest"}
RESULT = Result(NAME, "arn:job", FIELDS)
RECORD = RESULT.to_json(COMPILATION)
DATA = {
    "S3ModelArtifacts": ARTIFACT,
    "InferenceImage": "image:1",
    "ImageMatchesCatalog": "false",
    "CompilationJobArn": "arn:job",
    "RecordUrl": f"s3://{BUCKET}/{record_key(NAME)}",
}
RIGHTS = "Access Denied when calling sts:AssumeRole"


def job(status: str, reason: str = "", **changes: Any) -> Job:
    """Return a job as it is described."""
    found = Job(status, reason, "arn:job", FIELDS, created=1_010)
    return replace(found, **changes)


def update(tags: dict[str, str], former: dict[str, str] | None = None) -> Request:
    """Return an Update with tags."""

    def listed(given: dict[str, str]) -> list[dict[str, str]]:
        return [{"Key": key, "Value": value} for key, value in given.items()]

    given = event("Update", physical_id=NAME, Tags=listed(tags))
    if former is not None:
        given["OldResourceProperties"] = {"Tags": listed(former)}
    return Request.parse(given)


# --- before there is a job ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "clock", "action"),
    [
        (Observed(), EARLY, CopyInput()),
        (Observed(has_input=True), EARLY, CreateJob()),
        (Observed(has_input=True), LAST, CreateJob()),
        (Observed(has_input=True), LATE, Fail("No compilation job could be started in time.")),
        (
            Observed(),
            replace(LATE, why="quota of 5"),
            Fail("No compilation job could be started in time: quota of 5."),
        ),
        (Observed(result=RESULT), EARLY, Succeed(NAME, DATA)),
        (Observed(result=RESULT), LATE, Succeed(NAME, DATA)),
        (Observed(result=RESULT, has_input=True, tags={}), EARLY, Succeed(NAME, DATA)),
    ],
)
def test_a_start(seen: Observed, clock: StepContext, action: object) -> None:
    assert reconcile(CREATE, seen, clock) == action


@pytest.mark.parametrize(
    ("wanted", "former", "there", "action"),
    [
        ({"a": "1"}, None, {}, TagJob("arn:job", {"a": "1"}, ())),
        ({"a": "1"}, None, {"a": "2", "x": "y"}, TagJob("arn:job", {"a": "1"}, ())),
        ({"a": "1"}, {"b": "1", "c": "1"}, {"a": "1", "c": "1", "b": "2", "x": "y"},
         TagJob("arn:job", {}, ("b", "c"))),
        ({"a": "1"}, {"a": "0", "b": "1"}, {"a": "1"}, None),
        ({}, {"b": "1"}, None, None),
        ({"a": "1"}, {}, None, None),
    ],
)  # fmt: skip
def test_tags_of_a_job_that_is_reused(
    wanted: dict[str, str],
    former: dict[str, str] | None,
    there: dict[str, str] | None,
    action: object,
) -> None:
    seen = Observed(result=RESULT, tags=there)
    assert reconcile(update(wanted, former), seen, EARLY) == (action or Succeed(NAME, DATA))


# --- while it runs ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["STARTING", "INPROGRESS", "STOPPING", "HIBERNATING"])
def test_a_job_is_waited_for(status: str) -> None:
    seen = Observed(job=job(status), has_input=True)
    assert reconcile(CREATE, seen, EARLY) == Wait(10, f"the job is {status}")
    patient = replace(LAST, polls=12)
    assert reconcile(CREATE, seen, patient) == Wait(30, f"the job is {status}")
    eager = replace(LAST, polls=11)
    assert reconcile(CREATE, seen, eager) == Wait(10, f"the job is {status}")


@pytest.mark.parametrize("status", ["STARTING", "INPROGRESS", "HIBERNATING"])
def test_a_job_that_takes_too_long_is_stopped(status: str) -> None:
    seen = Observed(job=job(status))
    assert reconcile(CREATE, seen, LATE) == StopJob()
    assert reconcile(CREATE, seen, LATER) == StopJob()
    said = f"The compilation job did not end in time and is being stopped; job {NAME} {status}."
    assert reconcile(CREATE, seen, OVERDUE) == Fail(said)


@pytest.mark.parametrize("status", ["STOPPING", "STOPPED"])
def test_a_job_that_was_stopped_for_the_deadline_is_answered_for(status: str) -> None:
    said = f"The compilation job did not end in time and was stopped; job {NAME} {status}."
    assert reconcile(CREATE, Observed(job=job(status)), LATE) == Fail(said)


# --- when it has ended --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "clock", "action"),
    [
        (Observed(), EARLY, Wait(10, "the artifact is not there yet", is_missing_artifact=True)),
        (Observed(), replace(EARLY, missing=2),
         Wait(10, "the artifact is not there yet", is_missing_artifact=True)),
        (Observed(), replace(EARLY, missing=3),
         Fail(f"Neo reports COMPLETED but left no artifact at {ARTIFACT!r}; job {NAME}.")),
        (Observed(), LATE,
         Fail(f"Neo reports COMPLETED but left no artifact at {ARTIFACT!r}; job {NAME}.")),
        (Observed(has_artifact=True, has_input=True), EARLY, DiscardInput()),
        (Observed(has_artifact=True, has_input=True, has_record=True), LATE, DiscardInput()),
        (Observed(has_artifact=True), EARLY, RecordResult(RESULT)),
        (Observed(has_artifact=True), LATE, RecordResult(RESULT)),
        (Observed(has_artifact=True, has_record=True), EARLY, Succeed(NAME, DATA)),
        (Observed(has_artifact=True, has_record=True), OVERDUE, Succeed(NAME, DATA)),
    ],
)  # fmt: skip
def test_a_completed_job(seen: Observed, clock: StepContext, action: object) -> None:
    assert reconcile(CREATE, replace(seen, job=job("COMPLETED")), clock) == action


@pytest.mark.parametrize("status", ["FAILED", "STOPPED"])
def test_the_input_of_a_job_that_failed_goes_first(status: str) -> None:
    assert reconcile(CREATE, Observed(job=job(status), has_input=True), EARLY) == DiscardInput()


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (job("FAILED", "boom"), "boom"),
        (job("FAILED"), "Neo gives no reason."),
        (job("FAILED", "No pth file found"),
         "No pth file found Hint: name the file model.pth, or declare its real framework."),
        (
            job("STOPPED"),
            "The job was stopped outside CloudFormation, or ran into its limit of time.",
        ),
        (job("STOPPED", "a reason"), "a reason"),
    ],
)  # fmt: skip
def test_a_failure_says_why(ended: Job, said: str) -> None:
    text = f"{said} Job {NAME} {ended.status}; log group /aws/sagemaker/CompilationJobs."
    assert reconcile(CREATE, Observed(job=ended), EARLY) == Fail(text)
    if ended.status == "FAILED":
        assert reconcile(CREATE, Observed(job=ended), OVERDUE) == Fail(text)


@pytest.mark.parametrize("reason", [RIGHTS, *(f"x {text.upper()} y" for text in IAM_ERROR_MARKERS)])
def test_a_role_that_is_too_young_gets_a_second_try(reason: str) -> None:
    failed = Observed(job=job("FAILED", reason))
    assert reconcile(CREATE, failed, EARLY) == RetryUnderNewName(30, reason)
    soon = replace(EARLY, now=1_359)
    assert reconcile(CREATE, failed, soon) == RetryUnderNewName(30, reason)
    unknown = Observed(job=job("FAILED", reason, created=None))
    assert reconcile(CREATE, unknown, replace(EARLY, now=1_179)) == RetryUnderNewName(30, reason)


@pytest.mark.parametrize(
    ("ended", "clock", "attempt"),
    [
        (job("FAILED", RIGHTS, created=1_180), EARLY, 0),
        (job("FAILED", RIGHTS, created=None), replace(EARLY, now=1_180), 0),
        (job("FAILED", RIGHTS), replace(EARLY, now=1_360), 0),
        (job("FAILED", RIGHTS), LATE, 0),
        (job("FAILED", RIGHTS), EARLY, 1),
        (job("FAILED", "boom"), EARLY, 0),
        (job("STOPPED", RIGHTS), EARLY, 0),
    ],
)
def test_no_second_try(ended: Job, clock: StepContext, attempt: int) -> None:
    request = replace(CREATE, attempt=attempt)
    action = reconcile(request, Observed(job=ended), clock)
    assert isinstance(action, Fail)
    assert action.reason.startswith(ended.reason)


# --- delete -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "seen", "clock", "action"),
    [
        (DELETE, Observed(job=job("STARTING")), EARLY, StopJob()),
        (DELETE, Observed(job=job("INPROGRESS")), LAST, StopJob()),
        (DELETE, Observed(job=job("STOPPING")), EARLY, Wait(10, "the job is STOPPING")),
        (DELETE, Observed(job=job("STOPPING")), replace(EARLY, polls=50),
         Wait(30, "the job is STOPPING")),
        (DELETE, Observed(job=job("UNKNOWN")), EARLY, StopJob()),
        (DELETE, Observed(job=job("INPROGRESS")), LATE,
         Fail(f"The job could not be stopped in time; job {NAME} INPROGRESS.")),
        (DELETE, Observed(job=job("STOPPING")), LATE,
         Fail(f"The job could not be stopped in time; job {NAME} STOPPING.")),
        (DELETE, Observed(job=job("COMPLETED")), EARLY, DeleteJob()),
        (DELETE, Observed(job=job("FAILED"), has_input=True), LATE, DeleteJob()),
        (DELETE, Observed(job=job("STOPPED")), EARLY, DeleteJob()),
        (DELETE, Observed(has_input=True), EARLY, DiscardInput()),
        (DELETE, Observed(has_leftovers=True), EARLY, Succeed(NAME, {})),
        (DELETE, Observed(), LATE, Succeed(NAME, {})),
        (DESTROY, Observed(has_leftovers=True), EARLY, DestroyArtifacts()),
        (DESTROY, Observed(has_leftovers=True, has_input=True), EARLY, DiscardInput()),
        (DESTROY, Observed(), EARLY, Succeed(NAME, {})),
        (replace(DELETE, physical_id=None), Observed(), EARLY, Succeed("none", {})),
    ],
)  # fmt: skip
def test_a_delete(request_: Request, seen: Observed, clock: StepContext, action: object) -> None:
    assert reconcile(request_, seen, clock) == action


# --- attributes, results, versions --------------------------------------------------------------


@pytest.mark.parametrize(
    ("reported", "expected", "image", "matches"),
    [
        ("image:1", "image:1", "image:1", "true"),
        ("image:1", "image:2", "image:1", "false"),
        ("", "image:2", "image:2", "true"),
        ("image:1", None, "image:1", "false"),
        ("", None, "", "true"),
    ],
)
def test_the_image(reported: str, expected: str | None, image: str, matches: str) -> None:
    request = Request.parse(event(ExpectedInferenceImage=expected))
    action = reconcile(
        request,
        Observed(result=replace(RESULT, fields={**FIELDS, "InferenceImage": reported})),
        EARLY,
    )
    assert isinstance(action, Succeed)
    assert action.data["InferenceImage"] == image
    assert action.data["ImageMatchesCatalog"] == matches


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        RESULT.to_json(COMPILATION)[:80],
        RESULT.to_json(COMPILATION).replace('"digest"', "1"),
    ],
)
def test_a_damaged_record_is_none(text: str) -> None:
    assert Result.parse(COMPILATION, text) is None


def test_a_damaged_record_is_written_again() -> None:
    seen = Observed(result=RESULT, is_record_damaged=True, tags={})
    assert reconcile(update({"a": "1"}), seen, EARLY) == RecordResult(RESULT)


def test_a_result_is_read_as_it_was_written() -> None:
    assert Result.parse(COMPILATION, RESULT.to_json(COMPILATION)) == RESULT
    assert RESULT.to_json(COMPILATION) == (
        "{\n"
        f' "CompilationJobName": "{NAME}",\n'
        f' "S3ModelArtifacts": "{ARTIFACT}",\n'
        ' "InferenceImage": "image:1",\n'
        ' "ArtifactDigest": "digest",\n'
        ' "CompilationJobArn": "arn:job"\n'
        "}"
    )


@pytest.mark.parametrize("version", ["1", 1, "", None])
def test_versions_that_are_known(version: str | int | None) -> None:
    assert check_version(Request.parse(event(PropertiesVersion=version))) is None


@pytest.mark.parametrize("version", ["2", "0", "odd", ["1"]])
def test_a_version_that_is_not_known(version: object) -> None:
    assert check_version(Request.parse(event(PropertiesVersion=version))) == Fail(
        f"The template has version {version} of the job engine's properties; this engine knows 1. "
        "Deploy with the release of neo_constructs that wrote it."
    )
    delete = event("Delete", physical_id=NAME, PropertiesVersion="2")
    assert check_version(Request.parse(delete)) is None


# --- calls that are refused ---------------------------------------------------------------------


@pytest.mark.parametrize("code", [*sorted(TRANSIENT_ERRORS), "500", "503", "InternalError"])
def test_what_passes_is_waited_for_past_the_deadline(code: str) -> None:
    assert is_transient(code)
    for clock in (EARLY, LATE, LATER):
        assert on_error(code, "Call: no", clock, in_grace=False) == Wait(10, f"Call: no ({code})")
    said = f"Call: no ({code}); there is no time left to try again."
    assert on_error(code, "Call: no", OVERDUE, in_grace=False) == Fail(said)


@pytest.mark.parametrize("polls", [39, 40])
def test_steps_that_follow_each_other_at_once_do_not_do_so_for_ever(polls: int) -> None:
    clock = replace(EARLY, polls=polls)
    seconds = 1 if polls < 40 else 10
    assert clock.soon() == seconds
    assert on_error("ResourceInUse", "no", clock, in_grace=False) == Wait(
        seconds, "no (ResourceInUse)"
    )


@pytest.mark.parametrize(("code", "seconds"), [("ResourceInUse", 1), ("ResourceLimitExceeded", 45)])
def test_what_may_pass_is_waited_for_until_the_deadline(code: str, seconds: int) -> None:
    assert not is_transient(code)
    assert on_error(code, "no", LAST, in_grace=False) == Wait(seconds, f"no ({code})")
    said = f"no ({code}); there is no time left to try again."
    assert on_error(code, "no", LATE, in_grace=False) == Fail(said)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDenied", "no"),
        ("AccessDeniedException", "no"),
        ("403", "no"),
        ("ValidationException", "Could not assume Role x"),
    ],
)
def test_a_right_is_waited_for_while_it_is_young(code: str, message: str) -> None:
    text = f"{message} ({code})"
    assert on_error(code, message, EARLY, in_grace=True) == Wait(5, text)
    assert on_error(code, message, EARLY, in_grace=False) == Fail(text)
    late = on_error(code, message, LATE, in_grace=True)
    assert late == Fail(f"{text}; there is no time left to try again.")


@pytest.mark.parametrize("code", ["ValidationException", "NoSuchBucket", "404", ""])
def test_what_does_not_pass_fails_at_once(code: str) -> None:
    assert on_error(code, "bad input", EARLY, in_grace=True) == Fail(f"bad input ({code})")


# --- the clock ----------------------------------------------------------------------------------


def test_the_deadline_and_the_minute_after_it() -> None:
    assert not LAST.is_past_deadline
    assert LATE.is_past_deadline
    assert not LATER.is_past_grace
    assert OVERDUE.is_past_grace
    assert not LATE.is_past_grace
