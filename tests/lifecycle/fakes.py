"""AWS for the engine's tests: in memory, on a virtual clock, with rights, and faults on demand."""

from __future__ import annotations

import copy
import datetime
import functools
import hashlib
import io
import itertools
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.validate import ParamValidator

from neo_constructs.sandbox.sagemaker.errors import ApiError
from neo_constructs.sandbox.sagemaker.requests import validate
from tests.lifecycle.rights import ACCOUNT, REGION, Need, Rights, allowed, needs

Json = dict[str, Any]

# Calls whose lost reply is an error: the rest is made again by boto3, to the same effect.
UNREPEATED = {"StartExecution", "CopyObject", "CompleteMultipartUpload", "AbortMultipartUpload"}
TERMINAL = {"COMPLETED", "FAILED", "STOPPED"}


class Killed(BaseException):
    """The function's process ends, as at a timeout: nothing can catch it."""


class Clock:
    """Virtual time, in seconds since the epoch."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def iso(self) -> str:
        return datetime.datetime.fromtimestamp(self.now, datetime.UTC).isoformat()


def refused(operation: str, code: str, message: str = "refused") -> ClientError:
    """Return what boto3 raises."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class Calls:
    """Every call that is made, what it may do, and the faults it shall meet.

    ``faults`` refuse a call before it has an effect, ``lost`` loses the reply of one that had it,
    ``dies_after`` ends the process before the next call but that many.
    """

    def __init__(self) -> None:
        self.made: list[tuple[str, Json]] = []
        self.faults: dict[str, list[Exception]] = {}
        self.lost: dict[str, int] = {}
        self.dies_after: int | None = None
        self.kills: list[str] = []  # the process ends before these calls, each once
        self.rights: Rights | None = None
        self.serving = ""  # the id of the request that is being served
        self.denied: list[tuple[str, str]] = []
        self.before: Callable[[], None] = lambda: None  # what happens meanwhile
        self.met = 0

    def through(self, operation: str, parameters: Json, effect: Callable[[], Any]) -> Any:
        """Make a call, or what becomes of it."""
        self.before()
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                self.dies_after = None
                self.met += 1
                raise Killed
        if operation in self.kills:
            self.kills.remove(operation)
            raise Killed
        self.made.append((operation, parameters))
        waiting = self.faults.get(operation)
        if waiting:
            self.met += 1
            raise waiting.pop(0)
        self._check(operation, parameters)
        reply = effect()
        if self.lost.get(operation):
            self.lost[operation] -= 1
            self.met += 1
            if operation == "PutResponse":
                raise OSError("the connection broke")
            if operation not in UNREPEATED:
                return effect()  # boto3 makes the call again by itself
            raise ReadTimeoutError(endpoint_url=operation)
        return reply

    def of(self, operation: str) -> list[Json]:
        return [parameters for name, parameters in self.made if name == operation]

    def _check(self, operation: str, parameters: Json) -> None:
        if self.rights is None or operation == "PutResponse":
            return
        for need in needs(operation, parameters):
            if not allowed(self.rights, need):
                self.denied.append((self.serving, f"{need.action} on {need.resource}"))
                code = "403" if operation == "HeadObject" else "AccessDenied"
                text = f"not authorized to perform: {need.action} on resource: {need.resource}"
                raise refused(operation, code, text)


class Client:
    """A fake as boto3 would show it: every request meets the service's own model."""

    def __init__(self, service: str, fake: object, calls: Calls) -> None:
        self._service = service
        self._fake = fake
        self._calls = calls

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:
            operation = "".join(word.capitalize() for word in method.split("_"))
            self._validate(operation, parameters)
            effect = functools.partial(getattr(self._fake, method), **parameters)
            return self._calls.through(operation, parameters, effect)

        return call

    def get_paginator(self, method: str) -> _Pages:
        return _Pages(getattr(self, method))

    def _validate(self, operation: str, parameters: Json) -> None:
        if self._service == "sagemaker":
            try:
                validate(operation, parameters)
            except ApiError as error:
                raise refused(operation, error.code, str(error)) from error
        given = dict(parameters)
        if isinstance(given.get("CopySource"), dict):  # boto3 takes both forms
            given["CopySource"] = "bucket/key"
        shape = _model(self._service).operation_model(operation).input_shape
        report = ParamValidator().validate(given, shape)
        assert not report.has_errors(), report.generate_report()


