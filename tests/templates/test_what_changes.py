"""For each single change: which resources change, which are replaced, and that the rest stay."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sns as sns
from constructs import Construct

import neo_constructs as neo
from tests.templates.changes import changes, of_types
from tests.templates.stacks import DIGITS, Json, stack, template

Make = Callable[[cdk.Stack, Path], object]
# What a new script, or a new model, makes of an endpoint.
MODEL = {"Model": "replaced", "EndpointConfig": "replaced", "Endpoint": "updated"}
# The engine may read the new source, and the old one no more.
READS = {"Policy": "updated"}
COMPILED = {"NeoCompilationJob": "replaced", **MODEL}


def endpoint(folder: Path, scope: Any, **changes: Any) -> neo.CompiledEndpoint:
    """Return an endpoint of a PyTorch model, whose shapes the model file leaves open."""
    arguments = {
        "model_data": neo.ModelData.from_asset(folder / "pytorch/model.pth"),
        "framework": neo.Framework.pytorch("2.0"),
        "data_input_config": {"pixels": [1, 1, 8, 8]},
        "target": neo.TargetDevice.ML_C5,
        "inference_code": neo.InferenceCode.from_asset(folder / "pytorch/code"),
        "instance_type": "ml.c5.large",
    }
    return neo.CompiledEndpoint(scope, "Digits", **{**arguments, **changes})


def changed(**arguments: Any) -> Make:
    return lambda scope, folder: endpoint(folder, scope, **arguments)


def script(scope: cdk.Stack, folder: Path) -> None:
    path = folder / "pytorch/code/inference.py"
    path.write_text(path.read_text() + "\n# another line\n")
    endpoint(folder, scope)


def model_bytes(scope: cdk.Stack, folder: Path) -> None:
    # The other format of the same network.
    shutil.copy(
        Path(__file__).parent.parent / "models" / "traced.pth", folder / "pytorch/model.pth"
    )
    endpoint(folder, scope, data_input_config={"pixels": [1, 1, 8, 8]})


def tagged(scope: cdk.Stack, folder: Path) -> None:
    endpoint(folder, scope)
    cdk.Tags.of(scope).add("team", "vision")


def alarmed(scope: cdk.Stack, folder: Path) -> None:
    variant = endpoint(folder, scope).variant()
    variant.metric_invocation_5xx_errors().create_alarm(
        scope, "Alarm", threshold=1, evaluation_periods=1
    )


def scaled(scope: cdk.Stack, folder: Path) -> None:
    endpoint(folder, scope).variant().auto_scale_instance_count(max_capacity=2)


def two(scope: cdk.Stack, folder: Path) -> None:
    endpoint(folder, scope).add_target(
        neo.CompiledVariant(target=neo.TargetDevice.ML_M5, instance_type="ml.m5.large")
    )


def told(scope: cdk.Stack, folder: Path) -> None:
    endpoint(folder, scope)
    sns.Topic(scope, "Topic")


def observed(scope: cdk.Stack, folder: Path) -> None:
    neo.EndpointDashboard(scope, "Dashboard", endpoint=endpoint(folder, scope).endpoint)


CASES: dict[str, tuple[Make, dict[str, str]]] = {
    "nothing": (changed(), {}),
    "script": (script, {"NeoServingArchive": "replaced", **READS, **MODEL}),
    "model bytes": (model_bytes, {"NeoServingArchive": "replaced", **READS, **COMPILED}),
    "shape": (
        changed(data_input_config={"pixels": [4, 1, 8, 8]}),
        {"NeoServingArchive": "replaced", **COMPILED},
    ),
    "target": (
        changed(target=neo.TargetDevice.ML_M5, instance_type="ml.m5.large"),
        {"NeoServingArchive": "replaced", **COMPILED},
    ),
    "instance type": (
        changed(instance_type="ml.c5.xlarge"),
        {"EndpointConfig": "replaced", "Endpoint": "updated"},
    ),
    "count": (
        changed(initial_instance_count=2),
        {"EndpointConfig": "replaced", "Endpoint": "updated"},
    ),
    "weight": (
        changed(
            target=None,
            instance_type=None,
            targets=[
                neo.CompiledVariant(
                    target=neo.TargetDevice.ML_C5,
                    instance_type="ml.c5.large",
                    variant_name="AllTraffic",
                    initial_variant_weight=2,
                )
            ],
        ),
        {"EndpointConfig": "replaced", "Endpoint": "updated"},
    ),
    "environment": (changed(environment={"A": "b"}), MODEL),
    "runtime": (changed(max_runtime=cdk.Duration.minutes(20)), {"NeoCompilationJob": "updated"}),
    "deployment": (
        changed(deployment_config=neo.DeploymentConfig.all_at_once()),
        {"Endpoint": "updated"},
    ),
    "name": (changed(endpoint_name="digits"), {"Endpoint": "replaced"}),
    "alarm": (alarmed, {"Alarm": "added"}),
    "scaling": (scaled, {"ScalableTarget": "added", "Endpoint": "updated"}),
    "another resource": (told, {"Topic": "added"}),
    "dashboard": (observed, {"Dashboard": "added"}),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(DIGITS / "pytorch", tmp_path / "pytorch")
    return tmp_path


@pytest.fixture(scope="module")
def before() -> Json:
    scope = stack()
    endpoint(DIGITS, scope)  # what is packed is known by its content, wherever it lies
    return template(scope)


@pytest.mark.parametrize("name", CASES)
def test_what_a_change_changes(name: str, folder: Path, before: Json) -> None:
    make, expected = CASES[name]
    scope = stack()
    make(scope, folder)
    after = template(scope)
    found = changes(before, after)
    assert of_types(found, before, after) == expected
    assert len(found) == len(expected)  # no type twice


def test_a_tag_replaces_nothing_and_compiles_nothing(folder: Path, before: Json) -> None:
    scope = stack()
    tagged(scope, folder)
    after = template(scope)
    found = changes(before, after)
    assert set(found.values()) == {"updated"}
    assert of_types(found, before, after)["NeoCompilationJob"] == "updated"


def test_a_further_target_leaves_what_there_is(folder: Path, before: Json) -> None:
    scope = stack()
    two(scope, folder)
    after = template(scope)
    found = changes(before, after)
    old = {name: what for name, what in found.items() if name in before["Resources"]}
    assert of_types(old, before, after) == {"EndpointConfig": "replaced", "Endpoint": "updated"}
    added = [after["Resources"][n]["Type"] for n, what in found.items() if what == "added"]
    assert sorted(added) == [
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::SageMaker::Model",
        "Custom::NeoCompilationJob",
        "Custom::NeoServingArchive",
    ]


def test_a_move_into_another_scope_makes_another_endpoint(folder: Path, before: Json) -> None:
    """CloudFormation knows resources by their paths; the stack's engine and bucket stay."""
    scope = stack()
    endpoint(folder, Construct(scope, "Inner"))
    after = template(scope)
    found = changes(before, after)
    assert set(found.values()) == {"added", "removed"}
    assert not [name for name in found if name.startswith(("NeoJobEngine", "NeoArtifact"))]
    kinds = {
        what: sorted(
            (before if what == "removed" else after)["Resources"][name]["Type"]
            for name, verdict in found.items()
            if verdict == what
        )
        for what in ("added", "removed")
    }
    assert kinds["added"] == kinds["removed"]
