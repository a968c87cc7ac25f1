"""The metrics of a variant, as CloudWatch has them."""

from __future__ import annotations

import inspect

import aws_cdk as cdk
import pytest

import neo_constructs as neo

STATISTICS = {
    "metric_invocations": ("AWS/SageMaker", "Invocations", "Sum"),
    "metric_invocations_per_instance": ("AWS/SageMaker", "InvocationsPerInstance", "Sum"),
    "metric_invocation_4xx_errors": ("AWS/SageMaker", "Invocation4XXErrors", "Sum"),
    "metric_invocation_5xx_errors": ("AWS/SageMaker", "Invocation5XXErrors", "Sum"),
    "metric_invocation_model_errors": ("AWS/SageMaker", "InvocationModelErrors", "Sum"),
    "metric_model_latency": ("AWS/SageMaker", "ModelLatency", "Average"),
    "metric_overhead_latency": ("AWS/SageMaker", "OverheadLatency", "Average"),
    "metric_cpu_utilization": ("/aws/sagemaker/Endpoints", "CPUUtilization", "Average"),
    "metric_memory_utilization": ("/aws/sagemaker/Endpoints", "MemoryUtilization", "Average"),
    "metric_disk_utilization": ("/aws/sagemaker/Endpoints", "DiskUtilization", "Average"),
    "metric_gpu_utilization": ("/aws/sagemaker/Endpoints", "GPUUtilization", "Average"),
    "metric_gpu_memory_utilization": (
        "/aws/sagemaker/Endpoints",
        "GPUMemoryUtilization",
        "Average",
    ),
}


@pytest.fixture(scope="module")
def endpoint() -> neo.IEndpoint:
    stack = cdk.Stack(cdk.App(), "Stack")
    return neo.Endpoint.from_endpoint_name(stack, "Endpoint", "digits")


def test_every_metric_is_listed() -> None:
    methods = {name for name, _ in inspect.getmembers(neo.EndpointVariant) if "metric_" in name}
    assert methods == set(STATISTICS)


@pytest.mark.parametrize("method", STATISTICS)
def test_a_metric_names_endpoint_and_variant(method: str, endpoint: neo.Endpoint) -> None:
    metric = getattr(endpoint.variant("canary"), method)()
    assert (metric.namespace, metric.metric_name, metric.statistic) == STATISTICS[method]
    assert metric.dimensions == {"EndpointName": "digits", "VariantName": "canary"}
    assert metric.period.to_seconds() == 300


def test_statistic_and_period_can_be_chosen(endpoint: neo.Endpoint) -> None:
    metric = endpoint.variant().metric_model_latency(
        statistic="p99", period=cdk.Duration.minutes(1)
    )
    assert (metric.statistic, metric.period.to_seconds()) == ("p99", 60)
    assert metric.dimensions == {"EndpointName": "digits", "VariantName": "AllTraffic"}
