"""What the engine does about troubles of its own, and of the services it calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from neo_constructs.engine.limits import STEP_SECONDS
from tests.lifecycle.events import (
    BUCKET,
    INVENTED,
    PREFIX,
    SOURCE,
    archive,
    archive_event,
    event,
)
from tests.lifecycle.fakes import Json, execution_arn, refused
from tests.lifecycle.helpers import NAME, compiles, created, input_key, record_key
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


def test_an_event_that_is_dropped_is_answered_by_the_worker(world: World) -> None:
    """Lambda gives up an event that the function failed three times, or that came too late."""
    gone = refused("StartExecution", "ThrottlingException", "slow down")
    world.calls.faults["StartExecution"] = [gone] * 1_000
    begin = world.clock()
    answer = world.serve(event())
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == (
        "The job engine could not start: An error occurred (ThrottlingException) when calling "
        "the StartExecution operation: slow down"
    )
    assert world.clock() - begin < 900


def test_an_event_that_is_dropped_is_served_if_it_can_be(world: World) -> None:
    gone = refused("StartExecution", "ThrottlingException", "slow down")
    world.calls.faults["StartExecution"] = [gone] * 40
    assert world.serve(event())["Status"] == "SUCCESS"


def test_a_try_to_start_ends_before_the_functions_time(world: World) -> None:
    """A call to a service that cannot be reached takes 75 seconds with its retries."""

    def unreachable(**_parameters: Any) -> Json:
        world.clock.sleep(75)
        raise ReadTimeoutError(endpoint_url="https://states")

    world.states.start_execution = unreachable  # type: ignore[method-assign] # a fault for this test
    begin = world.clock()
    with pytest.raises(ReadTimeoutError):
        world.engine.handle(event())
    assert world.clock() - begin < STEP_SECONDS


def test_an_execution_that_is_stopped_by_hand_is_answered_for(world: World) -> None:
    world.sagemaker.seconds = 2_000
    create = event()
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    (name,) = world.running
    world.states.stop_execution(executionArn=execution_arn(name), cause="a person's")
    answer = world.serve(create, until=lambda: bool(world.answers)) or world.answers[0]
    assert answer["Reason"] == "The job engine's execution ended as ABORTED: a person's"
    assert [job["status"] for job in world.sagemaker.jobs.values()] == ["STOPPING"]


def test_an_execution_that_a_newer_request_has_stopped_needs_no_answer(world: World) -> None:
    world.sagemaker.seconds = 2_000
    create = event()
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    world.serve(event("Delete", physical_id=INVENTED))
    while world.tick():
        pass
    assert create["RequestId"] not in {answer["RequestId"] for answer in world.answers}


def test_an_execution_started_by_hand_is_not_answered_for(world: World) -> None:
    arn = execution_arn("by-hand")
    world.states.all["by-hand"] = {"status": "FAILED", "input": {"by": "hand"}}
    assert world.engine.handle({"detail": {"executionArn": arn, "status": "FAILED"}}) == {}
    assert world.answers == []


def test_a_description_that_is_behind_is_asked_for_again(world: World) -> None:
    """Else nobody would answer: the status is sent once."""
    world.serve(event(), until=lambda: bool(world.sagemaker.running()))
    (name,) = world.running
    ended = {"detail": {"executionArn": execution_arn(name), "status": "TIMED_OUT"}}
    with pytest.raises(RuntimeError, match="is TIMED_OUT, and described as RUNNING"):
        world.engine.handle(ended)
    world.states.all[name]["status"] = "TIMED_OUT"
    world.engine.handle(ended)
    assert [answer["Status"] for answer in world.answers] == ["FAILED"]


def test_a_response_bucket_that_is_out_of_reach_for_minutes_costs_nothing(world: World) -> None:
    """A finished compile is not answered FAILED, and not thrown away."""
    world.calls.faults["PutResponse"] = [OSError("503")] * 60
    answer = created(world)
    assert compiles(world) == 1
    assert answer["at"] - 1_800_000_000 > 600


def test_an_answer_that_never_arrives_ends_the_execution(world: World) -> None:
    world.calls.faults["PutResponse"] = [OSError("503")] * 10_000
    assert world.serve(event()) == {}
    assert not world.running


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_properties_larger_than_step_functions_takes(world: World, kind: str) -> None:
    name = created(world)["PhysicalResourceId"]
    large = event(kind, physical_id=name, Tags=[{"Key": "a", "Value": "b" * 250_000}])
    answer = world.serve(large)
    if kind == "Delete":
        assert answer["Status"] == "SUCCESS"
        assert not world.sagemaker.jobs
    else:
        assert answer["Status"] == "FAILED"
        assert answer["Reason"].startswith("The properties are larger than the job engine takes")


@pytest.mark.parametrize(
    "odd",
    [
        {"OutputConfig": None},
        {"OutputConfig": "text"},
        {"OutputConfig": {"S3OutputLocation": ["a"]}},
        {"OutputConfig": {}},
        {"PropertiesVersion": "odd"},
        {"PropertiesVersion": {"a": "b"}},
        {"Tags": "odd"},
        {"InputConfig": []},
        {"ArtifactRemovalPolicy": {"odd": "1"}},
    ],
)
@pytest.mark.parametrize("make", [event, archive_event])
def test_a_delete_with_odd_properties_deletes(
    world: World, make: Callable[..., Json], odd: dict[str, Any]
) -> None:
    """An Update with whatever an escape hatch made of them has failed."""
    name = world.serve(make())["PhysicalResourceId"]
    assert world.serve(make("Delete", physical_id=name, **odd))["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs


def test_steps_that_follow_each_other_at_once_stay_inside_an_executions_history(
    world: World,
) -> None:
    """Nine events a step, of the 25,000 that an execution may have."""
    in_use = refused("CreateCompilationJob", "ResourceInUse", "already exists")
    world.calls.faults["CreateCompilationJob"] = [in_use] * 10_000
    assert world.serve(event())["Status"] == "FAILED"
    assert world.visited["Step"] * 9 < 10_000
    world.visited.clear()
    world.sagemaker.ignores_stops, world.sagemaker.seconds = True, 100_000
    world.calls.faults.clear()
    world.serve(event(), until=lambda: bool(world.sagemaker.running()))
    (name,) = world.sagemaker.running()
    assert world.serve(event("Delete", physical_id=name))["Status"] == "FAILED"
    assert world.visited["Step"] * 9 < 10_000


@pytest.mark.parametrize("late", [61, 120, 200])
def test_a_job_is_stopped_though_the_first_look_after_the_deadline_comes_late(
    world: World, late: int
) -> None:
    world.sagemaker.seconds = 100_000
    create = event()
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    for running in world.running.values():
        running.wake = 1_800_000_000 + 3_300 + late
    answer = world.serve(create, until=lambda: bool(world.answers)) or world.answers[0]
    assert answer["Status"] == "FAILED"
    assert [job["status"] for job in world.sagemaker.jobs.values()] == ["STOPPING"]
    assert "was stopped" not in answer["Reason"], "it is not yet"


@pytest.mark.parametrize("make", [event, archive_event])
def test_a_request_that_never_comes_to_an_end_is_answered(
    world: World, make: Callable[..., Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes on and on, as a record that stays in sight after it was deleted."""
    name = world.serve(make())["PhysicalResourceId"]
    monkeypatch.setattr(world.sagemaker, "delete_compilation_job", lambda **_: {})
    monkeypatch.setattr(world.s3, "delete_objects", lambda **_: {})
    begin = world.clock()
    answer = world.serve(make("Delete", physical_id=name, ArtifactRemovalPolicy="DESTROY"))
    assert answer["Status"] == "FAILED"
    assert "could not be brought to an end in time" in answer["Reason"]
    assert world.clock() - begin < 3_600


