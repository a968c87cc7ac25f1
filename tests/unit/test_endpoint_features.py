"""What endpoints do beside answering: copies, pipelines, capture, later answers, updates."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from neo_constructs.sandbox.autoscaling import AutoScaling
from neo_constructs.sandbox.sagemaker import capacity, deployment
from neo_constructs.sandbox.sagemaker.errors import ApiError
from neo_constructs.sandbox.sagemaker.service import SageMaker
from tests.unit.test_sagemaker import (
    IMAGE,
    QUICK,
    Bucket,
    Json,
    Place,
    at_rest,
    fails,
    model,
    packed,
    variant,
)

# It answers its own name and what it got.
ECHO = """def model_fn(folder):
    return "{name}"

def transform_fn(model, body, content_type, accept):
    print(model, "was asked")
    text = body if isinstance(body, str) else bytes(body).decode()
    return model + "(" + text + ")", "text/csv"
"""
CSV = {"Content-Type": "text/csv", "Accept": "text/csv"}


class Account(Bucket):
    """S3, SNS and CloudWatch: as much as these features call."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Json] = []
        self.alarms: dict[str, str] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        self.objects[f"{Bucket}/{Key}"] = Body

    def get_object(self, *, Bucket: str, Key: str) -> Json:
        return {"Body": io.BytesIO(self.objects[f"{Bucket}/{Key}"])}

    def publish(self, *, TopicArn: str, Message: str) -> None:
        self.told.append({"topic": TopicArn, **json.loads(Message)})

    def describe_alarms(self, *, AlarmNames: list[str]) -> Json:
        known = [name for name in AlarmNames if name in self.alarms]
        found = [{"AlarmName": name, "StateValue": self.alarms[name]} for name in known]
        return {"MetricAlarms": found}

    def get_paginator(self, _name: str) -> Any:
        account = self

        class Pages:
            def paginate(self, *, Bucket: str, Prefix: str) -> list[Json]:
                keys = [
                    name.removeprefix(f"{Bucket}/")
                    for name in account.objects
                    if name.startswith(f"{Bucket}/{Prefix}")
                ]
                return [{"Contents": [{"Key": key} for key in keys]}]

        return Pages()


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def service(account: Account) -> Iterator[SageMaker]:
    place = Place()
    place.bucket = account
    told = replace(QUICK, deployment_step_seconds=0.2)
    made = SageMaker(make_store=dict, platform=place, behaviour=lambda: told)
    for name in "ab":
        script = {"code/inference.py": ECHO.format(name=name)}
        account.objects[f"b/{name}.tar.gz"] = packed(script)
        made.call("CreateModel", model(name, f"s3://b/{name}.tar.gz"))
    yield made
    made.hosting.stop()


def configured(service: SageMaker, name: str, *variants: Json, **changes: Any) -> None:
    parameters = {"EndpointConfigName": name, "ProductionVariants": list(variants), **changes}
    service.call("CreateEndpointConfig", parameters)


