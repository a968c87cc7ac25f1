"""The ``neo`` context of cdk.json."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.engine.options import JobEngineOptions
from neo_constructs.findings.errors import ValidationError
from neo_constructs.hosting.async_inference import AsyncInferenceConfig
from neo_constructs.hosting.data_capture import DataCaptureConfig
from neo_constructs.hosting.deployment import DeploymentConfig
from neo_constructs.patterns.compiled_endpoint import CompiledEndpoint
from neo_constructs.patterns.compiled_variant import CompiledVariant, InstanceScaling
from neo_constructs.patterns.hosting_settings import (
    AsyncSettings,
    DataCaptureSettings,
    DeploymentSettings,
    ScalingSettings,
    VariantSettings,
)
from neo_constructs.patterns.settings import EndpointSettings, EngineSettings, Settings
from tools import settings_page

ENDPOINT = {
    "name": "digits",
    "model_data": "digits.onnx",
    "target": "ml_c5",
    "instance_type": "ml.c5.large",
}


def context(overrides: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    endpoint = {k: v for k, v in {**ENDPOINT, **changes}.items() if v is not None}
    return {"neo": {"endpoints": [endpoint]}, **(overrides or {})}


def faults(given: dict[str, Any]) -> dict[str, str]:
    """Return place to text of all that is wrong."""
    with pytest.raises(ValidationError) as caught:
        Settings.from_context(given)
    return {finding.where: str(finding) for finding in caught.value.findings}


def test_values_become_what_the_constructs_take() -> None:
    settings = Settings.from_context(context(framework="pytorch:2.0", max_runtime_minutes="20"))
    (endpoint,) = settings.endpoints
    assert endpoint.target == TargetDevice.ML_C5
    assert endpoint.framework == Framework.pytorch("2.0")
    assert endpoint.max_runtime_minutes == 20
    assert endpoint.initial_instance_count == 1


def test_the_command_line_overrides_one_value_or_all() -> None:
    one = Settings.from_context(context({"neo.digits.target": "ml_m5", "neo.stack_name": "Other"}))
    assert one.endpoints[0].target == TargetDevice.ML_M5
    assert one.stack_name == "Other"
    everything = Settings.from_context({"neo": json.dumps(context()["neo"])})
    assert everything.endpoints[0].name == "digits"
    options = Settings.from_context(context(compiler_options={"dtype": "long"}))
    assert options.endpoints[0].compiler_options == CompilerOptions.pytorch(dtype="long")
    shapes = Settings.from_context(context({"neo.digits.data_input_config": '{"a": [1, 2]}'}))
    assert shapes.endpoints[0].data_input_config == {"a": [1, 2]}


def test_unchecked_settings_let_through_what_the_catalog_does_not_know() -> None:
    given = context(target="ml_c9", framework="pytorch:3.0", unchecked="true")
    (endpoint,) = Settings.from_context(given).endpoints
    assert endpoint.target
    assert (endpoint.target.name, endpoint.target.is_checked) == ("ml_c9", False)
    assert endpoint.framework == Framework.of("pytorch", "3.0")
    assert "neo.endpoints[0].unchecked" in faults(context(unchecked="perhaps"))


def test_other_context_is_none_of_our_business() -> None:
    assert Settings.from_context(context({"aws:cdk:x": 1, "neon": 2}))


def test_all_faults_are_named_together() -> None:
    given = context(target="ml_c55", max_runtime_minutes=90, instance_typ="ml.c5.large")
    del given["neo"]["endpoints"][0]["instance_type"]
    found = faults(given)
    assert set(found) == {
        "neo.endpoints[0].target",
        "neo.endpoints[0].max_runtime_minutes",
        "neo.endpoints[0].instance_typ",
        "neo.endpoints[0].instance_type",
    }
    assert "'ml_c55'" in found["neo.endpoints[0].target"]
    assert "Did you mean 'ml_c5'?" in found["neo.endpoints[0].target"]
    assert "from 1 to 45" in found["neo.endpoints[0].max_runtime_minutes"]
    assert "Did you mean 'instance_type'?" in found["neo.endpoints[0].instance_typ"]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({}, "neo"),
        ({"neo": "{"}, "neo"),
        ({"neo": []}, "neo"),
        ({"neo": {}}, "neo.endpoints"),
        ({"neo": {"endpoints": []}}, "neo.endpoints"),
        ({"neo": {"endpoints": "digits"}}, "neo.endpoints"),
        ({"neo": {"endpoints": [7]}}, "neo.endpoints[0]"),
        ({"neo": {"endpoints": [ENDPOINT], "tag": {}}}, "neo.tag"),
        ({"neo": {"endpoints": [ENDPOINT], "tags": {"a": 1}}}, "neo.tags"),
        ({"neo": {"endpoints": [ENDPOINT], "stack_name": "a_b"}}, "neo.stack_name"),
        ({"neo": {"endpoints": [ENDPOINT, ENDPOINT]}}, "neo.endpoints"),
        (context({"neo.digit.target": "ml_m5"}), "neo.digit.target"),
        (context({"neo.digits.targetz": "ml_m5"}), "neo.digits.targetz"),
        (context({"neo.stak_name": "A"}), "neo.stak_name"),
        (context(name="Digits"), "neo.endpoints[0].name"),
        (context(framework="caffe"), "neo.endpoints[0].framework"),
        (context(data_input_config="{"), "neo.endpoints[0].data_input_config"),
        (context(initial_instance_count=True), "neo.endpoints[0].initial_instance_count"),
        (context(artifact_removal_policy="SNAPSHOT"), "neo.endpoints[0].artifact_removal_policy"),
        (context(model_data=""), "neo.endpoints[0].model_data"),
        ({"neo": {"endpoints": 7}}, "neo.endpoints"),
        (context(initial_instance_count="\u00b2"), "neo.endpoints[0].initial_instance_count"),
        (context(name="neo-job-engine"), "neo.endpoints"),
        (
            {
                "neo": {
                    "endpoints": [
                        {**ENDPOINT, "name": "resnet-50"},
                        {**ENDPOINT, "name": "resnet50"},
                    ]
                }
            },
            "neo.endpoints",
        ),
    ],
)
def test_each_fault_is_named_by_its_place(given: dict[str, Any], place: str) -> None:
    assert place in faults(given)


def test_every_argument_of_the_construct_is_a_setting() -> None:
    arguments = set(inspect.signature(CompiledEndpoint.__init__).parameters)
    settings = {field.name for field in fields(EndpointSettings)}
    # Only Python can say these; the stack has one bucket.
    assert arguments - settings == {
        "self",
        "scope",
        "construct_id",
        "artifact_bucket",
        "compilation_job",
        "compilation_scope",  # the stack's compilation_stack_name
        "max_runtime",
        "model_data_download_timeout",
        "container_startup_health_check_timeout",
        "security_groups",  # a key of vpc
        "vpc_subnets",
    }
    assert settings - arguments == {
        "name",
        "entry_point",
        "max_runtime_minutes",
        "model_data_download_timeout_minutes",
        "container_startup_health_check_timeout_minutes",
        "unchecked",
        "alarms",
        "dashboard",
    }


@pytest.mark.parametrize(
    ("kind", "value", "python_only"),
    [
        (VariantSettings, CompiledVariant, set()),
        (ScalingSettings, InstanceScaling, set()),
        (DataCaptureSettings, DataCaptureConfig, set()),
        (AsyncSettings, AsyncInferenceConfig, set()),
        (DeploymentSettings, DeploymentConfig, {"step", "rollback_step"}),
        (EngineSettings, JobEngineOptions, {"security_groups", "vpc_subnets"}),
    ],
)
def test_every_argument_of_a_value_is_a_setting(
    kind: type[Any], value: type[Any], python_only: set[str]
) -> None:
    known = {field.metadata["argument"] or field.name for field in fields(kind)}
    assert {field.name for field in fields(value)} - known == python_only


def test_every_key_is_documented(project: Path) -> None:
    text = (project / "docs" / "settings.md").read_text()
    assert settings_page.page(text) == text, "python -m tools.settings_page"


def test_a_key_of_a_key_is_overridden() -> None:
    given = context({"neo.digits.scaling.max_capacity": "4", "neo.engine.log_retention_days": "90"})
    settings = Settings.from_context(given)
    assert settings.endpoints[0].scaling == ScalingSettings(max_capacity=4)
    assert settings.engine == EngineSettings(log_retention_days=90)
    more = Settings.from_context(
        context(
            {"neo.digits.scaling.min_capacity": 2},
            scaling='{"max_capacity": 3, "max_requests_per_second": 7}',
        )
    )
    assert more.endpoints[0].scaling == ScalingSettings(
        max_capacity=3, min_capacity=2, max_requests_per_second=7
    )


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (context(scaling={}), "neo.endpoints[0].scaling.max_capacity"),
        (context(scaling={"max_capacity": 2, "maxx": 1}), "neo.endpoints[0].scaling.maxx"),
        (context(scaling=[]), "neo.endpoints[0].scaling"),
        (context(targets=[{}]), "neo.endpoints[0].targets[0].target"),
        (context(targets={}), "neo.endpoints[0].targets"),
        (context(vpc={"vpc_id": "v", "subnet_ids": "s"}), "neo.endpoints[0].vpc.subnet_ids"),
        (context(role="me"), "neo.endpoints[0].role"),
        (context(encryption_key="arn:aws:iam::1:role/x"), "neo.endpoints[0].encryption_key"),
        (context({"neo.digits.scaling.maximum": 1}), "neo.digits.scaling.maximum"),
        (context({"neo.digits.target.name": 1}), "neo.digits.target.name"),
        (context(name="engine"), "neo.endpoints"),
        (
            context(deployment_config={"strategy": "CANARY"}),
            "neo.endpoints[0].deployment_config.step_percent",
        ),
        (
            {"neo": {"endpoints": [ENDPOINT], "engine": {"log_retention_days": 31}}},
            "neo.engine.log_retention_days",
        ),
    ],
)
def test_each_fault_of_a_key_of_a_key_is_named(given: dict[str, Any], place: str) -> None:
    assert place in faults(given)
