"""The emulated SageMaker against what the service is known to answer: one test for each point.

The expectations are those of botocore's model, of the API reference, and of error texts that are
quoted in public issues.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from neo_constructs.sandbox.behaviour import Behaviour
from neo_constructs.sandbox.sagemaker.compilation import _with_note
from neo_constructs.sandbox.sagemaker.errors import ApiError
from neo_constructs.sandbox.sagemaker.platform import AssumedRole, split_uri
from neo_constructs.sandbox.sagemaker.resources import RESOURCE_TYPES, ResourceType
from neo_constructs.sandbox.sagemaker.service import SageMaker
from neo_constructs.sandbox.sagemaker.shares import Shares
from tests.lifecycle.events import archive

Json = dict[str, Any]
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service"
IMAGE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/sagemaker-inference-pytorch:2.0-cpu-py3"
ENDPOINT_TYPE = next(
    t for t in RESOURCE_TYPES if isinstance(t, ResourceType) and t.noun == "Endpoint"
)


class Bucket:
    """An S3, Logs and CloudWatch client in one: as much as the layer calls."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.logged: list[tuple[str, str, str]] = []
        self.exceptions = self
        self.ResourceAlreadyExistsException = KeyError

    def get_object(self, *, Bucket: str, Key: str) -> Json:
        return {"Body": io.BytesIO(self.objects[f"{Bucket}/{Key}"])}

    def download_fileobj(self, bucket: str, key: str, out: Any) -> None:
        out.write(self.objects[f"{bucket}/{key}"])

    def put_log_events(self, *, logGroupName: str, logStreamName: str, logEvents: Any) -> None:
        assert logEvents, "the service refuses none"
        self.logged += [(logGroupName, logStreamName, each["message"]) for each in logEvents]

    def describe_log_streams(self, **_: Any) -> Json:
        return {"logStreams": []}

    def __getattr__(self, _name: str) -> Callable[..., Json]:
        return lambda **_: {"UploadId": "u", "ETag": "e"}


class Place:
    """The AWS around the layer."""

    def __init__(self) -> None:
        self.bucket = Bucket()
        self.region_name = "us-east-1"
        self.missing_roles: set[str] = set()

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region_name}:{ACCOUNT}:{kind}/{name.lower()}"

    def region(self) -> str:
        return self.region_name

    def assume(self, role_arn: str, source_arn: str) -> AssumedRole:
        assert source_arn
        if role_arn in self.missing_roles:
            raise ApiError("ValidationException", f"Could not assume role {role_arn}.")
        return AssumedRole(lambda _service: self.bucket, {})


def packed(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", fileobj=out) as plain,
        tarfile.open(fileobj=plain, mode="w") as tar,
    ):
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


GOOD = (
    "def model_fn(d):\n    return 1\n\n"
    "def transform_fn(m, b, c, a):\n    return b, 'application/json'\n"
)


@pytest.fixture
def place() -> Place:
    found = Place()
    found.bucket.objects["b/good.tar.gz"] = packed({"code/inference.py": GOOD})
    found.bucket.objects["b/bad.tar.gz"] = packed({"code/inference.py": "raise ValueError('x')\n"})
    found.bucket.objects["b/dies.tar.gz"] = packed(
        {"code/inference.py": GOOD.replace("return b, ", "import os; os._exit(3)\n    return b, ")}
    )
    return found


QUICK = Behaviour(compile_seconds=0.1, endpoint_seconds=0)


@pytest.fixture
def service(place: Place) -> Iterator[SageMaker]:
    made = SageMaker(make_store=dict, platform=place, behaviour=lambda: QUICK)
    yield made
    made.hosting.stop()


def model(name: str = "m", url: str = "s3://b/good.tar.gz", **changes: Any) -> Json:
    container = {"Image": IMAGE, "ModelDataUrl": url}
    return {
        "ModelName": name,
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": container,
        **changes,
    }


def variant(name: str = "v", of: str = "m", **changes: Any) -> Json:
    return {
        "VariantName": name,
        "ModelName": of,
        "InstanceType": "ml.c5.large",
        "InitialInstanceCount": 1,
        **changes,
    }


