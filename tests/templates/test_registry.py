"""Versions of a model in the registry, and models that serve them."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

import neo_constructs as neo
from tests.templates.changes import changes
from tests.templates.stacks import (
    DIGITS,
    PARTITIONS,
    Json,
    granting,
    of_type,
    stack,
    template,
    the,
)

GROUP, PACKAGE = "AWS::SageMaker::ModelPackageGroup", "AWS::SageMaker::ModelPackage"
MODEL = "AWS::SageMaker::Model"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/digits/1"


def compiled(scope: cdk.Stack, **changes: Any) -> neo.ModelPackage:
    """Register the compiled digits."""
    job = neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
    )
    return neo.ModelPackage(
        scope,
        "Version",
        model_package_group=neo.ModelPackageGroup(scope, "Versions"),
        container=neo.ContainerDefinition(
            compilation_job=job, inference_code=neo.InferenceCode.from_asset(DIGITS / "code")
        ),
        **{"domain": "COMPUTER_VISION", "task": "IMAGE_CLASSIFICATION", **changes},
    )


@pytest.fixture(scope="module")
def registered() -> Json:
    scope = stack()
    compiled(
        scope,
        nearest_model_name="resnet50",
        data_input_config={"pixels": [1, 1, 8, 8]},
        sample_payload=neo.SamplePayload.from_s3_uri("s3://payloads/digits.tar.gz"),
        model_approval_status="Approved",
        customer_metadata_properties={"accuracy": "0.986"},
    )
    return template(scope)


def test_a_version_says_what_recommender_asks_for(registered: Json) -> None:
    properties = the(registered, PACKAGE)["Properties"]
    assert properties["Domain"] == "COMPUTER_VISION"
    assert properties["Task"] == "IMAGE_CLASSIFICATION"
    assert properties["SamplePayloadUrl"] == "s3://payloads/digits.tar.gz"
    assert properties["ModelApprovalStatus"] == "Approved"
    assert properties["CustomerMetadataProperties"] == {"accuracy": "0.986"}
    specification = properties["InferenceSpecification"]
    (container,) = specification["Containers"]
    assert container["Framework"] == "ONNX"
    assert container["NearestModelName"] == "resnet50"
    assert container["ModelInput"] == {"DataInputConfig": '{"pixels":[1,1,8,8]}'}
    assert container["Image"]["Fn::GetAtt"][1] == "InferenceImage"
    types = specification["SupportedRealtimeInferenceInstanceTypes"]
    assert types
    assert all(each.startswith("ml.c5.") for each in types)


def test_versions_and_their_group_outlive_the_stack(registered: Json) -> None:
    version = the(registered, PACKAGE)
    policies = (version["DeletionPolicy"], version["UpdateReplacePolicy"])
    assert policies == ("RetainExceptOnCreate", "Retain"), "a first deploy that fails leaves none"
    assert the(registered, GROUP)["DeletionPolicy"] == "RetainExceptOnCreate"


def test_a_group_has_a_name_of_its_path(registered: Json) -> None:
    name = the(registered, GROUP)["Properties"]["ModelPackageGroupName"]
    assert name["Fn::Join"][1][0].startswith("Stack-Versions")
    assert "AWS::StackId" in str(name), "a stack that is deployed again finds it free"
    assert the(registered, PACKAGE)["Properties"]["ModelPackageGroupName"] == name


def test_an_uncompiled_model_is_registered_with_its_deep_learning_container() -> None:
    scope = stack(PARTITIONS["aws"])
    models = s3.Bucket.from_bucket_name(scope, "Models", "models")
    neo.ModelPackage(
        scope,
        "Version",
        model_package_group=neo.ModelPackageGroup.from_model_package_group_name(
            scope, "Versions", "digits"
        ),
        container=neo.ContainerDefinition(
            model_data_url="s3://models/model.tar.gz",
            artifact_bucket=models,
            image=neo.InferenceImage.deep_learning_container("pytorch", "2.0"),
        ),
        framework="PYTORCH",
        framework_version="2.0",
        supported_realtime_inference_instance_types=["ml.c5.large", "ml.m5.large"],
    )
    (container,) = the(template(scope), PACKAGE)["Properties"]["InferenceSpecification"][
        "Containers"
    ]
    assert ":2.0" in container["Image"]
    assert container["ModelDataUrl"] == "s3://models/model.tar.gz"
    assert (container["Framework"], container["FrameworkVersion"]) == ("PYTORCH", "2.0")


def test_a_model_serves_a_version_with_the_rights_that_it_needs() -> None:
    scope = stack()
    model = neo.Model(scope, "Model", model_package=compiled(scope))
    assert model.target == neo.TargetDevice.ML_C5
    found = template(scope)
    container = the(found, MODEL)["Properties"]["PrimaryContainer"]
    (version,) = of_type(found, PACKAGE)
    assert container == {"ModelPackageName": {"Ref": version}}
    assert granting(found, "ModelRole", "s3:GetObject")
    assert granting(found, "ModelRole", "ecr:BatchGetImage")


def test_a_version_of_elsewhere_is_served_by_its_arn() -> None:
    scope = stack(PARTITIONS["aws"])
    version = neo.ModelPackage.from_model_package_arn(
        scope,
        "Theirs",
        ARN,
        artifact_bucket=s3.Bucket.from_bucket_name(scope, "Artifacts", "artifacts"),
        artifact_prefix="digits/model.tar.gz",
        image=neo.InferenceImage.deep_learning_container("pytorch", "2.0"),
        target=neo.TargetDevice.ML_C5,
    )
    neo.Model(scope, "Model", model_package=version)
    found = template(scope)
    container = the(found, MODEL)["Properties"]["PrimaryContainer"]
    assert container == {"ModelPackageName": ARN}
    (read,) = granting(found, "ModelRole", "s3:GetObject")
    assert "artifacts/digits/model.tar.gz" in str(read["Resource"])


def test_a_new_model_is_a_new_version_and_the_old_one_stays(registered: Json) -> None:
    """By CloudFormation's schema the specification replaces, and what is replaced is retained."""
    after = {**registered, "Resources": dict(registered["Resources"])}
    (name,) = of_type(registered, PACKAGE)
    version = registered["Resources"][name]
    properties = {**version["Properties"], "Task": "OTHER"}
    after["Resources"][name] = {**version, "Properties": properties}
    assert changes(registered, after) == {name: "replaced"}
    assert version["UpdateReplacePolicy"] == "Retain"
