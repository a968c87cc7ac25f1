"""AWS for the engine's tests: in memory, on a virtual clock, with faults on demand."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable, Generator, Iterator
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
STRAGGLER_SECONDS = 140  # within the function's timeout


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
        self.created: list[str] = []
        self.needless: list[str] = []
        self.image = "785573368785.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-neo-onnx:1.5.0-cpu-py3"

    def create_compilation_job(self, **parameters: Any) -> Json:
        self._meet("CreateCompilationJob", parameters)
        name = parameters["CompilationJobName"]
        if name in self.jobs:
            raise refused("CreateCompilationJob", "ResourceInUse")
        self.jobs[name] = {**parameters, "status": "STARTING", "since": self._clock()}
        self.created.append(name)
        # The name without its last part is the same for the same compile inputs.
        if any(key.endswith("/result.json") for key in self._s3.under(name[:-8])):
            self.needless.append(name)
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

    def get_paginator(self, operation: str) -> FakeSageMaker:
        assert operation == "list_compilation_jobs"
        return self

    def paginate(self, **parameters: Any) -> Iterator[Json]:
        self._meet("ListCompilationJobs", parameters)
        for name in sorted(self.jobs):
            if parameters["NameContains"] in name:
                status = self._job("ListCompilationJobs", {"CompilationJobName": name})["status"]
                job = {"CompilationJobName": name, "CompilationJobStatus": status}
                yield {"CompilationJobSummaries": [job]}

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
    """Step Functions: takes note of executions, which ``World`` runs."""

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock
        self.names: set[str] = set()
        self.waiting: list[Json] = []
        self.all: dict[str, Json] = {}

    def get_paginator(self, operation: str) -> FakeStates:
        assert operation == "list_executions"
        return self

    def paginate(self, *, stateMachineArn: str) -> Iterator[Json]:
        self._calls.meet("ListExecutions", {"arn": stateMachineArn})
        for name, execution in sorted(
            self.all.items(), key=lambda item: item[1]["began"], reverse=True
        ):
            began = datetime.datetime.fromtimestamp(execution["began"], datetime.UTC)
            yield {
                "executions": [
                    {
                        "name": name,
                        "executionArn": f"arn:{name}",
                        "status": execution["status"],
                        "startDate": began,
                    }
                ]
            }

    def describe_execution(self, *, executionArn: str) -> Json:
        self._calls.meet("DescribeExecution", {"arn": executionArn})
        return {"input": json.dumps(self.all[executionArn.removeprefix("arn:")]["input"])}

    def stop_execution(self, *, executionArn: str, cause: str) -> Json:
        self._calls.meet("StopExecution", {"arn": executionArn, "cause": cause})
        self.all[executionArn.removeprefix("arn:")]["status"] = "ABORTED"
        return {}

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> Json:
        self._calls.meet("StartExecution", {"arn": stateMachineArn, "name": name})
        assert len(name) <= 80
        if name in self.names:
            raise refused("StartExecution", "ExecutionAlreadyExists")
        self.names.add(name)
        self.waiting.append(json.loads(input))
        self.all[name] = {
            "status": "RUNNING",
            "began": self._clock(),
            "input": json.loads(input),
        }
        return {}


@dataclass
class Running:
    """An execution under way."""

    wake: float
    began: str
    state: Json
    work: Iterator[float] = field(default_factory=lambda: iter(()))


@dataclass
class World:
    """The engine, and all it talks to."""

    clock: Clock = field(default_factory=Clock)
    calls: Calls = field(default_factory=Calls)
    answers: list[Json] = field(default_factory=list)
    running: dict[str, Running] = field(default_factory=dict)
    stragglers: list[Running] = field(default_factory=list)
    has_stragglers: bool = False

    def __post_init__(self) -> None:
        self.s3 = FakeS3(self.calls, self.clock)
        self.sagemaker = FakeSageMaker(self.calls, self.clock, self.s3)
        self.states = FakeStates(self.calls, self.clock)
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
        """Deliver an event, run its execution to the end, and return the answer.

        Other executions that are under way run on meanwhile.
        """
        request = Request.parse(event)
        before = len(self.answers)
        self.deliver(event)
        while request.execution_name in self.running and not (until and until()):
            self.tick()
        mine = [a for a in self.answers[before:] if a["RequestId"] == request.request_id]
        return mine[0] if mine else {}

    def deliver(self, event: Json) -> None:
        """Deliver an event: the function starts an execution, or answers that it cannot."""
        self.engine.open(event)
        for input_ in self.states.waiting:
            name = Request.parse(input_["Event"]).execution_name
            running = Running(self.clock(), self.clock.iso(), input_)
            running.work = self._machine(running)
            self.running[name] = running
        self.states.waiting.clear()

    def tick(self) -> bool:
        """Go on to whatever comes next; False if nothing is under way."""
        for name in [n for n in self.running if self.states.all[n]["status"] != "RUNNING"]:
            aborted = self.running.pop(name)
            if self.has_stragglers:
                # Stopping an execution does not end a step that is running: it may still act.
                aborted.wake = self.clock() + STRAGGLER_SECONDS
                self.stragglers.append(aborted)
        first = min((r.wake for r in self.running.values()), default=float("inf"))
        if self.stragglers and self.stragglers[0].wake <= first:
            late = self.stragglers.pop(0)
            self.clock.now = max(self.clock.now, late.wake)
            self.engine.step(late.state, late.began)
            return True
        if not self.running:
            return False
        name, running = min(self.running.items(), key=lambda item: item[1].wake)
        self.clock.now = max(self.clock.now, running.wake)
        seconds = next(running.work, None)
        if seconds is None:
            self.states.all[name]["status"] = "SUCCEEDED"
            del self.running[name]
        else:
            running.wake = self.clock() + seconds
        return True

    def _machine(self, running: Running) -> Iterator[float]:
        """Run the state machine's definition, and yield how long it waits each time."""
        machine = definition("function")
        begin, name = self.clock(), machine["StartAt"]
        while name != "Done":
            assert self.clock() - begin < machine["TimeoutSeconds"], "the machine timed out"
            here = machine["States"][name]
            if here["Type"] == "Wait":
                seconds = running.state["WaitSeconds"]
                assert type(seconds) is int
                assert seconds >= 1
                yield seconds
            elif here["Type"] == "Choice":
                name = "Done" if running.state["Done"] is True else here["Default"]
                continue
            else:
                failure = yield from self._task(here, name, running)
                if failure is not None:
                    cause = json.dumps({"errorMessage": str(failure)})
                    error = {"Error": type(failure).__name__, "Cause": cause}
                    running.state = {**running.state, "Error": error}
                    name = here["Catch"][0]["Next"]
                    continue
                yield 0.2  # a transition takes its time, also after the answer
            name = here["Next"]

    def _task(self, here: Json, name: str, running: Running) -> Generator[float, None, Any]:
        """Run a task with its retries; only the rule that matches everything can be met here."""
        (rule,) = [r for r in here["Retry"] if r["ErrorEquals"] == ["States.ALL"]]
        last = None
        for attempt in range(rule["MaxAttempts"] + 1):
            try:
                if name == "Abort":
                    self.engine.abort(running.state)
                else:
                    made = self.engine.step(running.state, running.began)
                    running.state = json.loads(json.dumps(made))
            except Exception as error:
                last = error
            else:
                return None
            yield rule["IntervalSeconds"] * rule["BackoffRate"] ** attempt
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