def endpoint(service: SageMaker, name: str = "e", url: str = "s3://b/good.tar.gz") -> Json:
    """Make an endpoint of a model of its own, and return what is described when it rests."""
    service.call("CreateModel", model(name, url))
    service.call(
        "CreateEndpointConfig",
        {"EndpointConfigName": name, "ProductionVariants": [variant(of=name)]},
    )
    service.call("CreateEndpoint", {"EndpointName": name, "EndpointConfigName": name})
    return at_rest(service, name)


def at_rest(service: SageMaker, name: str) -> Json:
    for _ in range(400):
        found = service.call("DescribeEndpoint", {"EndpointName": name})
        if found["EndpointStatus"] not in {"Creating", "Updating"}:
            return found
        time.sleep(0.05)
    raise AssertionError("it does not come to rest")


def fails(service: SageMaker, operation: str, parameters: Json) -> str:
    with pytest.raises(ApiError) as caught:
        service.call(operation, parameters)
    assert caught.value.code.startswith(("Validation", "Serialization", "ResourceNotFound"))
    return str(caught.value)


# --- endpoints --------------------------------------------------------------------------------


def test_a_failed_endpoint_is_deleted_and_not_updated(service: SageMaker) -> None:
    found = endpoint(service, url="s3://b/bad.tar.gz")
    assert found["EndpointStatus"] == "Failed"
    assert "ping health check" in found["FailureReason"]
    assert "delete it" in fails(
        service, "UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "e"}
    )
    service.call("DeleteEndpoint", {"EndpointName": "e"})
    service.call("CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "e"})
    at_rest(service, "e")


@pytest.mark.parametrize("operation", ["DeleteEndpoint", "UpdateEndpoint"])
def test_an_endpoint_that_changes_is_left_alone(service: SageMaker, operation: str) -> None:
    endpoint(service)
    service.call("UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "e"})
    parameters = {"EndpointName": "e"}
    if operation == "UpdateEndpoint":
        parameters["EndpointConfigName"] = "e"
    assert fails(service, operation, parameters).startswith("Cannot update in-progress endpoint")
    at_rest(service, "e")


@pytest.mark.parametrize("missing", ["configuration", "model", "role"])
def test_nothing_is_half_made(service: SageMaker, place: Place, missing: str) -> None:
    service.call("CreateModel", model())
    if missing != "configuration":
        config = {"EndpointConfigName": "e", "ProductionVariants": [variant()]}
        service.call("CreateEndpointConfig", config)
    if missing == "model":
        service.call("DeleteModel", {"ModelName": "m"})
    if missing == "role":
        place.missing_roles.add(ROLE)
    create = {"EndpointName": "e", "EndpointConfigName": "e"}
    said = fails(service, "CreateEndpoint", create)
    assert {"configuration": "endpoint configuration", "model": "model", "role": "role"}[
        missing
    ] in said
    fails(service, "DescribeEndpoint", {"EndpointName": "e"})


def test_cloudformation_leaves_no_endpoint_that_it_knows_no_id_of(service: SageMaker) -> None:
    service.call("CreateModel", model(url="s3://b/bad.tar.gz"))
    config = {"EndpointConfigName": "e", "ProductionVariants": [variant()]}
    service.call("CreateEndpointConfig", config)
    handlers = ENDPOINT_TYPE.handlers(service.call, lambda *_: "made", service.find_by_arn)
    for _ in range(2):  # the second deploy after a script that raises
        with pytest.raises(ValueError, match="ping health check"):
            handlers["create"]("Endpoint", {"EndpointConfigName": "e", "EndpointName": "x"}, "s")
    fails(service, "DescribeEndpoint", {"EndpointName": "x"})


def test_endpoints_of_two_regions_are_two(service: SageMaker, place: Place) -> None:
    arn = endpoint(service)["EndpointArn"]
    assert list(service.hosting._serving) == [arn]
    place.region_name = "eu-west-1"
    assert place.arn("endpoint", "e") != arn


def test_an_endpoint_says_what_it_runs(service: SageMaker) -> None:
    found = endpoint(service)
    assert found["ProductionVariants"] == [
        {
            "VariantName": "v",
            "CurrentWeight": 1.0,
            "DesiredWeight": 1.0,
            "CurrentInstanceCount": 1,
            "DesiredInstanceCount": 1,
        }
    ]


def test_a_container_that_dies_is_started_again(service: SageMaker) -> None:
    endpoint(service, url="s3://b/dies.tar.gz")
    for _ in range(2):
        _, reply = service.hosting.invoke("e", b"1", headers={"Content-Type": "text/plain"})
        assert reply.status == 500
        (serving,) = service.hosting._serving.values()
        ((member,),) = serving.fleet._members.values()
        assert not isinstance(member.container, str)
        assert member.container.is_alive


def test_requests_that_no_endpoint_answers(service: SageMaker) -> None:
    endpoint(service)

    def invoke(name: str, body: bytes = b"1", **more: str) -> str:
        with pytest.raises(ApiError) as caught:
            service.hosting.invoke(name, body, headers={}, **more)
        return str(caught.value)

    assert invoke("nope") == f"Endpoint nope of account {ACCOUNT} not found."
    assert "Variant 'Nope' was not found" in invoke("e", variant="Nope")
    assert "has exceeded 6291456" in invoke("e", b"1" * (6 * 1024**2 + 1))
    variant_, reply = service.hosting.invoke(
        "E", b'{"a": 1}', headers={"Content-Type": "application/json"}, variant="v"
    )
    assert (variant_, reply.status, reply.content_type) == ("v", 200, "application/json")


# --- configurations and models ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ProductionVariants": [variant(), variant()]}, "unique"),
        ({"ShadowProductionVariants": [variant("w"), variant("x")]}, "beside one production"),
        ({"ShadowProductionVariants": [variant()]}, "must be unique"),
        (
            {
                "ProductionVariants": [
                    variant(),
                    {
                        "VariantName": "w",
                        "ModelName": "m",
                        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
                    },
                ]
            },
            "must be the only one",
        ),
        (
            {
                "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/out"}},
                "ShadowProductionVariants": [variant("w")],
            },
            "An asynchronous endpoint has no shadow variants",
        ),
        (
            {
                "ProductionVariants": [
                    variant(ServerlessConfig={"MemorySizeInMB": 2048, "MaxConcurrency": 1})
                ]
            },
            "takes no InstanceType",
        ),
        (
            {
                "ProductionVariants": [
                    {
                        "VariantName": "v",
                        "ModelName": "m",
                        "ServerlessConfig": {"MemorySizeInMB": 1500, "MaxConcurrency": 1},
                    }
                ]
            },
            "must be one of 1024",
        ),
        ({"ProductionVariants": [variant(InstanceType="ml.nope")]}, "productionVariants.1.member"),
    ],
)
def test_configurations_that_are_refused(service: SageMaker, changes: Json, says: str) -> None:
    service.call("CreateModel", model())
    parameters = {"EndpointConfigName": "c", "ProductionVariants": [variant()], **changes}
    assert says in fails(service, "CreateEndpointConfig", parameters)