class _Pages:
    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def paginate(self, **parameters: Any) -> Iterator[Json]:
        yield from self._call(**parameters)


@functools.cache
def _model(service: str) -> Any:
    return botocore.session.Session().get_service_model(service)


class FakeS3:
    """Buckets of objects; every object has one version. An upload appears when it is completed.

    Like S3 for someone who may list a prefix only, it answers 403 where HeadObject finds nothing.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.objects: dict[tuple[str, str], tuple[bytes, float]] = {}
        self.sizes: dict[tuple[str, str], int] = {}
        self.keys: dict[tuple[str, str], str] = {}  # the KMS key that was asked for
        self.undeletable = "(nothing)"
        self.passing = 0  # so many keys are not deleted for a reason that passes
        self.gone: set[str] = set()  # buckets that have been deleted
        self.uploads: dict[str, Json] = {}
        self.before_part: Callable[[], None] = lambda: None  # what happens meanwhile
        self._ids = itertools.count()

    def put(self, uri: str, body: bytes = b"model") -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.objects[bucket, key] = (body, self._clock())

    def under(self, prefix: str) -> list[str]:
        return sorted(key for bucket, key in self.objects if key.startswith(prefix))

    def head_object(self, *, Bucket: str, Key: str, VersionId: str = "") -> Json:
        body, _ = self._get("HeadObject", Bucket, Key)
        size = self.sizes.get((Bucket, Key), len(body))
        return {"ContentLength": size, "ETag": _tag(body), "VersionId": "v1"}

    def get_object(
        self, *, Bucket: str, Key: str, VersionId: str = "", IfMatch: str = "", Range: str = ""
    ) -> Json:
        body, _ = self._get("GetObject", Bucket, Key)
        if IfMatch and IfMatch != _tag(body):
            raise refused("GetObject", "PreconditionFailed")
        return {"Body": io.BytesIO(_ranged(body, Range))}

    def create_multipart_upload(
        self, *, Bucket: str, Key: str, ChecksumAlgorithm: str, **encryption: str
    ) -> Json:
        if Bucket in self.gone:
            raise refused("CreateMultipartUpload", "NoSuchBucket")
        upload_id = f"upload-{next(self._ids)}"
        self.uploads[upload_id] = {"Bucket": Bucket, "Key": Key, "parts": {}, **encryption}
        return {"UploadId": upload_id}

    def upload_part(
        self,
        *,
        Bucket: str,
        Key: str,
        UploadId: str,
        PartNumber: int,
        Body: bytes,
        ChecksumAlgorithm: str,
    ) -> Json:
        self.before_part()
        self._upload("UploadPart", UploadId)["parts"][PartNumber] = Body
        return {"ETag": _tag(Body), "ChecksumCRC32": _checksum(Body)}

    def upload_part_copy(self, **parameters: Any) -> Json:
        self.before_part()
        upload = self._upload("UploadPartCopy", parameters["UploadId"])
        source = parameters["CopySource"]
        body, _ = self._get("UploadPartCopy", source["Bucket"], source["Key"])
        if parameters["CopySourceIfMatch"] != _tag(body):
            raise refused("UploadPartCopy", "PreconditionFailed")
        part = _ranged(body, parameters["CopySourceRange"])
        upload["parts"][parameters["PartNumber"]] = part
        return {"CopyPartResult": {"ETag": _tag(part), "ChecksumCRC32": _checksum(part)}}

    def complete_multipart_upload(
        self, *, Bucket: str, Key: str, UploadId: str, MultipartUpload: Json
    ) -> Json:
        upload = self._upload("CompleteMultipartUpload", UploadId)
        numbers = [part["PartNumber"] for part in MultipartUpload["Parts"]]
        assert numbers == sorted(upload["parts"]) == list(range(1, len(numbers) + 1))
        for part in MultipartUpload["Parts"]:
            body = upload["parts"][part["PartNumber"]]
            assert (part["ETag"], part["ChecksumCRC32"]) == (_tag(body), _checksum(body))
        self.put(f"s3://{Bucket}/{Key}", b"".join(upload["parts"][n] for n in numbers))
        self._note_key(Bucket, Key, upload)
        del self.uploads[UploadId]
        return {}

    def abort_multipart_upload(self, *, Bucket: str, Key: str, UploadId: str) -> Json:
        self._upload("AbortMultipartUpload", UploadId)
        del self.uploads[UploadId]
        return {}

    def list_multipart_uploads(self, *, Bucket: str, Prefix: str) -> list[Json]:
        if Bucket in self.gone:
            raise refused("ListMultipartUploads", "NoSuchBucket")
        return [
            {"Uploads": [{"Key": upload["Key"], "UploadId": upload_id}]}
            for upload_id, upload in self.uploads.items()
            if upload["Bucket"] == Bucket and upload["Key"].startswith(Prefix)
        ]

    def _upload(self, operation: str, upload_id: str) -> Json:
        if upload_id not in self.uploads:
            raise refused(operation, "NoSuchUpload")
        found: Json = self.uploads[upload_id]
        return found

    def copy_object(self, **parameters: Any) -> Json:
        source = parameters["CopySource"]
        body, _ = self._get("CopyObject", source["Bucket"], source["Key"])
        if parameters["CopySourceIfMatch"] != _tag(body):
            raise refused("CopyObject", "PreconditionFailed")
        self.put(f"s3://{parameters['Bucket']}/{parameters['Key']}", body)
        self._note_key(parameters["Bucket"], parameters["Key"], parameters)
        return {}

    def put_object(self, **parameters: Any) -> Json:
        self.put(f"s3://{parameters['Bucket']}/{parameters['Key']}", parameters["Body"])
        self._note_key(parameters["Bucket"], parameters["Key"], parameters)
        return {}

    def _note_key(self, bucket: str, key: str, parameters: Json) -> None:
        if key_id := parameters.get("SSEKMSKeyId"):
            assert parameters["ServerSideEncryption"] == "aws:kms"
            self.keys[bucket, key] = key_id

    def delete_object(self, *, Bucket: str, Key: str, VersionId: str) -> Json:
        assert VersionId == "v1"
        if self.undeletable in Key:
            raise refused("DeleteObject", "AccessDenied", "held back")
        self.objects.pop((Bucket, Key), None)
        return {}

    def delete_objects(self, *, Bucket: str, Delete: Json) -> Json:
        errors = []
        for item in Delete["Objects"]:
            if self.undeletable in item["Key"]:
                errors.append({"Key": item["Key"], "Code": "AccessDenied", "Message": "held back"})
            elif self.passing:
                self.passing -= 1
                errors.append({"Key": item["Key"], "Code": "InternalError", "Message": "again"})
            else:
                self.objects.pop((Bucket, item["Key"]), None)
        return {"Errors": errors} if errors else {}

    def list_objects_v2(self, *, Bucket: str, Prefix: str) -> list[Json]:
        return self._list("Contents", Bucket, Prefix)

    def list_object_versions(self, *, Bucket: str, Prefix: str) -> list[Json]:
        return self._list("Versions", Bucket, Prefix)

    def _list(self, name: str, bucket: str, prefix: str) -> list[Json]:
        if bucket in self.gone:
            raise refused(name, "NoSuchBucket")
        return [
            {name: [{"Key": key, "VersionId": "v1", "LastModified": modified}]}
            for (b, key), (_, modified) in sorted(self.objects.items())
            if b == bucket and key.startswith(prefix)
        ]

    def _get(self, operation: str, bucket: str, key: str) -> tuple[bytes, float]:
        if (bucket, key) not in self.objects:
            raise refused(operation, "403" if operation == "HeadObject" else "NoSuchKey")
        return self.objects[bucket, key]


def _ranged(body: bytes, wanted: str) -> bytes:
    """Return the bytes of a range such as ``bytes=0-99``; all of them without one."""
    if not wanted:
        return body
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    assert 0 <= int(first) <= int(last) < len(body)
    return body[int(first) : int(last) + 1]


def _checksum(body: bytes) -> str:
    return f"{zlib.crc32(body):08x}"


def _tag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


class Past:
    """What an eventually consistent reader sees: a table as it was some seconds ago."""

    def __init__(self, clock: Clock, table: dict[str, Json]) -> None:
        self._clock = clock
        self._table = table
        self._versions: list[tuple[float, dict[str, Json]]] = [(clock(), {})]

    def note(self) -> None:
        """Keep the table as it is now; called after every change."""
        self._versions.append((self._clock(), copy.deepcopy(self._table)))

    def seen(self, lag: float) -> dict[str, Json]:
        """Return the table as it was ``lag`` seconds ago."""
        if not lag:
            return self._table
        until = self._clock() - lag
        return next(table for when, table in reversed(self._versions) if when <= until)


class FakeSageMaker:
    """Compilation jobs that move on with the clock."""

    def __init__(self, clock: Clock, s3: FakeS3) -> None:
        self._clock = clock
        self._s3 = s3
        self.jobs: dict[str, Json] = {}
        self.describe_lag = self.list_lag = 0.0  # how many seconds reads are behind
        self.past = Past(clock, self.jobs)
        self.seconds = 300.0
        self.outcome: str = "COMPLETED"
        self.reason = ""
        self.young_roles = 0  # so many jobs fail because IAM does not know their role yet
        self.leaves_artifact = True
        self.ignores_stops = False
        self.missing = ("ResourceNotFound", "there is none")  # how it says so: two ways are known
        self.rights: Rights | None = None  # the compile role's
        self.created: list[str] = []
        self.needless: list[str] = []
        self.recommender = FakeRecommender(clock, self)
        self.packages: list[Json] = []  # of the registry, the oldest first
        self.image = "785573368785.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-neo-onnx:1.5.0-cpu-py3"

    def __getattr__(self, name: str) -> Any:
        """Return what the recommender answers to."""
        if "inference_recommendations_job" not in name:
            raise AttributeError(name)
        return getattr(self.recommender, name)

    def list_model_packages(self, **parameters: str) -> list[Json]:
        assert (parameters["SortBy"], parameters["SortOrder"]) == ("CreationTime", "Descending")
        status = parameters["ModelApprovalStatus"]
        found = [each for each in reversed(self.packages) if each["ModelApprovalStatus"] == status]
        return [{"ModelPackageSummaryList": []}, {"ModelPackageSummaryList": found}]

    def create_compilation_job(self, **parameters: Any) -> Json:
        name = parameters["CompilationJobName"]
        if name in self.jobs:
            raise refused("CreateCompilationJob", "ResourceInUse")
        self.jobs[name] = {
            **parameters,
            "status": "STARTING",
            "since": self._clock(),
            "created": self._clock(),
            "tags": {tag["Key"]: tag["Value"] for tag in parameters.get("Tags", [])},
            "reason": "",
        }
        self.note_created(name)
        self.past.note()
        return {}

    def note_created(self, name: str) -> None:
        """Take note of a job, and whether there was a result of the same inputs."""
        self.created.append(name)
        # The name without its last part is the same for the same inputs.
        resource, rest = name[:-20], name[-19:-8]
        if self._s3.under(f"{resource}/results/{rest}"):
            self.needless.append(name)

    def describe_compilation_job(self, *, CompilationJobName: str) -> Json:
        job = self._job("DescribeCompilationJob", CompilationJobName, self.describe_lag)
        done = job["status"] == "COMPLETED"
        uri = f"{job['OutputConfig']['S3OutputLocation']}model-ml_c5.tar.gz" if done else ""
        return {
            "CompilationJobName": CompilationJobName,
            "CompilationJobArn": job_arn(CompilationJobName),
            "CompilationJobStatus": job["status"],
            "CreationTime": datetime.datetime.fromtimestamp(job["created"], datetime.UTC),
            "FailureReason": job["reason"] or self.reason if job["status"] == "FAILED" else "",
            "InputConfig": job["InputConfig"],
            "OutputConfig": job["OutputConfig"],
            "RoleArn": job["RoleArn"],
            "ModelArtifacts": {"S3ModelArtifacts": uri},
            **({"InferenceImage": self.image} if self.image else {}),
            **({"ModelDigests": {"ArtifactDigest": "d" * 64}} if done else {}),
        }

    def stop_compilation_job(self, *, CompilationJobName: str) -> Json:
        job = self._job("StopCompilationJob", CompilationJobName)
        if self.ignores_stops:
            return {}
        if job["status"] not in {"STARTING", "INPROGRESS"}:
            raise refused("StopCompilationJob", "ValidationException", "not running")
        job.update(status="STOPPING", since=self._clock())
        self.past.note()
        return {}

    def delete_compilation_job(self, *, CompilationJobName: str) -> Json:
        job = self._job("DeleteCompilationJob", CompilationJobName)
        if job["status"] not in TERMINAL:
            raise refused("DeleteCompilationJob", "ValidationException", "still running")
        del self.jobs[CompilationJobName]
        self.past.note()
        return {}

    def list_compilation_jobs(self, *, NameContains: str) -> list[Json]:
        return [
            {
                "CompilationJobSummaries": [
                    {
                        "CompilationJobName": name,
                        "CompilationJobStatus": self._job("List", name, self.list_lag)["status"],
                    }
                ]
            }
            for name in sorted(self.past.seen(self.list_lag))
            if NameContains in name
        ]

    def list_tags(self, *, ResourceArn: str) -> list[Json]:
        tags = self._tagged("ListTags", ResourceArn)["tags"]
        return [{"Tags": [{"Key": key, "Value": value}]} for key, value in tags.items()]

    def add_tags(self, *, ResourceArn: str, Tags: list[Json]) -> Json:
        job = self._tagged("AddTags", ResourceArn)
        job["tags"].update({tag["Key"]: tag["Value"] for tag in Tags})
        return {}

    def delete_tags(self, *, ResourceArn: str, TagKeys: list[str]) -> Json:
        job = self._tagged("DeleteTags", ResourceArn)
        for key in TagKeys:
            job["tags"].pop(key, None)
        return {}

    def running(self) -> list[str]:
        """Return the jobs that have not ended."""
        compiling = [n for n, j in self.jobs.items() if j["status"] not in TERMINAL]
        # The record of one that is being stopped is not looked at again, as it is not deleted.
        ended = {*TERMINAL, "STOPPING"}
        return compiling + [n for n, j in self.recommender.jobs.items() if j["status"] not in ended]

    def _tagged(self, operation: str, arn: str) -> Json:
        name = arn.rsplit("/", 1)[-1]
        is_measured = ":inference-recommendations-job/" in arn
        return self.recommender.jobs[name] if is_measured else self._job(operation, name)

    def _job(self, operation: str, name: str, lag: float = 0) -> Json:
        if lag:
            for each in self.jobs:
                self._job(operation, each)
            seen = self.past.seen(lag)
            if name not in seen:
                raise refused(operation, *self.missing)
            return seen[name]
        if name not in self.jobs:
            raise refused(operation, *self.missing)
        job = self.jobs[name]
        was = job["status"]
        self._move_on(job)
        if job["status"] != was:
            self.past.note()
        return job

    def _move_on(self, job: Json) -> None:
        age = self._clock() - job["since"]
        if job["status"] == "STOPPING" and age > 20:
            job["status"] = "STOPPED"
        if job["status"] in {"STARTING", "INPROGRESS"} and age > 5:
            self._go_on(job, age)

    def _go_on(self, job: Json, age: float) -> None:
        if self.young_roles:
            self.young_roles -= 1
            reason = "ClientError: Access Denied when calling sts:AssumeRole on the role"
            job.update(status="FAILED", reason=reason)
            return
        job["status"] = "INPROGRESS" if age < self.seconds else self.outcome
        if job["status"] == "COMPLETED" and self.leaves_artifact:
            artifact = f"{job['OutputConfig']['S3OutputLocation']}model-ml_c5.tar.gz"
            self._check("s3:GetObject", job["InputConfig"]["S3Uri"])
            self._check("s3:PutObject", artifact)
            bucket, _, key = job["InputConfig"]["S3Uri"].removeprefix("s3://").partition("/")
            body, _ = self._s3.objects.get((bucket, key), (b"(the input is gone)", 0))
            self._s3.put(artifact, body)

    def _check(self, action: str, uri: str) -> None:
        need = Need(action, f"arn:aws:s3:::{uri.removeprefix('s3://')}")
        assert self.rights is None or allowed(self.rights, need), f"the compile role lacks {need}"


class FakeRecommender:
    """Inference recommendations jobs: they take their time and their end from SageMaker's.

    None is ever deleted, and none has an artifact.
    """

    def __init__(self, clock: Clock, sagemaker: FakeSageMaker) -> None:
        self._clock = clock
        self._sagemaker = sagemaker
        self.jobs: dict[str, Json] = {}
        self.past = Past(clock, self.jobs)
        self.recommended = [
            _recommendation("ml.c5.xlarge", hour=0.2, inference=2e-6, latency=20, most=1_000),
            _recommendation("ml.c5.large", hour=0.1, inference=3e-6, latency=40, most=500),
        ]

    def create_inference_recommendations_job(self, **parameters: Any) -> Json:
        name = parameters["JobName"]
        if name in self.jobs:
            raise refused("CreateInferenceRecommendationsJob", "ResourceInUse")
        now = self._clock()
        tags = {tag["Key"]: tag["Value"] for tag in parameters.get("Tags", [])}
        self.jobs[name] = {
            **parameters,
            "status": "PENDING",
            "since": now,
            "created": now,
            "tags": tags,
            "reason": "",
        }
        self._sagemaker.note_created(name)
        self.past.note()
        return {"JobArn": recommendations_job_arn(name)}

    def describe_inference_recommendations_job(self, *, JobName: str) -> Json:
        job = self._job("Describe", JobName, self._sagemaker.describe_lag)
        created = datetime.datetime.fromtimestamp(job["created"], datetime.UTC)
        is_done = job["status"] == "COMPLETED"
        reason = job["reason"] or self._sagemaker.reason
        return {
            "JobName": JobName,
            "JobArn": recommendations_job_arn(JobName),
            "JobType": job["JobType"],
            "RoleArn": job["RoleArn"],
            "Status": job["status"],
            "CreationTime": created,
            "LastModifiedTime": created,
            "InputConfig": job["InputConfig"],
            **({"FailureReason": reason} if job["status"] == "FAILED" else {}),
            **({"InferenceRecommendations": self.recommended} if is_done else {}),
        }

    def stop_inference_recommendations_job(self, *, JobName: str) -> Json:
        job = self._job("Stop", JobName)
        if self._sagemaker.ignores_stops:
            return {}
        if job["status"] not in {"PENDING", "IN_PROGRESS"}:
            raise refused("StopInferenceRecommendationsJob", "ValidationException", "has ended")
        job.update(status="STOPPING", since=self._clock())
        self.past.note()
        return {}

    def list_inference_recommendations_jobs(self, *, NameContains: str) -> list[Json]:
        lag = self._sagemaker.list_lag
        return [
            {
                "InferenceRecommendationsJobs": [
                    {"JobName": name, "Status": self._job("List", name, lag)["status"]}
                ]
            }
            for name in sorted(self.past.seen(lag))
            if NameContains in name
        ]

    def _job(self, operation: str, name: str, lag: float = 0) -> Json:
        for job in self.jobs.values():
            self._move_on(job)
        found = self.past.seen(lag)
        if name not in found:
            raise refused(f"{operation}InferenceRecommendationsJob", *self._sagemaker.missing)
        return found[name]

    def _move_on(self, job: Json) -> None:
        was, age, neo = job["status"], self._clock() - job["since"], self._sagemaker
        if was == "STOPPING" and age > 20:
            job["status"] = "STOPPED"
        if was in {"PENDING", "IN_PROGRESS"} and age > 5:
            job["status"] = "IN_PROGRESS" if age < neo.seconds else neo.outcome
            if neo.young_roles:
                neo.young_roles -= 1
                job.update(status="FAILED", reason="ClientError: Access Denied: sts:AssumeRole")
        if job["status"] != was:
            self.past.note()


def _recommendation(
    instance_type: str, *, hour: float, inference: float, latency: int, most: int
) -> Json:
    return {
        "RecommendationId": f"job/{instance_type}",
        "InvocationStartTime": _moment(1_800_000_300),
        "Metrics": {
            "CostPerHour": hour,
            "CostPerInference": inference,
            "MaxInvocations": most,
            "ModelLatency": latency,
            "CpuUtilization": float("nan"),
        },
        "EndpointConfiguration": {
            "EndpointName": "sm-epc-1",
            "VariantName": "sm-epc-1",
            "InstanceType": instance_type,
            "InitialInstanceCount": 1,
        },
        "ModelConfiguration": {
            "EnvironmentParameters": [
                {"Key": "OMP_NUM_THREADS", "ValueType": "String", "Value": "2"}
            ]
        },
    }


def recommendations_job_arn(name: str) -> str:
    """Return the ARN of an inference recommendations job."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:inference-recommendations-job/{name}"


