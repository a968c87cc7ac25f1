"""Measure, choose, deploy: the chain of registry, recommender and endpoint, with IAM on."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import aws_cdk as cdk
import botocore.session
import pytest
from aws_cdk import aws_s3 as s3
from botocore.validate import ParamValidator

import neo_constructs as neo
from neo_constructs.sandbox.emulator import sandbox
from tests.sandbox.account import STAGING, Account
from tests.sandbox.iam import SCRIPT
from tests.sandbox.test_hosting import FASTER, JSON, QUESTION
from tests.templates.stacks import DIGITS

FEW = ("ml.c5.large", "ml.c5.xlarge")


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with mock.patch.dict(os.environ, FASTER), sandbox(bootstrap=False) as running:
        yield Account(running)


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    """Return a folder with a request."""
    folder = tmp_path / "payloads"
    folder.mkdir()
    (folder / "image.json").write_bytes(QUESTION)
    return folder


def chain(payload: Path, **changes: Any) -> Callable[[cdk.Stack], None]:
    """Return what compiles, registers, measures, chooses and serves the digits."""

    def build(stack: cdk.Stack) -> None:
        job = neo.CompilationJob(
            stack,
            "Job",
            model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
            target=neo.TargetDevice.ML_C5,
        )
        version = neo.ModelPackage(
            stack,
            "Version",
            model_package_group=neo.ModelPackageGroup(stack, "Versions"),
            container=neo.ContainerDefinition(
                compilation_job=job,
                inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
            ),
            domain="COMPUTER_VISION",
            task="IMAGE_CLASSIFICATION",
            sample_payload=neo.SamplePayload.from_asset(payload),
            model_approval_status="Approved",
        )
        recommendation = neo.InferenceRecommendationsJob(
            stack, "Recommendation", model_package=version, instance_types=FEW, **changes
        )
        endpoint = neo.CompiledEndpoint(
            stack,
            "Digits",
            compilation_job=job,
            instance_type=recommendation.instance_type,
            initial_instance_count=recommendation.initial_instance_count,
            inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
        )
        for name, value in {
            "Endpoint": endpoint.endpoint.endpoint_name,
            "Url": recommendation.recommendations_url,
            "Type": recommendation.instance_type,
            "Cost": recommendation.cost_per_hour,
        }.items():
            cdk.CfnOutput(stack, name, value=value)

    return build


def outputs(account: Account, name: str) -> dict[str, str]:
    found = account.describe(name)["Outputs"]
    return {each["OutputKey"]: each["OutputValue"] for each in found}


def measurements(account: Account) -> list[dict[str, Any]]:
    found = account.sagemaker.list_inference_recommendations_jobs()
    return list(found["InferenceRecommendationsJobs"])


def in_service(account: Account, endpoint: str) -> str:
    """Return the instance type that serves."""
    described = account.sagemaker.describe_endpoint(EndpointName=endpoint)
    config = account.sagemaker.describe_endpoint_config(
        EndpointConfigName=described["EndpointConfigName"]
    )
    return str(config["ProductionVariants"][0]["InstanceType"])


def test_the_stack_measures_then_chooses_then_deploys(account: Account, payload: Path) -> None:
    template = account.synthesize(chain(payload))
    created = account.create("Chain", template)
    assert created == "CREATE_COMPLETE", account.said("Chain")
    said = outputs(account, "Chain")
    assert said["Type"] == "ml.c5.large", "the smaller one is cheaper for an inference"
    assert in_service(account, said["Endpoint"]) == "ml.c5.large"
    assert float(said["Cost"]) == pytest.approx(0.1)
    runtime = account.client("sagemaker-runtime")
    reply = runtime.invoke_endpoint(
        EndpointName=said["Endpoint"], ContentType=JSON, Accept=JSON, Body=QUESTION
    )
    assert json.loads(reply["Body"].read())
    (job,) = measurements(account)
    assert job["Status"] == "COMPLETED"

    bucket, _, key = said["Url"].removeprefix("s3://").partition("/")
    record = json.loads(account.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    types = {each["EndpointConfiguration"]["InstanceType"] for each in record["Recommendations"]}
    assert types == set(FEW)

    # What was measured with is gone, and what is deployed is compiled once.
    endpoints = account.sagemaker.list_endpoints()["Endpoints"]
    assert [each["EndpointName"] for each in endpoints] == [said["Endpoint"]]
    models = account.sagemaker.list_models(NameContains="sm-epc")["Models"]
    assert models == []
    assert len(account.jobs(account.prefix("Chain"))) == 1

    # Another rule chooses anew, and measures nothing; the endpoint is updated in place.
    fastest = neo.RecommendationRule(objective="MaxInvocations")
    updated = account.update("Chain", account.synthesize(chain(payload, selection=fastest)))
    assert updated == "UPDATE_COMPLETE", account.said("Chain")
    assert outputs(account, "Chain")["Type"] == "ml.c5.xlarge"
    assert in_service(account, said["Endpoint"]) == "ml.c5.xlarge"
    assert len(measurements(account)) == 1

    # A deploy of tags recommends nothing anew.
    def tagged(stack: cdk.Stack) -> None:
        cdk.Tags.of(stack).add("team", "vision")
        chain(payload, selection=fastest)(stack)

    assert account.update("Chain", account.synthesize(tagged)) == "UPDATE_COMPLETE"
    assert len(measurements(account)) == 1
    tags = account.sagemaker.list_tags(ResourceArn=job["JobArn"])["Tags"]
    assert {"Key": "team", "Value": "vision"} in tags

    # Another payload is another measurement.
    (payload / "another.json").write_bytes(QUESTION)
    updated = account.update("Chain", account.synthesize(chain(payload, selection=fastest)))
    assert updated == "UPDATE_COMPLETE", account.said("Chain")
    assert len(measurements(account)) == 2

    assert account.delete("Chain") == "DELETE_COMPLETE", account.said("Chain")
    assert {each["Status"] for each in measurements(account)} == {"COMPLETED"}


def test_a_payload_that_the_script_does_not_take_is_a_failure_with_the_reason(
    account: Account, payload: Path
) -> None:
    """On AWS it costs a quarter of an hour; here some seconds."""
    (payload / "image.json").write_text("not JSON")
    created = account.create("Wrong", account.synthesize(chain(payload)))
    assert created == "ROLLBACK_COMPLETE"
    said = account.said("Wrong")
    assert "could not answer the payload image.json" in said
    assert "Hint: check the sample payload" in said
    assert account.sagemaker.list_models(NameContains="sm-epc")["Models"] == []
    assert account.sagemaker.list_endpoints()["Endpoints"] == []
    assert account.delete("Wrong") == "DELETE_COMPLETE"


def uncompiled(**changes: Any) -> Callable[[cdk.Stack], None]:
    """Return what registers a version without a compilation, and runs a load test on it."""

    def build(stack: cdk.Stack) -> None:
        version = neo.ModelPackage(
            stack,
            "Version",
            model_package_group=neo.ModelPackageGroup(stack, "Versions"),
            container=neo.ContainerDefinition(
                model_data_url=f"s3://{STAGING}/model.tar.gz",
                artifact_bucket=s3.Bucket.from_bucket_name(stack, "Models", STAGING),
                image=neo.InferenceImage.deep_learning_container("pytorch", "2.0"),
            ),
            domain="COMPUTER_VISION",
            task="IMAGE_CLASSIFICATION",
            framework="PYTORCH",
            framework_version="2.0",
        )
        configurations = [
            neo.EndpointInputConfiguration(
                instance_type="ml.c5.large",
                environment_parameter_ranges={"OMP_NUM_THREADS": ["1", "2"]},
            ),
            neo.EndpointInputConfiguration(instance_type="ml.m5.large"),
        ]
        recommendation = neo.InferenceRecommendationsJob(
            stack,
            "Recommendation",
            model_package=version,
            sample_payload=neo.SamplePayload.from_s3_uri(f"s3://{STAGING}/payload.tar.gz"),
            supported_content_types=[JSON],
            endpoint_configurations=configurations,
            traffic_pattern=neo.TrafficPattern.phases(
                [
                    neo.TrafficPhase(
                        initial_number_of_users=1, spawn_rate=1, duration=cdk.Duration.minutes(2)
                    )
                ]
            ),
            stopping_conditions=neo.StoppingConditions(
                max_invocations=300, max_model_latency=cdk.Duration.millis(100)
            ),
            max_parallel_of_tests=2,
            description="a load test",
            **changes,
        )
        for name in ("environment", "image_uri", "meets_limits", "recommendation_id"):
            cdk.CfnOutput(stack, name.replace("_", ""), value=getattr(recommendation, name))

    return build


def test_a_load_test_of_an_uncompiled_model(account: Account, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "payload.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("image.json")
        member.size = len(QUESTION)
        archive.addfile(member, io.BytesIO(QUESTION))
    account.s3.upload_file(str(tmp_path / "payload.tar.gz"), STAGING, "payload.tar.gz")
    (tmp_path / "inference.py").write_bytes(SCRIPT)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(DIGITS / "pytorch" / "model.pth", "model.pth")
        archive.add(tmp_path / "inference.py", "code/inference.py")
    account.s3.upload_file(str(tmp_path / "model.tar.gz"), STAGING, "model.tar.gz")
    created = account.create("Uncompiled", account.synthesize(uncompiled()))
    assert created == "CREATE_COMPLETE", account.said("Uncompiled")
    said = outputs(account, "Uncompiled")
    assert json.loads(said["environment"]).keys() <= {"OMP_NUM_THREADS"}
    assert "pytorch" in said["imageuri"]
    described = [
        account.sagemaker.describe_inference_recommendations_job(JobName=each["JobName"])
        for each in measurements(account)
        if each["JobType"] == "Advanced"
    ]
    (job,) = described
    assert len(job["InferenceRecommendations"]) == 3, "two environments, and one"
    assert job["StoppingConditions"]["MaxInvocations"] == 300
    assert account.delete("Uncompiled") == "DELETE_COMPLETE"


def test_what_is_described_is_of_the_services_own_shape(account: Account) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    for summary in measurements(account):
        name = summary["JobName"]
        found = account.sagemaker.describe_inference_recommendations_job(JobName=name)
        found.pop("ResponseMetadata")
        shape = model.operation_model("DescribeInferenceRecommendationsJob").output_shape
        report = ParamValidator().validate(found, shape)
        assert not report.has_errors(), report.generate_report()
