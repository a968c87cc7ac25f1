"""The state machine of the synthesized template, on every path it can take."""

from __future__ import annotations

import json

import pytest
from neo_jobs import executions

from neo_constructs.engine.limits import STEP_SECONDS
from neo_constructs.engine.state_machine import definition
from tests.lifecycle.events import PREFIX, archive_event, event
from tests.lifecycle.fakes import Json, refused
from tests.lifecycle.states_language import MAX_PAYLOAD_BYTES
from tests.lifecycle.templates import ArchiveSpec, deployed
from tests.lifecycle.world import World

MACHINE = deployed(ArchiveSpec((("A", 1),))).machine
STEP, WORK, ABORT = (MACHINE["States"][name] for name in ("Step", "Work", "Abort"))
LAMBDA_FAULTS = STEP["Retry"][0]["ErrorEquals"]
SLOW_FAULTS = ["States.Timeout", "Sandbox.Timedout"]
OTHER_FAULTS = [*SLOW_FAULTS, "States.TaskFailed", "Runtime.ExitError", "Lambda.Unknown"]


def tries_of(state: Json, error: str) -> int:
    """Return how often a state tries again after an error."""
    rules = state["Retry"]
    rule = next((r for r in rules if error in r["ErrorEquals"]), rules[-1])
    return int(rule["MaxAttempts"])


def test_the_rest_of_the_tests_run_the_same_machine() -> None:
    assert definition(STEP["Resource"], WORK["Resource"]) == MACHINE


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("error", [*LAMBDA_FAULTS, *OTHER_FAULTS])
def test_a_task_that_fails_is_tried_again(error: str, is_before: bool) -> None:
    world = World(MACHINE)
    tries = 2 if error not in LAMBDA_FAULTS or not is_before else 20
    world.task_faults = [(error, is_before)] * tries
    answer = world.serve(event())
    assert answer["Status"] == "SUCCESS"
    assert world.visited[f"Step: Retry {error}"] == tries
    assert world.visited[f"Step: Catch {error}"] == 0


@pytest.mark.parametrize("error", [*LAMBDA_FAULTS, *OTHER_FAULTS])
def test_a_task_that_goes_on_failing_ends_in_an_answer(error: str) -> None:
    world = World(MACHINE)
    world.task_faults = [(error, True)] * (tries_of(STEP, error) + 1)
    answer = world.serve(event())
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(f"The job engine failed: {error}")
    assert world.visited[f"Step: Catch {error}"] == 1
    assert [ended.status for ended in world.ended.values()] == ["SUCCEEDED"]


@pytest.mark.parametrize("times", range(ABORT["Retry"][1]["MaxAttempts"] + 1))
def test_an_abort_that_fails_is_tried_again(times: int) -> None:
    world = World(MACHINE)
    tries = tries_of(STEP, "States.Timeout")
    world.task_faults = [("States.Timeout", True)] * (tries + 1 + times)
    assert world.serve(event())["Status"] == "FAILED"
    assert world.visited["Abort: Retry States.Timeout"] == times


def test_an_abort_that_goes_on_failing_is_answered_for_from_outside() -> None:
    """EventBridge announces the end of the execution to the worker."""
    world = World(MACHINE)
    world.task_faults = [("States.Timeout", True)] * 100
    answer = world.serve(event())
    assert answer["Status"] == "FAILED"
    assert "execution ended as FAILED" in answer["Reason"]
    (ended,) = world.ended.values()
    assert ended.status == "FAILED"


def test_every_retry_and_catch_is_known_to_the_tests_above() -> None:
    rules = [
        (name, kind, rule["ErrorEquals"])
        for name, state in MACHINE["States"].items()
        for kind in ("Retry", "Catch")
        for rule in state.get(kind, [])
    ]
    assert rules == [
        ("Step", "Retry", LAMBDA_FAULTS),
        ("Step", "Retry", SLOW_FAULTS),
        ("Step", "Retry", ["States.ALL"]),
        ("Step", "Catch", ["States.ALL"]),
        ("Work", "Retry", ["States.Timeout"]),
        ("Work", "Retry", LAMBDA_FAULTS),
        ("Work", "Retry", ["States.ALL"]),
        ("Work", "Catch", ["States.ALL"]),
        ("Abort", "Retry", LAMBDA_FAULTS),
        ("Abort", "Retry", ["States.ALL"]),
    ]


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("error", [*LAMBDA_FAULTS, *OTHER_FAULTS[1:]])
def test_a_worker_that_fails_is_tried_again(error: str, is_before: bool) -> None:
    world = World(MACHINE)
    world.work_faults = [(error, is_before)]
    assert world.serve(archive_event())["Status"] == "SUCCESS"
    assert world.visited[f"Work: Retry {error}"] == 1
    assert world.visited[f"Work: Catch {error}"] == 0