YOUNG = ("UnrecognizedClientException", "InvalidAccessKeyId", "InvalidClientTokenId")


@pytest.mark.parametrize("code", [*YOUNG, "ExpiredToken", "OperationAborted"])
def test_credentials_that_are_not_known_everywhere_yet_are_waited_for(
    world: World, code: str
) -> None:
    for operation in ("DescribeCompilationJob", "HeadObject", "ListExecutions"):
        world.calls.faults[operation] = [refused(operation, code)] * 15
    created(world)


def test_an_input_that_may_not_be_deleted_costs_no_compile(world: World) -> None:
    """A bucket with Object Lock, or a policy that denies deletions."""
    world.s3.undeletable = "/input/"
    answer = created(world)
    name = answer["PhysicalResourceId"]
    assert answer["Reason"] == f"S3 refuses to delete, and keeps: {input_key(name)}."
    update = event("Update", physical_id=name, InputFingerprint="0" * 64)
    second = world.serve(update)
    assert second["Status"] == "SUCCESS"
    for each in (name, second["PhysicalResourceId"]):
        assert world.serve(event("Delete", physical_id=each))["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs


def test_leftovers_do_not_fill_an_executions_state(world: World) -> None:
    world.s3.undeletable = "/input/"
    name = created(world)["PhysicalResourceId"]
    letters = str.maketrans("0123456789", "abcdefghij")
    for number in range(100):
        other = f"{name[:33]}-aaaaaaaaaa-" + f"{number:08}".translate(letters)
        world.s3.put(f"s3://{BUCKET}/{input_key(other)}")
    answer = world.serve(event("Update", physical_id=name, InputFingerprint="0" * 64))
    assert answer["Status"] == "SUCCESS"
    assert answer["Reason"] == f"S3 refuses to delete, and keeps: {name[:33]}."


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"CompilationJobName": 1}'])
def test_a_damaged_record_is_made_anew_from_the_job(world: World, damage: bytes) -> None:
    first = created(world)
    name = first["PhysicalResourceId"]
    whole, _ = world.s3.objects[BUCKET, record_key(name)]
    world.s3.put(f"s3://{BUCKET}/{record_key(name)}", damage)
    again = world.serve(event("Update", physical_id=name, Tags=[]))
    assert again["Data"] == first["Data"]
    assert compiles(world) == 1
    assert world.s3.objects[BUCKET, record_key(name)][0] == whole