def made(service: SageMaker, *variants: Json, **changes: Any) -> None:
    """Make the endpoint ``e``."""
    configured(service, "first", *variants, **changes)
    service.call("CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "first"})
    assert at_rest(service, "e")["EndpointStatus"] == "InService"


def ask(service: SageMaker, body: bytes = b"x", **more: str) -> str:
    _, reply = service.hosting.invoke("e", body, headers=CSV, **more)
    return reply.body.decode()


def until(condition: Callable[[], object]) -> None:
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it does not happen")


# --- several containers, copies --------------------------------------------------------------


def pipeline(service: SageMaker, account: Account, **changes: Any) -> None:
    containers = [
        {"Image": IMAGE, "ModelDataUrl": f"s3://b/{n}.tar.gz", "ContainerHostname": n} for n in "ab"
    ]
    parameters = model("both", **changes, Containers=containers)
    del parameters["PrimaryContainer"]
    service.call("CreateModel", parameters)
    made(service, variant("v", "both"))


def test_each_container_gets_what_the_one_before_it_said(
    service: SageMaker, account: Account
) -> None:
    pipeline(service, account)
    assert ask(service) == "b(a(x))"


def test_a_request_may_name_one_container(service: SageMaker, account: Account) -> None:
    pipeline(service, account, InferenceExecutionConfig={"Mode": "Direct"})
    assert ask(service, container="b") == "b(x)"
    with pytest.raises(ApiError, match="'c' was not found"):
        ask(service, container="c")


def test_files_that_are_not_packed_are_served(service: SageMaker, account: Account) -> None:
    account.objects["b/folder/code/inference.py"] = ECHO.format(name="files").encode()
    source = {"S3Uri": "s3://b/folder/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {"Image": IMAGE, "ModelDataSource": {"S3DataSource": source}}
    service.call("CreateModel", model("files", PrimaryContainer=container))
    made(service, variant("v", "files"))
    assert ask(service) == "files(x)"


def test_a_shadow_gets_copies_and_answers_nobody(service: SageMaker, account: Account) -> None:
    shadow = variant("shadow", "b", InitialVariantWeight=1)
    made(service, variant("v", "a", InitialVariantWeight=1), ShadowProductionVariants=[shadow])
    assert [ask(service) for _ in range(6)] == ["a(x)"] * 6

    def asked() -> int:
        return sum("b was asked" in line for _, _, line in account.logged)

    until(lambda: asked() == 3)  # half of them, by the weights
    with pytest.raises(ApiError, match="was not found"):
        ask(service, variant="shadow")


# --- capture ---------------------------------------------------------------------------------


def captured(account: Account) -> list[Json]:
    return [json.loads(body) for key, body in account.objects.items() if "/kept/" in key]


def test_a_sample_is_kept_as_it_came(service: SageMaker, account: Account) -> None:
    capture = {
        "InitialSamplingPercentage": 50,
        "DestinationS3Uri": "s3://b/kept",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }
    made(service, variant("v", "a"), DataCaptureConfig=capture)
    for number in range(4):
        ask(service, str(number).encode())
    lines = captured(account)
    assert len(lines) == 2
    data = lines[0]["captureData"]
    assert data["endpointInput"]["encoding"] == "CSV"
    assert data["endpointOutput"]["data"] == f"a({data['endpointInput']['data']})"
    (key,) = {k.rsplit("/", 5)[0] for k in account.objects if "/kept/" in k}
    assert key == "b/kept/e/v"
    assert (
        service.call("DescribeEndpoint", {"EndpointName": "e"})["DataCaptureConfig"][
            "CaptureStatus"
        ]
        == "Started"
    )


def test_what_is_not_named_is_kept_in_base64(service: SageMaker, account: Account) -> None:
    capture = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://b/kept",
        "CaptureOptions": [{"CaptureMode": "Output"}],
    }
    made(service, variant("v", "a"), DataCaptureConfig=capture)
    ask(service)
    (line,) = captured(account)
    assert list(line["captureData"]) == ["endpointOutput"]
    assert line["captureData"]["endpointOutput"]["encoding"] == "BASE64"


# --- answers that come later --------------------------------------------------------------------

LATER = {
    "OutputConfig": {
        "S3OutputPath": "s3://b/answers",
        "S3FailurePath": "s3://b/failures",
        "NotificationConfig": {
            "SuccessTopic": "arn:aws:sns:us-east-1:123456789012:done",
            "ErrorTopic": "arn:aws:sns:us-east-1:123456789012:failed",
        },
    }
}


def test_an_answer_is_left_in_s3_and_told(service: SageMaker, account: Account) -> None:
    made(service, variant("v", "a"), AsyncInferenceConfig=LATER)
    account.objects["b/in/1"] = b"x"
    given = service.hosting.invoke_later("e", "s3://b/in/1", headers=CSV, inference_id="one")
    assert given.output == "s3://b/answers/one.out"
    until(lambda: account.told)
    assert account.objects["b/answers/one.out"] == b"a(x)"
    (told,) = account.told
    assert told["topic"].endswith(":done")
    assert told["responseParameters"] == {"outputLocation": given.output}


def test_why_there_is_no_answer_is_left_too(service: SageMaker, account: Account) -> None:
    made(service, variant("v", "a"), AsyncInferenceConfig=LATER)
    service.hosting.invoke_later("e", "s3://b/in/none", headers=CSV, inference_id="two")
    until(lambda: account.told)
    assert b"in/none" in account.objects["b/failures/two-error.out"]
    assert account.told[0]["invocationStatus"] == "Failed"


def test_each_kind_of_endpoint_takes_its_own_requests(service: SageMaker) -> None:
    made(service, variant("v", "a"), AsyncInferenceConfig=LATER)
    with pytest.raises(ApiError, match="InvokeEndpointAsync"):
        ask(service)
    configured(service, "second", variant("v", "a"))
    service.call("UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "second"})
    at_rest(service, "e")
    with pytest.raises(ApiError, match="use InvokeEndpoint"):
        service.hosting.invoke_later("e", "s3://b/in/1", headers={}, inference_id="x")


# --- updates ---------------------------------------------------------------------------------


def canary(*alarms: str, **changes: Any) -> Json:
    size = {"Type": "CAPACITY_PERCENT", "Value": 50}
    routing = {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": 60, **changes}
    named = [{"AlarmName": name} for name in alarms]
    return {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
        **({"AutoRollbackConfiguration": {"Alarms": named}} if named else {}),
    }


def update(service: SageMaker, **changes: Any) -> None:
    configured(service, "second", variant("v", "b"))
    parameters = {"EndpointName": "e", "EndpointConfigName": "second", **changes}
    service.call("UpdateEndpoint", parameters)


def test_a_canary_gets_its_part_before_the_rest_moves(service: SageMaker) -> None:
    made(service, variant("v", "a"))
    update(service, DeploymentConfig=canary())
    until(lambda: "PendingDeploymentSummary" in described(service))
    assert {ask(service) for _ in range(4)} == {"a(x)", "b(x)"}
    assert at_rest(service, "e")["EndpointConfigName"] == "second"
    assert {ask(service) for _ in range(4)} == {"b(x)"}


def test_an_alarm_brings_the_old_fleet_back(service: SageMaker, account: Account) -> None:
    made(service, variant("v", "a"))
    account.alarms["errors"] = "OK"
    update(service, DeploymentConfig=canary("errors"))
    until(lambda: "PendingDeploymentSummary" in described(service))
    account.alarms["errors"] = "ALARM"
    found = at_rest(service, "e")
    assert found["EndpointStatus"] == "InService"
    assert found["EndpointConfigName"] == "first"
    assert "errors went off" in found["FailureReason"]
    assert {ask(service) for _ in range(3)} == {"a(x)"}


def test_an_alarm_that_is_not_there_is_said(service: SageMaker) -> None:
    made(service, variant("v", "a"))
    update(service, DeploymentConfig=canary("nothing"))
    assert "nothing do not exist" in at_rest(service, "e")["FailureReason"]


def described(service: SageMaker) -> Json:
    return service.call("DescribeEndpoint", {"EndpointName": "e"})


def counts(service: SageMaker) -> tuple[int, float]:
    (shown,) = described(service)["ProductionVariants"]
    return shown["DesiredInstanceCount"], shown["DesiredWeight"]


def scale(service: SageMaker, **wanted: float) -> None:
    asked = [{"VariantName": "v", **wanted}]
    service.call(
        "UpdateEndpointWeightsAndCapacities",
        {"EndpointName": "e", "DesiredWeightsAndCapacities": asked},
    )


@pytest.mark.parametrize(
    ("retained", "left"),
    [
        ({}, (1, 1.0)),
        ({"RetainAllVariantProperties": True}, (3, 7.0)),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
            },
            (3, 1.0),
        ),
    ],
)
def test_what_an_update_leaves(service: SageMaker, retained: Json, left: tuple[int, float]) -> None:
    made(service, variant("v", "a"))
    scale(service, DesiredInstanceCount=3, DesiredWeight=7)
    assert counts(service) == (3, 7.0)
    update(service, **retained)
    at_rest(service, "e")
    assert counts(service) == left


def test_weights_change_without_an_update(service: SageMaker) -> None:
    made(service, variant("a", "a"), variant("b", "b", InitialVariantWeight=0))
    assert {ask(service) for _ in range(4)} == {"a(x)"}
    wanted = [{"VariantName": n, "DesiredWeight": w} for n, w in (("a", 0), ("b", 1))]
    service.call(
        "UpdateEndpointWeightsAndCapacities",
        {"EndpointName": "e", "DesiredWeightsAndCapacities": wanted},
    )
    assert {ask(service) for _ in range(4)} == {"b(x)"}
    missing = [{"VariantName": "c", "DesiredWeight": 1}]
    parameters = {"EndpointName": "e", "DesiredWeightsAndCapacities": missing}
    assert "'c'" in fails(service, "UpdateEndpointWeightsAndCapacities", parameters)


def test_the_steps_of_each_policy() -> None:
    half = {"Type": "CAPACITY_PERCENT", "Value": 50}
    two = {"Type": "INSTANCE_COUNT", "Value": 2}
    linear = {"Type": "LINEAR", "LinearStepSize": half}
    assert deployment.shares(canary(), 4) == [50, 100]
    assert deployment.shares(
        {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": linear}}, 4
    ) == [50, 100]
    assert deployment.shares({"RollingUpdatePolicy": {"MaximumBatchSize": two}}, 8) == [
        25, 50, 75, 100,
    ]  # fmt: skip
    assert deployment.shares({"BlueGreenUpdatePolicy": {}}, 1) == [100]


def test_a_new_variant_has_what_its_configuration_says() -> None:
    new = capacity.configured([variant("old"), variant("new", InitialInstanceCount=2)])
    current = capacity.configured([variant("old", InitialInstanceCount=5)])
    after = capacity.after_update(new, current, retains=True)
    assert [of["DesiredInstanceCount"] for of in after.values()] == [5, 2]


# --- scaling -----------------------------------------------------------------------------------


@pytest.fixture
def scaling(service: SageMaker) -> AutoScaling:
    made(service, variant("v", "a"))
    return AutoScaling(make_store=dict, call=service.call, arn=lambda kind, name: f"{kind}/{name}")


PLACE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/e/variant/v",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


def test_a_target_brings_a_variant_within_its_limits(
    service: SageMaker, scaling: AutoScaling
) -> None:
    limits = {"MinCapacity": 2, "MaxCapacity": 4}
    scaling.call("RegisterScalableTarget", {**PLACE, **limits})
    assert counts(service)[0] == 2
    (target,) = scaling.call("DescribeScalableTargets", {"ServiceNamespace": "sagemaker"})[
        "ScalableTargets"
    ]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    scaling.call("DeregisterScalableTarget", PLACE)
    with pytest.raises(ApiError, match="No scalable target"):
        scaling.call("DeregisterScalableTarget", PLACE)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ResourceId": "endpoint/e/variant/w"}, "Could not find the variant w"),
        ({"ResourceId": "endpoint/none/variant/v"}, "Could not find"),
        ({"ResourceId": "service/x"}, "Unsupported"),
        ({"MinCapacity": 5}, "Maximum capacity"),
        ({"ServiceNamespace": "ecs"}, "endpoints only"),
        ({"ScalableDimension": "sagemaker:nothing"}, "enum value set"),
    ],
)
def test_targets_that_are_refused(scaling: AutoScaling, changes: Json, says: str) -> None:
    asked = {**PLACE, "MinCapacity": 1, "MaxCapacity": 3, **changes}
    with pytest.raises(ApiError, match=says):
        scaling.call("RegisterScalableTarget", asked)


