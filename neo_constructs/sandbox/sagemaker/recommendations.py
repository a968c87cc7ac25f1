"""Inference recommendations jobs: the model is served once, and really asked with the payload.

One endpoint on this machine stands for all candidates. What is recommended for each is worked out
from its latency and the candidate's size: the shapes are the service's, the numbers are emulated.
"""

from __future__ import annotations

import gzip
import io
import itertools
import tarfile
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Final, TypeAlias

from botocore.exceptions import ClientError

from neo_constructs.archives.tar_member import members_in, open_tar
from neo_constructs.catalog.instance_types import is_accelerated
from neo_constructs.catalog.target import INSTANCE_TYPE
from neo_constructs.sandbox.behaviour import Behaviour
from neo_constructs.sandbox.sagemaker import requests
from neo_constructs.sandbox.sagemaker.errors import ApiError, refused
from neo_constructs.sandbox.sagemaker.jobs import in_thread, is_listed
from neo_constructs.sandbox.sagemaker.platform import AssumedRole, Platform, split_uri
from neo_constructs.sandbox.sagemaker.registry import Registry
from neo_constructs.sandbox.sagemaker.telemetry import write_log

Parameters: TypeAlias = Mapping[str, Any]
Job: TypeAlias = dict[str, Any]

LOGS: Final = "/aws/sagemaker/InferenceRecommendationsJobs"
_RUNNING: Final = frozenset({"PENDING", "IN_PROGRESS"})
_TICK_SECONDS: Final = 0.05
_ENDPOINT_SECONDS: Final = 120
_ASKED: Final = 5  # so many of the payloads
_MAX_SECONDS: Final = 18_000  # API reference, JobDurationInSeconds
_USUAL: Final = ("ml.c5.large", "ml.c5.xlarge", "ml.m5.large")
_HOUR_OF_A_PROCESSOR: Final = 0.05  # US dollars, made up
_HOUR_OF_AN_ACCELERATOR: Final = 0.5


