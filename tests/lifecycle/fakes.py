"""AWS for the engine's tests: in memory, on a virtual clock, with faults on demand."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from neo_jobs.cloudformation import Request
from neo_jobs.handler import COPYING, Engine

from neo_constructs.engine.job_engine import definition
from neo_constructs.sandbox.sagemaker.faults import ApiError
from neo_constructs.sandbox.sagemaker.requests import validate

Json = dict[str, Any]

STACK_ID = (
    "arn:aws:cloudformation:eu-west-1:123456789012:stack/S/0a1b2c3d-1111-2222-3333-445566778899"
)
PREFIX = "neo-0a1b2c3d445566778899"
BUCKET = "artifacts"
SOURCE = "s3://staging/0123.gz"


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
    """Every call that is made, and the faults it shall meet."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Json]] = []
        self.faults: dict[str, list[ClientError]] = {}

    def meet(self, operation: str, parameters: Json) -> None:
        self.made.append((operation, parameters))
        waiting = self.faults.get(operation)
        if waiting:
            raise waiting.pop(0)

    def of(self, operation: str) -> list[Json]:
        return [parameters for name, parameters in self.made if name == operation]


class FakeS3:
    """Buckets of objects; every object has one version.

    Like S3 for someone who may list a prefix only, it answers 403 where HeadObject finds nothing.
    """

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock
        self.objects: dict[tuple[str, str], tuple[bytes, float]] = {}
        self.sizes: dict[tuple[str, str], int] = {}
        self.undeletable = "(nothing)"

    def put(self, uri: str, body: bytes = b"model") -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.objects[bucket, key] = (body, self._clock())

    def under(self, prefix: str) -> list[str]:
        return sorted(key for bucket, key in self.objects if key.startswith(prefix))

    def head_object(self, *, Bucket: str, Key: str, VersionId: str = "") -> Json:
        self._calls.meet("HeadObject", {"Bucket": Bucket, "Key": Key, "VersionId": VersionId})
        body, _ = self._get("HeadObject", Bucket, Key)
        size = self.sizes.get((Bucket, Key), len(body))
        return {"ContentLength": size, "ETag": '"e"', "VersionId": "v1"}

    def get_object(self, *, Bucket: str, Key: str) -> Json:
        self._calls.meet("GetObject", {"Bucket": Bucket, "Key": Key})
        return {"Body": io.BytesIO(self._get("GetObject", Bucket, Key)[0])}

    def copy_object(self, **parameters: Any) -> Json:
        self._calls.meet("CopyObject", parameters)
        source = parameters["CopySource"]
        body, _ = self._get("CopyObject", source["Bucket"], source["Key"])
        self.put(f"s3://{parameters['Bucket']}/{parameters['Key']}", body)
        return {}

    def put_object(self, **parameters: Any) -> Json:
        self._calls.meet("PutObject", parameters)
        self.put(f"s3://{parameters['Bucket']}/{parameters['Key']}", parameters["Body"])
        return {}

    def delete_object(self, *, Bucket: str, Key: str, VersionId: str) -> Json:
        self._calls.meet("DeleteObject", {"Bucket": Bucket, "Key": Key, "VersionId": VersionId})
        self.objects.pop((Bucket, Key), None)
        return {}

    def delete_objects(self, *, Bucket: str, Delete: Json) -> Json:
        self._calls.meet("DeleteObjects", {"Bucket": Bucket, "Delete": Delete})
        for item in Delete["Objects"]:
            if self.undeletable in item["Key"]:
                return {"Errors": [{"Key": item["Key"], "Message": "held back"}]}
            self.objects.pop((Bucket, item["Key"]), None)
        return {}

    def get_paginator(self, operation: str) -> _Pages:
        return _Pages(self, self._calls, operation)

    def _get(self, operation: str, bucket: str, key: str) -> tuple[bytes, float]:
        if (bucket, key) not in self.objects:
            raise refused(operation, "403" if operation == "HeadObject" else "NoSuchKey")
        return self.objects[bucket, key]


@dataclass
class _Pages:
    s3: FakeS3
    calls: Calls
    operation: str

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[Json]:
        self.calls.meet(self.operation, {"Bucket": Bucket, "Prefix": Prefix})
        for (bucket, key), (_, modified) in sorted(self.s3.objects.items()):
            if bucket == Bucket and key.startswith(Prefix):
                item = {"Key": key, "VersionId": "1", "LastModified": modified}
                name = "Versions" if self.operation == "list_object_versions" else "Contents"
                yield {name: [item]}


