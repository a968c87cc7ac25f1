"""Variants that scale."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk.assertions import Template

import neo_constructs as neo
from tests.templates.stacks import Json, digits_endpoint, of_type, stack, template, the

TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
ENDPOINT = "AWS::SageMaker::Endpoint"


@pytest.fixture(scope="module")
def found() -> Json:
    scope = stack()
    variant = digits_endpoint(scope).endpoint.variant()
    count = variant.auto_scale_instance_count(min_capacity=1, max_capacity=4)
    count.scale_on_invocations(max_requests_per_second=10)
    count.scale_to_track_metric("Cpu", metric=variant.metric_cpu_utilization(), target_value=70)
    count.scale_on_schedule(
        "Night", schedule=scaling.Schedule.cron(hour="20", minute="0"), max_capacity=2
    )
    return template(scope)


def test_the_variant_is_the_target(found: Json) -> None:
    properties = the(found, TARGET)["Properties"]
    assert properties["ServiceNamespace"] == "sagemaker"
    assert properties["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    assert (properties["MinCapacity"], properties["MaxCapacity"]) == (1, 4)
    (endpoint,) = of_type(found, ENDPOINT)
    assert properties["ResourceId"]["Fn::Join"][1] == [
        "endpoint/",
        {"Fn::GetAtt": [endpoint, "EndpointName"]},
        "/variant/AllTraffic",
    ]
    (action,) = properties["ScheduledActions"]
    assert action["ScalableTargetAction"] == {"MaxCapacity": 2}


def test_requests_are_kept_at_half_of_what_an_instance_can_take(found: Json) -> None:
    tracked = [
        each["Properties"]["TargetTrackingScalingPolicyConfiguration"]
        for each in of_type(found, POLICY).values()
    ]
    by_requests, by_cpu = sorted(tracked, key=lambda each: "CustomizedMetricSpecification" in each)
    assert by_requests["TargetValue"] == 300
    metric = by_requests["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert metric == "SageMakerVariantInvocationsPerInstance"
    assert by_cpu["TargetValue"] == 70


def test_an_update_keeps_what_scaling_has_made(found: Json) -> None:
    assert the(found, ENDPOINT)["Properties"]["RetainAllVariantProperties"] is True


def test_an_endpoint_that_does_not_scale_says_nothing() -> None:
    scope = stack()
    digits_endpoint(scope)
    assert "RetainAllVariantProperties" not in the(template(scope), ENDPOINT)["Properties"]


def test_an_imported_endpoint_scales_too() -> None:
    scope = cdk.Stack(cdk.App(), "Stack")
    endpoint = neo.Endpoint.from_endpoint_name(scope, "Endpoint", "digits")
    endpoint.variant("canary").auto_scale_instance_count(max_capacity=2)
    properties = the(dict(Template.from_stack(scope).to_json()), TARGET)["Properties"]
    assert properties["ResourceId"] == "endpoint/digits/variant/canary"
