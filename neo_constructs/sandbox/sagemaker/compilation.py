"""Compilation jobs on a clock. Nothing is compiled: the artifact is the input with a note in it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.images import image_uri
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.errors import ValidationError
from neo_constructs.sandbox.sagemaker.faults import ApiError
from neo_constructs.sandbox.sagemaker.platform import Platform, split_uri

Parameters: TypeAlias = Mapping[str, Any]
Job: TypeAlias = dict[str, Any]

NOTE_NAME: Final = "neo-sandbox.json"
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
    seconds
        How long a job takes.
    start
        Runs a job's work. Default: in a thread.
    """

    def __init__(
        self,
        store: MutableMapping[str, Job],
        platform: Platform,
        *,
        seconds: float,
        start: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._jobs = store
        self._platform = platform
        self._seconds = seconds
        self._start = start or _in_thread
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
        s3 = self._platform.s3_as(parameters["RoleArn"], arn)
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
        self._start(lambda: self._work(job, s3))
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
        """ListCompilationJobs, with its name filter, status filter and pages; newest first."""
        found = sorted(self._jobs.values(), key=lambda job: job["CreationTime"], reverse=True)
        if "NameContains" in parameters:
            found = [j for j in found if parameters["NameContains"] in j["CompilationJobName"]]
        if "StatusEquals" in parameters:
            found = [j for j in found if j["CompilationJobStatus"] == parameters["StatusEquals"]]
        first = int(parameters.get("NextToken", "0"))
        last = first + parameters.get("MaxResults", 10)
        keys = ("CompilationJobName", "CompilationJobArn", "CreationTime", "CompilationJobStatus")
        page = {
            "CompilationJobSummaries": [{key: j[key] for key in keys} for j in found[first:last]]
        }
        return {**page, **({"NextToken": str(last)} if last < len(found) else {})}

    def _job(self, parameters: Parameters) -> Job:
        name = parameters["CompilationJobName"]
        if name not in self._jobs:
            message = f"Could not find requested compilation job with name: {name}"
            raise ApiError("ResourceNotFound", message)
        return self._jobs[name]

    def _change(self, job: Job, status: str, **fields: object) -> None:
        with self._lock:
            job.update(CompilationJobStatus=status, LastModifiedTime=time.time(), **fields)

    def _work(self, job: Job, s3: Any) -> None:
        """Do a job: read the model and write the artifact, with the job's own role."""
        self._change(job, "INPROGRESS", CompilationStartTime=time.time())
        try:
            data = self._read(job, s3)
            until = time.monotonic() + self._seconds
            while time.monotonic() < until:
                if job["CompilationJobStatus"] == "STOPPING":
                    self._change(job, "STOPPED", CompilationEndTime=time.time())
                    return
                time.sleep(_TICK_SECONDS)
            artifact = self._write(job, s3, data)
        except _JobFailed as failure:
            self._change(job, "FAILED", FailureReason=str(failure), CompilationEndTime=time.time())
        except Exception as error:  # a job must end, whatever happens to it
            reason = f"InternalServerError: {error}"[:1024]
            self._change(job, "FAILED", FailureReason=reason, CompilationEndTime=time.time())
        else:
            self._change(
                job,
                "COMPLETED",
                ModelArtifacts={"S3ModelArtifacts": artifact},
                ModelDigests={"ArtifactDigest": hashlib.blake2b(data, digest_size=32).hexdigest()},
                CompilationEndTime=time.time(),
            )

    def _read(self, job: Job, s3: Any) -> bytes:
        uri = job["InputConfig"]["S3Uri"]
        head = "ClientError: InputConfiguration:"
        if not uri.endswith(SUFFIX):
            raise _JobFailed(f"{head} {uri} must end in {SUFFIX}.")
        bucket, key = split_uri(uri)
        try:
            data: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except Exception as error:
            raise _JobFailed(f"{head} Unable to read {uri}: {error}") from error
        try:
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
                names = [member.name for member in tar if member.isfile()]
        except (tarfile.TarError, EOFError, OSError) as error:
            raise _JobFailed(
                f"{head} Unable to untar input model. Please confirm the model is a tar.gz file."
            ) from error
        framework = job["InputConfig"]["Framework"]
        suffixes = _MODEL_SUFFIXES.get(framework, ("",))
        models = [name for name in names if name.endswith(suffixes)]
        if not models:
            raise _JobFailed(f"{head} No {' or '.join(suffixes)} file found for {framework} model.")
        return data

    def _write(self, job: Job, s3: Any, data: bytes) -> str:
        base = split_uri(job["InputConfig"]["S3Uri"])[1].rsplit("/", 1)[-1].removesuffix(SUFFIX)
        target = _target(job)
        folder = job["OutputConfig"]["S3OutputLocation"].rstrip("/")
        uri = f"{folder}/{base}-{target}{SUFFIX}"
        bucket, key = split_uri(uri)
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=_with_note(data, target))
        except Exception as error:
            reason = f"ClientError: OutputConfiguration: Unable to write {uri}: {error}"
            raise _JobFailed(reason) from error
        return uri

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


class _JobFailed(Exception):
    """The job ends as FAILED; the text is its FailureReason."""


def _target(job: Job) -> str:
    output = job["OutputConfig"]
    platform = output.get("TargetPlatform", {})
    return str(output.get("TargetDevice") or f"{platform['Os']}_{platform['Arch']}")


def _with_note(data: bytes, target: str) -> bytes:
    """Return the archive with a note that says what it is."""
    note = json.dumps({"emulated": True, "target": target, "note": "nothing was compiled"})
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as source,
        tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as made,
    ):
        for member in source:
            made.addfile(member, source.extractfile(member) if member.isfile() else None)
        info = tarfile.TarInfo(NOTE_NAME)
        info.size = len(note)
        made.addfile(info, io.BytesIO(note.encode()))
    return out.getvalue()


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()
