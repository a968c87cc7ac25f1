"""What an update of a job compiles, and what it does not."""

from __future__ import annotations

import pytest

from tests.lifecycle.events import BUCKET, SOURCE, event
from tests.lifecycle.fakes import Json
from tests.lifecycle.helpers import compiles, created, record_key
from tests.lifecycle.world import World


@pytest.mark.parametrize(
    "change",
    [
        {"Tags": [{"Key": "a", "Value": "b"}]},
        {"RoleArn": "arn:aws:iam::123456789012:role/other"},
        {"StoppingCondition": {"MaxRuntimeInSeconds": "1800"}},
        {"StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:other"},
        {"ExpectedInferenceImage": "other"},
        {"ArtifactRemovalPolicy": "DESTROY"},
        {"InputConfig": {"S3Uri": "s3://other/x.gz", "DataInputConfig": '{"pixels": [1, 1, 8, 8]}',
                         "Framework": "ONNX"}},
    ],
)  # fmt: skip
def test_an_update_that_neo_would_not_see_compiles_nothing(world: World, change: Json) -> None:
    first = created(world)
    name = first["PhysicalResourceId"]
    answer = world.serve(event("Update", physical_id=name, **change))
    assert answer["PhysicalResourceId"] == name
    assert answer["Data"]["S3ModelArtifacts"] == first["Data"]["S3ModelArtifacts"]
    assert compiles(world) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"InputFingerprint": "0" * 64},
        {"InputFingerprint": "", "InputObjectVersion": "v2"},
        {"InputConfig": {"S3Uri": SOURCE, "DataInputConfig": '{"pixels":[2,1,8,8]}',
                         "Framework": "ONNX"}},
        {"InputConfig": {"S3Uri": SOURCE, "DataInputConfig": '{"pixels":[1,1,8,8]}',
                         "Framework": "PYTORCH", "FrameworkVersion": "2.0"}},
        {"OutputConfig": {"S3OutputLocation": f"s3://{BUCKET}/", "TargetDevice": "ml_m5"}},
        {"OutputConfig": {"S3OutputLocation": f"s3://{BUCKET}/", "TargetDevice": "ml_c5",
                          "CompilerOptions": '{"dtype": "int64"}'}},
        {"OutputConfig": {"S3OutputLocation": f"s3://{BUCKET}/", "TargetDevice": "ml_c5",
                          "KmsKeyId": "alias/key"}},
        {"OutputConfig": {"S3OutputLocation": "s3://other/", "TargetDevice": "ml_c5"}},
    ],
)  # fmt: skip
def test_an_update_that_neo_would_see_compiles_once(world: World, change: Json) -> None:
    old = created(world)["PhysicalResourceId"]
    answer = world.serve(event("Update", physical_id=old, **change))
    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"] != old
    assert compiles(world) == 2
    world.serve(event("Delete", physical_id=old))
    assert list(world.sagemaker.jobs) == [answer["PhysicalResourceId"]]


def test_another_version_of_the_same_object_is_another_model(world: World) -> None:
    old = created(world, InputFingerprint="", InputObjectVersion="v1")["PhysicalResourceId"]
    update = event("Update", physical_id=old, InputFingerprint="", InputObjectVersion="v2")
    assert world.serve(update)["PhysicalResourceId"] != old
    assert compiles(world) == 2


def test_an_update_of_tags_reaches_the_job_there_is(world: World) -> None:
    """Tags that someone else has given it stay."""
    first = created(world, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "1"}])
    name = first["PhysicalResourceId"]
    world.sagemaker.jobs[name]["tags"]["by-hand"] = "x"
    update = event("Update", physical_id=name, Tags=[{"Key": "a", "Value": "2"}])
    update["OldResourceProperties"] = {"Tags": [{"Key": "b", "Value": "1"}]}
    assert world.serve(update)["PhysicalResourceId"] == name
    assert world.sagemaker.jobs[name]["tags"] == {"a": "2", "by-hand": "x"}
    assert compiles(world) == 1


def test_what_lives_is_kept_although_its_result_was_deleted_by_hand(world: World) -> None:
    """Only its own Delete takes it: an endpoint may serve it until then."""
    name = created(world)["PhysicalResourceId"]
    del world.s3.objects[BUCKET, record_key(name)]
    update = event(
        "Update", physical_id=name, InputFingerprint="0" * 64, ArtifactRemovalPolicy="DESTROY"
    )
    assert world.serve(update)["Status"] == "SUCCESS"
    assert name in world.sagemaker.jobs
    assert (BUCKET, f"{name}/model-ml_c5.tar.gz") in world.s3.objects


@pytest.mark.parametrize("keeps_old_id", [True, False])
def test_a_rollback_compiles_nothing(world: World, keeps_old_id: bool) -> None:
    first = created(world)
    world.sagemaker.outcome = "FAILED"
    update = event("Update", physical_id=first["PhysicalResourceId"], InputFingerprint="0" * 64)
    failed = world.serve(update)
    assert failed["Status"] == "FAILED"
    current = (first if keeps_old_id else failed)["PhysicalResourceId"]
    back = world.serve(event("Update", physical_id=current))
    assert back["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert back["Data"] == first["Data"]
    assert compiles(world) == 2
    world.serve(event("Delete", physical_id=failed["PhysicalResourceId"]))
    assert list(world.sagemaker.jobs) == [first["PhysicalResourceId"]]


def test_a_record_deleted_by_hand_costs_no_compile(world: World) -> None:
    first = created(world)
    world.sagemaker.jobs.clear()
    again = world.serve(event("Update", physical_id=first["PhysicalResourceId"], Tags=[]))
    assert again["Data"] == first["Data"]
    assert compiles(world) == 1


def test_an_artifact_deleted_by_hand_is_compiled_again(world: World) -> None:
    first = created(world)
    del world.s3.objects[BUCKET, f"{first['PhysicalResourceId']}/model-ml_c5.tar.gz"]
    again = world.serve(event("Update", physical_id=first["PhysicalResourceId"]))
    assert again["PhysicalResourceId"] != first["PhysicalResourceId"]
    assert compiles(world) == 2


def test_a_redeploy_after_a_failure_starts_afresh(world: World) -> None:
    world.sagemaker.outcome = "FAILED"
    failed = world.serve(event())
    world.sagemaker.outcome = "COMPLETED"
    assert created(world)["PhysicalResourceId"] != failed["PhysicalResourceId"]


def test_the_result_in_use_is_taken_before_a_newer_one(world: World) -> None:
    first = created(world)
    world.clock.sleep(10)
    # A second job of the same inputs, as two overlapping events can leave it.
    old = first["PhysicalResourceId"]
    new = old[:-8] + "zzzzzzzz"
    for key in (f"{old}/model-ml_c5.tar.gz", record_key(old)):
        body, _ = world.s3.objects[BUCKET, key]
        other = key.replace(old[-8:], new[-8:])
        world.s3.put(f"s3://{BUCKET}/{other}", body.replace(old.encode(), new.encode()))
    kept = world.serve(event("Update", physical_id=old))
    assert kept["PhysicalResourceId"] == old
    assert world.serve(event("Update", physical_id=new))["PhysicalResourceId"] == new
    assert world.serve(event("Update", physical_id=f"{old}x"))["PhysicalResourceId"] == new