class RecommendationsJobs:
    """The operations on inference recommendations jobs.

    Parameters
    ----------
    store
        Job name to job, for the account and region of the current request.
    platform
        The AWS around it.
    behaviour
        Returns how long a job takes and why it fails, asked when one begins.
    registry
        Where the versions are that it measures.
    start
        Runs a job's work. Default: in a thread.
    """

    def __init__(
        self,
        store: MutableMapping[str, Job],
        platform: Platform,
        behaviour: Callable[[], Behaviour],
        registry: Registry,
        *,
        start: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._jobs = store
        self._platform = platform
        self._behaviour = behaviour
        self._registry = registry
        self._start = start or in_thread
        self._lock = threading.RLock()

    def create(self, parameters: Parameters) -> dict[str, Any]:
        """CreateInferenceRecommendationsJob."""
        name, given = parameters["JobName"], parameters["InputConfig"]
        if name in self._jobs:
            raise ApiError("ResourceInUse", f"Job with name {name} already exists.")
        _check(parameters)
        package = self._registry.get(given["ModelPackageVersionArn"])
        arn = self._platform.arn("inference-recommendations-job", name)
        role = self._platform.assume(parameters["RoleArn"], arn)
        now = time.time()
        job: Job = {
            **parameters,
            "JobArn": arn,
            "Status": "PENDING",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        self._jobs[name] = job
        candidates = _candidates(given, package)
        self._start(lambda: self._work(job, role, candidates))
        return {"JobArn": arn}

    def describe(self, parameters: Parameters) -> dict[str, Any]:
        """DescribeInferenceRecommendationsJob."""
        hidden = {"Tags", "OutputConfig"}
        return {k: v for k, v in self._job(parameters).items() if k not in hidden}

    def stop(self, parameters: Parameters) -> dict[str, Any]:
        """StopInferenceRecommendationsJob."""
        with self._lock:
            job = self._job(parameters)
            if job["Status"] not in _RUNNING:
                raise refused(f"The job {job['JobName']} is in status {job['Status']}.")
            self._change(job, "STOPPING")
        return {}

    def list(self, parameters: Parameters) -> dict[str, Any]:
        """ListInferenceRecommendationsJobs, with its filters and pages; the oldest first."""
        found = [
            job
            for job in self._jobs.values()
            if is_listed(job, parameters, name="JobName", status="Status")
        ]
        key = {"Name": "JobName", "Status": "Status"}.get(parameters.get("SortBy", ""))
        found.sort(
            key=lambda job: job[key or "CreationTime"],
            reverse=parameters.get("SortOrder") == "Descending",
        )
        shown, following = requests.page(found, parameters)
        return {"InferenceRecommendationsJobs": [_summary(job) for job in shown], **following}

    def _job(self, parameters: Parameters) -> Job:
        name = parameters["JobName"]
        if name not in self._jobs:
            raise ApiError("ResourceNotFound", f"Could not find job with name: {name}")
        return self._jobs[name]

    def _change(self, job: Job, status: str, **fields: object) -> None:
        with self._lock:
            job.update(Status=status, LastModifiedTime=time.time(), **fields)

    def _work(self, job: Job, role: AssumedRole, candidates: Sequence[Job]) -> None:
        """Measure, all of it with the job's own role."""
        with self._lock:
            if job["Status"] == "PENDING":
                self._change(job, "IN_PROGRESS")
        try:
            write_log(role, LOGS, job["JobName"], "the sandbox measures on this machine")
            fields = self._measure(job, role, candidates)
        except _StoppedError:
            fields = {"status": "STOPPED"}
        except _JobFailedError as failure:
            fields = {"status": "FAILED", "FailureReason": str(failure)[:1024]}
        except Exception as error:  # a job must end, whatever happens to it
            reason = f"ClientError: {error}" if isinstance(error, ClientError) else f"{error!r}"
            fields = {"status": "FAILED", "FailureReason": reason[:1024]}
        self._change(job, **fields, CompletionTime=time.time())

    def _measure(self, job: Job, role: AssumedRole, candidates: Sequence[Job]) -> dict[str, Any]:
        told = self._behaviour()
        arn = job["InputConfig"]["ModelPackageVersionArn"]
        package = role("sagemaker").describe_model_package(ModelPackageName=arn)
        content_type, payloads = _payloads(job, package, role)
        with _Endpoint(role, job, package, candidates[0]) as endpoint:
            endpoint.wait(lambda: self._go_on(job))
            milliseconds = endpoint.ask(payloads, content_type)
        until = time.monotonic() + told.recommendation_seconds
        while time.monotonic() < until:
            self._go_on(job)
            time.sleep(_TICK_SECONDS)
        self._go_on(job)
        if told.recommendation_fails:
            raise _JobFailedError(told.recommendation_fails)
        recommended = [
            _recommendation(job, each, milliseconds, endpoint.name) for each in candidates
        ]
        recommended.sort(key=lambda each: float(each["Metrics"]["CostPerInference"]))
        return {"status": "COMPLETED", "InferenceRecommendations": recommended[:10]}

    def _go_on(self, job: Job) -> None:
        if job["Status"] == "STOPPING":
            raise _StoppedError


class _Endpoint:
    """An endpoint as Inference Recommender makes one, and removes it again."""

    def __init__(
        self, role: AssumedRole, job: Job, package: Parameters, candidate: Parameters
    ) -> None:
        self.name = f"sm-epc-{uuid.uuid4()}"
        self._sagemaker = role("sagemaker")
        self._runtime = role("sagemaker-runtime")
        self._job, self._package, self._candidate = job, package, candidate
        self._made: list[Callable[[], Any]] = []

    def __enter__(self) -> _Endpoint:
        name, sagemaker = self.name, self._sagemaker
        given = self._job["InputConfig"]
        known = ("Image", "ModelDataUrl", "Environment", "ContainerHostname")
        containers = [
            {key: each[key] for key in known if key in each}
            for each in self._package["InferenceSpecification"]["Containers"]
        ]
        variant = {
            "VariantName": name,
            "ModelName": name,
            **(
                {"ServerlessConfig": self._candidate["ServerlessConfig"]}
                if "ServerlessConfig" in self._candidate
                else {"InstanceType": self._candidate["InstanceType"], "InitialInstanceCount": 1}
            ),
        }
        try:
            sagemaker.create_model(
                ModelName=name,
                ExecutionRoleArn=self._job["RoleArn"],
                Containers=containers,
                **({"VpcConfig": given["VpcConfig"]} if "VpcConfig" in given else {}),
            )
            self._made.append(lambda: sagemaker.delete_model(ModelName=name))
            sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
            self._made.append(lambda: sagemaker.delete_endpoint_config(EndpointConfigName=name))
            sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
            self._made.append(self._delete)
        except ClientError as error:
            self.__exit__()
            raise _JobFailedError(f"ClientError: {error}") from error
        return self

    def __exit__(self, *_: object) -> None:
        for remove in reversed(self._made):
            remove()

    def _delete(self) -> None:
        """Delete the endpoint, which cannot be done while it is being created."""
        while self._status() == "Creating":
            time.sleep(_TICK_SECONDS)
        self._sagemaker.delete_endpoint(EndpointName=self.name)

    def _status(self) -> str:
        found = self._sagemaker.describe_endpoint(EndpointName=self.name)
        return str(found["EndpointStatus"])

    def wait(self, go_on: Callable[[], None]) -> None:
        """Wait until it is in service."""
        until = time.monotonic() + _ENDPOINT_SECONDS
        while time.monotonic() < until:
            go_on()
            status = self._status()
            if status == "InService":
                return
            if status == "Failed":
                found = self._sagemaker.describe_endpoint(EndpointName=self.name)
                raise _JobFailedError(
                    f"The endpoint did not pass the ping health check: {found['FailureReason']}"
                )
            time.sleep(_TICK_SECONDS)
        raise _JobFailedError("The endpoint did not come into service.")

    def ask(self, payloads: Sequence[tuple[str, bytes]], content_type: str) -> float:
        """Send the payloads, and return how many milliseconds an answer takes at the least."""
        times = []
        for name, body in itertools.islice(itertools.cycle(payloads), max(_ASKED, 1)):
            began = time.perf_counter()
            try:
                self._runtime.invoke_endpoint(
                    EndpointName=self.name, Body=body, ContentType=content_type
                )["Body"].read()
            except ClientError as error:
                raise _JobFailedError(
                    f"ClientError: The model could not answer the payload {name}: {error}"
                ) from error
            times.append(time.perf_counter() - began)
        return 1_000 * min(times)


class _JobFailedError(Exception):
    """The job ends as FAILED; the text is its FailureReason."""


class _StoppedError(Exception):
    """Someone has stopped the job."""


def _check(parameters: Parameters) -> None:
    """Refuse what the guide says a job must not be; botocore's model knows nothing of it."""
    given = parameters["InputConfig"]
    if "ModelPackageVersionArn" not in given:
        raise refused("The sandbox measures model packages only: give ModelPackageVersionArn.")
    if given.get("JobDurationInSeconds", 1) > _MAX_SECONDS:
        raise refused(f"JobDurationInSeconds must be at most {_MAX_SECONDS}.")
    needed = {
        "EndpointConfigurations": given,
        "TrafficPattern": given,
        "StoppingConditions": parameters,
    }
    missing = [name for name, place in needed.items() if name not in place]
    if parameters["JobType"] == "Advanced" and missing:
        raise refused(f"A job of type Advanced needs {', '.join(missing)}.")


def _candidates(given: Parameters, package: Parameters) -> list[Job]:
    """Return the endpoint configurations that are measured, each with one environment."""
    if asked := given.get("EndpointConfigurations"):
        found = [
            {**each, "Environment": environment}
            for each in asked
            for environment in _environments(each)
        ]
        return found[: given.get("ResourceLimit", {}).get("MaxNumberOfTests", len(found))]
    named = given.get("ContainerConfig", {}).get("SupportedInstanceTypes")
    of_package = package["InferenceSpecification"].get("SupportedRealtimeInferenceInstanceTypes")
    return [{"InstanceType": each, "Environment": {}} for each in named or of_package or _USUAL]


def _environments(configuration: Parameters) -> Iterator[dict[str, str]]:
    ranges = configuration.get("EnvironmentParameterRanges", {}).get(
        "CategoricalParameterRanges", []
    )
    names = [each["Name"] for each in ranges]
    for values in itertools.product(*(each["Value"] for each in ranges)):
        yield dict(zip(names, values, strict=True))


def _payloads(
    job: Job, package: Parameters, role: AssumedRole
) -> tuple[str, list[tuple[str, bytes]]]:
    """Return content type and requests, as the job says, else as the version says."""
    own = job["InputConfig"].get("ContainerConfig", {}).get("PayloadConfig", {})
    url = own.get("SamplePayloadUrl") or package.get("SamplePayloadUrl")
    types = own.get("SupportedContentTypes") or package["InferenceSpecification"].get(
        "SupportedContentTypes"
    )
    if not url:
        raise _JobFailedError("ClientError: The sample payload URL is missing.")
    if not url.endswith(".tar.gz"):
        raise _JobFailedError(f"ClientError: The payload {url} is no .tar.gz archive.")
    bucket, key = split_uri(url)
    try:
        role("s3").list_objects_v2(Bucket=bucket, Prefix=key)
        data = role("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as plain, open_tar(plain) as archive:
            found = [
                (member.name, stream.read())
                for member in members_in(archive)
                if (stream := archive.extractfile(member) if member.isfile() else None)
            ]
    except (ClientError, tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise _JobFailedError(f"ClientError: The payload {url} cannot be read: {error}") from error
    if not found:
        raise _JobFailedError(f"ClientError: The payload {url} has no file.")
    return (types or ["application/octet-stream"])[0], found


def _recommendation(job: Job, candidate: Parameters, milliseconds: float, name: str) -> Job:
    """Return what is recommended for a candidate, by how long an answer takes here."""
    kind = candidate.get("InstanceType", "")
    processors = _processors(kind)
    latency = max(1, round(milliseconds * (1 + 1 / processors)))
    # More processors bear more, but not as many times more.
    invocations = max(1, round(60_000 / milliseconds * processors**0.8))
    rate = _HOUR_OF_AN_ACCELERATOR if is_accelerated(kind) else _HOUR_OF_A_PROCESSOR
    cost = rate * processors
    parameters = [
        {"Key": key, "ValueType": "String", "Value": value}
        for key, value in candidate["Environment"].items()
    ]
    serverless = candidate.get("ServerlessConfig")
    return {
        "RecommendationId": f"{job['JobName']}/{uuid.uuid4().hex[:8]}",
        "InvocationStartTime": job["CreationTime"],
        "InvocationEndTime": time.time(),
        "Metrics": {
            "CostPerHour": cost,
            "CostPerInference": cost / (60 * invocations),
            "MaxInvocations": invocations,
            "ModelLatency": latency,
        },
        "EndpointConfiguration": {
            "EndpointName": name,
            "VariantName": name,
            **(
                {"ServerlessConfig": serverless}
                if serverless
                else {"InstanceType": kind, "InitialInstanceCount": 1}
            ),
        },
        "ModelConfiguration": {"EnvironmentParameters": parameters} if parameters else {},
    }


def _processors(instance_type: str) -> int:
    """Return how many processors a size stands for: ``large`` two, ``2xlarge`` eight."""
    size = instance_type.rsplit(".", 1)[-1] if INSTANCE_TYPE.fullmatch(instance_type) else ""
    count, is_extra, _ = size.partition("xlarge")
    if is_extra:
        return 4 * int(count or 1)
    return {"large": 2}.get(size, 1)


_SUMMARY: Final = (
    "JobName",
    "JobType",
    "JobArn",
    "Status",
    "CreationTime",
    "CompletionTime",
    "RoleArn",
    "LastModifiedTime",
    "FailureReason",
)


def _summary(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = {key: job[key] for key in _SUMMARY if key in job}
    arn = job["InputConfig"]["ModelPackageVersionArn"]
    description = job.get("JobDescription", "")
    return {**found, "JobDescription": description, "ModelPackageVersionArn": arn}
