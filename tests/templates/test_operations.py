"""How an engine and a bucket are operated, and one app in two stacks."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from constructs import Construct

import neo_constructs as neo
from tests.templates.features import built
from tests.templates.stacks import (
    DIGITS,
    PARTITIONS,
    Json,
    actions,
    of_type,
    stack,
    statements,
    template,
    the,
)

FUNCTION = "AWS::Lambda::Function"
MACHINE = "AWS::StepFunctions::StateMachine"


@pytest.fixture(scope="module")
def private() -> Json:
    return built("private", PARTITIONS["aws"])


def test_the_functions_are_in_the_vpc_and_wait_for_the_right_to_be(private: Json) -> None:
    policy = next(
        name for name in of_type(private, "AWS::IAM::ManagedPolicy") if "EngineNetwork" in name
    )
    for function in of_type(private, FUNCTION).values():
        if "neo_jobs" not in str(function["Properties"].get("Handler")):
            continue
        assert len(function["Properties"]["VpcConfig"]["SubnetIds"]) == 2
        assert function["Properties"]["ReservedConcurrentExecutions"] == 10
        assert policy in function["DependsOn"]


def test_executions_are_encrypted_and_logged_without_what_they_hold(private: Json) -> None:
    properties = the(private, MACHINE)["Properties"]
    assert properties["EncryptionConfiguration"]["Type"] == "CUSTOMER_MANAGED_KMS_KEY"
    assert properties["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert properties["LoggingConfiguration"]["Level"] == "ALL"
    for role in ("NeoJobEngineMachineRole", "NeoJobEngineRole"):
        assert any("kms:GenerateDataKey" in actions(s) for s in statements(private, role)), role


def test_logs_stay_a_year_under_the_key(private: Json) -> None:
    groups = [each["Properties"] for each in of_type(private, "AWS::Logs::LogGroup").values()]
    assert len(groups) == 2
    assert {each["RetentionInDays"] for each in groups} == {365}
    assert all("KmsKeyId" in each for each in groups)
    key = json.dumps(the(private, "AWS::KMS::Key")["Properties"]["KeyPolicy"])
    assert "logs.eu-west-1.amazonaws.com" in key
    assert ":log-group:Stack-NeoJobEngine*" in key


def test_containers_are_in_the_vpc_in_its_subnets_only(private: Json) -> None:
    properties = the(private, "AWS::SageMaker::Model")["Properties"]
    assert len(properties["VpcConfig"]["Subnets"]) == 2
    (place,) = [
        s
        for s in statements(private, "DigitsModelRole")
        if "ec2:CreateNetworkInterface" in actions(s)
    ]
    named = json.dumps(place["Resource"])
    assert ":subnet/subnet-0123456789abcdef0" in named
    assert ":security-group/" in named


def test_another_machine_has_no_options_by_default() -> None:
    scope = stack()
    neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
    )
    found = template(scope)
    properties = the(found, MACHINE)["Properties"]
    assert not {"EncryptionConfiguration", "LoggingConfiguration"} & set(properties)
    assert all("VpcConfig" not in f["Properties"] for f in of_type(found, FUNCTION).values())


def test_the_bucket_has_a_name_a_key_rules_and_logs() -> None:
    scope = stack()
    rule = cdk.aws_s3.LifecycleRule(prefix="logs/", expiration=cdk.Duration.days(7))
    neo.ArtifactBucket(
        scope,
        "Artifacts",
        bucket_name="my-artifacts",
        encryption_key=kms.Key(scope, "Key"),
        lifecycle_rules=[rule],
    )
    properties = the(template(scope), "AWS::S3::Bucket")["Properties"]
    assert properties["BucketName"] == "my-artifacts"
    rules = properties["LifecycleConfiguration"]["Rules"]
    assert [each.get("Prefix") for each in rules] == [None, "logs/"]


def settings(**changes: Any) -> neo.Settings:
    endpoint = {
        "name": "digits",
        "model_data": "digits.onnx",
        "target": "ml_c5",
        "instance_type": "ml.c5.large",
        "inference_code": "code",
        **changes.pop("endpoint", {}),
    }
    return neo.Settings.from_context({"neo": {"endpoints": [endpoint], **changes}})


def test_two_stacks_hand_over_by_parameters() -> None:
    app = cdk.App()
    asked = settings(compilation_stack_name="Compile", stack_name="Host")
    compiling = neo.CompilationStack(app, settings=asked, folder=DIGITS)
    hosting = neo.HostingStack(app, compilation_stack=compiling, settings=asked, folder=DIGITS)
    first, second = template(compiling), template(hosting)
    assert not of_type(first, "AWS::SageMaker::Model")
    assert not of_type(second, "Custom::NeoCompilationJob")
    assert len(of_type(first, "AWS::SSM::Parameter")) == 4
    written = {p["Properties"]["Name"] for p in of_type(first, "AWS::SSM::Parameter").values()}
    read = {p["Default"] for p in second["Parameters"].values() if "AWS::SSM" in p["Type"]}
    assert written <= read
    assert all("Export" not in each for each in first["Outputs"].values())
    assert [each.stack_name for each in hosting.dependencies] == ["Compile"]


def test_hosting_in_another_region_names_both_sides() -> None:
    app = cdk.App()
    asked = settings(compilation_stack_name="Compile", stack_name="Host")
    here, there = (
        cdk.Environment(account="123456789012", region=region)
        for region in ("eu-west-1", "us-east-1")
    )
    compiling = neo.CompilationStack(app, settings=asked, folder=DIGITS, env=here)
    with pytest.raises(neo.ValidationError) as caught:
        neo.HostingStack(app, compilation_stack=compiling, settings=asked, folder=DIGITS, env=there)
    assert "123456789012/eu-west-1" in str(caught.value)
    assert "123456789012/us-east-1" in str(caught.value)


def test_every_setting_reaches_the_template() -> None:
    """Each value here is found in the template: none is read and forgotten."""
    key = "arn:aws:kms:eu-west-1:123456789012:key/{}"
    topic = "arn:aws:sns:eu-west-1:123456789012:{}"
    asked = settings(
        endpoint={
            "endpoint_name": "digits-of-mine",
            "variant_name": "Blue",
            "environment": {"MY_VARIABLE": "my-value"},
            "encryption_key": key.format("artifacts"),
            "storage_encryption_key": key.format("volumes"),
            "role": "arn:aws:iam::123456789012:role/serving",
            "compile_role": "arn:aws:iam::123456789012:role/compiling",
            "vpc": {
                "vpc_id": "vpc-1",
                "subnet_ids": ["subnet-1", "subnet-2"],
                "security_group_ids": ["sg-1"],
            },
            "volume_size_in_gb": 77,
            "model_data_download_timeout_minutes": 11,
            "container_startup_health_check_timeout_minutes": 12,
            "scaling": {
                "max_capacity": 9,
                "min_capacity": 0,
                "backlog_per_instance": 6,
                "max_requests_per_second": 2,
                "target_cpu_utilization_percent": 61,
            },
            "data_capture_config": {
                "bucket": "captured-bucket",
                "prefix": "captured/here",
                "sampling_percentage": 13,
                "capture_modes": ["Output"],
                "csv_content_types": ["text/my-csv"],
                "json_content_types": ["text/my-json"],
                "encryption_key": key.format("captured"),
            },
            "async_inference_config": {
                "bucket": "answers-bucket",
                "prefix": "answers/here",
                "failure_prefix": "failures/here",
                "input_bucket": "questions-bucket",
                "input_prefix": "questions/here",
                "max_concurrent_invocations_per_instance": 14,
                "success_topic": topic.format("success"),
                "error_topic": topic.format("failure"),
                "include_response_in_topics": True,
                "encryption_key": key.format("answers"),
            },
            "deployment_config": {
                "strategy": "LINEAR",
                "step_percent": 21,
                "wait_minutes": 15,
                "termination_wait_minutes": 16,
                "maximum_execution_timeout_minutes": 170,
                "rollback_alarms": ["arn:aws:cloudwatch:eu-west-1:123456789012:alarm:my-alarm"],
            },
            "alarms": {
                "max_error_percent": 2.5,
                "max_model_latency_ms": 123,
                "max_memory_percent": 81,
                "max_disk_percent": 82,
                "evaluation_periods": 4,
                "topics": [topic.format("operators")],
                "roll_back": True,
            },
            "dashboard": True,
        },
        artifact_bucket={
            "bucket_name": "my-artifact-bucket",
            "noncurrent_version_expiration_days": 44,
            "server_access_logs_bucket": "my-log-bucket",
        },
        engine={
            "log_retention_days": 90,
            "log_encryption_key": key.format("logs"),
            "reserved_concurrent_executions": 17,
            "state_machine_encryption_key": key.format("machine"),
            "state_machine_log_level": "ERROR",
            "vpc": {"vpc_id": "vpc-1", "subnet_ids": ["subnet-3"], "security_group_ids": ["sg-2"]},
        },
    )
    scope = neo.CompiledEndpointStack(
        cdk.App(), settings=asked, folder=DIGITS, env=PARTITIONS["aws"]
    )
    text = json.dumps(template(scope))
    for value in (
        '"digits-of-mine"', '"Blue"', '"my-value"', "key/artifacts", "key/volumes", "role/serving",
        "role/compiling", '"subnet-2"', '"sg-1"', '"VolumeSizeInGB": 77',
        '"ModelDataDownloadTimeoutInSeconds": 660',
        '"ContainerStartupHealthCheckTimeoutInSeconds": 720', '"MaxCapacity": 9',
        '"MinCapacity": 0', '"TargetValue": 6', '"TargetValue": 60', '"TargetValue": 61',
        "s3://captured-bucket/captured/here", '"InitialSamplingPercentage": 13',
        '[{"CaptureMode": "Output"}]', '"text/my-csv"', '"text/my-json"', "key/captured",
        "s3://answers-bucket/answers/here", "s3://answers-bucket/failures/here",
        ":s3:::questions-bucket/questions/here/*", '"MaxConcurrentInvocationsPerInstance": 14',
        '"SuccessTopic": "arn:aws:sns:eu-west-1:123456789012:success"', ":failure",
        '"IncludeInferenceResponseIn"', "key/answers", '"LINEAR"',
        '{"Type": "CAPACITY_PERCENT", "Value": 21}', '"WaitIntervalInSeconds": 900',
        '"TerminationWaitInSeconds": 960', '"MaximumExecutionTimeoutInSeconds": 10200',
        '"my-alarm"', '"Threshold": 2.5', '"Threshold": 123000', '"Threshold": 81',
        '"Threshold": 82', '"EvaluationPeriods": 4', ":operators", "AWS::CloudWatch::Dashboard",
        '"my-artifact-bucket"', '"NoncurrentDays": 44', '"my-log-bucket"', '"RetentionInDays": 90',
        "key/logs", '"ReservedConcurrentExecutions": 17', "key/machine", '"Level": "ERROR"',
        '"subnet-3"', '"sg-2"',
    ):  # fmt: skip
        assert value in text, value


def test_unfolding_an_endpoint_changes_nothing() -> None:
    """The same constructs under the same ids are the same template, for several targets too."""
    data = neo.ModelData.from_asset(DIGITS / "digits.onnx")
    code = neo.InferenceCode.from_asset(DIGITS / "code")
    targets = {"MlC5": neo.TargetDevice.ML_C5, "MlM5": neo.TargetDevice.ML_M5}

    def folded(scope: cdk.Stack) -> None:
        neo.CompiledEndpoint(
            scope,
            "Digits",
            model_data=data,
            inference_code=code,
            targets=[
                neo.CompiledVariant(target=each, instance_type=f"ml.{name[2:].lower()}.large")
                for name, each in targets.items()
            ],
            endpoint_name="digits",
            environment={"A": "b"},
        )

    def unfolded(scope: cdk.Stack) -> None:
        inner = Construct(scope, "Digits")
        variants = []
        for name, each in targets.items():
            job = neo.CompilationJob(inner, f"CompilationJob{name}", model_data=data, target=each)
            model = neo.Model(
                inner,
                f"Model{name}",
                compilation_job=job,
                inference_code=code,
                environment={"A": "b"},
            )
            kind = f"ml.{name[2:].lower()}.large"
            variants.append(neo.InstanceVariant(model=model, instance_type=kind, variant_name=name))
        config = neo.EndpointConfig(inner, "EndpointConfig", production_variants=variants)
        neo.Endpoint(inner, "Endpoint", endpoint_config=config, endpoint_name="digits")

    found = []
    for build in (folded, unfolded):
        scope = stack()
        build(scope)
        found.append(template(scope))
    assert found[0] == found[1]
