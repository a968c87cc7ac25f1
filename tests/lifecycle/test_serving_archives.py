"""The life of a serving archive."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from neo_jobs.cloudformation import Request
from neo_jobs.kinds.job_names import job_name
from neo_jobs.kinds.serving_archive import own_folder

from tests.lifecycle.events import (
    BUCKET,
    COMPILED,
    INVENTED,
    PREFIX,
    SOURCE,
    archive,
    archive_event,
    event,
    signed,
    unpacked,
)
from tests.lifecycle.fakes import Json, Killed, refused
from tests.lifecycle.world import World

DESTROY = {"ArtifactRemovalPolicy": "DESTROY"}


def served(world: World, **changes: Any) -> Json:
    """Return the answer to a Create that succeeds."""
    answer = world.serve(archive_event(**changes))
    assert answer["Status"] == "SUCCESS", answer
    return answer


def content(world: World, answer: Json, attribute: str = "ModelDataUrl") -> dict[str, bytes]:
    """Return the files that an answer's archive holds."""
    bucket, _, key = answer["Data"][attribute].removeprefix("s3://").partition("/")
    return unpacked(world.s3.objects[bucket, key][0])


def test_the_script_is_put_beside_the_compiled_model() -> None:
    world = World()
    answer = served(world)
    key = f"{answer['PhysicalResourceId']}/model.tar.gz"
    assert answer["Data"] == {
        "ModelDataUrl": f"s3://{BUCKET}/{key}",
        "SubmitDirectory": "/opt/ml/model/code",
    }
    assert world.s3.under(PREFIX) == [key]
    # What Neo may have kept of a former script gives way to this one.
    assert content(world, answer) == {"code/inference.py": b"# the script", "compiled.so": b"code"}
    assert world.visited["Work"] == 1


def test_a_container_that_fetches_its_script_gets_one_of_its_own() -> None:
    world = World()
    answer = served(world, Layout="submit-directory")
    key = f"{answer['PhysicalResourceId']}/sourcedir.tar.gz"
    assert answer["Data"] == {
        "ModelDataUrl": COMPILED,
        "SubmitDirectory": f"s3://{BUCKET}/{key}",
    }
    assert content(world, answer, "SubmitDirectory") == {"inference.py": b"# the script"}


def test_an_edited_script_gets_a_new_key_and_a_rollback_finds_the_old() -> None:
    world = World()
    first = served(world)
    old = first["PhysicalResourceId"]
    second = world.serve(archive_event("Update", physical_id=old, fingerprint="b" * 64))
    assert second["PhysicalResourceId"] != old
    back = world.serve(archive_event("Update", physical_id=second["PhysicalResourceId"]))
    assert back["Data"] == first["Data"]
    assert len(world.calls.of("CompleteMultipartUpload")) == 2


def test_a_new_compile_gets_a_new_key() -> None:
    world = World()
    first = served(world)
    new = f"s3://{BUCKET}/job2/model-ml_c5.tar.gz"
    world.s3.put(new, archive({"compiled.so": b"better"}))
    update = archive_event("Update", physical_id=first["PhysicalResourceId"], ModelDataUrl=new)
    answer = world.serve(update)
    assert answer["PhysicalResourceId"] != first["PhysicalResourceId"]
    assert content(world, answer)["compiled.so"] == b"better"