class FakeSageMaker:
    """Compilation jobs that move on with the clock; every request meets the botocore model."""

    def __init__(self, calls: Calls, clock: Clock, s3: FakeS3) -> None:
        self._calls = calls
        self._clock = clock
        self._s3 = s3
        self.jobs: dict[str, Json] = {}
        self.seconds = 300.0
        self.outcome: str = "COMPLETED"
        self.reason = ""
        self.leaves_artifact = True
        self.ignores_stops = False
        self.image = "785573368785.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-neo-onnx:1.5.0-cpu-py3"

    def create_compilation_job(self, **parameters: Any) -> Json:
        self._meet("CreateCompilationJob", parameters)
        name = parameters["CompilationJobName"]
        if name in self.jobs:
            raise refused("CreateCompilationJob", "ResourceInUse")
        self.jobs[name] = {**parameters, "status": "STARTING", "since": self._clock()}
        return {}

    def describe_compilation_job(self, **parameters: Any) -> Json:
        self._meet("DescribeCompilationJob", parameters)
        job = self._job("DescribeCompilationJob", parameters)
        name, status = parameters["CompilationJobName"], job["status"]
        done = status == "COMPLETED"
        uri = f"{job['OutputConfig']['S3OutputLocation']}model-ml_c5.tar.gz" if done else ""
        return {
            "CompilationJobName": name,
            "CompilationJobArn": f"arn:aws:sagemaker:eu-west-1:123456789012:compilation-job/{name}",
            "CompilationJobStatus": status,
            "FailureReason": self.reason if status == "FAILED" else "",
            "ModelArtifacts": {"S3ModelArtifacts": uri},
            **({"InferenceImage": self.image} if self.image else {}),
            **({"ModelDigests": {"ArtifactDigest": "d" * 64}} if done else {}),
        }

    def stop_compilation_job(self, **parameters: Any) -> Json:
        self._meet("StopCompilationJob", parameters)
        job = self._job("StopCompilationJob", parameters)
        if self.ignores_stops:
            return {}
        if job["status"] not in {"STARTING", "INPROGRESS"}:
            raise refused("StopCompilationJob", "ValidationException", "not running")
        job.update(status="STOPPING", since=self._clock())
        return {}

    def delete_compilation_job(self, **parameters: Any) -> Json:
        self._meet("DeleteCompilationJob", parameters)
        job = self._job("DeleteCompilationJob", parameters)
        if job["status"] not in {"COMPLETED", "FAILED", "STOPPED"}:
            raise refused("DeleteCompilationJob", "ValidationException", "still running")
        del self.jobs[parameters["CompilationJobName"]]
        return {}

    def running(self) -> list[str]:
        """Return the jobs that have not ended."""
        return [n for n, j in self.jobs.items() if j["status"] not in _TERMINAL]

    def _meet(self, operation: str, parameters: Json) -> None:
        try:
            validate(operation, parameters)
        except ApiError as error:
            raise refused(operation, error.code, str(error)) from error
        self._calls.meet(operation, parameters)

    def _job(self, operation: str, parameters: Json) -> Json:
        name = parameters["CompilationJobName"]
        if name not in self.jobs:
            raise refused(operation, "ResourceNotFound")
        job = self.jobs[name]
        age = self._clock() - job["since"]
        if job["status"] == "STOPPING" and age > 20:
            job["status"] = "STOPPED"
        if job["status"] in {"STARTING", "INPROGRESS"} and age > 5:
            job["status"] = "INPROGRESS" if age < self.seconds else self.outcome
            if job["status"] == "COMPLETED" and self.leaves_artifact:
                self._s3.put(f"{job['OutputConfig']['S3OutputLocation']}model-ml_c5.tar.gz")
        return job


_TERMINAL = {"COMPLETED", "FAILED", "STOPPED"}