def job_arn(name: str) -> str:
    """Return the ARN of a compilation job."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:compilation-job/{name}"


class FakeStates:
    """Step Functions: takes note of executions, which ``World`` runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.waiting: list[str] = []
        self.all: dict[str, Json] = {}
        self.lag = 0.0  # how many seconds the list is behind
        self._past = Past(clock, self.all)
        self.is_blind = False  # for a step that has looked already

    def list_executions(self, *, stateMachineArn: str) -> list[Json]:
        if self.is_blind:
            return []
        seen = self._past.seen(self.lag)
        newest_first = sorted(seen.items(), key=lambda item: item[1]["began"], reverse=True)
        return [
            {
                "executions": [
                    {
                        "name": name,
                        "executionArn": execution_arn(name),
                        "status": execution["status"],
                        "startDate": _moment(execution["began"]),
                        **({"stopDate": _moment(execution["ended"])} if execution["ended"] else {}),
                    }
                ]
            }
            for name, execution in newest_first
        ]

    def describe_execution(self, *, executionArn: str) -> Json:
        execution = self._of(executionArn)
        cause = {"cause": execution["cause"]} if "cause" in execution else {}
        return {
            "status": execution["status"],
            "input": json.dumps(execution["input"]),
            **cause,
        }

    def stop_execution(self, *, executionArn: str, cause: str) -> Json:
        execution = self._of(executionArn)
        if execution["status"] != "RUNNING":
            raise refused("StopExecution", "ValidationException", "Execution is not running")
        execution.update(status="ABORTED", ended=self._clock(), cause=cause)
        self._past.note()
        return {}

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> Json:
        assert len(name) <= 80
        assert len(input.encode()) <= 256 * 1024
        if name in self.all:
            raise refused("StartExecution", "ExecutionAlreadyExists")
        self.waiting.append(name)
        self.all[name] = {
            "status": "RUNNING",
            "began": self._clock(),
            "ended": None,
            "input": json.loads(input),
        }
        self._past.note()
        return {}

    def end(self, name: str, status: str) -> None:
        """Take note of how an execution has ended."""
        self.all[name].update(status=status, ended=self._clock())
        self._past.note()

    def _of(self, arn: str) -> Json:
        execution: Json = self.all[arn.rsplit(":", 1)[-1]]
        return execution


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def execution_arn(name: str) -> str:
    """Return the ARN of an execution of the engine's machine."""
    return f"arn:aws:states:{REGION}:{ACCOUNT}:execution:engine:{name}"
