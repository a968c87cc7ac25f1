"""Twelve defects that peers have, found by running them, and that we do not have."""

from __future__ import annotations

import json
import time
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

import neo_constructs as neo
from tests.templates.stacks import (
    DIGITS,
    PARTITIONS,
    Json,
    digits_endpoint,
    of_type,
    stack,
    statements,
    template,
    the,
)

CONFIG = "AWS::SageMaker::EndpointConfig"
MODEL = "AWS::SageMaker::Model"
IMAGE = neo.InferenceImage.deep_learning_container("pytorch", "2.0")


def served(scope: cdk.Stack, *, name: str = "Model", **changes: Any) -> neo.Model:
    bucket = s3.Bucket.from_bucket_name(scope, f"{name}Bucket", "models")
    arguments = {
        "model_data_url": "s3://models/model.tar.gz",
        "artifact_bucket": bucket,
        "image": IMAGE,
    }
    return neo.Model(scope, name, **{**arguments, **changes})


def config(scope: cdk.Stack, *variants: dict[str, Any]) -> neo.EndpointConfig:
    model = served(scope)
    return neo.EndpointConfig(
        scope,
        "Config",
        production_variants=[
            neo.InstanceVariant(**{"model": model, "instance_type": "ml.c5.large", **each})
            for each in variants
        ],
    )


def test_1_every_variant_of_an_endpoint_can_scale() -> None:
    scope = stack()
    both = config(scope, {"variant_name": "a"}, {"variant_name": "b"})
    endpoint = neo.Endpoint(scope, "Endpoint", endpoint_config=both)
    for name in ("a", "b"):
        count = endpoint.variant(name).auto_scale_instance_count(max_capacity=3)
        count.scale_on_invocations(max_requests_per_second=5)
    found = template(scope)
    targets = of_type(found, "AWS::ApplicationAutoScaling::ScalableTarget").values()
    ends = [target["Properties"]["ResourceId"]["Fn::Join"][1][-1] for target in targets]
    assert sorted(ends) == ["/variant/a", "/variant/b"]


def test_2_zero_is_zero() -> None:
    scope = stack()
    both = config(scope, {"variant_name": "a", "initial_variant_weight": 0}, {"variant_name": "b"})
    weights = [
        each["InitialVariantWeight"]
        for each in the(template(scope), CONFIG)["Properties"]["ProductionVariants"]
    ]
    assert weights == [0, 1]
    endpoint = neo.Endpoint(scope, "Endpoint", endpoint_config=both)
    endpoint.variant("a").auto_scale_instance_count(min_capacity=0, max_capacity=3)
    (said,) = scope.node.validate()  # not made the initial count in silence
    assert "min_capacity is 0" in said


def test_3_every_number_may_be_a_parameter() -> None:
    scope = stack()

    def number(name: str) -> Any:
        return cdk.CfnParameter(scope, name, type="Number").value_as_number

    model = served(scope)
    neo.EndpointConfig(
        scope,
        "Config",
        production_variants=[
            neo.InstanceVariant(
                model=model,
                instance_type="ml.c5.large",
                initial_instance_count=number("Count"),
                initial_variant_weight=number("Weight"),
                volume_size_in_gb=number("Volume"),
                model_data_download_timeout=cdk.Duration.seconds(number("Download")),
                container_startup_health_check_timeout=cdk.Duration.seconds(number("Start")),
            )
        ],
        data_capture_config=neo.DataCaptureConfig(
            bucket=s3.Bucket.from_bucket_name(scope, "Data", "data"),
            sampling_percentage=number("Sample"),
        ),
        async_inference_config=neo.AsyncInferenceConfig(
            bucket=s3.Bucket.from_bucket_name(scope, "Later", "data"),
            max_concurrent_invocations_per_instance=number("Concurrent"),
        ),
    )
    properties = the(template(scope), CONFIG)["Properties"]
    (variant,) = properties["ProductionVariants"]
    assert variant["InitialInstanceCount"] == {"Ref": "Count"}
    assert variant["InitialVariantWeight"] == {"Ref": "Weight"}
    assert variant["VolumeSizeInGB"] == {"Ref": "Volume"}
    assert variant["ModelDataDownloadTimeoutInSeconds"] == {"Ref": "Download"}
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == {"Ref": "Start"}
    assert properties["DataCaptureConfig"]["InitialSamplingPercentage"] == {"Ref": "Sample"}
    client = properties["AsyncInferenceConfig"]["ClientConfig"]
    assert client["MaxConcurrentInvocationsPerInstance"] == {"Ref": "Concurrent"}


def test_3_the_numbers_of_serverless_and_scaling_too() -> None:
    scope = stack()

    def number(name: str) -> Any:
        return cdk.CfnParameter(scope, name, type="Number").value_as_number

    variant = neo.ServerlessVariant(
        model=served(scope, enable_network_isolation=False),
        memory_size_in_mb=number("Memory"),
        max_concurrency=number("Most"),
        provisioned_concurrency=number("Ready"),
    )
    made = neo.EndpointConfig(scope, "Config", production_variants=[variant])
    endpoint = neo.Endpoint(
        scope,
        "Endpoint",
        endpoint_config=made,
        deployment_config=neo.DeploymentConfig.canary(
            neo.CapacitySize.percent(number("Percent")),
            wait=cdk.Duration.seconds(number("Wait")),
            termination_wait=cdk.Duration.seconds(number("Stay")),
            maximum_execution_timeout=cdk.Duration.seconds(number("Limit")),
        ),
    )
    capacity = endpoint.variant().auto_scale_provisioned_concurrency(
        min_capacity=number("From"), max_capacity=number("To")
    )
    capacity.scale_on_utilization(number("Use"))
    found = template(scope)
    serverless = the(found, CONFIG)["Properties"]["ProductionVariants"][0]["ServerlessConfig"]
    assert serverless["ProvisionedConcurrency"] == {"Ref": "Ready"}
    moved = the(found, "AWS::SageMaker::Endpoint")["Properties"]["DeploymentConfig"]
    policy = moved["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": {"Ref": "Percent"}},
        "WaitIntervalInSeconds": {"Ref": "Wait"},
    }
    assert policy["TerminationWaitInSeconds"] == {"Ref": "Stay"}


