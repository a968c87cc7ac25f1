"""Compiling in one stack, hosting in another: by parameters, and with the least rights."""

from __future__ import annotations

import json

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template
from neo_jobs.cloudformation import digest as lambda_digest

import neo_constructs as neo
from neo_constructs.engine.names import digest
from tests.templates.stacks import DIGITS, IMPORTED, JOB, Json, of_type, statements, the

ENVIRONMENT = cdk.Environment(account="123456789012", region="eu-west-1")


@pytest.fixture(scope="module")
def both() -> tuple[Json, Json]:
    """Return the templates of a stack that compiles and one that hosts."""
    app = cdk.App()
    compiling = cdk.Stack(app, "Compiling", env=ENVIRONMENT)
    hosting = cdk.Stack(app, "Hosting", env=ENVIRONMENT)
    job = neo.CompilationJob(
        compiling,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
    )
    code = neo.InferenceCode.from_asset(DIGITS / "code")
    for name in ("First", "Second"):
        neo.Model(hosting, name, compilation_job=job, inference_code=code)
    assert hosting.dependencies == [compiling]
    return (
        dict(Template.from_stack(compiling).to_json()),
        dict(Template.from_stack(hosting).to_json()),
    )


def test_nothing_is_exported(both: tuple[Json, Json]) -> None:
    """An export cannot change while it is used: a new compilation would wait for the hosting."""
    compiling, hosting = both
    assert "Outputs" not in compiling
    assert "Fn::ImportValue" not in json.dumps(hosting)


def test_each_value_is_one_parameter_however_many_use_it(both: tuple[Json, Json]) -> None:
    compiling, hosting = both
    written = {
        each["Properties"]["Name"]: each["Properties"]["Value"]
        for each in of_type(compiling, "AWS::SSM::Parameter").values()
    }
    read = {
        each["Default"]
        for each in hosting["Parameters"].values()
        if each["Type"] == "AWS::SSM::Parameter::Value<String>" and "neo" in each["Default"]
    }
    assert read == set(written)
    assert {name.rpartition("/")[2] for name in read} == {
        "model-data-url",
        "inference-image",
        "artifact-bucket-name",
        "artifact-prefix",
    }


def test_the_prefix_is_that_of_the_job(both: tuple[Json, Json]) -> None:
    compiling, _ = both
    (logical_id,) = of_type(compiling, JOB)
    (prefix,) = [
        each["Properties"]["Value"]
        for each in of_type(compiling, "AWS::SSM::Parameter").values()
        if each["Properties"]["Name"].endswith("/artifact-prefix")
    ]
    assert json.dumps(prefix).endswith(f'-{lambda_digest(logical_id, 8)}"]]}}')


@pytest.mark.parametrize("text", ["DigitsJob1234", "", "x" * 300])
def test_the_hash_is_the_lambdas(text: str) -> None:
    assert digest(text, 8) == lambda_digest(text, 8)


def test_the_role_reads_that_jobs_artifacts_and_no_others(both: tuple[Json, Json]) -> None:
    _, hosting = both
    (prefix,) = [
        {"Ref": name}
        for name, each in hosting["Parameters"].items()
        if each.get("Default", "").endswith("/artifact-prefix")
    ]
    found = statements(hosting, "FirstRole")
    reads = [s["Resource"] for s in found if s["Action"] == "s3:GetObject"]
    assert len(reads) == 2, "what the job compiles, and what this stack's engine has put together"
    assert any(json.dumps(prefix) in json.dumps(read) for read in reads)
    whole_bucket = [read for read in reads if json.dumps(read).endswith('"/*"]]}')]
    assert whole_bucket == []


def test_a_job_by_its_attributes_and_by_its_parameters() -> None:
    stack = cdk.Stack(cdk.App(), "Stack", env=ENVIRONMENT)
    framework, target = neo.Framework.xgboost(), neo.TargetDevice.ML_C5
    by_attributes = neo.CompilationJob.from_compilation_job_attributes(
        stack,
        "One",
        model_data_url="s3://artifacts/neo-1-2-ml_c5.tar.gz",
        artifact_bucket=s3.Bucket.from_bucket_name(stack, "Artifacts", "artifacts"),
        artifact_prefix="neo-1",
        inference_image=IMPORTED,
        framework=framework,
        target=target,
    )
    by_parameters = neo.CompilationJob.from_ssm_parameters(
        stack, "Two", prefix="/vision/digits", framework=framework, target=target
    )
    for number, job in enumerate((by_attributes, by_parameters)):
        neo.Model(stack, f"Model{number}", compilation_job=job)
    found = dict(Template.from_stack(stack).to_json())
    first, second = (
        each["Properties"]["PrimaryContainer"]
        for each in of_type(found, "AWS::SageMaker::Model").values()
    )
    assert first["ModelDataUrl"] == "s3://artifacts/neo-1-2-ml_c5.tar.gz"
    assert first["Image"] == IMPORTED
    read = found["Parameters"][second["ModelDataUrl"]["Ref"]]
    assert read["Default"] == "/vision/digits/model-data-url"