class FakeStates:
    """Step Functions, which only takes note."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.names: set[str] = set()
        self.waiting: list[Json] = []

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> Json:
        self._calls.meet("StartExecution", {"arn": stateMachineArn, "name": name})
        assert len(name) <= 80
        if name in self.names:
            raise refused("StartExecution", "ExecutionAlreadyExists")
        self.names.add(name)
        self.waiting.append(json.loads(input))
        return {}


@dataclass
class World:
    """The engine, and all it talks to."""

    clock: Clock = field(default_factory=Clock)
    calls: Calls = field(default_factory=Calls)
    answers: list[Json] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.s3 = FakeS3(self.calls, self.clock)
        self.sagemaker = FakeSageMaker(self.calls, self.clock, self.s3)
        self.states = FakeStates(self.calls)
        self.s3.put(SOURCE)
        clients = {
            "s3": self.s3,
            COPYING: self.s3,
            "sagemaker": self.sagemaker,
            "stepfunctions": self.states,
        }
        self.engine = Engine(
            client=clients.__getitem__,
            now=self.clock,
            sleep=self.clock.sleep,
            respond=self._respond,
        )

    def _respond(self, request: Request, body: bytes) -> None:
        assert len(body) <= 4096
        answer = json.loads(body)
        assert answer["RequestId"] == request.request_id
        self.answers.append(answer)

    def serve(self, event: Json, *, until: Callable[[], bool] | None = None) -> Json:
        """Deliver an event, run its execution to the end, and return the answer."""
        before = len(self.answers)
        self.engine.open(event)
        while self.states.waiting:
            self._execute(self.states.waiting.pop(0), until)
        if len(self.answers) == before:
            return {}
        return self.answers[before]

    def _execute(self, state: Json, until: Callable[[], bool] | None) -> None:
        """Run the state machine's definition on virtual time."""
        machine = definition("function")
        started, begin = self.clock.iso(), self.clock()
        name = machine["StartAt"]
        while name != "Done" and not (until and until()):
            assert self.clock() - begin < machine["TimeoutSeconds"], "the machine timed out"
            here = machine["States"][name]
            if here["Type"] == "Wait":
                seconds = state["WaitSeconds"]
                assert type(seconds) is int
                assert seconds >= 1
                self.clock.sleep(seconds)
            elif here["Type"] == "Choice":
                name = "Done" if state["Done"] is True else here["Default"]
                continue
            else:
                door = self.engine.abort if name == "Abort" else self._step(started)
                failure = self._task(here, door, state)
                if isinstance(failure, Exception):
                    cause = json.dumps({"errorMessage": str(failure)})
                    state = {**state, "Error": {"Error": type(failure).__name__, "Cause": cause}}
                    name = here["Catch"][0]["Next"]
                    continue
                state = failure
            name = here["Next"]

    def _step(self, started: str) -> Callable[[Json], Json]:
        return lambda state: dict(json.loads(json.dumps(self.engine.step(state, started))))

    def _task(self, here: Json, door: Callable[[Json], Json], state: Json) -> Json | Exception:
        """Run a task with its retries; only the rule that matches everything can be met here."""
        (rule,) = [r for r in here["Retry"] if r["ErrorEquals"] == ["States.ALL"]]
        for attempt in range(rule["MaxAttempts"] + 1):
            try:
                return door(state)
            except Exception as error:
                last = error
            self.clock.sleep(rule["IntervalSeconds"] * rule["BackoffRate"] ** attempt)
        return last


_requests = iter(range(10**9))


def event(kind: str = "Create", *, physical_id: str | None = None, **changes: Any) -> Json:
    """Return an event for a compilation job, with scalars as texts, as CloudFormation sends it."""
    properties = {
        "ServiceToken": "arn:aws:lambda:eu-west-1:123456789012:function:engine",
        "ServiceTimeout": "3600",
        "StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:engine",
        "PropertiesVersion": "1",
        "InputConfig": {
            "S3Uri": SOURCE,
            "DataInputConfig": '{"pixels":[1,1,8,8]}',
            "Framework": "ONNX",
        },
        "InputFingerprint": "f" * 64,
        "OutputConfig": {"S3OutputLocation": f"s3://{BUCKET}/", "TargetDevice": "ml_c5"},
        "RoleArn": "arn:aws:iam::123456789012:role/compile",
        "StoppingCondition": {"MaxRuntimeInSeconds": "900"},
        "ExpectedInferenceImage": "expected/image:1",
        "ArtifactRemovalPolicy": "RETAIN",
    }
    properties.update(changes)
    return request_event(kind, "Custom::NeoCompilationJob", "Job", properties, physical_id)


def archive_event(
    kind: str = "Create",
    *,
    physical_id: str | None = None,
    fingerprint: str = "a" * 64,
    **more: Any,
) -> Json:
    """Return an event for a serving archive."""
    properties = {
        "StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:engine",
        "ModelDataUrl": f"s3://{BUCKET}/job/model-ml_c5.tar.gz",
        "Script": {"S3Uri": SOURCE, "Fingerprint": fingerprint},
        "OutputLocation": f"s3://{BUCKET}/",
        "ArtifactRemovalPolicy": "RETAIN",
        **more,
    }
    return request_event(kind, "Custom::NeoServingArchive", "Archive", properties, physical_id)


def request_event(
    kind: str, resource_type: str, logical_id: str, properties: Json, physical_id: str | None
) -> Json:
    """Return an event with a request id of its own."""
    number = next(_requests)
    return {
        "RequestType": kind,
        "RequestId": f"00000000-0000-0000-0000-{number:012d}",
        "ResponseURL": "https://cloudformation-custom-resource-response.s3.amazonaws.com/x?sig=y",
        "StackId": STACK_ID,
        "ResourceType": resource_type,
        "LogicalResourceId": logical_id,
        "ResourceProperties": properties,
        **({"PhysicalResourceId": physical_id} if physical_id else {}),
    }
