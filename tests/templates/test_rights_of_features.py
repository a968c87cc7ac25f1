"""Who gets which rights by an endpoint's features, and who waits for them."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

import neo_constructs as neo
from tests.templates.stacks import (
    Json,
    actions,
    digits_endpoint,
    of_type,
    stack,
    statements,
    template,
)

ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:mine"
WATCHED = neo.DeploymentConfig.all_at_once(wait=cdk.Duration.minutes(5))


def waited_for(found: Json, name: str) -> set[str]:
    """Return every resource that one refers to or depends on, whichever way around."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        resource = found["Resources"][todo.pop()]
        text = json.dumps([resource.get("Properties"), resource.get("DependsOn")])
        for other in found["Resources"]:
            if other not in seen and f'"{other}"' in text:
                seen.add(other)
                todo.append(other)
    return seen


def types_waited_for(found: Json, kind: str) -> set[str]:
    (name,) = of_type(found, kind)
    return {found["Resources"][each]["Type"] for each in waited_for(found, name)}


def roles_that_may(found: Json, action: str) -> set[str]:
    """Return the roles, by logical id, that have a right."""
    return {
        role["Ref"]
        for policy in of_type(found, "AWS::IAM::Policy").values()
        for role in policy["Properties"]["Roles"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if action in actions(statement)
    }


def test_a_target_that_is_added_later_may_look_at_the_alarms_and_write_too() -> None:
    scope = stack()
    data = s3.Bucket.from_bucket_name(scope, "Data", "data")
    made = digits_endpoint(
        scope,
        deployment_config=WATCHED,
        data_capture_config=neo.DataCaptureConfig(bucket=data),
    )
    made.endpoint.add_rollback_alarm(cloudwatch.Alarm.from_alarm_arn(scope, "Alarm", ALARM))
    made.add_target(neo.CompiledVariant(target=neo.TargetDevice.ML_M5, instance_type="ml.m5.large"))
    found = template(scope)
    for action in ("cloudwatch:DescribeAlarms", "s3:PutObject"):
        models = {each for each in roles_that_may(found, action) if "Model" in each}
        assert len(models) == 2, action


def test_a_shadow_may_look_at_the_alarms_too() -> None:
    scope = stack()
    image = neo.InferenceImage.deep_learning_container("pytorch", "2.0")
    models = [
        neo.Model(scope, name, containers=[neo.ContainerDefinition(image=image)]) for name in "ab"
    ]
    production, shadow = (
        neo.InstanceVariant(model=each, instance_type="ml.c5.large", variant_name=each.node.id)
        for each in models
    )
    config = neo.EndpointConfig(
        scope,
        "Config",
        production_variants=[production],
        shadow_production_variants=[shadow],
    )
    endpoint = neo.Endpoint(scope, "E", endpoint_config=config, deployment_config=WATCHED)
    endpoint.add_rollback_alarm(cloudwatch.Alarm.from_alarm_arn(scope, "Alarm", ALARM))
    assert len(roles_that_may(template(scope), "cloudwatch:DescribeAlarms")) == 2


def test_a_right_is_on_the_key_behind_an_alias() -> None:
    scope = stack()
    key = kms.Key(scope, "Key")
    alias = kms.Alias(scope, "Alias", alias_name="alias/mine", target_key=key)
    digits_endpoint(
        scope,
        encryption_key=alias,
        artifact_bucket=neo.ArtifactBucket(scope, "Artifacts", encryption_key=alias),
    )
    found = template(scope)
    (name,) = of_type(found, "AWS::KMS::Key")
    rights = [
        statement
        for role in ("NeoJobEngineRole", "NeoJobEngineCompileRole", "DigitsModelRole")
        for statement in statements(found, role)
        if any(action.startswith("kms:") for action in actions(statement))
    ]
    assert len(rights) >= 3
    assert all(right["Resource"] == {"Fn::GetAtt": [name, "Arn"]} for right in rights)


def test_the_key_of_a_topic_may_be_used() -> None:
    scope = stack()
    topic = sns.Topic(scope, "Topic", master_key=kms.Key(scope, "Key"))
    data = s3.Bucket.from_bucket_name(scope, "Data", "data")
    later = neo.AsyncInferenceConfig(bucket=data, error_topic=topic)
    digits_endpoint(scope, async_inference_config=later)
    found = template(scope)
    assert any("Model" in each for each in roles_that_may(found, "kms:GenerateDataKey"))


def test_an_endpoint_waits_for_what_its_model_is_granted() -> None:
    scope = stack()
    made = digits_endpoint(scope)
    s3.Bucket(scope, "Granted").grant_read(made.models[0])
    found = template(scope)
    (policy,) = [name for name in found["Resources"] if name.startswith("DigitsModelRoleDefault")]
    (endpoint,) = of_type(found, "AWS::SageMaker::Endpoint")
    assert policy in waited_for(found, endpoint)


def network(scope: cdk.Stack) -> ec2.Vpc:
    return ec2.Vpc(scope, "Vpc", max_azs=2, nat_gateways=1)


def test_jobs_and_models_in_a_vpc_wait_for_its_routes() -> None:
    scope = stack()
    vpc = network(scope)
    neo.JobEngineOptions(vpc=vpc).apply(scope)
    digits_endpoint(scope, vpc=vpc)
    found = template(scope)
    for kind in ("Custom::NeoCompilationJob", "AWS::SageMaker::Endpoint"):
        assert "AWS::EC2::Route" in types_waited_for(found, kind), kind


def test_a_dashboard_of_another_stack_exports_no_job() -> None:
    app = cdk.App()
    serving, watching = cdk.Stack(app, "Serving"), cdk.Stack(app, "Watching")
    endpoint = digits_endpoint(serving).endpoint
    neo.EndpointDashboard(watching, "Dashboard", endpoint=endpoint)
    app.synth()
    exports = json.dumps(template(serving).get("Outputs", {}))
    assert "CompilationJob" not in exports


def test_a_grant_to_invoke_is_of_the_endpoints_kind() -> None:
    scope = stack()
    data = s3.Bucket.from_bucket_name(scope, "Data", "data")
    role: Any = cdk.aws_iam.Role(
        scope, "Caller", assumed_by=cdk.aws_iam.ServicePrincipal("lambda.amazonaws.com")
    )
    later = neo.AsyncInferenceConfig(bucket=data)
    digits_endpoint(scope, async_inference_config=later).grant_invoke(role)
    (statement,) = statements(template(scope), "Caller")
    assert actions(statement) == ["sagemaker:InvokeEndpointAsync"]
