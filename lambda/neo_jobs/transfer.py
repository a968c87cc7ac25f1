"""Large objects in S3: copied in parallel parts, or written while others are read.

What is written appears whole or not at all: every large write is a multipart upload, which any
failure aborts, and which a newer request for the same resource aborts from outside.
"""

from __future__ import annotations

import io
import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, TypeAlias

from botocore.exceptions import ClientError

from neo_jobs import s3_objects
from neo_jobs.errors import PermanentError, WorkerRequiredError

Client: TypeAlias = Any

MIB = 1024**2
MAX_PARTS = 10_000  # of one upload: Amazon S3 user guide, multipart upload limits
# Object Lock asks for one: Amazon S3 user guide, Object Lock considerations. With the upload's
# parts of one algorithm, each is handed in again when the upload is completed.
# Rests on A-S3-02.
CHECKSUM = "CRC32"
THREADS = 8
READ_TRIES = 3
log = logging.getLogger("neo_jobs")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How objects are divided, in bytes.

    Parameters
    ----------
    whole_copy
        The largest that is copied in one call.
    copied_part, written_part
        One part; as many written ones as there are threads are in memory at a time.
    read_range
        What is read in one call.
    """

    whole_copy: int = 100 * MIB
    # Rests on A-S3-05.
    copied_part: int = 64 * MIB
    # Rests on A-S3-05.
    written_part: int = 16 * MIB
    read_range: int = 8 * MIB


class Watch(Protocol):
    """What a transfer asks as it goes."""

    def go_on(self) -> None:
        """Raise if there is no time for another part."""

    def end(self) -> None:
        """Raise if what was written is no longer wanted."""


@dataclass(frozen=True, slots=True)
class Source:
    """An object in S3, with what tells later that it was replaced.

    Parameters
    ----------
    bucket, key, version
        Where it is; an empty version is the newest.
    etag, size
        What tells that it was replaced, and its length in bytes.
    """

    bucket: str
    key: str
    version: str
    etag: str
    size: int

    @property
    def where(self) -> dict[str, str]:
        """Its bucket, key and version as boto3 names them."""
        version = {"VersionId": self.version} if self.version else {}
        return {"Bucket": self.bucket, "Key": self.key, **version}


def threads() -> Executor:
    """Return what moves parts in parallel."""
    return ThreadPoolExecutor(THREADS)


class Transfer:
    """Moves objects.

    Parameters
    ----------
    s3
        A client that waits for the copy of a part.
    watch
        Says when to end.
    is_worker
        Whether there is time for what takes long.
    sizes
        How objects are divided.
    executor
        Makes what moves parts in parallel.
    """

    def __init__(
        self,
        s3: Client,
        *,
        watch: Watch,
        is_worker: bool,
        sizes: Sizes,
        executor: Callable[[], Executor],
    ) -> None:
        self._s3 = s3
        self._watch = watch
        self._is_worker = is_worker
        self._sizes = sizes
        self._executor = executor

    def require_worker(self) -> None:
        """Go on in the worker only.

        Raises
        ------
        WorkerRequiredError
            Elsewhere.
        """
        if not self._is_worker:
            raise WorkerRequiredError

    def go_on(self) -> None:
        """Raise if there is no time left."""
        self._watch.go_on()

    def find(self, uri: str, version: str) -> Source:
        """Look at an object.

        Raises
        ------
        PermanentError
            If there is none.
        """
        bucket, key = s3_objects.split_uri(uri)
        found = s3_objects.head(self._s3, bucket, key, version)
        if found is None:
            what = f"{uri} (version {version})" if version else uri
            raise PermanentError(f"There is no object at {what}. Upload it, or correct the URI.")
        return Source(bucket, key, version, found["ETag"], found["ContentLength"])

    def copy(self, source: Source, bucket: str, key: str, *, key_id: str = "") -> None:
        """Copy an object server-side, exactly the bytes that were looked at.

        Parameters
        ----------
        source
            What to copy.
        bucket, key
            Where to.
        key_id
            The KMS key for the copy. Default: as the bucket encrypts.

        Raises
        ------
        WorkerRequiredError
            If it is large, and this is not the worker.
        """
        if source.size <= self._sizes.whole_copy:
            # Rests on A-S3-04.
            self._s3.copy_object(
                CopySource=source.where,
                CopySourceIfMatch=source.etag,
                Bucket=bucket,
                Key=key,
                # Copying metadata or tags would need further rights on the source.
                MetadataDirective="REPLACE",
                TaggingDirective="REPLACE",
                **s3_objects.encryption(key_id),
            )
            return
        self.require_worker()
        length = self._sizes.copied_part
        with self.upload(bucket, key, key_id=key_id) as upload:
            for start in range(0, source.size, length):
                upload.copy(source, start, min(start + length, source.size) - 1)

    def upload(self, bucket: str, key: str, *, key_id: str = "") -> Upload:
        """Return an upload to a key, encrypted with a KMS key or as the bucket encrypts."""
        return Upload(
            self._s3,
            bucket,
            key,
            key_id=key_id,
            watch=self._watch,
            part_size=self._sizes.written_part,
            executor=self._executor(),
        )

    def open(self, source: Source) -> io.BufferedReader:
        """Return an object as a file."""
        return io.BufferedReader(_Reader(self._s3, source, self._watch), self._sizes.read_range)


class Upload:
    """A multipart upload, as a file that can be written to.

    On leaving its block it is completed, or aborted if the block failed.
    """

    def __init__(
        self,
        s3: Client,
        bucket: str,
        key: str,
        *,
        key_id: str,
        watch: Watch,
        part_size: int,
        executor: Executor,
    ) -> None:
        self._s3 = s3
        self._watch = watch
        self._part_size = part_size
        self._has_failed = False
        self._threads = executor
        self._where = {"Bucket": bucket, "Key": key}
        self._encryption = s3_objects.encryption(key_id)
        self._upload_id = ""
        self._buffer = bytearray()
        self._moving: deque[Future[dict[str, Any]]] = deque()
        self._parts: list[dict[str, Any]] = []

    def __enter__(self) -> Upload:
        made = self._s3.create_multipart_upload(
            **self._where, ChecksumAlgorithm=CHECKSUM, **self._encryption
        )
        self._upload_id = made["UploadId"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            self._abort()
        if error is None:
            try:
                self._complete()
            except Exception:
                self._abort()
                raise
        self._threads.shutdown(cancel_futures=True)

    def write(self, data: bytes) -> int:
        """Take bytes; full parts go on their way.

        After a failure, what is still written (files that are being closed write) is dropped.
        """
        if self._has_failed:
            return len(data)
        self._buffer += data
        while len(self._buffer) >= self._part_size:
            self._write_part(bytes(self._buffer[: self._part_size]))
            del self._buffer[: self._part_size]
        return len(data)

    def flush(self) -> None:
        """Do nothing: parts go when they are full."""

    def copy(self, source: Source, first: int, last: int) -> None:
        """Let S3 copy a range of another object, both ends included, as the next part."""
        self._move(
            # Rests on A-S3-04.
            lambda number: self._s3.upload_part_copy(
                **self._where,
                UploadId=self._upload_id,
                PartNumber=number,
                CopySource=source.where,
                CopySourceIfMatch=source.etag,
                CopySourceRange=f"bytes={first}-{last}",
            )["CopyPartResult"]
        )

    def _write_part(self, data: bytes) -> None:
        self._move(
            lambda number: self._s3.upload_part(
                **self._where,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=data,
                ChecksumAlgorithm=CHECKSUM,
            )
        )

    def _move(self, send: Callable[[int], Mapping[str, Any]]) -> None:
        self._watch.go_on()
        number = len(self._parts) + len(self._moving) + 1
        if number > MAX_PARTS:
            raise PermanentError(f"The object needs more than {MAX_PARTS:,} parts of an upload.")
        self._moving.append(self._threads.submit(lambda: _part(number, send(number))))
        if len(self._moving) > THREADS:
            self._await_part()

    def _await_part(self) -> None:
        try:
            self._parts.append(self._moving.popleft().result())
        except Exception:
            self._has_failed = True
            raise

    def _complete(self) -> None:
        if self._buffer:
            self._write_part(bytes(self._buffer))
        while self._moving:
            self._await_part()
        self._watch.go_on()
        self._watch.end()
        # What a try that was killed, or whose reply was lost, has left would stay.
        bucket, key = self._where["Bucket"], self._where["Key"]
        s3_objects.abort_uploads(self._s3, bucket, key, keep=self._upload_id)
        self._s3.complete_multipart_upload(
            **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
        )

    def _abort(self) -> None:
        """Abort; should that fail, the next request or the bucket's lifecycle does it.

        No part may be on its way then: S3 could keep it.
        """
        self._has_failed = True
        self._threads.shutdown(cancel_futures=True)
        bucket, key = self._where["Bucket"], self._where["Key"]
        try:
            s3_objects.abort_upload(self._s3, bucket, key, self._upload_id)
        except Exception:
            log.warning("an upload to %s could not be aborted", key)


def _part(number: int, reply: Mapping[str, Any]) -> dict[str, Any]:
    """Return what completes an upload, of the reply to one of its parts."""
    checksum = f"Checksum{CHECKSUM}"
    # Rests on A-S3-02.
    known = {checksum: reply[checksum]} if checksum in reply else {}
    return {"ETag": reply["ETag"], "PartNumber": number, **known}


class _Reader(io.RawIOBase):
    """An object, read in ranges: a connection that breaks costs one of them, not all."""

    def __init__(self, s3: Client, source: Source, watch: Watch) -> None:
        self._s3 = s3
        self._source = source
        self._watch = watch
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes; return how many there were."""
        last = min(self._at + len(buffer), self._source.size) - 1
        if last < self._at:
            return 0
        data = self._fetch(self._at, last)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _fetch(self, first: int, last: int) -> bytes:
        tries = READ_TRIES
        while True:
            tries -= 1
            self._watch.go_on()
            try:
                reply = self._s3.get_object(
                    **self._source.where, IfMatch=self._source.etag, Range=f"bytes={first}-{last}"
                )
                return bytes(reply["Body"].read())
            except ClientError:
                raise
            except Exception:  # the connection broke while the body was read
                if not tries:
                    raise
