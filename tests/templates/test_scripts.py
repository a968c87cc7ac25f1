"""Where each kind of container finds its script, and what it needs for that."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

import neo_constructs as neo
from neo_constructs.archives import asset_cache, inspection_cache
from neo_constructs.archives.inspection import Inspection, inspect
from neo_constructs.archives.packing import pack
from neo_constructs.compilation import model_data
from tests.templates.stacks import (
    ARCHIVE,
    DIGITS,
    Json,
    digits_endpoint,
    granting,
    of_type,
    stack,
    template,
    the,
)

SCRIPTS = {
    "pytorch": "def model_fn(d): ...\n",
    "mxnet": "def model_fn(d): ...\n",
    "tensorflow": "def handler(d, c): ...\n",
}
FRAMEWORKS = {
    "pytorch": neo.Framework.pytorch("2.0"),
    "mxnet": neo.Framework.mxnet("1.8"),
    "tensorflow": neo.Framework.tensorflow("2.9"),
}
MODEL = "AWS::SageMaker::Model"


def served(framework: str, code: neo.InferenceCode | None, **changes: Any) -> Json:
    """Return the template of an endpoint of a model in S3."""
    scope = stack()
    models = s3.Bucket.from_bucket_name(scope, "Models", "models")
    digits_endpoint(
        scope,
        model_data=neo.ModelData.from_bucket(models, "model.tar.gz", object_version="v1"),
        framework=FRAMEWORKS[framework],
        data_input_config={"data": [1, 3, 224, 224]} if framework != "tensorflow"
        else {"data": [1, 224, 224, 3]},
        inference_code=code,
        **changes,
    )  # fmt: skip
    return template(scope)


@pytest.fixture
def code(tmp_path: Path) -> Callable[[str], neo.InferenceCode]:
    def make(framework: str) -> neo.InferenceCode:
        (tmp_path / "inference.py").write_text(SCRIPTS[framework])
        return neo.InferenceCode.from_asset(tmp_path)

    return make


@pytest.mark.parametrize("framework", SCRIPTS)
def test_the_script_goes_into_the_archive_that_is_served(
    framework: str, code: Callable[[str], neo.InferenceCode]
) -> None:
    found = served(framework, code(framework))
    (archive,) = of_type(found, ARCHIVE)
    wanted = the(found, ARCHIVE)["Properties"]
    assert (wanted["Layout"], wanted["EntryPoint"]) == ("code", "inference.py")
    model = the(found, MODEL)
    container = model["Properties"]["PrimaryContainer"]
    assert container["ModelDataUrl"] == {"Fn::GetAtt": [archive, "ModelDataUrl"]}
    # Source: AWS developer guide, page neo-deployment-hosting-services-boto3.
    assert container["Environment"] == {
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
        "SAGEMAKER_REGION": {"Ref": "AWS::Region"},
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": {"Fn::GetAtt": [archive, "SubmitDirectory"]},
        **({} if framework == "tensorflow" else {"MMS_DEFAULT_RESPONSE_TIMEOUT": "500"}),
    }
    assert model["Properties"]["EnableNetworkIsolation"] is True
    assert "Metadata" not in model


def test_requirements_need_the_network_as_the_container_starts(
    tmp_path: Path, code: Callable[[str], neo.InferenceCode]
) -> None:
    given = code("pytorch")
    (tmp_path / "requirements.txt").write_text("pillow\n")
    found = served("pytorch", given)
    model = the(found, MODEL)
    assert model["Properties"]["EnableNetworkIsolation"] is False
    assert "installs requirements.txt" in model["Metadata"]["NetworkIsolation"]
    assert the(found, ARCHIVE)["Properties"]["NetworkIsolation"] is False


def test_a_container_without_a_script_gets_what_was_compiled() -> None:
    found = served("pytorch", None)
    assert not of_type(found, ARCHIVE)
    environment = the(found, MODEL)["Properties"]["PrimaryContainer"]["Environment"]
    assert "SAGEMAKER_PROGRAM" not in environment
    assert environment["MMS_DEFAULT_RESPONSE_TIMEOUT"] == "500"


def test_the_source_archive_of_a_training_job() -> None:
    scope = stack()
    key = kms.Key.from_key_arn(scope, "Key", "arn:aws:kms:eu-west-1:123456789012:key/k")
    bucket = s3.Bucket.from_bucket_attributes(
        scope, "Training", bucket_name="training", encryption_key=key
    )
    code = neo.InferenceCode.from_bucket(
        bucket, "job-1/source/sourcedir.tar.gz", entry_point="serve.py", object_version="v7"
    )
    models = s3.Bucket.from_bucket_name(scope, "Models", "models")
    digits_endpoint(
        scope,
        model_data=neo.ModelData.from_bucket(models, "model.tar.gz", object_version="v1"),
        framework=FRAMEWORKS["pytorch"],
        inference_code=code,
    )
    found = template(scope)
    wanted = the(found, ARCHIVE)["Properties"]
    assert wanted["Script"] == {
        "S3Uri": "s3://training/job-1/source/sourcedir.tar.gz",
        "ObjectVersion": "v7",
    }
    assert wanted["EntryPoint"] == "serve.py"
    # What cannot be seen at synth is refused at deploy: the container is cut off.
    assert wanted["NetworkIsolation"] is True
    assert the(found, MODEL)["Properties"]["EnableNetworkIsolation"] is True
    place = "/job-1/source/sourcedir.tar.gz"
    reads = [
        statement
        for statement in granting(found, "NeoJobEngineRole", "s3:GetObjectVersion")
        if place in str(statement["Resource"])
    ]
    assert len(reads) == 1
    assert any(
        statement["Resource"] == "arn:aws:kms:eu-west-1:123456789012:key/k"
        for statement in granting(found, "NeoJobEngineRole", "kms:Decrypt")
    )
    # No container reads that bucket.
    assert "training" not in str(granting(found, "DigitsModelRole", "s3:GetObject"))


@pytest.mark.parametrize("is_isolated", [True, False])
def test_whoever_decides_on_isolation_is_obeyed(
    is_isolated: bool, code: Callable[[str], neo.InferenceCode]
) -> None:
    scope = stack()
    bucket = s3.Bucket.from_bucket_name(scope, "Models", "models")
    job = neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_bucket(bucket, "model.tar.gz", object_version="v1"),
        framework=FRAMEWORKS["pytorch"],
        target=neo.TargetDevice.ML_C5,
    )
    neo.Model(
        scope,
        "Model",
        compilation_job=job,
        inference_code=code("pytorch"),
        enable_network_isolation=is_isolated,
    )
    found = template(scope)
    assert the(found, MODEL)["Properties"]["EnableNetworkIsolation"] is is_isolated
    assert the(found, ARCHIVE)["Properties"]["NetworkIsolation"] is is_isolated


def test_a_serving_archive_of_an_artifact_from_elsewhere(
    code: Callable[[str], neo.InferenceCode],
) -> None:
    scope = stack()
    neo.ServingArchive(
        scope,
        "Archive",
        model_data_url="s3://compiled/model-ml_c5.tar.gz",
        inference_code=code("pytorch"),
    )
    found = template(scope)
    reads = str(granting(found, "NeoJobEngineRole", "s3:GetObject"))
    assert ":s3:::compiled/model-ml_c5.tar.gz" in reads


def test_a_model_of_such_an_archive_may_read_it_and_what_it_is_made_of() -> None:
    """Under the archive's key; the containers of ONNX load the artifact from where it is."""
    scope = stack()
    key = kms.Key(scope, "Key")
    archive = neo.ServingArchive(
        scope,
        "Archive",
        model_data_url="s3://compiled/model-ml_c5.tar.gz",
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
        contract=neo.ServingContract.DLR,
        encryption_key=key,
    )
    neo.Model(
        scope,
        "Model",
        model_data_url=archive.model_data_url,
        image=neo.InferenceImage.for_target(neo.Framework.onnx(), neo.TargetDevice.ML_C5),
    )
    found = template(scope)
    reads = json.dumps(granting(found, "ModelRole", "s3:GetObject"))
    assert ":s3:::compiled/model-ml_c5.tar.gz" in reads
    assert "/serving/*" in reads
    (decrypts,) = granting(found, "ModelRole", "kms:Decrypt")
    assert "Key" in json.dumps(decrypts["Resource"])