NAMED = """def model_fn(folder):
    return "{name}"

def transform_fn(model, body, content_type, accept):
    return model, accept
"""


def test_variants_answer_by_their_weights_and_by_name(service: SageMaker, place: Place) -> None:
    for name in "ab":
        script = NAMED.format(name=name)
        place.bucket.objects[f"b/{name}.tar.gz"] = packed({"code/inference.py": script})
        service.call("CreateModel", model(name, f"s3://b/{name}.tar.gz"))
    made = [variant("a", "a", InitialVariantWeight=3), variant("b", "b", InitialVariantWeight=1)]
    service.call("CreateEndpointConfig", {"EndpointConfigName": "e", "ProductionVariants": made})
    service.call("CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "e"})
    assert at_rest(service, "e")["EndpointStatus"] == "InService"

    def asked(wanted: str = "") -> tuple[str, str]:
        sent = {"Content-Type": "application/json", "Accept": "text/plain"}
        who, reply = service.hosting.invoke("e", b"1", headers=sent, variant=wanted)
        return who, reply.body.decode()

    answers = [asked() for _ in range(8)]
    assert answers.count(("a", "a")) == 6
    assert answers.count(("b", "b")) == 2
    assert asked("b") == ("b", "b")
    with pytest.raises(ApiError, match="was not found"):
        asked("c")


def test_a_weight_of_zero_gets_nothing_unless_all_have_it() -> None:
    shares = Shares({"a": 1, "b": 0})
    assert {shares.next() for _ in range(10)} == {"a"}
    all_zero = Shares({"a": 0, "b": 0})
    assert {all_zero.next() for _ in range(10)} == {"a", "b"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"Containers": [{"Image": IMAGE}]}, "Exactly one of PrimaryContainer"),
        ({"PrimaryContainer": {"ModelPackageName": "p"}}, 'Could not find model-package "p"'),
        ({"ExecutionRoleArn": "no ARN, but long enough"}, "executionRoleArn"),
    ],
)
def test_models_that_are_refused(service: SageMaker, changes: Json, says: str) -> None:
    assert says in fails(service, "CreateModel", model(**changes))


