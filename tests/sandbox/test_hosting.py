"""The stacks of examples/hosting on the emulated AWS, with IAM on, asked by real clients."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import aws_cdk as cdk
import pytest
from botocore.exceptions import ClientError

import neo_constructs as neo
from neo_constructs.sandbox.emulator import sandbox
from neo_constructs.sandbox.environment import REGION
from tests.sandbox.account import ENVIRONMENT, Account, Json
from tests.sandbox.test_stacks import FAST
from tests.templates.features import FEATURES
from tests.templates.stacks import DIGITS

DATA = "my-data-bucket"
ENDPOINT = "AWS::SageMaker::Endpoint"
IMAGE = [[0.0] * 8] * 8
QUESTION = json.dumps(IMAGE).encode()
FASTER = {**FAST, "NEO_SANDBOX_COMPILE_SECONDS": "0.2", "NEO_SANDBOX_ENDPOINT_SECONDS": "0.1"}
JSON = "application/json"


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with mock.patch.dict(os.environ, FASTER), sandbox(bootstrap=False) as running:
        made = Account(running)
        made.s3.create_bucket(Bucket=DATA)
        yield made


def deployed(account: Account, name: str, change: Callable[[cdk.Stack], None] | None = None) -> str:
    """Deploy an example, and return the name of its endpoint."""

    def build(stack: cdk.Stack) -> None:
        FEATURES[name](stack)
        if change:
            change(stack)

    template = account.synthesize(build)
    stack = name.title().replace("-", "")
    assert account.create(stack, template) == "CREATE_COMPLETE", account.said(stack)
    arn = account.physical_id(stack, ENDPOINT)
    (found,) = [
        each["EndpointName"]
        for each in account.sagemaker.list_endpoints(MaxResults=100)["Endpoints"]
        if each["EndpointArn"] == arn
    ]
    return str(found)


def gone(account: Account, name: str) -> None:
    stack = name.title().replace("-", "")
    assert account.delete(stack) == "DELETE_COMPLETE", account.said(stack)


def ask(account: Account, endpoint: str, **more: str) -> Json:
    """Return what an endpoint answers: its variant, and the digits."""
    runtime = account.client("sagemaker-runtime")
    reply = runtime.invoke_endpoint(
        EndpointName=endpoint, ContentType=JSON, Accept=JSON, Body=QUESTION, **more
    )
    return {"variant": reply["InvokedProductionVariant"], "body": json.loads(reply["Body"].read())}


def until(condition: Callable[[], Any]) -> Any:
    for _ in range(300):
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("it does not happen")


def test_an_answer_comes_later_by_s3_and_the_endpoint_scales_to_zero(account: Account) -> None:
    endpoint = deployed(account, "asynchronous")
    account.s3.put_object(Bucket=DATA, Key="async-input/1.json", Body=QUESTION)
    runtime = account.client("sagemaker-runtime")
    given = runtime.invoke_endpoint_async(
        EndpointName=endpoint, InputLocation=f"s3://{DATA}/async-input/1.json", ContentType=JSON
    )
    key = given["OutputLocation"].removeprefix(f"s3://{DATA}/")
    until(lambda: key in account.keys(DATA))
    answer = json.loads(account.s3.get_object(Bucket=DATA, Key=key)["Body"].read())
    assert answer
    with pytest.raises(ClientError, match="InvokeEndpointAsync"):
        ask(account, endpoint)

    # What is not below the prefix may not be read.
    account.s3.put_object(Bucket=DATA, Key="elsewhere/1.json", Body=QUESTION)
    given = runtime.invoke_endpoint_async(
        EndpointName=endpoint, InputLocation=f"s3://{DATA}/elsewhere/1.json", ContentType=JSON
    )
    key = given["FailureLocation"].removeprefix(f"s3://{DATA}/")
    until(lambda: key in account.keys(DATA))
    assert b"AccessDenied" in account.s3.get_object(Bucket=DATA, Key=key)["Body"].read()

    scaling = account.client("application-autoscaling")
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 3)
    assert target["ResourceId"] == f"endpoint/{endpoint}/variant/AllTraffic"
    policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    kinds = sorted(each["PolicyType"] for each in policies)
    assert kinds == ["StepScaling", "TargetTrackingScaling"]
    gone(account, "asynchronous")
    left = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")
    assert left["ScalableTargets"] == []


def test_what_is_asked_is_kept(account: Account) -> None:
    endpoint = deployed(account, "captured")
    for _ in range(10):
        ask(account, endpoint)
    (key,) = [key for key in account.keys(DATA) if key.startswith("data-capture/")]
    assert key.startswith(f"data-capture/{endpoint}/AllTraffic/")
    line = json.loads(account.s3.get_object(Bucket=DATA, Key=key)["Body"].read())
    question = line["captureData"]["endpointInput"]
    assert (question["encoding"], json.loads(question["data"])) == ("JSON", IMAGE)
    gone(account, "captured")


def test_two_targets_share_the_requests(account: Account) -> None:
    endpoint = deployed(account, "two-targets")
    asked = [ask(account, endpoint)["variant"] for _ in range(10)]
    assert (asked.count("MlC5"), asked.count("MlM5")) == (9, 1)
    assert ask(account, endpoint, TargetVariant="MlM5")["variant"] == "MlM5"
    assert len(account.jobs(account.prefix("TwoTargets"))) == 2
    gone(account, "two-targets")


@pytest.mark.parametrize("name", ["serverless", "shadowed", "scaled", "rolling", "private"])
def test_it_answers(account: Account, name: str) -> None:
    endpoint = deployed(account, name)
    assert ask(account, endpoint)["body"]
    gone(account, name)


@pytest.mark.parametrize(
    ("name", "key"), [("pipeline", "prepare/model.tar.gz"), ("unpacked", "model/model.pth")]
)
def test_it_comes_into_service(account: Account, name: str, key: str) -> None:
    """The sandbox has no deep learning container to answer; the rest is as on AWS."""
    account.put_model(DATA, key)
    endpoint = deployed(account, name)
    found = account.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert found["EndpointStatus"] == "InService"
    gone(account, name)


def test_two_stacks_from_settings(account: Account) -> None:
    """Compile in one, host in the other; then both again, with another shape."""

    def templates(count: int) -> Json:
        asked = neo.Settings.from_context(
            {
                "neo": {
                    "stack_name": "Host",
                    "compilation_stack_name": "Compile",
                    "endpoints": [
                        {
                            "name": "digits",
                            "model_data": "digits.onnx",
                            "target": "ml_c5" if count == 1 else "ml_m5",
                            "instance_type": "ml.c5.large" if count == 1 else "ml.m5.large",
                            "inference_code": "code",
                        }
                    ],
                }
            }
        )
        app = cdk.App(context={"neo_constructs:iam_grace_seconds": 0})
        compiling = neo.CompilationStack(app, settings=asked, folder=DIGITS, env=ENVIRONMENT)
        neo.HostingStack(
            app, compilation_stack=compiling, settings=asked, folder=DIGITS, env=ENVIRONMENT
        )
        return account.synthesize_app(app)

    first, second = templates(1), templates(2)
    assert account.create("Compile", first["Compile"]) == "CREATE_COMPLETE", account.said("Compile")
    assert account.create("Host", first["Host"]) == "CREATE_COMPLETE", account.said("Host")
    assert account.update("Compile", second["Compile"]) == "UPDATE_COMPLETE"
    assert account.update("Host", second["Host"]) == "UPDATE_COMPLETE", account.said("Host")
    outputs = {o["OutputKey"]: o["OutputValue"] for o in account.describe("Host")["Outputs"]}
    assert ask(account, outputs["DigitsEndpointName"])["body"]
    for name in ("Host", "Compile"):
        assert account.delete(name) == "DELETE_COMPLETE", account.said(name)


def scaled_update(stack: cdk.Stack) -> None:
    """Let the endpoint move to another configuration."""
    (config,) = [
        each
        for each in stack.node.find_all()
        if isinstance(each, cdk.CfnResource)
        and each.cfn_resource_type == "AWS::SageMaker::EndpointConfig"
    ]
    config.add_property_override("ProductionVariants.0.InstanceType", "ml.c5.xlarge")


def test_an_alarm_rolls_an_update_back_and_a_quiet_one_lets_it_pass(account: Account) -> None:
    endpoint = deployed(account, "guarded")
    assert endpoint == "digits"

    def build(stack: cdk.Stack) -> None:
        FEATURES["guarded"](stack)
        scaled_update(stack)

    before = account.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    watch = account.client("cloudwatch")
    alarms = [each["AlarmName"] for each in watch.describe_alarms()["MetricAlarms"]]
    errors = next(name for name in alarms if "Errors" in name)
    watch.set_alarm_state(AlarmName=errors, StateValue="ALARM", StateReason="for this test")
    changed = account.synthesize(build)
    assert account.update("Guarded", changed) == "UPDATE_ROLLBACK_COMPLETE"
    assert f"{errors} went off" in account.said("Guarded")
    now = account.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    assert now == before
    assert ask(account, endpoint)["body"]

    watch.set_alarm_state(AlarmName=errors, StateValue="OK", StateReason="for this test")
    assert account.update("Guarded", changed) == "UPDATE_COMPLETE", account.said("Guarded")
    assert account.client("cloudwatch").list_dashboards()["DashboardEntries"]
    gone(account, "guarded")


def test_an_update_leaves_what_scaling_has_made(account: Account) -> None:
    endpoint = deployed(account, "scaled")
    account.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 4}],
    )

    def build(stack: cdk.Stack) -> None:
        FEATURES["scaled"](stack)
        scaled_update(stack)

    assert account.update("Scaled", account.synthesize(build)) == "UPDATE_COMPLETE"
    (found,) = account.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
    assert found["DesiredInstanceCount"] == 4
    gone(account, "scaled")


# --- the SageMaker SDK, version 2 ----------------------------------------------------------------


@pytest.fixture
def session(account: Account, monkeypatch: pytest.MonkeyPatch) -> Any:
    sagemaker = pytest.importorskip("sagemaker")
    # It looks every 30 seconds whether an endpoint is there.
    sleep = time.sleep
    quick = SimpleNamespace(**{**vars(time), "sleep": lambda _seconds: sleep(0.2)})
    monkeypatch.setattr("sagemaker.session.time", quick)
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.s3.meta.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    return sagemaker.Session(
        boto_session=account._session,
        sagemaker_client=account.sagemaker,
        sagemaker_runtime_client=account.client("sagemaker-runtime"),
        default_bucket=DATA,
    )


def test_the_sdk_asks_what_the_library_has_deployed(account: Account, session: Any) -> None:
    from sagemaker.deserializers import JSONDeserializer
    from sagemaker.predictor import Predictor
    from sagemaker.serializers import JSONSerializer

    endpoint = deployed(account, "compiled")
    predictor = Predictor(endpoint, session, JSONSerializer(), JSONDeserializer())
    assert predictor.predict(IMAGE)
    gone(account, "compiled")


def test_the_sdk_deploys_scales_and_asks(account: Account, session: Any) -> None:
    """Against the sandbox as against the service: capture and later answers among its options."""
    from sagemaker.async_inference import AsyncInferenceConfig
    from sagemaker.deserializers import JSONDeserializer
    from sagemaker.model import Model
    from sagemaker.model_monitor import DataCaptureConfig
    from sagemaker.predictor import Predictor
    from sagemaker.serializers import JSONSerializer

    deployed(account, "compiled")
    name = account.physical_id("Compiled", "AWS::SageMaker::Model").rsplit("/", 1)[-1]
    made = account.sagemaker.list_models(MaxResults=100)["Models"]
    (name,) = [each["ModelName"] for each in made if each["ModelArn"].endswith(f"/{name}")]
    served = account.sagemaker.describe_model(ModelName=name)
    container = served["PrimaryContainer"]
    model = Model(
        image_uri=container["Image"],
        model_data=container["ModelDataUrl"],
        env=container["Environment"],
        role=served["ExecutionRoleArn"],
        sagemaker_session=session,
        predictor_cls=Predictor,
        name="by-the-sdk",
    )
    predictor = model.deploy(
        initial_instance_count=1,
        instance_type="ml.c5.large",
        endpoint_name="by-the-sdk",
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
        # Kept nowhere: the role may not write there.
        data_capture_config=DataCaptureConfig(
            enable_capture=True, sampling_percentage=0, destination_s3_uri=f"s3://{DATA}/sdk"
        ),
    )
    assert predictor.predict(IMAGE)
    predictor.update_endpoint(initial_instance_count=2, instance_type="ml.c5.large")
    assert predictor.predict(IMAGE)
    predictor.delete_endpoint()
    later = model.deploy(
        initial_instance_count=1,
        instance_type="ml.c5.large",
        endpoint_name="by-the-sdk-later",
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
        async_inference_config=AsyncInferenceConfig(output_path=f"s3://{DATA}/sdk"),
    )
    given = later.predict_async(IMAGE)
    assert given.output_path.startswith(f"s3://{DATA}/sdk/")
    later.predictor.delete_endpoint()
    model.delete_model()
    gone(account, "compiled")
