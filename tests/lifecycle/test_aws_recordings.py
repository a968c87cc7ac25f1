"""Recordings of real AWS are replayed; the loader itself is tried with recordings of an echo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from neo_jobs.hints import hint_for

from neo_constructs.verification.probes.failing_jobs import FAILING
from tests.lifecycle.aws_recordings import FOLDER, Recording, load, replay
from tests.lifecycle.fakes import Json


def request(kind: str, given: str | None = None, **told: str) -> Json:
    properties = {"Id": "echo-a", **told}
    found: Json = {"RequestType": kind, "ResourceProperties": properties, "Signed": {}}
    return {**found, **({"PhysicalResourceId": given} if given else {})}


CREATE = request("Create")
UPDATE = request("Update", "echo-a", Id="echo-b", OnUpdate="FAILED")
# What CloudFormation may send, both ways where both are described.
SCENES: dict[str, list[Json]] = {
    "a life": [CREATE, request("Delete", "echo-a")],
    "a failed create": [
        request("Create", Id="echo-f", OnCreate="FAILED"),
        request("Delete", "echo-f", Id="echo-f"),
    ],
    "the way back by the old id": [
        CREATE, UPDATE, request("Update", "echo-a"), request("Delete", "echo-b"),
        request("Delete", "echo-a"),
    ],
    "the way back by the new id": [
        CREATE, UPDATE, request("Update", "echo-b"), request("Delete", "echo-b"),
        request("Delete", "echo-a"),
    ],
    "a create that is given up": [
        request("Create", OnCreate="NONE"), request("Delete", "Stack-Echo-1A2B3C"),
    ],
}  # fmt: skip
RECORDED = {file.stem: load(file) for file in sorted(FOLDER.glob("*.json"))}


def written(folder: Path, recording: object) -> Path:
    file = folder / "eu-west-1-2026-01-01.recorded.json"
    file.write_text(json.dumps(recording))
    return file


@pytest.mark.parametrize("name", SCENES)
def test_a_recorded_scene_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    found = load(written(tmp_path, {"requests": {name: SCENES[name]}, "failed_jobs": {}}))
    world = replay(found.requests[name])
    assert not world.sagemaker.jobs
    assert not world.sagemaker.running()


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has \['requests'\]"):
        load(written(tmp_path, {"requests": {}}))
    with pytest.raises(ValueError, match="X-Amz-Signature"):
        load(written(tmp_path, {"requests": {"a": "X-Amz-Signature=1"}, "failed_jobs": {}}))


def check(recording: Recording) -> None:
    """Say what of a recording the engine does not serve."""
    for name, requests in recording.requests.items():
        if requests[-1]["RequestType"] == "Delete":
            assert not replay(requests).sagemaker.running(), name
    reasons = {
        name: job.get("FailureReason", "")
        for name, job in recording.failed_jobs.items()
        if FAILING[name].hint
    }
    assert [name for name, reason in reasons.items() if reason and not hint_for(reason)] == []


def test_reasons_without_a_hint_are_noticed() -> None:
    good = {"broken archive": {"FailureReason": "ClientError: Unable to untar input model."}}
    check(Recording({}, good))
    with pytest.raises(AssertionError):
        check(Recording({}, {"broken archive": {"FailureReason": "something new"}}))


@pytest.mark.parametrize("name", RECORDED)
def test_what_aws_has_sent_is_served(name: str) -> None:
    check(RECORDED[name])