def test_a_model_of_neither_kind_is_refused(service: SageMaker) -> None:
    parameters = model()
    del parameters["PrimaryContainer"]
    assert "Exactly one" in fails(service, "CreateModel", parameters)


def test_a_model_of_an_image_alone_is_served(service: SageMaker) -> None:
    service.call("CreateModel", model(PrimaryContainer={"Image": IMAGE}))
    config = {"EndpointConfigName": "c", "ProductionVariants": [variant()]}
    service.call("CreateEndpointConfig", config)
    service.call("CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c"})
    assert at_rest(service, "e")["EndpointStatus"] == "InService"


@pytest.mark.parametrize(
    "url",
    [
        "s3://b/good.tar.gz",
        "https://s3.us-east-1.amazonaws.com/b/good.tar.gz",
        "https://s3-us-west-2.amazonaws.com/b/good.tar.gz",
        "https://b.s3.us-east-1.amazonaws.com/good.tar.gz",
    ],
)
def test_an_artifact_is_named_in_any_form_that_the_api_takes(url: str) -> None:
    assert split_uri(url) == ("b", "good.tar.gz")


def test_names_that_differ_in_case_only_are_one(service: SageMaker) -> None:
    service.call("CreateModel", model("M1"))
    assert "already existing model" in fails(service, "CreateModel", model("m1"))
    assert service.call("DescribeModel", {"ModelName": "m1"})["ModelName"] == "M1"


# --- jobs, lists and tags -----------------------------------------------------------------------