def test_4_a_model_has_several_containers_of_the_same_image() -> None:
    scope = stack()
    neo.Model(scope, "Model", containers=[neo.ContainerDefinition(image=IMAGE)] * 2)
    neo.Model(scope, "Other", containers=[neo.ContainerDefinition(image=IMAGE)] * 2)
    for model in of_type(template(scope), MODEL).values():
        assert len(model["Properties"]["Containers"]) == 2


def test_5_a_role_has_no_managed_policy_and_an_artifact_its_s3_uri() -> None:
    scope = stack()
    digits_endpoint(scope)
    found = template(scope)
    for role in of_type(found, "AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role["Properties"]
    url = the(found, MODEL)["Properties"]["PrimaryContainer"]["ModelDataUrl"]
    assert url["Fn::GetAtt"][1] == "ModelDataUrl"  # the engine's, which starts with s3://


def test_6_a_model_waits_for_its_policy(digits: Json) -> None:
    waits = the(digits, MODEL)["DependsOn"]
    kinds = {digits["Resources"][name]["Type"] for name in waits}
    assert kinds == {"AWS::IAM::Policy"}  # not for the role, which it refers to anyway


def test_7_the_backlog_is_the_endpoints() -> None:
    scope = stack()
    made = digits_endpoint(
        scope,
        async_inference_config=neo.AsyncInferenceConfig(
            bucket=s3.Bucket.from_bucket_name(scope, "Data", "data")
        ),
    )
    count = made.variant().auto_scale_instance_count(min_capacity=0, max_capacity=2)
    count.scale_on_backlog(requests_per_instance=5)
    found = template(scope)
    tracked = [
        each["Properties"]["TargetTrackingScalingPolicyConfiguration"]
        for each in of_type(found, "AWS::ApplicationAutoScaling::ScalingPolicy").values()
        if each["Properties"]["PolicyType"] == "TargetTrackingScaling"
    ]
    (policy,) = tracked
    metric = policy["CustomizedMetricSpecification"]
    assert metric["MetricName"] == "ApproximateBacklogSizePerInstance"
    assert [each["Name"] for each in metric["Dimensions"]] == ["EndpointName"]
    alarm = the(found, "AWS::CloudWatch::Alarm")["Properties"]
    assert [each["Name"] for each in alarm["Dimensions"]] == ["EndpointName"]
    assert alarm["MetricName"] == "HasBacklogWithoutCapacity"


def test_8_what_a_construct_makes_is_below_it() -> None:
    scope = stack()
    made = digits_endpoint(scope)
    cdk.Tags.of(made).add("only", "here")
    found = template(scope)
    assert "Description" not in found
    tagged = {
        name.removesuffix(name[-8:])
        for name, each in found["Resources"].items()
        if {"Key": "only", "Value": "here"} in (each.get("Properties", {}).get("Tags") or [])
    }
    assert {"DigitsModel", "DigitsEndpointConfig", "DigitsEndpoint", "DigitsModelRole"} <= tagged


def test_9_nothing_depends_on_the_clock() -> None:
    shown = []
    for _ in range(2):
        scope = stack()
        digits_endpoint(scope)
        shown.append(json.dumps(template(scope), sort_keys=True))
        time.sleep(1.1)
    assert shown[0] == shown[1]


def test_10_nothing_that_is_replaced_has_a_name_of_its_own(digits: Json) -> None:
    for kind, name in ((MODEL, "ModelName"), (CONFIG, "EndpointConfigName")):
        assert name not in the(digits, kind)["Properties"]
    scope = stack(PARTITIONS["aws"])
    own = iam.Role(scope, "Own", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    digits_endpoint(scope, role=own)
    found = template(scope)
    assert the(found, MODEL)["Properties"]["ExecutionRoleArn"]["Fn::GetAtt"][0].startswith("Own")
    assert statements(found, "Own")


def test_11_a_version_that_neo_does_not_compile_is_refused() -> None:
    model = neo.ModelData.from_asset(DIGITS / "pytorch" / "model.pth")
    with pytest.raises(neo.ValidationError, match="framework-version"):
        digits_endpoint(stack(), model_data=model, framework=neo.Framework("PYTORCH", "1.0"))


def test_12_the_job_belongs_to_the_stack_and_the_model_waits_for_it(digits: Json) -> None:
    functions = of_type(digits, "AWS::Lambda::Function").values()
    assert all(each["Properties"]["Timeout"] >= 120 for each in functions)
    (job,) = of_type(digits, "Custom::NeoCompilationJob")
    text = json.dumps(the(digits, "Custom::NeoServingArchive")["Properties"])
    assert f'"Fn::GetAtt": ["{job}", "S3ModelArtifacts"]' in text
    rights = statements(digits, "NeoJobEngineRole")
    stop = [s for s in rights if "sagemaker:StopCompilationJob" in s["Action"]]
    assert stop
    assert all(s["Resource"] != "*" for s in stop)