def test_policies_and_actions_live_with_their_target(scaling: AutoScaling) -> None:
    policy = {**PLACE, "PolicyName": "p", "PolicyType": "TargetTrackingScaling"}
    with pytest.raises(ApiError, match="No scalable target"):
        scaling.call("PutScalingPolicy", policy)
    scaling.call("RegisterScalableTarget", {**PLACE, "MinCapacity": 1, "MaxCapacity": 3})
    arn = scaling.call("PutScalingPolicy", policy)["PolicyARN"]
    assert scaling.call("PutScalingPolicy", policy)["PolicyARN"] == arn
    action = {**PLACE, "ScheduledActionName": "s", "Schedule": "rate(1 hour)"}
    scaling.call("PutScheduledAction", action)
    everything = {"ServiceNamespace": "sagemaker"}
    assert len(scaling.call("DescribeScheduledActions", everything)["ScheduledActions"]) == 1
    scaling.call("DeregisterScalableTarget", PLACE)
    assert scaling.call("DescribeScalingPolicies", everything)["ScalingPolicies"] == []


def test_lists_are_ordered_and_paged(service: SageMaker) -> None:
    asked = {"SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 1}
    first = service.call("ListModels", asked)
    assert [m["ModelName"] for m in first["Models"]] == ["a"]
    rest = service.call("ListModels", {**asked, "NextToken": first["NextToken"]})
    assert [m["ModelName"] for m in rest["Models"]] == ["b"]
    assert service.call("ListEndpoints", {"NameContains": "none"})["Endpoints"] == []