def test_a_model_stands_in_the_stack_of_such_an_archive() -> None:
    app = cdk.App()
    archive = neo.ServingArchive(
        cdk.Stack(app, "One"),
        "Archive",
        model_data_url="s3://compiled/model-ml_c5.tar.gz",
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
        contract=neo.ServingContract.DLR,
    )
    with pytest.raises(neo.ValidationError, match="put the model into the stack of One/Archive"):
        neo.Model(
            cdk.Stack(app, "Two"),
            "Model",
            model_data_url=archive.model_data_url,
            image=neo.InferenceImage.for_target(neo.Framework.onnx(), neo.TargetDevice.ML_C5),
        )


def test_an_archive_with_packages_to_install_needs_the_network(tmp_path: Path) -> None:
    (tmp_path / "inference.py").write_text("def model_fn(folder):\n    return 0\n")
    (tmp_path / "requirements.txt").write_text("numpy\n")
    scope = stack()
    archive = neo.ServingArchive(
        scope,
        "Archive",
        model_data_url="s3://compiled/model-ml_c5.tar.gz",
        inference_code=neo.InferenceCode.from_asset(tmp_path),
    )
    with pytest.raises(neo.ValidationError, match="script-needs-network"):
        neo.Model(
            scope,
            "Model",
            model_data_url=archive.model_data_url,
            image=neo.InferenceImage.for_target(
                neo.Framework.pytorch("2.0"), neo.TargetDevice.ML_C5
            ),
            enable_network_isolation=True,
        )


def test_an_unchanged_script_is_the_same_asset(tmp_path: Path) -> None:
    def uri(folder: Path) -> object:
        scope = stack(cdk.Environment(account="123456789012", region="eu-west-1"))
        digits_endpoint(scope, inference_code=neo.InferenceCode.from_asset(folder))
        return the(template(scope), ARCHIVE)["Properties"]["Script"]

    (tmp_path / "inference.py").write_bytes((DIGITS / "code" / "inference.py").read_bytes())
    assert uri(tmp_path) == uri(DIGITS / "code")


def test_an_unchanged_model_is_neither_read_nor_packed_at_the_next_synth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(inspection_cache, "MIN_AGE_NS", -(10**9))
    model = tmp_path / "digits.onnx"
    model.write_bytes((DIGITS / "digits.onnx").read_bytes())

    def synthesized() -> Json:
        scope = stack()
        digits_endpoint(scope, model_data=neo.ModelData.from_asset(model))
        return template(scope)

    def look(path: Path) -> Inspection:
        done.append("read")
        return inspect(path)

    def packing(members: Mapping[str, Path], archive: Path) -> str:
        done.append("packed")
        return pack(members, archive)

    first = synthesized()
    done = list[str]()
    once = functools.partial(inspection_cache.inspect_once, look=look)
    monkeypatch.setattr(model_data, "inspect_once", once)
    monkeypatch.setattr(asset_cache, "pack", packing)
    assert synthesized() == first
    assert done == []
    model.write_bytes(model.read_bytes() + b"\x72\x00")  # an empty field more: another model
    assert synthesized() != first
    assert done == ["read", "packed"]
