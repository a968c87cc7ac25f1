"""Uploads in parts, with threads as in the Lambda."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from neo_jobs import transfer
from neo_jobs.errors import PermanentError
from neo_jobs.transfer import Sizes, Source, Transfer, threads

from tests.lifecycle.fakes import Clock, FakeS3, refused

SIZES = Sizes(written_part=10, read_range=10)


class Idle:
    """Has time."""

    def go_on(self) -> None:
        return

    def end(self) -> None:
        return


class Slow:
    """S3 that takes its time for parts, and takes note of what it is asked."""

    def __init__(self, failing: int = 0) -> None:
        self.log: list[str] = []
        self.failing = failing
        self.in_flight = self.most = 0
        self._lock = threading.Lock()

    def note(self, what: str, change: int = 0) -> None:
        with self._lock:
            self.log.append(what)
            self.in_flight += change
            self.most = max(self.most, self.in_flight)

    def get_paginator(self, _name: str) -> Slow:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{}]

    def create_multipart_upload(self, **_: Any) -> dict[str, str]:
        self.note("create")
        return {"UploadId": "u"}

    def upload_part(self, *, PartNumber: int, **_: Any) -> dict[str, str]:
        self.note("begin", 1)
        time.sleep(0.02 if PartNumber == self.failing else 0.05)
        self.note("fail" if PartNumber == self.failing else "stored", -1)
        if PartNumber == self.failing:
            raise refused("UploadPart", "SlowDown")
        return {"ETag": str(PartNumber)}

    def abort_multipart_upload(self, **_: Any) -> None:
        self.note("abort")

    def complete_multipart_upload(self, *, MultipartUpload: dict[str, Any], **_: Any) -> None:
        numbers = [part["PartNumber"] for part in MultipartUpload["Parts"]]
        assert [part["ETag"] for part in MultipartUpload["Parts"]] == list(map(str, numbers))
        self.note(f"complete {len(numbers)}")


def through(s3: Any, watch: Any = None) -> Transfer:
    return Transfer(s3, watch=watch or Idle(), is_worker=True, sizes=SIZES, executor=threads)


def test_parts_move_in_parallel_and_a_few_at_a_time() -> None:
    s3 = Slow()
    with through(s3).upload("b", "k") as upload:
        upload.write(b"x" * 305)
    assert s3.log[-1] == "complete 31"
    assert 1 < s3.most <= transfer.THREADS + 1


@pytest.mark.parametrize("failing", [1, 5, 9])
def test_no_part_is_on_its_way_when_an_upload_is_aborted(failing: int) -> None:
    """S3 could keep one that arrives later."""
    s3 = Slow(failing)
    with pytest.raises(Exception, match="SlowDown"), through(s3).upload("b", "k") as upload:
        upload.write(b"x" * 85)
    assert s3.log[-1] == "abort"
    assert s3.log.count("abort") == 1
    assert s3.in_flight == 0


def test_what_is_written_after_a_failure_goes_nowhere() -> None:
    s3 = Slow(failing=1)
    upload = through(s3).upload("b", "k")

    def write() -> None:
        with upload:
            try:
                upload.write(b"x" * 200)
            finally:
                upload.write(b"what a file writes as it is closed")

    with pytest.raises(Exception, match="SlowDown"):
        write()
    assert s3.log[-1] == "abort"


def test_more_parts_than_s3_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_PARTS", 3)
    s3 = Slow()
    with pytest.raises(PermanentError, match="more than"), through(s3).upload("b", "k") as upload:
        upload.write(b"x" * 40)
    assert s3.log[-1] == "abort"


def test_an_upload_that_cannot_be_created_leaves_no_thread() -> None:
    class Broken(Slow):
        def create_multipart_upload(self, **_: Any) -> dict[str, str]:
            raise refused("CreateMultipartUpload", "SlowDown")

    before = threading.active_count()
    with pytest.raises(Exception, match="SlowDown"), through(Broken()).upload("b", "k"):
        pass
    assert threading.active_count() == before


def test_it_is_asked_once_more_before_it_is_completed() -> None:
    class Overtaken(Idle):
        def end(self) -> None:
            raise PermanentError("Superseded")

    s3 = Slow()
    with pytest.raises(PermanentError), through(s3, Overtaken()).upload("b", "k") as upload:
        upload.write(b"x")
    assert s3.log[-1] == "abort"
    assert "complete 1" not in s3.log


class Body:
    """A reply's body, whose connection may break."""

    def __init__(self, content: bytes, error: Exception | None) -> None:
        self._content, self._error = content, error

    def read(self) -> bytes:
        if self._error:
            raise self._error
        return self._content


class Breaking(FakeS3):
    """S3 whose reads may break, by their number."""

    def __init__(self, breaks: Callable[[int], Exception | None]) -> None:
        super().__init__(Clock())
        self._breaks, self._number = breaks, itertools.count()

    def get_object(self, **parameters: Any) -> dict[str, Any]:
        content = super().get_object(**parameters)["Body"].read()
        return {"Body": Body(content, self._breaks(next(self._number)))}


def reading(breaks: Callable[[int], Exception | None]) -> Any:
    """Return a file over an object whose reads may break."""
    s3 = Breaking(breaks)
    s3.put("s3://b/k", bytes(range(100)))
    head = s3.head_object(Bucket="b", Key="k")
    return through(s3).open(Source("b", "k", "", head["ETag"], 100))


@pytest.mark.parametrize("error", [ReadTimeoutError(endpoint_url="s3"), OSError("reset")])
def test_a_connection_that_breaks_costs_a_range(error: Exception) -> None:
    file = reading(lambda n: error if n in {1, 2, 5} else None)
    assert b"".join(iter(lambda: file.read(10), b"")) == bytes(range(100))


def test_a_connection_that_goes_on_breaking_is_a_failure() -> None:
    file = reading(lambda n: OSError("reset") if n else None)
    assert file.read(10) == bytes(range(10))
    with pytest.raises(OSError, match="reset"):
        file.read(10)


def test_an_object_that_was_replaced_is_a_failure_at_once() -> None:
    file = reading(lambda _: None)
    file.raw._s3.put("s3://b/k", b"another" * 20)
    with pytest.raises(Exception, match="PreconditionFailed"):
        file.read()
