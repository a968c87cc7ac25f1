"""Recommendations jobs, what is chosen of them, and what serves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from botocore.session import get_session
from neo_jobs.cloudformation import Request
from neo_jobs.kinds.job_names import create_request

import neo_constructs as neo
from neo_constructs.sandbox.sagemaker.requests import validate
from tests.corpus.recommender import compiled, load_test, measured, registered, served
from tests.lifecycle.events import request_event
from tests.templates.changes import changes
from tests.templates.stacks import Json, granting, of_type, stack, statements, template, the

MEASUREMENT = "Custom::NeoInferenceRecommendationsJob"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/"


def built(make: Any) -> Json:
    scope = stack()
    make(scope)
    return template(scope)


def properties(found: Json) -> Json:
    return dict(the(found, MEASUREMENT)["Properties"])


@pytest.fixture(scope="module")
def advanced() -> Json:
    def make(scope: cdk.Stack) -> None:
        vpc = ec2.Vpc(scope, "Vpc", max_azs=1, nat_gateways=0)
        load_test(
            package=registered,
            endpoint_configurations=[
                neo.EndpointInputConfiguration(
                    instance_type="ml.c5.large",
                    environment_parameter_ranges={"OMP_NUM_THREADS": ["1", "2"]},
                    inference_specification_name="main",
                ),
                neo.EndpointInputConfiguration(instance_type="ml.m5.large"),
            ],
            stopping_conditions=neo.StoppingConditions(
                max_invocations=300,
                max_model_latency=cdk.Duration.millis(100),
                flat_invocations="Stop",
            ),
            max_number_of_tests=3,
            max_parallel_of_tests=2,
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            encryption_key=kms.Key.from_key_arn(scope, "Key", f"{KEY}1"),
            volume_encryption_key=kms.Key.from_key_arn(scope, "Volumes", f"{KEY}2"),
            description="a load test",
        )(scope)

    return built(make)


def test_a_load_test_has_all_that_the_api_takes(advanced: Json) -> None:
    given = properties(advanced)
    asked = given["InputConfig"]
    assert given["JobType"] == "Advanced"
    assert asked["EndpointConfigurations"] == [
        {
            "InstanceType": "ml.c5.large",
            "InferenceSpecificationName": "main",
            "EnvironmentParameterRanges": {
                "CategoricalParameterRanges": [{"Name": "OMP_NUM_THREADS", "Value": ["1", "2"]}]
            },
        },
        {"InstanceType": "ml.m5.large"},
    ]
    assert asked["ResourceLimit"] == {"MaxNumberOfTests": 3, "MaxParallelOfTests": 2}
    assert asked["TrafficPattern"]["Phases"][0]["DurationInSeconds"] == 300
    assert asked["VolumeKmsKeyId"] == f"{KEY}2"
    assert len(asked["VpcConfig"]["Subnets"]) == len(asked["VpcConfig"]["SecurityGroupIds"]) == 1
    assert given["StoppingConditions"] == {
        "MaxInvocations": 300,
        "ModelLatencyThresholds": [{"Percentile": "P95", "ValueInMilliseconds": 100}],
        "FlatInvocations": "Stop",
    }
    assert given["OutputConfig"]["KmsKeyId"] == f"{KEY}1"
    assert given["CandidateInstanceTypes"] == ["ml.c5.large", "ml.m5.large"]
    assert "ContainerConfig" not in asked


STANDS_FOR = {
    "s3://": "s3://artifacts/",
    "Role": "arn:aws:iam::123456789012:role/recommend",
    "": "arn:aws:sagemaker:eu-west-1:123456789012:model-package/digits/1",
}


def resolved(value: Any) -> Any:
    """Return properties as the engine gets them: texts, and something for each reference."""
    if isinstance(value, list):
        return [resolved(each) for each in value]
    if not isinstance(value, dict):
        return str(value)
    if len(value) == 1 and next(iter(value)) in {"Ref", "Fn::GetAtt", "Fn::Join"}:
        text = json.dumps(value)
        return next(meaning for part, meaning in STANDS_FOR.items() if part in text)
    return {key: resolved(each) for key, each in value.items()}


@pytest.mark.parametrize(
    "make",
    [
        measured(package=registered),
        load_test(),
        load_test(
            traffic_pattern=neo.TrafficPattern.stairs(
                duration=cdk.Duration.minutes(2), number_of_steps=5, users_per_step=2
            )
        ),
        measured(
            package=registered,
            sample_payload=neo.SamplePayload.from_s3_uri("s3://payloads/digits.tar.gz"),
            supported_content_types=["application/json"],
        ),
    ],
)
def test_what_the_engine_sends_is_what_the_api_takes(make: Any) -> None:
    """From the template through the engine's own function to botocore's model."""
    given = resolved(properties(built(make)))
    request = Request.parse(request_event("Create", MEASUREMENT, "Measured", given, None))
    validate("CreateInferenceRecommendationsJob", create_request(request))


def test_what_is_covered_of_the_api(advanced: Json) -> None:
    """The figures of docs/assumptions.md: which fields of the request a template can have."""
    model = get_session().get_service_model("sagemaker")
    fields = leaves(model.operation_model("CreateInferenceRecommendationsJob").input_shape)
    covered = {
        "JobName",
        "JobType",
        "RoleArn",
        "JobDescription",
        "OutputConfig.KmsKeyId",
        "OutputConfig.CompiledOutputConfig.S3OutputUri",
        "Tags.Key",
        "Tags.Value",
        "StoppingConditions.MaxInvocations",
        "StoppingConditions.ModelLatencyThresholds.Percentile",
        "StoppingConditions.ModelLatencyThresholds.ValueInMilliseconds",
        "StoppingConditions.FlatInvocations",
        *(
            f"InputConfig.{name}"
            for name in (
                "ModelPackageVersionArn",
                "JobDurationInSeconds",
                "TrafficPattern.TrafficType",
                "TrafficPattern.Phases.InitialNumberOfUsers",
                "TrafficPattern.Phases.SpawnRate",
                "TrafficPattern.Phases.DurationInSeconds",
                "TrafficPattern.Stairs.DurationInSeconds",
                "TrafficPattern.Stairs.NumberOfSteps",
                "TrafficPattern.Stairs.UsersPerStep",
                "ResourceLimit.MaxNumberOfTests",
                "ResourceLimit.MaxParallelOfTests",
                "EndpointConfigurations.InstanceType",
                "EndpointConfigurations.ServerlessConfig.MemorySizeInMB",
                "EndpointConfigurations.ServerlessConfig.MaxConcurrency",
                "EndpointConfigurations.ServerlessConfig.ProvisionedConcurrency",
                "EndpointConfigurations.InferenceSpecificationName",
                "EndpointConfigurations.EnvironmentParameterRanges.CategoricalParameterRanges.Name",
                "EndpointConfigurations.EnvironmentParameterRanges"
                ".CategoricalParameterRanges.Value",
                "VolumeKmsKeyId",
                "ContainerConfig.PayloadConfig.SamplePayloadUrl",
                "ContainerConfig.PayloadConfig.SupportedContentTypes",
                "ContainerConfig.SupportedInstanceTypes",
                "ContainerConfig.SupportedEndpointType",
                "VpcConfig.SecurityGroupIds",
                "VpcConfig.Subnets",
            )
        ),
    }
    of_the_version = {
        f"InputConfig.ContainerConfig.{name}"
        for name in (
            "Domain",
            "Task",
            "Framework",
            "FrameworkVersion",
            "NearestModelName",
            "DataInputConfig",
            "SupportedResponseMIMETypes",
        )
    }
    without_a_version = {"InputConfig.ModelName", "InputConfig.Endpoints.EndpointName"}
    assert covered | of_the_version | without_a_version == set(fields)
    print(f"\nCreateInferenceRecommendationsJob: {len(covered)} of {len(fields)} fields")


def leaves(shape: Any, path: str = "") -> list[str]:
    """Return the fields of a shape that have a value of their own."""
    if shape.type_name == "structure":
        return [
            leaf
            for name, member in shape.members.items()
            for leaf in leaves(member, f"{path}.{name}" if path else name)
        ]
    return leaves(shape.member, path) if shape.type_name == "list" else [path]


def test_a_serverless_endpoint_is_measured_alone_and_its_size_is_known() -> None:
    scope = stack()
    serverless = neo.EndpointInputConfiguration(
        memory_size_in_mb=2048, max_concurrency=7, provisioned_concurrency=2
    )
    job: Any = load_test(endpoint_configurations=[serverless])(scope)
    cdk.CfnOutput(scope, "Memory", value=cdk.Token.as_string(job.memory_size_in_mb))
    cdk.CfnOutput(scope, "Requests", value=cdk.Token.as_string(job.max_concurrency))
    found = template(scope)
    (asked,) = properties(found)["InputConfig"]["EndpointConfigurations"]
    assert asked["ServerlessConfig"] == {
        "MemorySizeInMB": 2048,
        "MaxConcurrency": 7,
        "ProvisionedConcurrency": 2,
    }
    assert "CandidateInstanceTypes" not in properties(found)
    assert found["Outputs"]["Memory"]["Value"]["Fn::GetAtt"][1] == "MemorySizeInMB"


def test_the_volumes_key_may_be_granted_to_the_instances(advanced: Json) -> None:
    (granted,) = granting(advanced, "Recommendation", "kms:CreateGrant")
    assert granted["Resource"] == f"{KEY}2"
    assert granted["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def test_two_jobs_of_one_role_have_one_policy_that_iam_takes() -> None:
    scope = stack()
    own = iam.Role(scope, "Own", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    version = registered(scope)
    for name in ("One", "Two"):
        neo.InferenceRecommendationsJob(
            scope, name, model_package=version, instance_types=["ml.c5.large"], role=own
        )
    sids = [each["Sid"] for each in statements(template(scope), "Own") if "Sid" in each]
    assert len(sids) == len(set(sids))


def test_what_is_chosen_goes_where_a_type_is_named() -> None:
    found = built(served(neo.TargetDevice.ML_C5, instance_types=["ml.c5.large", "ml.c5.xlarge"]))
    (variant,) = the(found, "AWS::SageMaker::EndpointConfig")["Properties"]["ProductionVariants"]
    assert variant["InstanceType"]["Fn::GetAtt"][1] == "InstanceType"


def test_a_choice_keeps_what_it_is_chosen_from() -> None:
    scope = stack()
    job: Any = measured(instance_types=["ml.c5.xlarge", "ml.c5.large"])(scope)
    assert job.instance_type.candidates == ("ml.c5.xlarge", "ml.c5.large")
    assert cdk.Token.is_unresolved(job.instance_type)
    assert isinstance(job.instance_type, str)


def test_a_choice_is_held_to_the_rules_of_each_candidate() -> None:
    scope = stack()
    job: Any = measured(instance_types=["ml.c5.large", "ml.c7g.large", "ml.g5.xlarge"])(scope)
    model = neo.Model(
        scope,
        "Model",
        image=neo.InferenceImage.deep_learning_container("pytorch", "2.0"),
    )
    with pytest.raises(neo.ValidationError) as caught:
        neo.EndpointConfig(
            scope,
            "Config",
            production_variants=[
                neo.InstanceVariant(
                    model=model, instance_type=job.instance_type, volume_size_in_gb=10
                )
            ],
        )
    said = str(caught.value)
    assert "'ml.c7g.large' has ARM processors" in said
    assert "'ml.g5.xlarge' has storage of its own" in said
    assert "ml.c5.large'" not in said.replace("such as ml.c5.large", "")


def test_nothing_is_compiled_twice_where_a_job_is_there() -> None:
    found = built(compiled)
    assert len(of_type(found, "Custom::NeoCompilationJob")) == 1


def test_a_payload_keeps_the_suffix_that_the_api_asks_for(tmp_path: Path) -> None:
    """The CDK names a file asset by its hash and the last part of its suffix."""
    (tmp_path / "image.json").write_text("{}")
    urls = []
    for payload in (tmp_path, tmp_path / "image.json"):
        given = {"sample_payload": neo.SamplePayload.from_asset(payload)}
        asked = properties(built(measured(package=registered, **given)))
        urls.append(asked["InputConfig"]["ContainerConfig"]["PayloadConfig"]["SamplePayloadUrl"])
        assert len(asked["PayloadFingerprint"]) == 64
    assert str(urls[0]).count(".tar.gz") == 1
    assert urls[0] == urls[1], "the same request, however it is given"


def test_the_job_and_the_role_get_no_more_than_they_need() -> None:
    found = built(measured(package=registered))
    passing = granting(found, "", "iam:PassRole")
    assert any("RecommendationRole" in json.dumps(each["Resource"]) for each in passing)
    (measuring,) = granting(found, "Recommendation", "sagemaker:CreateEndpoint")
    assert len(measuring["Resource"]) == 6
    assert all(
        "/sm-epc-*" in text or "/neo-" in text for text in map(json.dumps, measuring["Resource"])
    )
    compiling = granting(found, "Recommendation", "sagemaker:CreateCompilationJob")
    assert compiling == [], "a version without shapes is not compiled"


def test_a_version_with_shapes_may_be_compiled_by_the_recommender() -> None:
    def make(scope: cdk.Stack) -> None:
        measured(
            package=lambda scope: registered(scope, data_input_config={"input0": [1, 3, 8, 8]})
        )(scope)

    found = built(make)
    assert properties(found)["MayCompile"] is True
    assert granting(found, "Recommendation", "sagemaker:CreateCompilationJob")
    assert granting(found, "Recommendation", "sagemaker:UpdateModelPackage")


def test_a_role_of_ones_own_is_extended() -> None:
    scope = stack()
    own = iam.Role(scope, "Own", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    job: Any = measured(package=registered, role=own)(scope)
    assert job.role is own
    found = template(scope)
    assert len(of_type(found, "AWS::IAM::Role")) >= 1
    assert not [name for name in of_type(found, "AWS::IAM::Role") if "Recommendation" in name]
    assert granting(found, "Own", "sagemaker:InvokeEndpoint")


@pytest.mark.parametrize("policy", [cdk.RemovalPolicy.RETAIN, cdk.RemovalPolicy.SNAPSHOT])
def test_a_job_is_not_retained(policy: cdk.RemovalPolicy) -> None:
    job: Any = measured()(stack())
    job.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
    with pytest.raises(neo.ValidationError, match="never delete"):
        job.apply_removal_policy(policy)


def test_tags_reach_the_job_and_change_nothing_else() -> None:
    def tagged(scope: cdk.Stack) -> None:
        job: Any = measured(package=registered)(scope)
        cdk.Tags.of(job).add("team", "vision")

    said = changes(built(measured(package=registered)), built(tagged))
    assert not [each for each in said if "replace" in str(each).lower()], said
    assert properties(built(tagged))["Tags"] == [{"Key": "team", "Value": "vision"}]


def test_the_newest_approved_version_is_not_looked_up_at_synth() -> None:
    scope = stack()
    group = neo.ModelPackageGroup.from_model_package_group_name(scope, "Versions", "digits")
    newest = neo.ApprovedModelPackage(
        scope,
        "Newest",
        model_package_group=group,
        revision="7",
        artifact_bucket=s3.Bucket.from_bucket_name(scope, "Models", "models"),
        artifact_prefix="digits/",
        image=neo.InferenceImage.deep_learning_container("pytorch", "2.0"),
    )
    neo.Model.from_model_package(scope, "Model", newest, enable_network_isolation=True)
    found = template(scope)
    given = the(found, "Custom::NeoApprovedModelPackage")["Properties"]
    assert given["Revision"] == "7"
    assert "model-package-group/digits" in json.dumps(given["ModelPackageGroupName"])
    model = the(found, "AWS::SageMaker::Model")["Properties"]
    package = model["PrimaryContainer"]["ModelPackageName"]
    assert package["Fn::GetAtt"][1] == "ModelPackageArn"
    assert granting(found, "NeoJobEngine", "sagemaker:ListModelPackages")[0]["Resource"] == "*"
    assert any("digits/*" in json.dumps(each) for each in granting(found, "Model", "s3:GetObject"))
    assert newest.model_package_version
