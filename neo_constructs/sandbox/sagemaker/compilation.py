"""Compilation jobs on a clock. Nothing is compiled: the artifact is the input with a note in it."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import tarfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Final, TypeAlias

from botocore.exceptions import ClientError

from neo_constructs.archives.tar_member import members_in, open_tar
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.images import image_uri
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.errors import ValidationError
from neo_constructs.sandbox.behaviour import Behaviour
from neo_constructs.sandbox.sagemaker import requests
from neo_constructs.sandbox.sagemaker.errors import ApiError
from neo_constructs.sandbox.sagemaker.jobs import in_thread, is_listed
from neo_constructs.sandbox.sagemaker.judgement import is_judged, refusal
from neo_constructs.sandbox.sagemaker.platform import Platform, split_uri
from neo_constructs.sandbox.sagemaker.telemetry import (
    COMPILATION_LOGS,
    COMPILATION_METRICS,
    put_metric,
    write_log,
)

Parameters: TypeAlias = Mapping[str, Any]
Job: TypeAlias = dict[str, Any]

SUFFIX: Final = ".tar.gz"
_RUNNING: Final = frozenset({"STARTING", "INPROGRESS"})
_TERMINAL: Final = frozenset({"COMPLETED", "FAILED", "STOPPED"})
_TICK_SECONDS: Final = 0.05
# What Neo looks for in the archive (AWS developer guide, page neo-compilation-preparing-model).
_MODEL_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "ONNX": (".onnx",),
    "PYTORCH": (".pth", ".pt"),
    "TENSORFLOW": (".pb", ".pbtxt"),
    "KERAS": (".h5",),
    "MXNET": (".params",),
}


class CompilationJobs:
    """The operations on compilation jobs.

    Parameters
    ----------
    store
        Job name to job, for the account and region of the current request.
    platform
        The AWS around it.
    behaviour
        Returns how long a job takes and why it fails, asked when one begins.
    start
        Runs a job's work. Default: in a thread.
    """

    def __init__(
        self,
        store: MutableMapping[str, Job],
        platform: Platform,
        behaviour: Callable[[], Behaviour],
        *,
        start: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._jobs = store
        self._platform = platform
        self._behaviour = behaviour
        self._start = start or in_thread
        self._lock = threading.RLock()

    def create(self, parameters: Parameters) -> dict[str, Any]:
        """CreateCompilationJob."""
        name, output = parameters["CompilationJobName"], parameters["OutputConfig"]
        if name in self._jobs:
            raise ApiError("ResourceInUse", f"Compilation job with name {name} already exists.")
        if ("TargetDevice" in output) == ("TargetPlatform" in output):
            message = "Exactly one of TargetDevice and TargetPlatform must be specified."
            raise ApiError("ValidationException", message)
        arn = self._platform.arn("compilation-job", name)
        make_client = self._platform.assume(parameters["RoleArn"], arn)
        image = self._image(parameters)
        now = time.time()
        job: Job = {
            **parameters,
            "CompilationJobArn": arn,
            "CompilationJobStatus": "STARTING",
            "CreationTime": now,
            "LastModifiedTime": now,
            "FailureReason": "",
            "ModelArtifacts": {"S3ModelArtifacts": ""},
            **({"InferenceImage": image} if image else {}),
        }
        self._jobs[name] = job
        self._start(lambda: self._work(job, make_client))
        return {"CompilationJobArn": arn}

    def describe(self, parameters: Parameters) -> dict[str, Any]:
        """DescribeCompilationJob."""
        return {k: v for k, v in self._job(parameters).items() if k != "Tags"}

    def stop(self, parameters: Parameters) -> dict[str, Any]:
        """StopCompilationJob."""
        with self._lock:
            job = self._job(parameters)
            if job["CompilationJobStatus"] not in _RUNNING:
                raise ApiError(
                    "ValidationException",
                    "The request was rejected because the compilation job is in status "
                    f"{job['CompilationJobStatus']}.",
                )
            self._change(job, "STOPPING")
        return {}

    def delete(self, parameters: Parameters) -> dict[str, Any]:
        """DeleteCompilationJob: the record only, never the artifact."""
        job = self._job(parameters)
        if job["CompilationJobStatus"] not in _TERMINAL:
            raise ApiError(
                "ValidationException",
                f"Compilation job {parameters['CompilationJobName']} cannot be deleted in status "
                f"{job['CompilationJobStatus']}.",
            )
        del self._jobs[parameters["CompilationJobName"]]
        return {}

    def list(self, parameters: Parameters) -> dict[str, Any]:
        """ListCompilationJobs, with its filters, its order and its pages; the oldest first."""
        fields = {"name": "CompilationJobName", "status": "CompilationJobStatus"}
        found = [job for job in self._jobs.values() if is_listed(job, parameters, **fields)]
        sort = {"Name": "CompilationJobName", "Status": "CompilationJobStatus"}
        key = sort.get(parameters.get("SortBy", ""), "CreationTime")
        found.sort(key=lambda job: job[key], reverse=parameters.get("SortOrder") == "Descending")
        listed, following = requests.page(found, parameters)
        return {"CompilationJobSummaries": [_summary(job) for job in listed], **following}

    def _job(self, parameters: Parameters) -> Job:
        name = parameters["CompilationJobName"]
        if name not in self._jobs:
            message = f"Could not find requested compilation job with name: {name}"
            raise ApiError("ResourceNotFound", message)
        return self._jobs[name]

    def _change(self, job: Job, status: str, **fields: object) -> None:
        with self._lock:
            job.update(CompilationJobStatus=status, LastModifiedTime=time.time(), **fields)

    def _work(self, job: Job, make_client: Callable[[str], Any]) -> None:
        """Do a job, all of it with the job's own role."""
        name = job["CompilationJobName"]
        self._change(job, "INPROGRESS", CompilationStartTime=time.time())
        try:
            write_log(make_client, COMPILATION_LOGS, name, "the sandbox compiles nothing")
            fields = self._compile(job, make_client("s3"))
            put_metric(make_client, COMPILATION_METRICS, "Compilations", 1)
        except _JobFailedError as failure:
            fields = {"status": "FAILED", "FailureReason": str(failure)}
        except Exception as error:  # a job must end, whatever happens to it
            reason = f"ClientError: {error}" if isinstance(error, ClientError) else f"{error!r}"
            fields = {"status": "FAILED", "FailureReason": reason[:1024]}
        self._change(job, **fields, CompilationEndTime=time.time())

    def _compile(self, job: Job, s3: Any) -> dict[str, Any]:
        """Read the model and write the artifact; return how that ended."""
        told = self._behaviour()
        data = self._read(job, s3)
        upload = Upload(s3, self._artifact_uri(job))
        longest = job["StoppingCondition"].get("MaxRuntimeInSeconds", told.compile_seconds)
        until = time.monotonic() + min(told.compile_seconds, longest)
        while time.monotonic() < until:
            if job["CompilationJobStatus"] == "STOPPING":
                upload.abort()
                return {"status": "STOPPED"}
            time.sleep(_TICK_SECONDS)
        if told.compile_fails:
            upload.abort()
            raise _JobFailedError(told.compile_fails)
        if longest < told.compile_seconds:
            upload.abort()
            raise _JobFailedError(
                f"Timeout: the job ran longer than MaxRuntimeInSeconds, {longest}."
            )
        upload.complete(_with_note(data, _target(job)))
        digest = hashlib.blake2b(data, digest_size=32).hexdigest()
        return {
            "status": "COMPLETED",
            "ModelArtifacts": {"S3ModelArtifacts": upload.uri},
            "ModelDigests": {"ArtifactDigest": digest},
        }

    def _read(self, job: Job, s3: Any) -> bytes:
        uri = job["InputConfig"]["S3Uri"]
        head = "ClientError: InputConfiguration:"
        if not uri.endswith(SUFFIX):
            raise _JobFailedError(f"{head} {uri} must end in {SUFFIX}.")
        bucket, key = split_uri(uri)
        try:
            data: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except Exception as error:
            raise _JobFailedError(f"{head} Unable to read {uri}: {error}") from error
        if is_judged(self._behaviour().assumptions) and (why := refusal(job, data)):
            raise _JobFailedError(why)
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as plain, open_tar(plain) as tar:
                names = [member.name for member in members_in(tar) if member.isfile()]
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise _JobFailedError(
                f"{head} Unable to untar input model. Please confirm the model is a tar.gz file."
            ) from error
        framework = job["InputConfig"]["Framework"]
        suffixes = _MODEL_SUFFIXES.get(framework, ("",))
        models = [name for name in names if name.endswith(suffixes)]
        if not models:
            raise _JobFailedError(
                f"{head} No {' or '.join(suffixes)} file found for {framework} model."
            )
        return data

    def _artifact_uri(self, job: Job) -> str:
        base = split_uri(job["InputConfig"]["S3Uri"])[1].rsplit("/", 1)[-1].removesuffix(SUFFIX)
        folder = job["OutputConfig"]["S3OutputLocation"].rstrip("/")
        # Rests on A-NEO-11.
        return f"{folder}/{base}-{_target(job)}{SUFFIX}"

    def _image(self, parameters: Parameters) -> str | None:
        config = parameters["InputConfig"]
        target = TargetDevice(parameters["OutputConfig"].get("TargetDevice", ""))
        default = {"ONNX": "1.7", "KERAS": "2.2", "XGBOOST": "1.3", "MXNET": "1.8"}
        version = config.get("FrameworkVersion") or default.get(config["Framework"])
        try:
            return image_uri(
                Framework(config["Framework"], version), target, self._platform.region()
            )
        except ValidationError:
            return None