@pytest.mark.parametrize("error", [*LAMBDA_FAULTS, *OTHER_FAULTS])
def test_a_worker_that_goes_on_failing_ends_in_an_answer(error: str) -> None:
    world = World(MACHINE)
    world.work_faults = [(error, True)] * (tries_of(WORK, error) + 1)
    answer = world.serve(archive_event())
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(f"The job engine failed: {error}")
    assert world.visited[f"Work: Catch {error}"] == 1
    assert world.s3.under(PREFIX) == []


def test_a_worker_that_hangs_late_does_not_miss_the_hour() -> None:
    """S3 has been slow for most of it, and then says nothing at all."""
    world = World(MACHINE)
    slow = refused("CreateMultipartUpload", "SlowDown")
    world.calls.faults["CreateMultipartUpload"] = [slow] * 10_000
    begin = world.clock()
    create = archive_event()
    world.serve(create, until=lambda: world.clock() - begin > 3_200)
    world.calls.faults.clear()
    world.slow_deaths = 1
    answer = world.serve(create, until=lambda: bool(world.answers))
    assert answer["Status"] == "FAILED"
    assert answer["at"] - begin < 3_600


def test_a_worker_that_is_killed_leaves_nothing_half_written() -> None:
    """Twice, so that nobody but the abort can clear up."""
    world = World(MACHINE)
    world.calls.kills = ["UploadPart"] * 2
    answer = world.serve(archive_event())
    assert answer["Status"] == "FAILED"
    assert world.s3.uploads == {}
    assert world.s3.under(PREFIX) == []


def test_ten_minutes_without_lambda_are_survived() -> None:
    """The account's concurrency is used up: nothing is lost but time."""
    world = World(MACHINE)
    world.task_faults = [("Lambda.TooManyRequestsException", True)] * 14
    begin = world.clock()
    assert world.serve(event())["Status"] == "SUCCESS"
    assert world.clock() - begin > 600


def test_the_answer_comes_before_the_hour_and_the_machine_outlasts_it() -> None:
    """A machine's own timeout is caught by nothing, so the engine must have answered before."""
    world = World(MACHINE)
    world.sagemaker.seconds = 100_000
    world.sagemaker.ignores_stops = True
    begin = world.clock()
    assert world.serve(event())["Status"] == "FAILED"
    assert [ended.status for ended in world.ended.values()] == ["SUCCEEDED"]
    assert world.clock() - begin < 3_600 < MACHINE["TimeoutSeconds"]


def test_steps_that_die_near_the_deadline_leave_no_job_running() -> None:
    """Three steps in turn time out, at 150 seconds each; then the abort has its say."""
    world = World(MACHINE)
    world.sagemaker.seconds = 100_000
    create = event()
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    begin = 1_800_000_000
    while world.clock() - begin < 2_960:
        world.tick()
    world.slow_deaths = 3
    answer = world.serve(create)
    assert answer["Status"] == "FAILED"
    assert world.clock() - begin < 3_600
    assert [job["status"] for job in world.sagemaker.jobs.values()] == ["STOPPING"]


def test_a_machine_that_runs_too_long_is_ended() -> None:
    """The interpreter does what AWS does: without that, the test above would prove nothing."""
    world = World({**MACHINE, "TimeoutSeconds": 200})
    world.sagemaker.seconds = 100_000
    answer = world.serve(event())
    assert "execution ended as TIMED_OUT" in answer["Reason"]
    assert [ended.status for ended in world.ended.values()] == ["TIMED_OUT"]
    assert [job["status"] for job in world.sagemaker.jobs.values()] == ["STOPPING"]


def test_the_largest_request_fits_into_a_state() -> None:
    """DataInputConfig and CompilerOptions at the API's limits, old properties beside the new."""
    largest = event(
        InputConfig={
            "S3Uri": "s3://staging/0123.gz",
            "DataInputConfig": json.dumps({f'"{n}"': [1] * 50 for n in range(85)})[:16_384],
            "Framework": "ONNX",
        },
        Tags=[{"Key": f"{n:0128}", "Value": "ü" * 256} for n in range(50)],
    )
    largest["OldResourceProperties"] = largest["ResourceProperties"]
    world = World(MACHINE)
    answer = world.serve(largest)
    cause_of_an_error = 32 * 1024
    assert len(json.dumps(largest)) + cause_of_an_error < MAX_PAYLOAD_BYTES
    assert answer["Status"] == "SUCCESS"


def test_waits_and_names_are_what_aws_would_take() -> None:
    """The interpreter asserts whole seconds and no path that leads nowhere; names are here."""
    world = World(MACHINE)
    world.serve(event())
    (name,) = world.states.all
    assert len(name) <= 80
    assert name.replace("-", "").isalnum()


def test_the_functions_timeout_is_shorter_than_the_tasks() -> None:
    """A step that Step Functions has given up must have ended before it is tried again."""
    assert STEP["TimeoutSeconds"] > STEP_SECONDS
    assert ABORT["TimeoutSeconds"] > STEP_SECONDS
    assert executions.STRAGGLER_SECONDS > STEP_SECONDS
