"""The life of a compilation job, from CloudFormation's events to SageMaker's calls."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.lifecycle.events import BUCKET, PREFIX, SOURCE, event
from tests.lifecycle.fakes import Json, refused
from tests.lifecycle.world import World

NAME = re.compile(rf"{PREFIX}-[a-z2-7]{{8}}-[a-z2-7]{{10}}-[a-z2-7]{{8}}")


@pytest.fixture
def world() -> World:
    return World()


def created(world: World, **changes: Any) -> Json:
    """Return the answer to a Create that succeeds."""
    answer = world.serve(event(**changes))
    assert answer["Status"] == "SUCCESS", answer
    return answer


def compiles(world: World) -> int:
    return len(world.calls.of("CreateCompilationJob"))


# --- create ---------------------------------------------------------------------------------


def test_a_create_copies_compiles_and_reports(world: World) -> None:
    answer = created(world)
    name = answer["PhysicalResourceId"]
    assert NAME.fullmatch(name)
    assert len(name) == 53
    assert answer["Data"] == {
        "S3ModelArtifacts": f"s3://{BUCKET}/{name}/model-ml_c5.tar.gz",
        "InferenceImage": world.sagemaker.image,
        "ImageMatchesCatalog": "false",
        "CompilationJobArn": f"arn:aws:sagemaker:eu-west-1:123456789012:compilation-job/{name}",
    }
    (copy,) = world.calls.of("CopyObject")
    assert copy["CopySource"] == {"Bucket": "staging", "Key": "0123.gz"}
    assert (
        copy["CopySourceIfMatch"] == world.s3.head_object(Bucket="staging", Key="0123.gz")["ETag"]
    )
    assert copy["Key"] == f"{name}/input/model.tar.gz"
    assert (copy["MetadataDirective"], copy["TaggingDirective"]) == ("REPLACE", "REPLACE")
    (call,) = world.calls.of("CreateCompilationJob")
    assert call["InputConfig"]["S3Uri"] == f"s3://{BUCKET}/{name}/input/model.tar.gz"
    assert call["OutputConfig"]["S3OutputLocation"] == f"s3://{BUCKET}/{name}/"
    assert call["StoppingCondition"] == {"MaxRuntimeInSeconds": 900}
    # The copy of the model goes; the artifact and the record of it stay.
    assert world.s3.under(PREFIX) == [f"{name}/model-ml_c5.tar.gz", f"{name}/result.json"]


def test_the_catalogs_image_stands_in_where_the_job_reports_none(world: World) -> None:
    world.sagemaker.image = ""
    data = created(world)["Data"]
    assert data["InferenceImage"] == "expected/image:1"
    assert data["ImageMatchesCatalog"] == "true"


def test_an_object_version_is_what_is_copied(world: World) -> None:
    created(world, InputFingerprint="", InputObjectVersion="v7")
    (copy,) = world.calls.of("CopyObject")
    assert copy["CopySource"]["VersionId"] == "v7"


def test_a_failure_comes_with_its_cause_first_then_a_hint_then_the_log(world: World) -> None:
    world.sagemaker.outcome = "FAILED"
    world.sagemaker.reason = "ClientError: InputConfiguration: No pth file found for PyTorch model"
    answer = world.serve(event())
    assert answer["Status"] == "FAILED"
    assert NAME.fullmatch(answer["PhysicalResourceId"])
    cause, hint, log = (
        answer["Reason"].find(text)
        for text in ("ClientError: Input", "Hint: name the file model.pth", "/aws/sagemaker/")
    )
    assert 0 == cause < hint < log
    assert world.s3.under(PREFIX) == []


def test_a_missing_model_is_named(world: World) -> None:
    world.s3.objects.clear()
    answer = world.serve(event())
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(f"There is no object at {SOURCE}")
    assert compiles(world) == 0


def test_a_model_over_five_gigabytes_is_refused(world: World) -> None:
    world.s3.sizes["staging", "0123.gz"] = 5 * 1024**3 + 1
    answer = world.serve(event())
    assert "this release copies up to" in answer["Reason"]
    assert compiles(world) == 0


def test_a_refused_request_is_reported_as_the_service_says_it(world: World) -> None:
    world.calls.faults["CreateCompilationJob"] = [
        refused("CreateCompilationJob", "ValidationException", "TargetDevice is not supported")
    ]
    answer = world.serve(event())
    assert answer["Reason"].startswith("CreateCompilationJob: TargetDevice is not supported")


@pytest.mark.parametrize(
    "operation",
    ["DescribeCompilationJob", "CreateCompilationJob", "CopyObject", "PutObject", "HeadObject"],
)
@pytest.mark.parametrize(
    "code", ["ThrottlingException", "InternalServerException", "SlowDown", "503"]
)
def test_what_passes_is_waited_for(world: World, operation: str, code: str) -> None:
    world.calls.faults[operation] = [refused(operation, code) for _ in range(3)]
    created(world)
    assert len(world.sagemaker.jobs) == 1


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        ("CopyObject", "AccessDenied", "Access Denied"),
        ("CreateCompilationJob", "AccessDeniedException", "no identity-based policy allows it"),
        ("CreateCompilationJob", "ValidationException", "Could not assume role arn:..."),
    ],
)
def test_rights_that_are_seconds_old_are_waited_for(
    world: World, operation: str, code: str, message: str
) -> None:
    world.calls.faults[operation] = [refused(operation, code, message) for _ in range(5)]
    created(world)
    world = World()
    world.calls.faults[operation] = [refused(operation, code, message) for _ in range(500)]
    begin = world.clock()
    answer = world.serve(event())
    assert message in answer["Reason"]
    assert 90 <= world.clock() - begin < 120


def test_a_full_quota_is_waited_for_until_the_deadline(world: World) -> None:
    full = refused("CreateCompilationJob", "ResourceLimitExceeded", "quota of 5")
    world.calls.faults["CreateCompilationJob"] = [full] * 10
    created(world)
    world = World()
    world.calls.faults["CreateCompilationJob"] = [full] * 1000
    answer = world.serve(event())
    assert "quota of 5" in answer["Reason"]


@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_a_job_that_will_not_stop_is_answered_for_within_the_hour(world: World, kind: str) -> None:
    world.sagemaker.seconds = 100_000
    world.sagemaker.ignores_stops = True
    begin = world.clock()
    create = event()
    if kind == "Create":
        answer = world.serve(create)
    else:
        world.serve(create, until=lambda: bool(world.sagemaker.running()))
        (name,) = world.sagemaker.jobs
        answer = world.serve(event("Delete", physical_id=name))
    assert answer["Status"] == "FAILED"
    assert "stopped" in answer["Reason"]
    assert world.clock() - begin < 3_500
    assert len(world.calls.of("StopCompilationJob")) > 1


@pytest.mark.parametrize("seconds", [0, 60, 2_700, 100_000])
def test_there_is_an_answer_within_the_hour(world: World, seconds: float) -> None:
    world.sagemaker.seconds = seconds
    begin = world.clock()
    answer = world.serve(event())
    assert world.clock() - begin < 3_400
    assert answer["Status"] == ("SUCCESS" if seconds < 3_000 else "FAILED")
    if answer["Status"] == "FAILED":
        assert "did not end in time and was stopped" in answer["Reason"]
        assert world.calls.of("StopCompilationJob")


def test_the_deadline_counts_from_the_time_signed_into_the_url(world: World) -> None:
    late = event()
    signed = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20270115T070000Z&X-Amz-Expires=7200"
    late["ResponseURL"] = f"https://bucket.s3.amazonaws.com/x?{signed}"
    world.clock.now = 1_800_000_000 - 100  # 2027-01-15T07:58:20Z: 3,500 seconds later
    answer = world.serve(late)
    assert answer["Reason"] == "No compilation job could be started in time."
    assert compiles(world) == 0


def test_a_completed_job_without_an_artifact_fails_after_a_few_looks(world: World) -> None:
    world.sagemaker.leaves_artifact = False
    answer = world.serve(event())
    assert answer["Reason"].startswith("Neo reports COMPLETED but left no artifact")
    assert len(world.calls.of("DescribeCompilationJob")) < 60


def test_a_job_stopped_by_someone_else_says_so(world: World) -> None:
    world.sagemaker.outcome = "STOPPED"
    assert "stopped outside CloudFormation" in world.serve(event())["Reason"]


def test_an_unknown_status_is_waited_out(world: World) -> None:
    world.sagemaker.outcome = "HIBERNATING"
    answer = world.serve(event())
    assert "HIBERNATING" in answer["Reason"]


# --- update ---------------------------------------------------------------------------------


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
    del world.s3.objects[BUCKET, f"{name}/result.json"]
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
    for name in ("model-ml_c5.tar.gz", "result.json"):
        body, _ = world.s3.objects[BUCKET, f"{old}/{name}"]
        world.s3.put(f"s3://{BUCKET}/{new}/{name}", body.replace(old.encode(), new.encode()))
    kept = world.serve(event("Update", physical_id=old))
    assert kept["PhysicalResourceId"] == old
    assert world.serve(event("Update", physical_id=new))["PhysicalResourceId"] == new
    assert world.serve(event("Update", physical_id=f"{old}x"))["PhysicalResourceId"] == new


# --- delete ---------------------------------------------------------------------------------


def test_a_delete_removes_the_record_and_keeps_the_artifact(world: World) -> None:
    name = created(world)["PhysicalResourceId"]
    answer = world.serve(event("Delete", physical_id=name))
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", name)
    assert not world.sagemaker.jobs
    assert f"{name}/model-ml_c5.tar.gz" in world.s3.under(PREFIX)


def test_a_delete_with_destroy_removes_the_jobs_own_prefix_only(world: World) -> None:
    name = created(world)["PhysicalResourceId"]
    world.s3.put(f"s3://{BUCKET}/{name}x/other")
    world.serve(event("Delete", physical_id=name, ArtifactRemovalPolicy="DESTROY"))
    assert world.s3.under("") == ["0123.gz", f"{name}x/other"]


def test_a_delete_that_may_not_look_into_the_bucket_any_more(world: World) -> None:
    """The rights on a bucket go with the last job that uses it."""
    name = created(world)["PhysicalResourceId"]
    denied = [refused("ListObjectsV2", "AccessDenied", "Access Denied")] * 500
    world.calls.faults["ListObjectsV2"] = list(denied)
    world.calls.faults["ListObjectVersions"] = list(denied)
    assert world.serve(event("Delete", physical_id=name))["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs
    destroy = event("Delete", physical_id=name, ArtifactRemovalPolicy="DESTROY")
    assert "Access Denied" in world.serve(destroy)["Reason"]


@pytest.mark.parametrize(
    ("code", "status"), [("AccessDeniedException", 400), ("Novelty", 400), ("Novelty", 404)]
)
def test_a_request_that_fails_leaves_no_job_running(world: World, code: str, status: int) -> None:
    """With the rollback of the stack disabled, no Delete would come."""
    world.sagemaker.seconds = 2_000
    create = event()
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    world.clock.sleep(100)
    refusal = refused("DescribeCompilationJob", code)
    refusal.response["ResponseMetadata"] = {"HTTPStatusCode": status}
    world.calls.faults["DescribeCompilationJob"] = [refusal]
    answer = world.serve(create, until=lambda: bool(world.answers))
    assert answer["Status"] == "FAILED"
    assert [job["status"] for job in world.sagemaker.jobs.values()] == ["STOPPING"]


def test_a_fault_of_the_services_own_passes_whatever_it_is_called(world: World) -> None:
    strange = refused("DescribeCompilationJob", "Novelty")
    strange.response["ResponseMetadata"] = {"HTTPStatusCode": 503}
    world.calls.faults["DescribeCompilationJob"] = [strange] * 3
    created(world)


@pytest.mark.parametrize("policy", ["RETAIN", "DESTROY"])
def test_a_delete_of_what_lay_in_a_bucket_that_is_gone(world: World, policy: str) -> None:
    name = created(world)["PhysicalResourceId"]
    world.s3.objects.clear()
    world.s3.gone.add(BUCKET)
    delete = event("Delete", physical_id=name, ArtifactRemovalPolicy=policy)
    assert world.serve(delete)["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs


@pytest.mark.parametrize("operation", ["DeleteCompilationJob", "ListObjectsV2"])
@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_a_fault_in_any_part_of_a_request_is_waited_for(
    world: World, operation: str, kind: str
) -> None:
    name = created(world)["PhysicalResourceId"]
    world.calls.faults[operation] = [refused(operation, "ThrottlingException")] * 3
    again = event(kind, physical_id=name if kind == "Delete" else None)
    assert world.serve(again)["Status"] == "SUCCESS"


def test_what_s3_does_not_delete_for_now_is_deleted_later(world: World) -> None:
    name = created(world)["PhysicalResourceId"]
    world.s3.passing = 1
    delete = event("Delete", physical_id=name, ArtifactRemovalPolicy="DESTROY")
    assert world.serve(delete)["Status"] == "SUCCESS"
    assert not world.s3.under(PREFIX)


def test_a_delete_waits_for_s3_as_for_anything_else(world: World) -> None:
    name = created(world)["PhysicalResourceId"]
    world.calls.faults["HeadObject"] = [refused("HeadObject", "SlowDown")] * 3
    assert world.serve(event("Delete", physical_id=name))["Status"] == "SUCCESS"


def test_all_that_cannot_be_destroyed_is_named(world: World) -> None:
    name = created(world)["PhysicalResourceId"]
    world.s3.undeletable = "json"
    world.s3.put(f"s3://{BUCKET}/{name}/notes.json")
    answer = world.serve(event("Delete", physical_id=name, ArtifactRemovalPolicy="DESTROY"))
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == (
        f"{name}/notes.json could not be deleted: held back; "
        f"{name}/result.json could not be deleted: held back"
    )
    assert world.s3.under(PREFIX) == [f"{name}/notes.json", f"{name}/result.json"]


def test_a_delete_that_breaks_stops_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    name = created(world)["PhysicalResourceId"]
    monkeypatch.setattr(world.s3, "head_object", None)
    answer = world.serve(event("Delete", physical_id=name))
    assert answer["Reason"].startswith("The job engine failed: TypeError")
    assert not world.calls.of("StopCompilationJob")


def test_tags_of_a_job_whose_record_is_gone_are_let_be(world: World) -> None:
    name = created(world)["PhysicalResourceId"]
    world.sagemaker.jobs.clear()
    tagged = event("Update", physical_id=name, Tags=[{"Key": "a", "Value": "b"}])
    assert world.serve(tagged)["Status"] == "SUCCESS"
    assert len(world.calls.of("ListTags")) == 1
    assert not world.calls.of("AddTags")


def test_tags_that_cannot_be_read_are_waited_for(world: World) -> None:
    name = created(world)["PhysicalResourceId"]
    world.calls.faults["ListTags"] = [refused("ListTags", "ThrottlingException")]
    tagged = event("Update", physical_id=name, Tags=[{"Key": "a", "Value": "b"}])
    assert world.serve(tagged)["Status"] == "SUCCESS"
    assert world.sagemaker.jobs[name]["tags"] == {"a": "b"}


@pytest.mark.parametrize(
    ("version", "right"),
    [
        ("", "s3:GetObject on resource: arn:aws:s3:::staging/0123.gz"),
        ("v7", "s3:GetObjectVersion on resource: arn:aws:s3:::staging/0123.gz, or there is no "
         "version v7"),
    ],
)  # fmt: skip
def test_a_missing_right_on_the_model_is_named(world: World, version: str, right: str) -> None:
    """The reply to HeadObject has no text; a listing shows that the object is there."""
    forbidden = refused("HeadObject", "403", "Forbidden")
    world.calls.faults["HeadObject"] = [forbidden] * 1_000
    world.s3.put(f"s3://{BUCKET}/{PREFIX}")
    answer = world.serve(event(InputObjectVersion=version))
    assert answer["Reason"] == f"HeadObject: not authorized to perform: {right} (AccessDenied)"


@pytest.mark.parametrize("code", ["404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion"])
def test_a_model_that_is_not_there_is_named_however_s3_says_it(world: World, code: str) -> None:
    missing = refused("HeadObject", code)
    world.calls.faults["HeadObject"] = [missing] * 100
    reason = world.serve(event(InputObjectVersion="v7"))["Reason"]
    assert reason.startswith(f"There is no object at {SOURCE} (version v7). Upload it")


def test_a_resource_of_another_kind_is_refused(world: World) -> None:
    answer = world.serve({**event(), "ResourceType": "Custom::Novelty"})
    assert answer["Reason"].startswith("The engine does not know 'Custom::Novelty'")


def test_a_stop_that_comes_too_late_is_no_fault_but_a_refused_one_is(world: World) -> None:
    world.sagemaker.seconds = 1_000
    world.serve(event(), until=lambda: bool(world.sagemaker.running()))
    (name,) = world.sagemaker.jobs
    ended = refused("StopCompilationJob", "ValidationException", "is in status COMPLETED")
    world.calls.faults["StopCompilationJob"] = [ended]
    assert world.serve(event("Delete", physical_id=name))["Status"] == "SUCCESS"
    world.serve(event(), until=lambda: bool(world.sagemaker.running()))
    (name,) = world.sagemaker.jobs
    denied = refused("StopCompilationJob", "AccessDeniedException", "no policy allows it")
    world.calls.faults["StopCompilationJob"] = [denied] * 500
    assert "no policy allows it" in world.serve(event("Delete", physical_id=name))["Reason"]


def test_a_delete_stops_a_running_job_and_waits_for_it(world: World) -> None:
    world.sagemaker.seconds = 1_000
    create = event()
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    (name,) = world.sagemaker.jobs
    answer = world.serve(event("Delete", physical_id=name))
    assert answer["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs
    assert world.s3.under(PREFIX) == []


@pytest.mark.parametrize(
    "foreign", ["Stack-Job-1ABC", "neo-anothertack00000000-aaaaaaaa-bbbbbbbbbb-cccccccc"]
)
def test_an_id_the_engine_never_gave_touches_nothing_that_lives(world: World, foreign: str) -> None:
    name = created(world)["PhysicalResourceId"]
    world.calls.made.clear()
    answer = world.serve(event("Delete", physical_id=foreign))
    assert answer["Status"] == "SUCCESS"
    assert {name for name, _ in world.calls.made} == {
        "StartExecution",
        "ListExecutions",
        "ListCompilationJobs",
        "ListObjectsV2",
        "PutResponse",
    }
    assert list(world.sagemaker.jobs) == [name]


def test_a_record_that_is_gone_already_is_no_fault(world: World) -> None:
    name = created(world)["PhysicalResourceId"]
    world.sagemaker.jobs.clear()
    assert world.serve(event("Delete", physical_id=name))["Status"] == "SUCCESS"


# --- the engine's own troubles --------------------------------------------------------------


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