@pytest.mark.parametrize("is_described", [True, False])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("785573368785.dkr", "666666666666.dkr"),
        ("model-ml_c5.tar.gz", "../evil.tar.gz"),
        ("s3://artifacts/", "s3://evil/"),
        ("s3://artifacts/", "s3://artifacts/evil/"),
    ],
)
def test_a_record_that_was_replaced_is_not_believed(
    world: World, old: str, new: str, is_described: bool
) -> None:
    """Whoever can write to the bucket must not choose the image that serves."""
    first = created(world)
    name = first["PhysicalResourceId"]
    whole, _ = world.s3.objects[BUCKET, record_key(name)]
    replaced = whole.replace(old.encode(), new.encode())
    world.s3.put(f"s3://{BUCKET}/{record_key(name)}", replaced)
    world.s3.put(json.loads(replaced)["S3ModelArtifacts"], b"whoever's")
    if not is_described:
        world.sagemaker.jobs.clear()
    again = world.serve(event("Update", physical_id=name, Tags=[]))
    assert again["Status"] == "SUCCESS"
    assert "evil" not in str(again["Data"])
    assert again["Data"]["InferenceImage"] == first["Data"]["InferenceImage"]
    assert compiles(world) == (1 if is_described else 2)


@pytest.mark.parametrize(
    ("registry", "compiled"),
    [("785573368785.dkr.ecr.eu-west-1.amazonaws.com", 1), ("evil.example", 2)],
)
def test_without_an_expected_image_a_record_names_one_of_ecr(
    world: World, registry: str, compiled: int
) -> None:
    """The catalog may not know the framework yet: Neo says the image, and the record keeps it."""
    name = world.serve(event(ExpectedInferenceImage=""))["PhysicalResourceId"]
    record = json.loads(world.s3.objects[BUCKET, record_key(name)][0])
    image = record["InferenceImage"]
    record["InferenceImage"] = image.replace(image.partition("/")[0], registry)
    world.s3.put(f"s3://{BUCKET}/{record_key(name)}", json.dumps(record).encode())
    world.sagemaker.jobs.clear()
    again = world.serve(event("Update", physical_id=name, ExpectedInferenceImage="", Tags=[]))
    assert "evil" not in str(again["Data"])
    assert compiles(world) == compiled