class Upload:
    """An artifact on its way to S3, in parts; one that is given up leaves nothing behind.

    Parameters
    ----------
    s3
        A client with the job's role.
    uri
        Where it goes.
    """

    def __init__(self, s3: Any, uri: str) -> None:
        self.uri = uri
        self._s3 = s3
        bucket, key = split_uri(uri)
        self._at = {"Bucket": bucket, "Key": key}
        with self._naming():
            s3.get_bucket_location(Bucket=bucket)
            s3.list_objects_v2(Bucket=bucket, Prefix=key)
            self._upload = s3.create_multipart_upload(**self._at)["UploadId"]

    def complete(self, data: bytes) -> None:
        """Write the artifact."""
        named = {**self._at, "UploadId": self._upload}
        with self._naming():
            part = self._s3.upload_part(**named, PartNumber=1, Body=data)
            parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
            self._s3.complete_multipart_upload(**named, MultipartUpload=parts)

    def abort(self) -> None:
        """Leave nothing."""
        with self._naming():
            self._s3.abort_multipart_upload(**self._at, UploadId=self._upload)

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            reason = f"ClientError: OutputConfiguration: Unable to write {self.uri}: {error}"
            raise _JobFailedError(reason) from error


class _JobFailedError(Exception):
    """The job ends as FAILED; the text is its FailureReason."""