def job(name: str, **changes: Any) -> Json:
    return {
        "CompilationJobName": name,
        "RoleArn": ROLE,
        "InputConfig": {
            "S3Uri": "s3://b/good.tar.gz",
            "Framework": "XGBOOST",
        },
        "OutputConfig": {"S3OutputLocation": "s3://b/out/", "TargetDevice": "ml_c5"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
        **changes,
    }


def test_a_list_is_ordered_filtered_and_paged(service: SageMaker) -> None:
    for name in ("b", "a", "c"):
        service.call("CreateCompilationJob", job(name))
        time.sleep(0.01)

    def names(**parameters: Any) -> list[str]:
        listed = service.call("ListCompilationJobs", parameters)["CompilationJobSummaries"]
        return [each["CompilationJobName"] for each in listed]

    assert names() == ["b", "a", "c"], "the oldest first, as the API reference says"
    assert names(SortOrder="Descending") == ["c", "a", "b"]
    assert names(SortBy="Name") == ["a", "b", "c"]
    assert names(NameContains="a") == ["a"]
    middle = service.call("DescribeCompilationJob", {"CompilationJobName": "a"})["CreationTime"]
    assert names(CreationTimeAfter=middle) == ["c"]
    assert names(CreationTimeBefore=middle) == ["b"]
    first = service.call("ListCompilationJobs", {"MaxResults": 2})
    rest = service.call("ListCompilationJobs", {"NextToken": first["NextToken"]})
    assert [j["CompilationJobName"] for j in rest["CompilationJobSummaries"]] == ["c"]
    (summary,) = rest["CompilationJobSummaries"]
    assert summary.keys() >= {"CompilationJobArn", "LastModifiedTime", "CompilationTargetDevice"}
    assert fails(service, "ListCompilationJobs", {"NextToken": "odd"}) == "Invalid NextToken."


def test_a_job_that_takes_longer_than_it_may_fails(place: Place) -> None:
    slow = SageMaker(
        make_store=dict, platform=place, behaviour=lambda: replace(QUICK, compile_seconds=5)
    )
    slow.call("CreateCompilationJob", job("j", StoppingCondition={"MaxRuntimeInSeconds": 1}))
    for _ in range(100):
        found = slow.call("DescribeCompilationJob", {"CompilationJobName": "j"})
        if found["CompilationJobStatus"] == "FAILED":
            break
        time.sleep(0.05)
    assert found["FailureReason"].startswith("Timeout")


def test_a_job_and_an_endpoint_fail_as_they_are_told_to(place: Place) -> None:
    told = replace(QUICK, compile_fails="OperatorNotImplemented", endpoint_fails="no memory")
    failing = SageMaker(make_store=dict, platform=place, behaviour=lambda: told)
    failing.call("CreateCompilationJob", job("j"))
    for _ in range(100):
        found = failing.call("DescribeCompilationJob", {"CompilationJobName": "j"})
        if found["CompilationJobStatus"] == "FAILED":
            break
        time.sleep(0.05)
    assert found["FailureReason"] == "OperatorNotImplemented"
    assert endpoint(failing)["FailureReason"].endswith("no memory")


BROKEN = """import json

def model_fn(folder):
    return json.loads("{")
"""
FAILS_LATER = """def model_fn(folder):
    print("loaded")

def transform_fn(model, body, content_type, accept):
    return body / 0, accept
"""


def test_what_a_container_prints_is_in_the_endpoints_log_group(
    service: SageMaker, place: Place
) -> None:
    place.bucket.objects["b/broken.tar.gz"] = packed({"code/inference.py": BROKEN})
    place.bucket.objects["b/later.tar.gz"] = packed({"code/inference.py": FAILS_LATER})
    failed = endpoint(service, url="s3://b/broken.tar.gz")
    assert "(inference.py, line 4, in model_fn)" in failed["FailureReason"]
    said = "\n".join(text for group, _, text in place.bucket.logged if group.endswith("/e"))
    assert "Traceback" in said
    assert 'inference.py", line 4, in model_fn' in said

    assert endpoint(service, "later", url="s3://b/later.tar.gz")["EndpointStatus"] == "InService"
    service.hosting.invoke("later", b"1", headers={"Content-Type": "application/json"})
    said = "\n".join(text for group, _, text in place.bucket.logged if group.endswith("/later"))
    assert "loaded" in said
    assert 'inference.py", line 5, in transform_fn' in said


def tags(count: int, start: int = 0) -> list[Json]:
    return [{"Key": f"k{n}", "Value": "v"} for n in range(start, start + count)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (tags(51), "50"),
        ([*tags(1), *tags(1)], "Duplicate"),
        ([{"Key": "aws:x", "Value": "v"}], "must not start with aws:"),
    ],
)
def test_tags_that_are_refused(service: SageMaker, given: list[Json], says: str) -> None:
    assert says in fails(service, "CreateModel", model(Tags=given))
    arn = service.call("CreateModel", model())["ModelArn"]
    assert says in fails(service, "AddTags", {"ResourceArn": arn, "Tags": given})


def test_tags_do_not_accumulate_and_are_paged(service: SageMaker) -> None:
    arn = service.call("CreateModel", model(Tags=tags(40)))["ModelArn"]
    assert "at most 50" in fails(service, "AddTags", {"ResourceArn": arn, "Tags": tags(20, 35)})
    service.call("AddTags", {"ResourceArn": arn, "Tags": tags(20, 30)[:10]})
    first = service.call("ListTags", {"ResourceArn": arn, "MaxResults": 50})
    assert len(first["Tags"]) == 40
    assert "NextToken" not in first


@pytest.mark.parametrize("parameters", [{}, {"CompilationJobName": 5}, [], "text", None])
def test_a_request_of_the_wrong_shape_is_a_validation_error(
    service: SageMaker, parameters: Any
) -> None:
    fails(service, "CreateCompilationJob", parameters)


def test_a_large_value_is_not_repeated(service: SageMaker) -> None:
    said = fails(service, "CreateModel", model("x" * 100_000))
    assert len(said) < 3_000


def test_an_artifact_has_the_members_of_its_model_and_says_that_nothing_was_compiled() -> None:
    """XGBoost's container, for one, takes exactly one file."""
    made = _with_note(archive({"model.json": b"{}"}), "ml_c5")
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        assert tar.getnames() == ["model.json"]
        assert tar.pax_headers == {"comment": "emulated for ml_c5: nothing was compiled"}