def test_everything_is_written_under_the_key_that_was_asked_for(world: World) -> None:
    world.s3.put(SOURCE, b"1" * 2_000)  # in parts
    output = {"S3OutputLocation": f"s3://{BUCKET}/", "TargetDevice": "ml_c5", "KmsKeyId": "key"}
    name = created(world, OutputConfig=output)["PhysicalResourceId"]
    assert world.s3.keys == {
        (BUCKET, input_key(name)): "key",
        (BUCKET, record_key(name)): "key",
    }
    (call,) = world.calls.of("CreateCompilationJob")
    assert call["OutputConfig"]["KmsKeyId"] == "key"
    world.s3.put(SOURCE, archive({"inference.py": b"#"}))
    served = world.serve(archive_event(KmsKeyId="key"))["PhysicalResourceId"]
    assert world.s3.keys[BUCKET, f"{served}/model.tar.gz"] == "key"


def test_the_buckets_own_key_is_named_and_compiles_nothing(world: World) -> None:
    name = created(world)["PhysicalResourceId"]
    output = {"S3OutputLocation": f"s3://{BUCKET}/", "TargetDevice": "ml_c5", "KmsKeyId": "key"}
    update = event("Update", physical_id=name, OutputConfig=output, KmsKeyIsBucketDefault="true")
    assert world.serve(update)["PhysicalResourceId"] == name
    assert compiles(world) == 1


def test_a_create_takes_nothing_that_a_former_resource_has_kept(world: World) -> None:
    """Its Delete with DESTROY would take away what something else still reads."""
    kept = created(world)["PhysicalResourceId"]
    assert world.serve(event("Delete", physical_id=kept))["Status"] == "SUCCESS"
    again = created(world, ArtifactRemovalPolicy="DESTROY")["PhysicalResourceId"]
    assert again != kept
    destroy = event("Delete", physical_id=again, ArtifactRemovalPolicy="DESTROY")
    assert world.serve(destroy)["Status"] == "SUCCESS"
    assert f"{kept}/model-ml_c5.tar.gz" in world.s3.under(PREFIX)


def test_a_move_to_another_bucket_that_is_given_up_leaves_no_copy_there(world: World) -> None:
    name = created(world)["PhysicalResourceId"]
    other = {"S3OutputLocation": "s3://other/", "TargetDevice": "ml_c5"}
    update = event("Update", physical_id=name, OutputConfig=other)
    world.serve(update, until=lambda: len(world.calls.of("CopyObject")) == 2)
    assert [bucket for bucket, key in world.s3.objects if "/input/" in key] == ["other"]
    back = event("Update", physical_id=name)
    back["OldResourceProperties"] = update["ResourceProperties"]
    assert world.serve(back)["PhysicalResourceId"] == name
    assert not [key for bucket, key in world.s3.objects if bucket == "other"]


def test_an_event_too_odd_to_serve_is_still_answered(world: World) -> None:
    odd = event()
    del odd["ResourceProperties"]["OutputConfig"]
    answer = world.serve(odd)
    assert answer["Status"] == "FAILED"
    assert answer["PhysicalResourceId"].startswith("failed-")