def _target(job: Job) -> str:
    output = job["OutputConfig"]
    platform = output.get("TargetPlatform", {})
    return str(output.get("TargetDevice") or f"{platform['Os']}_{platform['Arch']}")


def _with_note(data: bytes, target: str) -> bytes:
    """Return the archive with a note that says what it is.

    The note is a comment of the archive, and no member: some containers take exactly one file.
    """
    note = {"comment": f"emulated for {target}: nothing was compiled"}
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=io.BytesIO(data)) as plain,
        open_tar(plain) as source,
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, pax_headers=note) as made,
    ):
        for member in members_in(source):
            made.addfile(member, source.extractfile(member) if member.isfile() else None)
    return out.getvalue()


_SUMMARY: Final = (
    "CompilationJobName",
    "CompilationJobArn",
    "CreationTime",
    "CompilationStartTime",
    "CompilationEndTime",
    "LastModifiedTime",
    "CompilationJobStatus",
)


def _summary(job: Job) -> dict[str, Any]:
    output = job["OutputConfig"]
    fields: dict[str, Any] = {key: job[key] for key in _SUMMARY if key in job}
    if "TargetDevice" in output:
        return {**fields, "CompilationTargetDevice": output["TargetDevice"]}
    platform = output.get("TargetPlatform", {})
    return {**fields, **{f"CompilationTargetPlatform{k}": v for k, v in platform.items()}}
