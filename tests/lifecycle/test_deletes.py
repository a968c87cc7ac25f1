"""What a delete ends, removes and leaves."""

from __future__ import annotations

import pytest

from tests.lifecycle.events import BUCKET, INVENTED, PREFIX, SOURCE, event
from tests.lifecycle.fakes import refused
from tests.lifecycle.helpers import created, record_key
from tests.lifecycle.world import World


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
    assert world.s3.under(PREFIX) == [f"{name}x/other"]


def test_a_delete_that_may_not_look_into_the_bucket_any_more(world: World) -> None:
    """The rights on a bucket go with the last job that uses it."""
    name = created(world)["PhysicalResourceId"]
    denied = [refused("ListObjectsV2", "AccessDenied", "Access Denied")] * 500
    world.calls.faults["ListObjectsV2"] = list(denied)
    world.calls.faults["ListObjectVersions"] = list(denied)
    assert world.serve(event("Delete", physical_id=name))["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs
    destroy = event("Delete", physical_id=name, ArtifactRemovalPolicy="DESTROY")
    answer = world.serve(destroy)
    assert answer["Status"] == "SUCCESS", "a clean-up that is refused fails nothing"
    assert answer["Reason"] == f"S3 refuses to delete, and keeps: {name}/."


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
    assert answer["Status"] == "SUCCESS", "a clean-up that is refused fails nothing"
    assert answer["Reason"] == f"S3 refuses to delete, and keeps: {record_key(name)}, {name}/."
    assert world.s3.under(PREFIX) == [f"{name}/notes.json", record_key(name)]


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
        "ListMultipartUploads",
        "ListObjectsV2",
        "PutResponse",
    }
    assert list(world.sagemaker.jobs) == [name]


def test_a_record_that_is_gone_already_is_no_fault(world: World) -> None:
    name = created(world)["PhysicalResourceId"]
    world.sagemaker.jobs.clear()
    assert world.serve(event("Delete", physical_id=name))["Status"] == "SUCCESS"


def test_a_delete_does_not_wait_for_a_create_for_ever(world: World) -> None:
    began = world.clock()
    assert world.serve(event("Delete", physical_id=INVENTED))["Status"] == "SUCCESS"
    assert world.clock() - began < 30


def test_a_delete_by_an_id_of_the_engines_does_not_wait(world: World) -> None:
    name = created(world)["PhysicalResourceId"]
    began = world.clock()
    assert world.serve(event("Delete", physical_id=name))["Status"] == "SUCCESS"
    assert world.clock() - began < 10
