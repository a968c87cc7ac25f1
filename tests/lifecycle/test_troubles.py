"""What the engine does about troubles of its own, and of the services it calls."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lifecycle.asking import NAME, compiles, created
from tests.lifecycle.events import BUCKET, SOURCE, event
from tests.lifecycle.fakes import Json, refused
from tests.lifecycle.world import World


def test_a_duplicate_event_compiles_once(world: World) -> None:
    twice = event()
    world.serve(twice)
    world.serve(twice)
    assert compiles(world) == 1
    assert len(world.answers) == 1
    assert len(world.calls.of("StartExecution")) == 2


def test_a_job_that_exists_already_is_taken_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a step that died between its call and its answer."""
    original = world.sagemaker.create_compilation_job

    def create_and_die(**parameters: Any) -> Json:
        original(**parameters)
        monkeypatch.undo()
        raise RuntimeError("killed")

    monkeypatch.setattr(world.sagemaker, "create_compilation_job", create_and_die)
    created(world)
    assert compiles(world) == 1
    world = World()
    world.calls.faults["DescribeCompilationJob"] = []
    in_use = refused("CreateCompilationJob", "ResourceInUse", "already exists")
    world.calls.faults["CreateCompilationJob"] = [in_use]
    created(world)


@pytest.mark.parametrize(
    ("field", "value"),
    [("RoleArn", "arn:aws:iam::123456789012:role/another"), ("OutputConfig", None)],
)
def test_a_job_of_that_name_with_other_inputs_is_never_taken_over(
    world: World, field: str, value: str | None
) -> None:
    world.sagemaker.seconds = 2_000
    create = event()
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    (job,) = world.sagemaker.jobs.values()
    job[field] = value or {**job[field], "TargetDevice": "ml_p3"}
    world.serve(create, until=lambda: bool(world.answers))
    (answer,) = world.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("A job named neo-")
    assert "another" in answer["Reason"] or "'ml_p3', not 'ml_c5'" in answer["Reason"]


def test_a_role_that_stays_unknown_fails_after_a_second_try(world: World) -> None:
    world.sagemaker.young_roles = 5
    answer = world.serve(event())
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("ClientError: Access Denied when calling sts:AssumeRole")
    assert compiles(world) == 2
    assert world.serve(event("Delete", physical_id=answer["PhysicalResourceId"]))
    assert not world.sagemaker.jobs


def test_a_role_that_is_young_for_neo_costs_a_second_try(world: World) -> None:
    world.sagemaker.young_roles = 1
    answer = created(world)
    assert compiles(world) == 2
    assert answer["PhysicalResourceId"] == world.sagemaker.created[1]


def test_a_role_that_had_its_time_gets_no_second_try(world: World) -> None:
    world.sagemaker.young_roles = 1
    full = refused("CreateCompilationJob", "ResourceLimitExceeded", "quota of 5")
    world.calls.faults["CreateCompilationJob"] = [full] * 5  # 45 seconds each
    assert "sts:AssumeRole" in world.serve(event())["Reason"]
    assert compiles(world) == 6, "five were refused"


def test_a_job_is_stopped_although_the_deadline_meets_a_fault(world: World) -> None:
    world.sagemaker.seconds = 100_000
    slow = refused("StopCompilationJob", "ThrottlingException", "slow down")
    world.calls.faults["StopCompilationJob"] = [slow] * 3
    answer = world.serve(event())
    assert "did not end in time and was stopped" in answer["Reason"]
    assert [job["status"] for job in world.sagemaker.jobs.values()] == ["STOPPING"]


def test_a_fault_that_stays_past_the_deadline_is_answered_for(world: World) -> None:
    slow = refused("HeadObject", "SlowDown", "slow down")
    world.calls.faults["HeadObject"] = [slow] * 10_000
    begin = world.clock()
    answer = world.serve(event())
    assert answer["Reason"] == (
        "HeadObject: slow down (SlowDown); there is no time left to try again."
    )
    assert world.clock() - begin < 3_400


def test_a_model_replaced_between_the_look_and_the_copy_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = world.s3.head_object

    def replaced(**parameters: Any) -> Json:
        seen = original(**parameters)
        if parameters["Bucket"] == "staging":
            monkeypatch.undo()
            world.s3.put(SOURCE, b"another model")
        return seen

    monkeypatch.setattr(world.s3, "head_object", replaced)
    name = created(world)["PhysicalResourceId"]
    assert len(world.calls.of("CopyObject")) == 2
    assert world.s3.objects[BUCKET, f"{name}/model-ml_c5.tar.gz"][0] == b"another model"


def test_a_model_replaced_while_it_compiles_changes_nothing(world: World) -> None:
    create = event()
    world.s3.put(SOURCE, b"model")
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    world.s3.put(SOURCE, b"another model")
    answer = world.serve(create, until=lambda: bool(world.answers))
    assert answer["Status"] == "SUCCESS"
    name = answer["PhysicalResourceId"]
    assert world.s3.objects[BUCKET, f"{name}/model-ml_c5.tar.gz"][0] == b"model"


def test_properties_that_make_no_request_are_named_at_once(world: World) -> None:
    answer = world.serve(event(RoleArn=["not a text"]))
    assert "RoleArn" in answer["Reason"]
    assert world.clock() < 1_800_000_100


def test_a_url_in_a_services_message_reaches_no_one(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "https://b.s3.amazonaws.com/key?X-Amz-Signature=secret&X-Amz-Date=20270115T080000Z"
    quoting = refused("StartExecution", "ValidationException", f"Value '{secret}' is too long")
    world.calls.faults["StartExecution"] = [quoting]
    with caplog.at_level("INFO"):
        answer = world.serve({**event(), "ResponseURL": secret})
    assert "https://b.s3.amazonaws.com/key?(redacted)" in answer["Reason"]
    assert "secret" not in answer["Reason"]
    assert "secret" not in caplog.text


def test_an_engine_that_cannot_start_says_so(world: World) -> None:
    world.calls.faults["StartExecution"] = [refused("StartExecution", "StateMachineDoesNotExist")]
    answer = world.serve(event())
    assert answer["Status"] == "FAILED"
    assert NAME.fullmatch(answer["PhysicalResourceId"])
    assert "The job engine could not start" in answer["Reason"]


def test_a_young_right_to_start_is_waited_for(world: World) -> None:
    denied = refused("StartExecution", "AccessDeniedException")
    world.calls.faults["StartExecution"] = [denied] * 10
    created(world)


def test_a_step_that_breaks_ends_in_an_answer_and_leaves_nothing_running(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_later(**_parameters: Any) -> Json:
        raise TypeError("a bug")

    world.sagemaker.seconds = 1_000
    original = world.sagemaker.describe_compilation_job
    calls = iter(range(100))

    def describe(**parameters: Any) -> Json:
        return (original if next(calls) < 4 else break_later)(**parameters)

    monkeypatch.setattr(world.sagemaker, "describe_compilation_job", describe)
    answer = world.serve(event())
    assert answer["Status"] == "FAILED"
    assert "TypeError: a bug" in answer["Reason"]
    assert world.calls.of("StopCompilationJob")


def test_an_event_too_odd_to_serve_is_still_answered(world: World) -> None:
    odd = event()
    del odd["ResourceProperties"]["OutputConfig"]
    answer = world.serve(odd)
    assert answer["Status"] == "FAILED"
    assert answer["PhysicalResourceId"].startswith("failed-")
