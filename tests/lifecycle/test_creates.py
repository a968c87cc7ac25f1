"""How a job comes to be: from CloudFormation's event to SageMaker's calls."""

from __future__ import annotations

import pytest

from tests.lifecycle.events import BUCKET, PREFIX, SOURCE, event
from tests.lifecycle.fakes import refused
from tests.lifecycle.helpers import NAME, compiles, created, input_key, record_key
from tests.lifecycle.world import World


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
        "RecordUrl": f"s3://{BUCKET}/{record_key(name)}",
    }
    (copy,) = world.calls.of("CopyObject")
    assert copy["CopySource"] == {"Bucket": "staging", "Key": "0123.gz"}
    assert (
        copy["CopySourceIfMatch"] == world.s3.head_object(Bucket="staging", Key="0123.gz")["ETag"]
    )
    assert copy["Key"] == input_key(name)
    assert (copy["MetadataDirective"], copy["TaggingDirective"]) == ("REPLACE", "REPLACE")
    (call,) = world.calls.of("CreateCompilationJob")
    assert call["InputConfig"]["S3Uri"] == f"s3://{BUCKET}/{input_key(name)}"
    assert call["OutputConfig"]["S3OutputLocation"] == f"s3://{BUCKET}/{name}/"
    assert call["StoppingCondition"] == {"MaxRuntimeInSeconds": 900}
    # The copy of the model goes; the artifact and the record of it stay.
    assert world.s3.under(PREFIX) == [f"{name}/model-ml_c5.tar.gz", record_key(name)]


def test_the_catalogs_image_stands_in_where_the_job_reports_none(world: World) -> None:
    world.sagemaker.image = ""
    data = created(world)["Data"]
    assert data["InferenceImage"] == event()["ResourceProperties"]["ExpectedInferenceImage"]
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


def test_a_large_model_is_copied_in_parts_by_the_worker(world: World) -> None:
    model = bytes(range(256)) * 9
    world.s3.put(SOURCE, model)
    name = created(world)["PhysicalResourceId"]
    assert world.s3.objects[BUCKET, f"{name}/model-ml_c5.tar.gz"][0] == model
    ranges = [call["CopySourceRange"] for call in world.calls.of("UploadPartCopy")]
    assert ranges[0] == "bytes=0-399"
    assert ranges[-1] == "bytes=2000-2303"
    assert world.visited["Work"] == 1
    assert world.s3.uploads == {}


def test_a_large_model_that_is_replaced_while_it_is_copied(world: World) -> None:
    """The parts of two models never make one."""
    world.s3.put(SOURCE, b"1" * 2_000)
    parts = iter(range(100))

    def replace() -> None:
        if next(parts) == 3:
            world.s3.put(SOURCE, b"2" * 2_000)

    world.s3.before_part = replace
    name = created(world)["PhysicalResourceId"]
    assert world.s3.objects[BUCKET, f"{name}/model-ml_c5.tar.gz"][0] == b"2" * 2_000
    assert world.s3.uploads == {}


def test_a_large_copy_that_takes_too_long_is_aborted(world: World) -> None:
    world.s3.put(SOURCE, b"1" * 2_000)
    world.s3.before_part = lambda: world.clock.sleep(300)
    answer = world.serve(event())
    assert answer["Reason"].startswith("It could not be moved in the time there was")
    assert world.s3.uploads == {}
    assert world.s3.under(PREFIX) == []
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
