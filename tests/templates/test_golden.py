"""Golden templates: a tripwire that shows a reviewer every change. UPDATE_GOLDEN=1 rewrites."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

import neo_constructs as neo
from tests.templates.features import FEATURES, built
from tests.templates.stacks import (
    PARTITIONS,
    Json,
    digits_endpoint,
    readable,
    stack,
    template,
)

GOLDEN = Path(__file__).parent / "golden"
SCRIPTS = {
    "pytorch": "def model_fn(model_dir):\n    return None\n",
    "tensorflow": "def input_handler(data, c): ...\ndef output_handler(reply, c): ...\n",
    "mxnet": "def model_fn(model_dir):\n    return None\n",
}


def hosting(found: Json) -> Json:
    """Return what hosting adds to a template; compiling is the same for each family."""
    return {
        name: each
        for name, each in found["Resources"].items()
        if not name.startswith("NeoJobEngine") and "Artifact" not in name
    }


def compared(name: str, actual: str) -> None:
    golden = GOLDEN / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(actual)
    assert actual == golden.read_text()


@pytest.mark.parametrize("name", PARTITIONS)
def test_the_template_is_as_reviewed(name: str) -> None:
    scope = stack(PARTITIONS[name])
    digits_endpoint(scope)
    compared(f"digits.{name}", readable(template(scope)))


def served(scope: cdk.Stack, **changes: Any) -> None:
    """Add an endpoint of an archive in S3."""
    models = s3.Bucket.from_bucket_name(scope, "Models", "models")
    neo.CompiledEndpoint(
        scope,
        "Served",
        model_data=neo.ModelData.from_bucket(models, "model.tar.gz", object_version="v1"),
        target=neo.TargetDevice.ML_C5,
        instance_type="ml.c5.large",
        **changes,
    )


@pytest.mark.parametrize(
    ("family", "framework", "inputs"),
    [
        ("pytorch", neo.Framework.pytorch("2.0"), {"input0": [1, 3, 8, 8]}),
        ("tensorflow", neo.Framework.tensorflow("2.9"), {"image": [1, 8, 8, 3]}),
        ("mxnet", neo.Framework.mxnet("1.8"), {"data": [1, 4]}),
        ("xgboost", neo.Framework.xgboost(), None),
    ],
)
def test_each_container_family_is_as_reviewed(
    family: str, framework: neo.Framework, inputs: dict[str, list[int]] | None, tmp_path: Path
) -> None:
    code = None
    if text := SCRIPTS.get(family):
        (tmp_path / "inference.py").write_text(text)
        code = neo.InferenceCode.from_asset(tmp_path)
    scope = stack(PARTITIONS["aws"])
    served(scope, framework=framework, data_input_config=inputs, inference_code=code)
    compared(f"family.{family}", readable(hosting(template(scope))))


def test_a_script_in_s3_is_as_reviewed() -> None:
    scope = stack(PARTITIONS["aws"])
    scripts = s3.Bucket.from_bucket_name(scope, "Scripts", "scripts")
    served(
        scope,
        framework=neo.Framework.pytorch("2.0"),
        data_input_config={"input0": [1, 3, 8, 8]},
        inference_code=neo.InferenceCode.from_bucket(
            scripts, "sourcedir.tar.gz", object_version="v1"
        ),
    )
    compared("family.script-in-s3", readable(hosting(template(scope))))


# Their engine differs too.
WHOLE = {"private"}


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("name", FEATURES)
def test_each_feature_is_as_reviewed(name: str, partition: str) -> None:
    found = built(name, PARTITIONS[partition])
    shown = found["Resources"] if name in WHOLE else hosting(found)
    compared(f"hosting.{name}.{partition}", readable(shown))
