"""The dashboard of an endpoint, as CloudWatch has it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import aws_s3 as s3

import neo_constructs as neo
from tests.templates.stacks import Json, digits_endpoint, stack, template, the


def widgets(**changes: Any) -> list[Json]:
    """Return the widgets of an endpoint's dashboard, with references as text."""
    scope = stack()
    if changes.pop("is_async", False):
        data = s3.Bucket.from_bucket_name(scope, "Data", "data")
        changes["async_inference_config"] = neo.AsyncInferenceConfig(bucket=data)
    made = digits_endpoint(scope, **changes)
    neo.EndpointDashboard(scope, "Dashboard", endpoint=made.endpoint)
    body = the(template(scope), "AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"]
    text = "".join(
        part if isinstance(part, str) else "<" + "".join(map(str, *part.values())) + ">"
        for part in body["Fn::Join"][1]
    )
    return list(json.loads(text)["widgets"])


def metrics(found: list[Json]) -> set[tuple[str, str]]:
    """Return every metric with its statistic."""
    return {
        (each[1], each[-1].get("stat", "Average") if isinstance(each[-1], dict) else "Average")
        for widget in found
        if widget["type"] == "metric"
        for each in widget["properties"]["metrics"]
    }


def test_requests_errors_latency_load_and_instances() -> None:
    shown = metrics(widgets())
    assert {
        ("Invocations", "Sum"),
        ("Invocation4XXErrors", "Sum"),
        ("Invocation5XXErrors", "Sum"),
        ("InvocationsPerInstance", "Sum"),
        ("CPUUtilization", "Average"),
        ("CPUUtilization", "SampleCount"),
        ("MemoryUtilization", "Average"),
        ("DiskUtilization", "Average"),
    } <= shown
    for metric in ("ModelLatency", "OverheadLatency"):
        assert {(metric, each) for each in ("p50", "p90", "p99")} <= shown
    assert not [name for name, _ in shown if name.startswith("GPU")]


def test_gpus_where_there_are_some() -> None:
    shown = metrics(widgets(target=neo.TargetDevice.ML_G4DN, instance_type="ml.g4dn.xlarge"))
    assert {("GPUUtilization", "Average"), ("GPUMemoryUtilization", "Average")} <= shown


def test_what_waits_where_answers_come_later() -> None:
    assert ("ApproximateBacklogSize", "Average") in metrics(widgets(is_async=True))


def test_a_serverless_variant_has_no_instances() -> None:
    shown = metrics(widgets(instance_type=None, memory_size_in_mb=2048))
    assert ("Invocations", "Sum") in shown
    assert not [name for name, _ in shown if name == "CPUUtilization"]


def test_words_say_what_is_behind_each_variant() -> None:
    text = next(w for w in widgets() if w["type"] == "text")["properties"]["markdown"]
    row = text.splitlines()[-1]
    assert row.startswith("| AllTraffic | ml.c5.large | <DigitsCompilationJob")
    assert "| ml_c5 | <" in row
    assert "InferenceImage" in row


def test_unknown_variants_are_said() -> None:
    scope = stack()
    config = neo.EndpointConfig.from_endpoint_config_name(scope, "Config", "theirs")
    endpoint = neo.Endpoint(scope, "Endpoint", endpoint_config=config)
    with pytest.raises(neo.ValidationError, match="variant-unknown"):
        neo.EndpointDashboard(scope, "Dashboard", endpoint=endpoint)
