"""The newest approved version of a group: found by a deploy, and found again by a rollback."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lifecycle.events import BUCKET, PREFIX, approved_event, package
from tests.lifecycle.fakes import Json, refused
from tests.lifecycle.world import World


def found(world: World, given: Json) -> tuple[str, str]:
    """Return the physical id and the version of a look-up that succeeds."""
    answer = world.serve(given)
    assert answer["Status"] == "SUCCESS", answer
    return answer["PhysicalResourceId"], answer["Data"]["ModelPackageVersion"]


def update(name: str, **changes: Any) -> Json:
    return approved_event("Update", physical_id=name, **changes)


def test_the_newest_approved_version_is_found(world: World) -> None:
    world.sagemaker.packages = [
        package(1),
        package(2),
        package(3, state="Failed"),
        package(4, status="PendingManualApproval"),
    ]
    answer = world.serve(approved_event())
    assert answer["Status"] == "SUCCESS", answer
    assert answer["Data"]["ModelPackageArn"].endswith("model-package/digits/2")


def test_only_another_revision_looks_again(world: World) -> None:
    world.sagemaker.packages = [package(1)]
    name, _ = found(world, approved_event())
    world.sagemaker.packages.append(package(2))
    assert found(world, update(name)) == (name, "1")
    assert found(world, update(name, Revision="2")) == (name, "2")


def test_a_rollback_finds_what_was_served_before(world: World) -> None:
    """The newer version was approved, and its endpoint fails: the older one is served again."""
    world.sagemaker.packages = [package(1)]
    name, _ = found(world, approved_event())
    world.sagemaker.packages.append(package(2))
    assert found(world, update(name, Revision="2")) == (name, "2")
    assert found(world, update(name)) == (name, "1")


def test_a_group_without_an_approved_version_is_a_failure_with_the_command(world: World) -> None:
    world.sagemaker.packages = [package(1, status="Rejected")]
    answer = world.serve(approved_event())
    assert answer["Status"] == "FAILED"
    assert "group digits has no approved version" in answer["Reason"]
    assert "update-model-package" in answer["Reason"]


def test_a_delete_leaves_no_note_behind(world: World) -> None:
    world.sagemaker.packages = [package(1)]
    name, _ = found(world, approved_event())
    found(world, update(name, Revision="2"))
    assert len(world.s3.under(PREFIX)) == 2
    assert world.serve(approved_event("Delete", physical_id=name))["Status"] == "SUCCESS"
    assert world.s3.under(PREFIX) == []


@pytest.mark.parametrize("bucket", [BUCKET, None])
def test_a_delete_by_an_invented_id_touches_nothing(world: World, bucket: str | None) -> None:
    world.sagemaker.packages = [package(1)]
    found(world, approved_event())
    place = f"s3://{bucket}/" if bucket else None
    gone = approved_event("Delete", physical_id="Stack-Approved-1ABC", OutputLocation=place)
    assert world.serve(gone)["Status"] == "SUCCESS"
    assert len(world.s3.under(PREFIX)) == 1


@pytest.mark.parametrize("code", ["NoSuchBucket", "AccessDenied"])
def test_a_delete_goes_on_where_the_bucket_is_out_of_reach(world: World, code: str) -> None:
    world.sagemaker.packages = [package(1)]
    name, _ = found(world, approved_event())
    world.calls.faults["ListObjectVersions"] = [refused("ListObjectVersions", code)]
    assert world.serve(approved_event("Delete", physical_id=name))["Status"] == "SUCCESS"


def test_a_bucket_that_fails_otherwise_is_tried_again(world: World) -> None:
    world.sagemaker.packages = [package(1)]
    name, _ = found(world, approved_event())
    world.calls.faults["ListObjectVersions"] = [refused("ListObjectVersions", "SlowDown")]
    assert world.serve(approved_event("Delete", physical_id=name))["Status"] == "SUCCESS"
    assert world.s3.under(PREFIX) == []


@pytest.mark.parametrize("damage", [b"{", b"[]", b"{}", b'{"ModelPackageArn": 1}', b"1"])
def test_a_damaged_note_is_written_again(world: World, damage: bytes) -> None:
    world.sagemaker.packages = [package(1)]
    name, _ = found(world, approved_event())
    (key,) = world.s3.under(PREFIX)
    world.s3.put(f"s3://{BUCKET}/{key}", damage)
    assert found(world, update(name)) == (name, "1")


def test_a_note_that_says_numbers_is_written_again(world: World) -> None:
    world.sagemaker.packages = [package(1)]
    name, _ = found(world, approved_event())
    (key,) = world.s3.under(PREFIX)
    text = b'{"ModelPackageArn": 1, "ModelPackageVersion": 1}'
    world.s3.put(f"s3://{BUCKET}/{key}", text)
    assert found(world, update(name)) == (name, "1")


def test_a_note_is_encrypted_with_the_buckets_key(world: World) -> None:
    world.sagemaker.packages = [package(1)]
    found(world, approved_event(KmsKeyId="alias/key"))
    (key,) = world.s3.under(PREFIX)
    assert world.s3.keys[BUCKET, key] == "alias/key"
