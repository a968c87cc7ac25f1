"""Model, configuration, endpoint, and the image they serve with."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match

import neo_constructs as neo
from tests.templates.stacks import (
    ARCHIVE,
    DIGITS,
    JOB,
    Json,
    actions,
    digits_endpoint,
    granting,
    of_type,
    stack,
    statements,
    template,
    the,
)


def test_the_model_takes_image_and_artifact_from_the_job(digits: Json) -> None:
    job, archive = next(iter(of_type(digits, JOB))), next(iter(of_type(digits, ARCHIVE)))
    properties = the(digits, "AWS::SageMaker::Model")["Properties"]
    container = properties["PrimaryContainer"]
    assert container["Image"] == {"Fn::GetAtt": [job, "InferenceImage"]}
    assert container["ModelDataUrl"] == {"Fn::GetAtt": [archive, "ModelDataUrl"]}
    assert container["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"] == {
        "Fn::GetAtt": [archive, "SubmitDirectory"]
    }
    assert properties["EnableNetworkIsolation"] is False
    assert (
        "fetches its script" in the(digits, "AWS::SageMaker::Model")["Metadata"]["NetworkIsolation"]
    )


def test_a_model_without_a_script_is_isolated() -> None:
    scope = stack()
    neo.CompiledEndpoint(
        scope,
        "E",
        model_data=neo.ModelData.from_s3_uri("s3://models/model.tar.gz"),
        framework=neo.Framework.xgboost(),
        target=neo.TargetDevice.ML_C5,
        instance_type="ml.c5.large",
    )
    found = template(scope)
    assert the(found, "AWS::SageMaker::Model")["Properties"]["EnableNetworkIsolation"] is True
    assert not of_type(found, ARCHIVE)


def test_a_recompile_leaves_the_models_rights_as_they_are() -> None:
    def rights(target: neo.TargetDevice, instance_type: str) -> list[Json]:
        scope = stack()
        digits_endpoint(scope, target=target, instance_type=instance_type)
        return statements(template(scope), "DigitsModelRole")

    assert rights(neo.TargetDevice.ML_C5, "ml.c5.large") == rights(
        neo.TargetDevice.ML_M5, "ml.m5.large"
    )


def test_an_edited_script_changes_the_serving_archive_only(tmp_path: Path) -> None:
    def resources(code: Path) -> Json:
        scope = stack()
        digits_endpoint(scope, inference_code=neo.InferenceCode.from_asset(code))
        return dict(template(scope)["Resources"])

    edited = tmp_path / "inference.py"
    edited.write_text((DIGITS / "code" / "inference.py").read_text() + "\n# edited\n")
    before, after = resources(DIGITS / "code"), resources(edited)
    assert set(before) == set(after)
    changed = {before[i]["Type"] for i in before if before[i] != after[i]}
    assert changed == {ARCHIVE, "AWS::IAM::Policy"}


def test_a_new_target_changes_the_job_and_the_instances_only() -> None:
    def resources(target: neo.TargetDevice, instance_type: str) -> Json:
        scope = stack()
        digits_endpoint(scope, target=target, instance_type=instance_type)
        return dict(template(scope)["Resources"])

    before = resources(neo.TargetDevice.ML_C5, "ml.c5.large")
    after = resources(neo.TargetDevice.ML_M5, "ml.m5.large")
    assert set(before) == set(after)
    changed = {before[i]["Type"] for i in before if before[i] != after[i]}
    assert changed == {JOB, "AWS::SageMaker::EndpointConfig"}


def test_invoking_is_granted_on_the_endpoints_own_arn() -> None:
    scope = stack()
    role = iam.Role(scope, "Caller", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    digits_endpoint(scope).grant_invoke(role)
    found = template(scope)
    assert statements(found, "Caller") == [
        {
            "Action": "sagemaker:InvokeEndpoint",
            "Effect": "Allow",
            "Resource": {"Ref": next(iter(of_type(found, "AWS::SageMaker::Endpoint")))},
        }
    ]


def test_an_archive_of_ones_own_sets_the_scripts_variables() -> None:
    scope = stack()
    job = neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
    )
    archive = neo.ServingArchive(
        scope,
        "Archive",
        model_data_url=job.model_data_url,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
        contract=neo.ServingContract.DLR,
    )
    neo.Model(
        scope,
        "Model",
        model_data_url=archive.model_data_url,
        artifact_bucket=job.artifact_bucket,
        image=neo.InferenceImage.for_target(neo.Framework.onnx(), neo.TargetDevice.ML_C5),
    )
    found = template(scope)
    container = the(found, "AWS::SageMaker::Model")["Properties"]["PrimaryContainer"]
    assert container["Environment"]["SAGEMAKER_PROGRAM"] == "inference.py"
    directory = container["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"]
    assert directory["Fn::GetAtt"][1] == "SubmitDirectory"
    (read,) = granting(found, "ModelRole", "s3:GetObject")
    assert "/serving/*" in json.dumps(read["Resource"])


def test_an_image_known_only_at_deploy_is_called_so() -> None:
    scope = stack()
    uri = cdk.CfnParameter(scope, "Uri").value_as_string
    neo.Model(
        scope,
        "Model",
        model_data_url="s3://elsewhere/model.tar.gz",
        artifact_bucket=s3.Bucket.from_bucket_name(scope, "Artifacts", "elsewhere"),
        image=neo.InferenceImage.from_uri(uri),
    )
    Annotations.from_stack(scope).has_warning(
        "*", Match.string_like_regexp("no right to pull an image known only at deploy")
    )


def test_an_artifact_of_ones_own_is_served() -> None:
    scope = stack()
    bucket = s3.Bucket.from_bucket_name(scope, "Artifacts", "elsewhere")
    model = neo.Model(
        scope,
        "Model",
        model_data_url="s3://elsewhere/model.tar.gz",
        artifact_bucket=bucket,
        image=neo.InferenceImage.for_target(neo.Framework.pytorch("2.0"), neo.TargetDevice.ML_C5),
    )
    neo.EndpointConfig(
        scope,
        "Config",
        production_variants=[neo.InstanceVariant(model=model, instance_type="ml.c5.large")],
    )
    found = template(scope)
    container = the(found, "AWS::SageMaker::Model")["Properties"]["PrimaryContainer"]
    assert "sagemaker-inference-pytorch:2.0-cpu-py3" in json.dumps(container["Image"])
    (read,) = granting(found, "ModelRole", "s3:GetObject")
    assert ":s3:::elsewhere/model.tar.gz" in json.dumps(read["Resource"])
    (listing,) = granting(found, "ModelRole", "s3:ListBucket")
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "model.tar.gz"}}
    pulls = granting(found, "ModelRole", "ecr:BatchGetImage")
    assert "repository/sagemaker-inference-pytorch" in json.dumps(pulls)
    assert not of_type(found, "AWS::Lambda::Function")


@pytest.mark.parametrize(
    ("uri", "granted"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/mine:1", True),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/mine@sha256:0", True),
        ("docker.io/library/mine:1", False),
    ],
)
def test_a_pinned_image_can_be_pulled(uri: str, granted: bool) -> None:
    scope = stack()
    digits_endpoint(scope, image=neo.InferenceImage.from_uri(uri))
    pulls = [
        s
        for s in statements(template(scope), "DigitsModelRole")
        if "ecr:BatchGetImage" in actions(s)
    ]
    assert bool(pulls) is granted
    if granted:
        assert json.dumps(pulls[0]["Resource"]).count(':123456789012:repository/mine"') == 1


def test_an_image_of_ones_own_repository_can_be_pulled() -> None:
    scope = stack()
    repository = ecr.Repository(scope, "Images")
    digits_endpoint(scope, image=neo.InferenceImage.from_ecr_repository(repository, "7"))
    found = template(scope)
    (pull,) = granting(found, "DigitsModelRole", "ecr:BatchGetImage")
    (logical_id,) = of_type(found, "AWS::ECR::Repository")
    assert pull["Resource"] == {"Fn::GetAtt": [logical_id, "Arn"]}
    image = the(found, "AWS::SageMaker::Model")["Properties"]["PrimaryContainer"]["Image"]
    assert json.dumps(image).endswith('":7"]]}')


def test_a_known_region_folds_the_mapping_away() -> None:
    scope = stack(cdk.Environment(account="123456789012", region="eu-west-1"))
    digits_endpoint(scope)
    found = template(scope)
    assert "Mappings" not in found
    expected = the(found, JOB)["Properties"]["ExpectedInferenceImage"]
    assert (
        expected == "802834080501.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-neo-onnx:1.5.0-cpu-py3"
    )


def test_the_bucket_is_safe_by_default(digits: Json) -> None:
    bucket = the(digits, "AWS::S3::Bucket")
    assert bucket["DeletionPolicy"] == "Retain"
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["Properties"]["BucketEncryption"]
    assert "aws:SecureTransport" in json.dumps(the(digits, "AWS::S3::BucketPolicy"))


def test_an_ecr_uri_of_the_deploys_account_and_region_can_be_pulled() -> None:
    scope = stack()
    registry = f"{cdk.Aws.ACCOUNT_ID}.dkr.ecr.{cdk.Aws.REGION}.{cdk.Aws.URL_SUFFIX}"
    digits_endpoint(scope, image=neo.InferenceImage.from_uri(f"{registry}/mine:1"))
    (pull,) = granting(template(scope), "DigitsModelRole", "ecr:BatchGetImage")
    assert json.dumps(pull["Resource"]).count('":repository/mine"') == 1
    Annotations.from_stack(scope).has_no_warning("*", Match.any_value())


@pytest.mark.parametrize("has_script", [True, False])
def test_a_job_is_read_where_it_lies_and_its_archive_where_that_is_written(
    has_script: bool,
) -> None:
    """The bucket that is given beside a job takes the archive; the job's own stays readable."""
    scope = stack()
    job = neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS.parents[1] / "tests" / "models" / "traced.pth"),
        framework=neo.Framework.pytorch("2.0"),
        target=neo.TargetDevice.ML_C5,
    )
    neo.Model(
        scope,
        "Model",
        compilation_job=job,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "pytorch" / "code")
        if has_script
        else None,
        artifact_bucket=s3.Bucket.from_bucket_name(scope, "Other", "other-bucket"),
    )
    reads = [
        json.dumps(each["Resource"])
        for each in statements(template(scope), "ModelRole")
        if each["Action"] == "s3:GetObject"
    ]
    assert any("NeoArtifact" in each for each in reads), "the compiled artifact"
    assert any("other-bucket" in each for each in reads) is has_script
