"""The life of a serving archive."""

from __future__ import annotations

from tests.lifecycle.events import BUCKET, PREFIX, SOURCE, archive_event
from tests.lifecycle.fakes import refused
from tests.lifecycle.world import World


def test_the_script_is_copied_to_a_key_of_its_own() -> None:
    world = World()
    answer = world.serve(archive_event())
    assert answer["Status"] == "SUCCESS"
    key = f"{answer['PhysicalResourceId']}/sourcedir.tar.gz"
    assert answer["Data"] == {
        "ModelDataUrl": f"s3://{BUCKET}/job/model-ml_c5.tar.gz",
        "SubmitDirectory": f"s3://{BUCKET}/{key}",
    }
    assert world.s3.under(PREFIX) == [key]


def test_an_edited_script_gets_a_new_key_and_a_rollback_finds_the_old() -> None:
    world = World()
    first = world.serve(archive_event())
    old = first["PhysicalResourceId"]
    second = world.serve(archive_event("Update", physical_id=old, fingerprint="b" * 64))
    assert second["PhysicalResourceId"] != old
    back = world.serve(archive_event("Update", physical_id=second["PhysicalResourceId"]))
    assert back["Data"] == first["Data"]
    assert len(world.calls.of("CopyObject")) == 2


def test_a_new_artifact_copies_nothing() -> None:
    world = World()
    first = world.serve(archive_event())
    event = archive_event(
        "Update", physical_id=first["PhysicalResourceId"], ModelDataUrl="s3://artifacts/new.tar.gz"
    )
    answer = world.serve(event)
    assert answer["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert answer["Data"]["ModelDataUrl"] == "s3://artifacts/new.tar.gz"
    assert len(world.calls.of("CopyObject")) == 1


def test_a_delete_keeps_the_archive_unless_it_is_to_be_destroyed() -> None:
    world = World()
    name = world.serve(archive_event())["PhysicalResourceId"]
    assert world.serve(archive_event("Delete", physical_id=name))["Status"] == "SUCCESS"
    assert world.s3.under(PREFIX)
    world.serve(archive_event("Delete", physical_id=name, ArtifactRemovalPolicy="DESTROY"))
    assert not world.s3.under(PREFIX)


def test_an_id_the_engine_never_gave_is_deleted_without_a_call() -> None:
    world = World()
    event = archive_event("Delete", physical_id="S-Archive-1", ArtifactRemovalPolicy="DESTROY")
    assert world.serve(event)["Status"] == "SUCCESS"
    assert [name for name, _ in world.calls.made] == [
        "StartExecution",
        "ListExecutions",
        "PutResponse",
    ]


def test_a_missing_script_is_named() -> None:
    world = World()
    world.s3.objects.clear()
    answer = world.serve(archive_event())
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(f"There is no object at {SOURCE}")


def test_a_script_that_cannot_be_copied_in_time() -> None:
    world = World()
    world.calls.faults["CopyObject"] = [refused("CopyObject", "SlowDown")] * 10_000
    answer = world.serve(archive_event())
    assert answer["Reason"] == "The script could not be copied in time."


def test_a_delete_that_fails_keeps_its_id() -> None:
    world = World()
    name = world.serve(archive_event())["PhysicalResourceId"]
    world.s3.undeletable = "sourcedir"
    delete = archive_event("Delete", physical_id=name, ArtifactRemovalPolicy="DESTROY")
    answer = world.serve(delete)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", name)
    assert "held back" in answer["Reason"]


def test_a_delete_of_what_lay_in_a_bucket_that_is_gone() -> None:
    world = World()
    name = world.serve(archive_event())["PhysicalResourceId"]
    delete = archive_event("Delete", physical_id=name, ArtifactRemovalPolicy="DESTROY")
    world.calls.faults["ListObjectVersions"] = [refused("ListObjectVersions", "SlowDown")]
    world.s3.gone.add(BUCKET)
    assert world.serve(delete)["Status"] == "SUCCESS"
