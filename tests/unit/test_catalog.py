"""What Neo accepts, as far as this release knows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from neo_constructs.catalog import compiler_options, data_input, support
from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.images import image_uri
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding, Level

ML_C5 = TargetDevice.ML_C5


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def test_an_unknown_target_is_named_with_its_neighbour() -> None:
    with pytest.raises(
        ValidationError, match=r"'ml_c55' is not a Neo target.*Did you mean 'ml_c5'"
    ):
        TargetDevice.parse("ml_c55")


@pytest.mark.parametrize("name", ["jetson_nano", "rasp4b", "ml_eia2", "ml_c6g"])
def test_a_target_that_no_endpoint_serves_is_refused(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TargetDevice.parse(name)
    assert caught.value.findings[0].code == "target-not-served"


def test_a_target_knows_what_can_serve_it() -> None:
    assert ML_C5.matches("ml.c5.18xlarge")
    assert not ML_C5.matches("ml.c5d.large")
    assert not ML_C5.matches("c5.large")
    assert "ml.c5.large" in ML_C5.instance_types
    assert ML_C5.check_instance_type("ml.c5.large") == []
    (finding,) = ML_C5.check_instance_type("ml.m5.large")
    assert finding.code == "instance-type-target"
    assert "'ml.m5.large'" in finding.message
    assert "ml.c5.xlarge" in finding.message


def test_a_target_by_any_name_is_let_through() -> None:
    target = TargetDevice.of("ml_c7g")
    assert not target.is_known
    assert target.matches("ml.c7g.large")
    (finding,) = target.check()
    assert (finding.code, finding.level) == ("target-unknown", Level.WARNING)
    (edge,) = TargetDevice.of("jetson_nano").check()
    assert (edge.code, edge.level) == ("target-not-served", Level.WARNING)


def test_an_unsupported_version_names_the_supported_ones() -> None:
    (finding,) = support.check(Framework.pytorch("1.10"), ML_C5)
    assert finding.code == "framework-version"
    assert "PYTORCH 1.10" in finding.message
    assert "1.12, 1.13, 2.0" in finding.message


def test_a_framework_by_any_name_only_warns() -> None:
    (finding,) = support.check(Framework.of("pytorch", "2.4"), ML_C5)
    assert finding.level is Level.WARNING


def test_a_framework_that_the_target_does_not_take_names_the_targets_that_do() -> None:
    (finding,) = support.check(Framework.onnx(), TargetDevice.ML_INF1)
    assert finding.code == "framework-target"
    assert "ml_c5" in finding.message


@pytest.mark.parametrize(
    ("framework", "target", "sent"),
    [
        (Framework.pytorch("2.0.1"), ML_C5, "2.0"),
        (Framework.tensorflow("1.15.3"), ML_C5, "1.15"),
        (Framework.mxnet(), ML_C5, None),
        (Framework.mxnet("1.8"), TargetDevice.ML_INF1, "1.8"),
        (Framework.onnx(), ML_C5, None),
        (Framework.xgboost(), ML_C5, None),
    ],
)
def test_the_version_is_sent_only_where_it_is_accepted(
    framework: Framework, target: TargetDevice, sent: str | None
) -> None:
    assert support.framework_version_to_send(framework, target) == sent


def test_framework_text_is_read() -> None:
    assert Framework.parse("pytorch:2.0") == Framework.pytorch("2.0")
    assert Framework.parse("onnx") == Framework.onnx()
    with pytest.raises(ValidationError, match=r"'pytorch' says no version.*1\.13, 2\.0"):
        Framework.parse("pytorch")
    with pytest.raises(ValidationError, match="Did you mean 'pytorch'"):
        Framework.parse("pytorhc:2.0")


@pytest.mark.parametrize(
    "value",
    [{}, [], [1, 3, 224, 224], {"a": []}, {"a": [1, 0]}, {"a": [1, -1]}, {"a": [1.5]},
     {"a": ["1"]}, {"a": [True]}, {"a": {"shape": [1]}}, "text", 7],
)  # fmt: skip
def test_a_malformed_input_config_is_refused(value: object) -> None:
    config = DataInputConfig(value)
    found = codes(data_input.check(config, Framework.pytorch("1.13"), ML_C5))
    assert set(found) <= {"data-input-config-form", "data-input-config-coreml"}
    assert found


def test_a_list_of_shapes_is_for_pytorch_only() -> None:
    config = DataInputConfig([[1, 3, 224, 224]])
    assert data_input.check(config, Framework.pytorch("1.13"), ML_C5) == []
    (finding,) = data_input.check(config, Framework.onnx(), ML_C5)
    assert "Only PyTorch takes shapes without names" in finding.message


def test_inputs_are_asked_for_where_neo_cannot_derive_them() -> None:
    assert codes(data_input.check(None, Framework.onnx(), ML_C5)) == ["data-input-config-missing"]
    assert codes(data_input.check(None, Framework.pytorch("1.13"), ML_C5)) == [
        "data-input-config-missing"
    ]
    assert data_input.check(None, Framework.pytorch("2.0"), ML_C5) == []
    assert data_input.check(None, Framework.xgboost(), ML_C5) == []


def test_the_input_config_keeps_its_order() -> None:
    assert DataInputConfig({"b": [1], "a": [2]}).to_json() == '{"b":[1],"a":[2]}'


def test_compiler_options_are_encoded_and_checked() -> None:
    pytorch = Framework.pytorch("1.13")
    assert CompilerOptions.pytorch(dtype="int64").encoded == '{"dtype": "int64"}'
    assert compiler_options.check(CompilerOptions.pytorch(dtype="int64"), pytorch, ML_C5) == []
    assert compiler_options.check(CompilerOptions.pytorch(dtype="int8"), pytorch, ML_C5)
    assert compiler_options.check(CompilerOptions.neuron("-O2"), pytorch, ML_C5)
    assert compiler_options.check(CompilerOptions.pytorch(dtype="long"), Framework.onnx(), ML_C5)
    assert compiler_options.check(CompilerOptions.of("x" * 1025), pytorch, ML_C5)
    assert compiler_options.check(CompilerOptions.of({"any": "thing"}), pytorch, ML_C5) == []


def test_an_image_is_found_by_the_version_it_serves() -> None:
    assert image_uri(Framework.pytorch("1.13.1"), ML_C5, "eu-west-1").endswith(":1.13-cpu-py3")
    assert image_uri(Framework.tensorflow("2.9"), ML_C5, "eu-west-1").endswith(":2.9.2-cpu-py3")
    assert ".amazonaws.com.cn/" in image_uri(Framework.onnx(), ML_C5, "cn-north-1")


def test_a_region_without_neo_images_is_named() -> None:
    with pytest.raises(ValidationError, match=r"no sagemaker-neo-onnx image in 'eu-south-2'"):
        image_uri(Framework.onnx(), ML_C5, "eu-south-2")


def test_no_image_is_invented() -> None:
    with pytest.raises(ValidationError, match=r"No serving image is known for PYTORCH 3\.1"):
        image_uri(Framework.pytorch("3.1"), ML_C5, "us-east-1")


def test_the_generated_tables_are_what_the_generator_writes(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "tools/refresh_catalog.py", "--check"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