def test_a_job_writes_its_parameters_where_it_is_told() -> None:
    stack = cdk.Stack(cdk.App(), "Stack", env=ENVIRONMENT)
    job = neo.CompilationJob(
        stack,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
    )
    job.write_ssm_parameters("/vision/digits")
    found = dict(Template.from_stack(stack).to_json())
    names = {each["Properties"]["Name"] for each in of_type(found, "AWS::SSM::Parameter").values()}
    assert "/vision/digits/model-data-url" in names


def test_imports_of_hosting() -> None:
    stack = cdk.Stack(cdk.App(), "Stack", env=ENVIRONMENT)
    model = neo.Model.from_model_name(stack, "Model", "Digits", target=neo.TargetDevice.ML_C5)
    assert stack.resolve(model.model_arn)["Fn::Join"][1][-1].endswith(":model/digits")
    config = neo.EndpointConfig(
        stack,
        "Config",
        production_variants=[neo.InstanceVariant(model=model, instance_type="ml.c5.large")],
    )
    neo.Endpoint(stack, "Endpoint", endpoint_config=config)
    given = neo.EndpointConfig.from_endpoint_config_name(stack, "Given", "there")
    neo.Endpoint(stack, "Other", endpoint_config=given)
    role = cdk.aws_iam.Role(
        stack, "Client", assumed_by=cdk.aws_iam.ServicePrincipal("lambda.amazonaws.com")
    )
    neo.Endpoint.from_endpoint_name(stack, "There", "There").grant_invoke(role)
    found = dict(Template.from_stack(stack).to_json())
    (grant,) = statements(found, "Client")
    assert json.dumps(grant["Resource"]).endswith(':endpoint/there"]]}')
    names = [
        each["Properties"]["EndpointConfigName"]
        for each in of_type(found, "AWS::SageMaker::Endpoint").values()
    ]
    assert "there" in names


def test_several_variants_are_added_and_rendered() -> None:
    stack = cdk.Stack(cdk.App(), "Stack", env=ENVIRONMENT)
    model = neo.Model.from_model_name(stack, "Model", "digits")
    config = neo.EndpointConfig(stack, "Config")
    for name, weight in (("a", 3), ("b", 0)):
        config.add_production_variant(
            neo.InstanceVariant(
                model=model,
                instance_type="ml.c5.large",
                variant_name=name,
                initial_variant_weight=weight,
            )
        )
    found = the(dict(Template.from_stack(stack).to_json()), "AWS::SageMaker::EndpointConfig")
    rendered = found["Properties"]["ProductionVariants"]
    assert [(v["VariantName"], v["InitialVariantWeight"]) for v in rendered] == [("a", 3), ("b", 0)]
    assert len(config.production_variants) == 2


def test_a_finding_names_its_variant() -> None:
    stack = cdk.Stack(cdk.App(), "Stack", env=ENVIRONMENT)
    model = neo.Model.from_model_name(stack, "Model", "digits", target=neo.TargetDevice.ML_C5)
    config = neo.EndpointConfig(stack, "Config")
    wrong = neo.InstanceVariant(model=model, instance_type="ml.m5.large", variant_name="canary")
    with pytest.raises(neo.ValidationError) as caught:
        config.add_production_variant(wrong)
    (finding,) = caught.value.findings
    assert finding.where == "variant 'canary', instance_type"


def test_a_serverless_variant_is_rendered() -> None:
    stack = cdk.Stack(cdk.App(), "Stack", env=ENVIRONMENT)
    model = neo.Model.from_model_name(stack, "Model", "digits", target=neo.TargetDevice.ML_C5)
    neo.EndpointConfig(
        stack,
        "Config",
        production_variants=[neo.ServerlessVariant(model=model, provisioned_concurrency=2)],
    )
    found = the(dict(Template.from_stack(stack).to_json()), "AWS::SageMaker::EndpointConfig")
    (variant,) = found["Properties"]["ProductionVariants"]
    assert "InstanceType" not in variant
    assert variant["ServerlessConfig"] == {
        "MaxConcurrency": 5,
        "MemorySizeInMB": 2048,
        "ProvisionedConcurrency": 2,
    }