def test_a_new_compile_moves_no_script_of_its_own() -> None:
    world = World()
    first = served(world, Layout="submit-directory")
    update = archive_event(
        "Update",
        physical_id=first["PhysicalResourceId"],
        ModelDataUrl="s3://artifacts/new.tar.gz",
        Layout="submit-directory",
    )
    answer = world.serve(update)
    assert answer["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert answer["Data"]["ModelDataUrl"] == "s3://artifacts/new.tar.gz"
    assert len(world.calls.of("CompleteMultipartUpload")) == 1


def test_a_script_in_s3_is_known_by_its_place_and_version() -> None:
    world = World()
    script = {"S3Uri": SOURCE, "ObjectVersion": "v1"}
    first = served(world, Script=script)["PhysicalResourceId"]
    same = world.serve(archive_event("Update", physical_id=first, Script=script))
    assert same["PhysicalResourceId"] == first
    newer = {**script, "ObjectVersion": "v2"}
    again = world.serve(archive_event("Update", physical_id=first, Script=newer))
    assert again["PhysicalResourceId"] != first
    reads = [call for call in world.calls.of("GetObject") if call["Key"] == "0123.gz"]
    assert {call["VersionId"] for call in reads} == {"v1", "v2"}


def test_a_delete_keeps_the_archive_unless_it_is_to_be_destroyed() -> None:
    world = World()
    name = served(world)["PhysicalResourceId"]
    other = served(world, fingerprint="b" * 64)["PhysicalResourceId"]
    assert world.serve(archive_event("Delete", physical_id=name))["Status"] == "SUCCESS"
    assert len(world.s3.under(PREFIX)) == 2
    world.serve(archive_event("Delete", physical_id=name, **DESTROY))
    assert world.s3.under(PREFIX) == [f"{other}/model.tar.gz"]


@pytest.mark.parametrize("policy", ["RETAIN", "DESTROY"])
def test_a_create_that_was_never_heard_is_destroyed_by_the_id_that_was_invented(
    policy: str,
) -> None:
    world = World()
    create = archive_event(ArtifactRemovalPolicy=policy)
    world.serve(create, until=lambda: bool(world.s3.under(PREFIX)))
    # It is done, but has not come to say so.
    world.calls.faults["ListObjectsV2"] = [refused("ListObjectsV2", "SlowDown")]
    delete = archive_event("Delete", physical_id=INVENTED, ArtifactRemovalPolicy=policy)
    assert world.serve(delete)["Status"] == "SUCCESS"
    assert bool(world.s3.under(PREFIX)) is (policy == "RETAIN")


def test_what_a_former_life_has_kept_is_not_destroyed() -> None:
    """The same logical id, first with RETAIN; an endpoint elsewhere still reads its archive."""
    world = World()
    kept = served(world)["PhysicalResourceId"]
    assert world.serve(archive_event("Delete", physical_id=kept))["Status"] == "SUCCESS"
    again = served(world, **DESTROY)["PhysicalResourceId"]
    assert again != kept, "a Create makes its own"
    world.serve(archive_event("Delete", physical_id=again, **DESTROY))
    world.serve(archive_event("Delete", physical_id=INVENTED, **DESTROY))
    assert world.s3.under(PREFIX) == [f"{kept}/model.tar.gz"]


@pytest.mark.parametrize("changes", [{"EntryPoint": "serve.py"}, {"NetworkIsolation": "true"}])
def test_what_is_checked_is_checked_again_when_it_changes(changes: dict[str, str]) -> None:
    world = World()
    world.s3.put(SOURCE, archive({"inference.py": b"", "requirements.txt": b"x"}))
    first = served(world)["PhysicalResourceId"]
    answer = world.serve(archive_event("Update", physical_id=first, **changes))
    assert answer["Status"] == "FAILED"


@pytest.mark.parametrize(
    ("files", "changes", "reason"),
    [
        ({"train.py": b""}, {}, "has no inference.py at its root; it holds train.py."),
        ({"code/inference.py": b""}, {}, "pack the folder's content instead of the folder."),
        (
            {"inference.py": b"", "util.py": b""},
            {"Layout": "submit-directory"},
            "This container takes exactly one .py file",
        ),
        (
            {"inference.py": b"", "requirements.txt": b"x"},
            {"NetworkIsolation": "true"},
            "enable_network_isolation=False, or leave the file out.",
        ),
        ({"../inference.py": b""}, {}, "'../inference.py' would be unpacked outside"),
    ],
)
def test_a_script_that_does_not_fit_is_refused_before_anything_is_served(
    files: dict[str, bytes], changes: dict[str, str], reason: str
) -> None:
    world = World()
    world.s3.put(SOURCE, archive(files))
    answer = world.serve(archive_event(**changes))
    assert answer["Status"] == "FAILED"
    assert reason in answer["Reason"]
    assert world.s3.under(PREFIX) == []
    assert world.s3.uploads == {}


@pytest.mark.parametrize(
    "break_it",
    [lambda whole: whole[:-12], lambda whole: b"no archive", lambda whole: whole[:-8] + b"\0" * 8],
    ids=["cut off", "something else", "a wrong checksum"],
)
@pytest.mark.parametrize("uri", [SOURCE, COMPILED])
def test_an_archive_that_cannot_be_read_is_never_served(
    uri: str, break_it: Callable[[bytes], bytes]
) -> None:
    world = World()
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    world.s3.put(uri, break_it(world.s3.objects[bucket, key][0]))
    answer = world.serve(archive_event())
    assert answer["Status"] == "FAILED"
    assert "cannot be read" in answer["Reason"]
    assert world.s3.under(PREFIX) == []
    assert world.s3.uploads == {}


@pytest.mark.parametrize("uri", [SOURCE, COMPILED])
def test_what_is_missing_is_named(uri: str) -> None:
    world = World()
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    del world.s3.objects[bucket, key]
    answer = world.serve(archive_event())
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(f"There is no object at {uri}")


def test_a_large_model_is_written_in_parts() -> None:
    world = World()
    weights = hashlib.shake_128(b"weights").digest(1_000)
    world.s3.put(COMPILED, archive({"compiled.so": weights}))
    assert content(world, served(world))["compiled.so"] == weights
    parts = [call["PartNumber"] for call in world.calls.of("UploadPart")]
    assert parts == list(range(1, len(parts) + 1))
    assert len(parts) > 3


def test_an_archive_that_cannot_be_written_in_time() -> None:
    world = World()
    world.calls.faults["UploadPart"] = [refused("UploadPart", "SlowDown")] * 10_000
    reason = world.serve(archive_event())["Reason"]
    assert reason.startswith("The serving archive could not be written in time: UploadPart")
    assert world.s3.uploads == {}


def test_an_upload_that_cannot_be_aborted_is_aborted_by_the_next_try() -> None:
    world = World()
    world.calls.faults["UploadPart"] = [refused("UploadPart", "SlowDown")]
    world.calls.faults["AbortMultipartUpload"] = [refused("AbortMultipartUpload", "SlowDown")]
    served(world)
    assert world.s3.uploads == {}


def test_a_request_that_is_given_up_aborts_its_own_uploads_only() -> None:
    """A newer one of the same resource may be writing at that moment."""
    world = World()
    own, newer = archive_event(), archive_event("Update", physical_id=f"{PREFIX}/serving/x")
    for name, each in (("own", own), ("newer", newer)):
        key = f"{own_folder(Request.parse(each))}/model.tar.gz"
        world.s3.uploads[name] = {"Bucket": BUCKET, "Key": key, "parts": {}}
    error = {"Error": "States.Timeout", "Cause": "it took too long"}
    world.engine.handle({"Task": "Abort", "State": {"Event": own, "Error": error}})
    assert [answer["Status"] for answer in world.answers] == ["FAILED"]
    assert [*world.s3.uploads] == ["newer"]


def test_a_worker_that_outlives_its_request_completes_nothing() -> None:
    """A rollback comes while the worker writes; it reads and writes on until it meets its end."""
    world = World()
    first = served(world)
    world.s3.put(SOURCE, archive({"inference.py": b"# edited"}))
    back = archive_event("Update", physical_id=first["PhysicalResourceId"])
    answers = []

    def come_back() -> None:
        world.s3.before_part = lambda: None
        for name in list(world.running):  # its execution is stopped: only the worker goes on
            world.states.all[name].update(status="ABORTED", ended=world.clock())
            del world.running[name]
        answers.append(world.serve(back))

    world.s3.before_part = come_back
    update = archive_event("Update", physical_id=first["PhysicalResourceId"], fingerprint="b" * 64)
    world.serve(update)
    assert [answer["Data"] for answer in answers] == [first["Data"]]
    assert world.s3.uploads == {}
    assert world.s3.under(PREFIX) == [f"{first['PhysicalResourceId']}/model.tar.gz"]


@pytest.mark.parametrize("make", [archive_event, event])
def test_what_an_older_worker_begins_in_its_last_seconds_is_aborted(
    make: Callable[..., Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first look at uploads, and before its execution's last step is over."""
    world = World()
    if make is event:
        world.s3.put(SOURCE, b"1" * 2_000)
    create = make(**DESTROY)
    request = Request.parse(create)
    world.calls.faults["CreateMultipartUpload"] = [refused("Create", "SlowDown")] * 100
    world.serve(create, until=lambda: world.visited["Work"] > 0)
    listed, folder = world.s3.list_multipart_uploads, request.resource_prefix
    first = iter([True])

    def begun(**parameters: Any) -> list[Json]:
        found = listed(**parameters)
        if next(first, False):
            key = f"{folder}/serving/x/model.tar.gz" if make is not event else f"{folder}/input/x/m"
            world.s3.uploads["late"] = {"Bucket": BUCKET, "Key": key, "parts": {}}
        return found

    monkeypatch.setattr(world.s3, "list_multipart_uploads", begun)
    delete = make("Delete", physical_id=INVENTED, **DESTROY)
    assert world.serve(delete)["Status"] == "SUCCESS"
    assert world.s3.uploads == {}


def test_a_model_that_is_being_copied_for_a_request_that_was_given_up() -> None:
    """The copy is aborted from outside, so its worker can complete nothing."""
    world = World()
    world.s3.put(SOURCE, b"1" * 2_000)
    stopped = []

    def cancel() -> None:
        world.s3.before_part = lambda: None
        for name in list(world.running):
            world.states.all[name].update(status="ABORTED", ended=world.clock())
            del world.running[name]
        stopped.append(world.serve(event("Delete", physical_id=INVENTED)))

    world.s3.before_part = cancel
    world.serve(event())
    assert [answer["Status"] for answer in stopped] == ["SUCCESS"]
    assert world.s3.uploads == {}
    assert world.s3.under(PREFIX) == []


def given_up(world: World, then: Callable[[], Json]) -> list[Json]:
    """Do something else in the middle of what is written next, which is given up."""
    answers = []

    def happen() -> None:
        world.s3.before_part = lambda: None
        for name in list(world.running):  # stopped: only the worker goes on
            world.states.all[name].update(status="ABORTED", ended=world.clock())
            del world.running[name]
        answers.append(then())

    world.s3.before_part = happen
    return answers


def test_an_update_that_was_writing_to_another_bucket() -> None:
    world = World()
    first = served(world, **DESTROY)["PhysicalResourceId"]
    back = archive_event("Update", physical_id=first, **DESTROY)
    moved = {"OutputLocation": "s3://other/"}
    back["OldResourceProperties"] = {**back["ResourceProperties"], **moved}
    answers = given_up(world, lambda: world.serve(back))
    world.serve(archive_event("Update", physical_id=first, **moved, **DESTROY))
    assert [answer["Status"] for answer in answers] == ["SUCCESS"]
    assert world.s3.uploads == {}
    assert not [key for bucket, key in world.s3.objects if bucket == "other"]


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket"])
def test_a_former_bucket_that_may_not_be_looked_into_is_let_be(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    first = served(world)["PhysicalResourceId"]
    update = archive_event("Update", physical_id=first)
    update["OldResourceProperties"] = {"OutputLocation": "s3://other/"}
    listed = world.s3.list_multipart_uploads

    def denied(**parameters: Any) -> list[Json]:
        if parameters["Bucket"] == "other":
            raise refused("ListMultipartUploads", code)
        return listed(**parameters)

    monkeypatch.setattr(world.s3, "list_multipart_uploads", denied)
    assert world.serve(update)["Status"] == "SUCCESS"


def test_a_copy_that_is_under_way_when_its_own_id_is_deleted() -> None:
    world = World()
    world.s3.put(SOURCE, b"1" * 2_000)
    create = event(**DESTROY)
    name = job_name(Request.parse(create))
    answers = given_up(world, lambda: world.serve(event("Delete", physical_id=name, **DESTROY)))
    world.serve(create)
    assert [answer["Status"] for answer in answers] == ["SUCCESS"]
    assert world.s3.uploads == {}
    assert world.s3.under(PREFIX) == []


def test_a_copy_whose_worker_was_killed_late_goes_with_its_id() -> None:
    world = World()
    world.s3.put(SOURCE, b"1" * 2_000)

    def die() -> None:
        world.s3.before_part = lambda: None
        world.clock.sleep(3_290)
        raise Killed

    world.s3.before_part = die
    answer = world.serve(event(**DESTROY))
    assert answer["Status"] == "FAILED"
    name = answer["PhysicalResourceId"]
    assert world.serve(event("Delete", physical_id=name, **DESTROY))["Status"] == "SUCCESS"
    assert world.s3.uploads == {}


@pytest.mark.parametrize("stale", [1, 2])
@pytest.mark.parametrize("make", [archive_event, event])
def test_a_request_that_was_overtaken_leaves_nothing(
    make: Callable[..., Json], stale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came late, and the list it looked into was so many looks behind."""
    world = World()
    now = world.clock()
    create = signed(make(**DESTROY), now)
    delete = signed(make("Delete", physical_id=INVENTED, **DESTROY), now + 5)
    assert world.serve(delete)["Status"] == "SUCCESS"
    looks = iter(range(100))
    listed = world.states.list_executions

    def behind(**parameters: Any) -> list[Json]:
        return listed(**parameters) if next(looks) >= stale else []

    monkeypatch.setattr(world.states, "list_executions", behind)
    answer = world.serve(create)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("Superseded")
    assert world.s3.under(PREFIX) == []
    assert world.s3.uploads == {}
    assert world.sagemaker.jobs == {}


def test_two_workers_of_one_request_end_in_one_answer() -> None:
    """The machine has lost the first one's reply, and it goes on beside the second."""
    world = World()
    payload: Json = {}

    def once_more() -> None:
        world.s3.before_part = lambda: None
        (running,) = world.running.values()
        assert running.payload
        payload.update(running.payload)
        world.engine.handle(payload)

    world.s3.before_part = once_more
    served(world)
    assert payload["Task"] == "Work"
    assert [answer["Status"] for answer in world.answers] == ["SUCCESS"]
    assert world.s3.uploads == {}


def test_a_worker_that_was_overtaken_as_it_wrote_completes_nothing() -> None:
    world = World()
    first = signed(archive_event(**DESTROY), world.clock())

    def overtake() -> None:
        world.s3.before_part = lambda: None
        newer = signed(archive_event("Delete", physical_id=INVENTED, **DESTROY), world.clock() + 5)
        # Its execution has begun; it has not yet looked for uploads.
        world.states.start_execution(
            stateMachineArn="machine", name=Request.parse(newer).execution_name,
            input=json.dumps({"Event": newer}),
        )  # fmt: skip

    world.s3.before_part = overtake
    assert world.serve(first)["Reason"].startswith("Superseded")
    assert world.s3.under(PREFIX) == []


def test_an_archive_that_s3_keeps_is_named_and_fails_nothing() -> None:
    world = World()
    name = served(world)["PhysicalResourceId"]
    world.s3.undeletable = "model.tar.gz"
    answer = world.serve(archive_event("Delete", physical_id=name, **DESTROY))
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", name)
    assert answer["Reason"] == f"S3 refuses to delete, and keeps: {name}/."


def test_a_delete_of_what_lay_in_a_bucket_that_is_gone() -> None:
    world = World()
    name = served(world)["PhysicalResourceId"]
    world.calls.faults["ListObjectVersions"] = [refused("ListObjectVersions", "SlowDown")]
    world.s3.gone.add(BUCKET)
    assert world.serve(archive_event("Delete", physical_id=name, **DESTROY))["Status"] == "SUCCESS"


def test_a_delete_that_may_not_look_into_the_bucket_any_more() -> None:
    """The rights on a bucket go with the last resource that uses it."""
    world = World()
    name = served(world)["PhysicalResourceId"]
    denied = refused("ListMultipartUploads", "AccessDenied")
    world.calls.faults["ListMultipartUploads"] = [denied] * 100
    assert world.serve(archive_event("Delete", physical_id=name))["Status"] == "SUCCESS"


def test_a_create_that_may_not_look_says_so() -> None:
    world = World()
    denied = refused("ListMultipartUploads", "AccessDenied", "not authorized")
    world.calls.faults["ListMultipartUploads"] = [denied] * 100
    assert "not authorized" in world.serve(archive_event())["Reason"]
