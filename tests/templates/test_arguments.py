"""Arguments known only at deploy, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match

import neo_constructs as neo
from tests.templates.stacks import (
    JOB,
    digits_endpoint,
    stack,
    template,
    the,
)


def test_what_is_known_only_at_deploy_passes_every_check() -> None:
    scope = stack()
    count = cdk.CfnParameter(scope, "Count", type="Number", default=1)
    kind = cdk.CfnParameter(scope, "Type", default="ml.c5.large")
    name = cdk.CfnParameter(scope, "Name", default="digits")
    digits_endpoint(
        scope,
        initial_instance_count=count.value_as_number,
        instance_type=kind.value_as_string,
        endpoint_name=name.value_as_string,
    )
    found = template(scope)
    (variant,) = the(found, "AWS::SageMaker::EndpointConfig")["Properties"]["ProductionVariants"]
    assert variant["InitialInstanceCount"] == {"Ref": "Count"}
    assert variant["InstanceType"] == {"Ref": "Type"}


def test_a_duration_that_is_known_only_at_deploy_is_written_as_a_reference() -> None:
    scope = stack()
    seconds = cdk.CfnParameter(scope, "Seconds", type="Number", default=900)
    digits_endpoint(scope, max_runtime=cdk.Duration.seconds(seconds.value_as_number))
    condition = the(template(scope), JOB)["Properties"]["StoppingCondition"]
    assert condition == {"MaxRuntimeInSeconds": {"Ref": "Seconds"}}


def test_a_shape_that_is_known_only_at_deploy_is_written_as_a_reference() -> None:
    scope = stack()
    batch = cdk.CfnParameter(scope, "Batch", type="Number", default=1)
    digits_endpoint(scope, data_input_config={"pixels": [batch.value_as_number, 1, 8, 8]})
    config = the(template(scope), JOB)["Properties"]["InputConfig"]["DataInputConfig"]
    assert config == {"Fn::Join": ["", ['{"pixels":[', {"Ref": "Batch"}, ",1,8,8]}"]]}


def test_more_that_is_known_only_at_deploy() -> None:
    scope = stack()
    text = cdk.CfnParameter(scope, "Text").value_as_string
    neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_s3_uri("s3://models/model.tar.gz"),
        framework=neo.Framework.pytorch(text),
        data_input_config=neo.DataInputConfig(text),
        compiler_options=neo.CompilerOptions.pytorch(dtype=text),
        target=neo.TargetDevice.ML_C5,
    )
    properties = the(template(scope), JOB)["Properties"]
    assert properties["InputConfig"]["FrameworkVersion"] == {"Ref": "Text"}
    assert properties["InputConfig"]["DataInputConfig"] == {"Ref": "Text"}
    assert properties["OutputConfig"]["CompilerOptions"] == {
        "Fn::Join": ["", ['{"dtype": "', {"Ref": "Text"}, '"}']]
    }


def test_what_stands_beside_a_token_is_still_checked() -> None:
    scope = stack()
    batch = cdk.CfnParameter(scope, "Batch", type="Number").value_as_number
    with pytest.raises(neo.ValidationError, match=r"'b' has the shape \[0\]"):
        neo.CompilationJob(
            scope,
            "Job",
            model_data=neo.ModelData.from_s3_uri("s3://models/model.tar.gz"),
            framework=neo.Framework.mxnet(),
            data_input_config={"a": [int(batch), 3], "b": [0]},
            target=neo.TargetDevice.ML_C5,
        )


def test_three_mistakes_are_named_at_once() -> None:
    with pytest.raises(neo.ValidationError) as caught:
        digits_endpoint(
            stack(cdk.Environment(account="123456789012", region="eu-south-2")),
            data_input_config={"pixels": [1, 8, 8, 1]},
            max_runtime=cdk.Duration.minutes(50),
            endpoint_name="a_b",
        )
    assert {finding.code for finding in caught.value.findings} == {
        "region-without-neo",
        "data-input-config-contradicts-model",
        "max-runtime",
        "endpoint-name",
    }
    assert "Stack/Digits has 4 errors" in str(caught.value)


def test_the_readme_shows_what_is_really_said(project: Path) -> None:
    scope = stack()
    bucket = s3.Bucket.from_bucket_name(scope, "Models", "models")
    with pytest.raises(neo.ValidationError) as caught:
        digits_endpoint(
            scope,
            model_data=neo.ModelData.from_bucket(bucket, "model.tar.gz", object_version="1"),
            framework=neo.Framework.pytorch("1.10"),
            data_input_config=[[1, 3, 224, 224]],
            inference_code=None,
            max_runtime=cdk.Duration.hours(2),
        )
    assert f"```\n{caught.value}\n```" in (project / "README.md").read_text()


def test_an_s3_uri_is_a_bucket_and_a_key() -> None:
    for uri in ("models/m.tar.gz", "s3://models", "s3:///key", "https://models/key", "s3://B_/key"):
        with pytest.raises(neo.ValidationError, match="s3://bucket/key"):
            neo.ModelData.from_s3_uri(uri)


def test_a_warning_can_be_acknowledged_by_its_code() -> None:
    scope = stack()
    made = digits_endpoint(scope, target=neo.TargetDevice.ML_P3, instance_type="ml.p3.2xlarge")
    for code in ("target-hardware", "quota-doubles"):  # the second is found at the very end
        cdk.Annotations.of(made).acknowledge_warning(f"neo-constructs:{code}", "We know.")
    Annotations.from_stack(scope).has_no_warning("*", Match.any_value())
