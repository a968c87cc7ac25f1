"""The engine: one for a stack, with ids that stay and rights that suffice."""

from __future__ import annotations

import json
import re
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

import neo_constructs as neo
from neo_constructs.engine.job_engine import JobEngine
from tests.templates.stacks import (
    DIGITS,
    JOB,
    PARTITIONS,
    Json,
    actions,
    granting,
    of_type,
    stack,
    statements,
    template,
    the,
)


def test_the_engines_logical_ids_never_change(digits: Json) -> None:
    """A custom resource's service token cannot change, so neither can the function's id."""
    assert set(of_type(digits, "AWS::Lambda::Function")) == {
        "NeoJobEngineFunction7790F7DC",
        "NeoJobEngineWorker1F89B959",
    }
    assert set(of_type(digits, "AWS::StepFunctions::StateMachine")) == {
        "NeoJobEngineMachineE2FCF793"
    }
    assert {i for i in of_type(digits, "AWS::IAM::Role") if i.startswith("NeoJobEngine")} == {
        "NeoJobEngineRoleB15B0B5E",
        "NeoJobEngineCompileRoleCBF29E4F",
        "NeoJobEngineMachineRole086385C8",
    }


def test_what_the_engine_adds_to_a_stack(digits: Json) -> None:
    """The figure of docs/security.md; the golden templates have the resources."""
    found = [name for name in digits["Resources"] if name.startswith("NeoJobEngine")]
    assert len(found) == 13
    assert len(of_type(digits, JOB)) == 1


def test_nothing_that_may_be_replaced_has_a_name_of_its_own(digits: Json) -> None:
    named = {
        "AWS::Lambda::Function": "FunctionName",
        "AWS::StepFunctions::StateMachine": "StateMachineName",
        "AWS::IAM::Role": "RoleName",
        "AWS::SageMaker::Model": "ModelName",
        "AWS::SageMaker::EndpointConfig": "EndpointConfigName",
        "AWS::SageMaker::Endpoint": "EndpointName",
        "AWS::S3::Bucket": "BucketName",
    }
    for kind, name in named.items():
        found = of_type(digits, kind)
        assert found
        assert not any(name in resource["Properties"] for resource in found.values())


def test_a_stack_has_one_engine_and_one_bucket_however_many_jobs() -> None:
    scope = stack()
    for number in range(3):
        neo.CompilationJob(
            scope,
            f"Job{number}",
            model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
            target=neo.TargetDevice.ML_C5,
        )
    found = template(scope)
    assert len(of_type(found, JOB)) == 3
    assert len(of_type(found, "AWS::Lambda::Function")) == 2
    assert len(of_type(found, "AWS::S3::Bucket")) == 1
    one = stack()
    neo.CompilationJob(
        one,
        "Job0",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
    )
    assert len(found["Resources"]) == len(template(one)["Resources"]) + 2


def test_what_a_delete_needs_does_not_depend_on_the_jobs_there_are() -> None:
    """CloudFormation takes a shared policy back before it deletes what was removed."""

    def constant(jobs: int) -> list[Json]:
        scope = stack()
        for number in range(jobs):
            neo.CompilationJob(
                scope,
                f"Job{number}",
                model_data=neo.ModelData.from_s3_uri(f"s3://models/{number}/model.tar.gz"),
                framework=neo.Framework.xgboost(),
                target=neo.TargetDevice.ML_C5,
            )
        found = statements(template(scope), "NeoJobEngineRole")
        return [s for s in found if "/model.tar.gz" not in json.dumps(s)]

    few, many = constant(1), constant(3)
    assert few == many
    granted = {a for s in few for a in actions(s)}
    assert {
        "sagemaker:DescribeCompilationJob",
        "sagemaker:StopCompilationJob",
        "sagemaker:DeleteCompilationJob",
        "s3:DeleteObject",
    } <= granted


def test_no_right_is_wider_than_it_must_be(digits: Json) -> None:
    unbounded = set()
    for resource in digits["Resources"].values():
        if resource["Type"] not in {"AWS::IAM::Policy", "AWS::IAM::Role"}:
            continue
        documents = [resource["Properties"].get("PolicyDocument", {"Statement": []})]
        documents += [p["PolicyDocument"] for p in resource["Properties"].get("Policies", [])]
        for statement in (s for d in documents for s in d["Statement"]):
            assert not any("*" in action.split(":")[1] for action in actions(statement))
            if statement["Resource"] == "*":
                unbounded.update(actions(statement))
        assert "ManagedPolicyArns" not in resource["Properties"]
    # None of them has a resource level in the API.
    assert unbounded == {
        "cloudwatch:PutMetricData",
        "ecr:GetAuthorizationToken",
        "sagemaker:ListCompilationJobs",
        "sagemaker:ListInferenceRecommendationsJobs",
    }


def test_sagemaker_is_trusted_for_this_account_only(digits: Json) -> None:
    for role, source in (
        ("NeoJobEngineCompileRole", ":compilation-job/*"),
        ("DigitsModelRole", ":*"),
    ):
        (found,) = [r for i, r in of_type(digits, "AWS::IAM::Role").items() if i.startswith(role)]
        (statement,) = found["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
        assert statement["Condition"]["StringEquals"] == {
            "aws:SourceAccount": {"Ref": "AWS::AccountId"}
        }
        arn = statement["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Join"][1]
        assert "".join(p for p in arn if isinstance(p, str)).endswith(source)


def test_the_state_machine_is_what_aws_would_take(digits: Json) -> None:
    machine = the(digits, "AWS::StepFunctions::StateMachine")["Properties"]["Definition"]
    states = machine["States"]
    reachable, todo = set(), [machine["StartAt"]]
    while todo:
        name = todo.pop()
        if name not in reachable:
            reachable.add(name)
            state = states[name]
            todo += [state[k] for k in ("Next", "Default") if k in state]
            todo += [c["Next"] for c in state.get("Choices", []) + state.get("Catch", [])]
    assert reachable == set(states)
    assert all(
        error.startswith("Lambda.") or error in {"States.ALL", "States.Timeout", "Sandbox.Timedout"}
        for state in states.values()
        for rule in state.get("Retry", []) + state.get("Catch", [])
        for error in rule["ErrorEquals"]
    )
    # Beyond the hour: what dies near its end must still be able to stop its job.
    assert machine["TimeoutSeconds"] > 3_600


def test_the_machine_may_call_the_functions_and_they_start_the_machine(digits: Json) -> None:
    functions = of_type(digits, "AWS::Lambda::Function")
    (machine,) = of_type(digits, "AWS::StepFunctions::StateMachine")
    (role,) = [r for i, r in of_type(digits, "AWS::IAM::Role").items() if "MachineRole" in i]
    (policy,) = role["Properties"]["Policies"]
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Action": "lambda:InvokeFunction",
            "Effect": "Allow",
            "Resource": [{"Fn::GetAtt": [function, "Arn"]} for function in functions],
        }
    ]
    for action in ("states:StartExecution", "states:ListExecutions"):
        (grant,) = granting(digits, "NeoJobEngineRole", action)
        assert grant["Resource"] == {"Ref": machine}
    (grant,) = granting(digits, "NeoJobEngineRole", "states:StopExecution")
    parts = grant["Resource"]["Fn::Join"][1]
    assert parts[-3:] == [":execution:", {"Fn::GetAtt": [machine, "Name"]}, ":*"]


def test_the_grace_for_young_rights_is_a_setting() -> None:
    app = cdk.App(context={"neo_constructs:iam_grace_seconds": 0})
    scope = cdk.Stack(app, "Stack")
    JobEngine.of(scope)
    functions = of_type(template(scope), "AWS::Lambda::Function").values()
    variables = [f["Properties"]["Environment"]["Variables"] for f in functions]
    assert variables == [{"IAM_GRACE_SECONDS": "0"}] * 2


def test_sixty_jobs_stay_within_the_limits_of_iam() -> None:
    """Source: IAM user guide, page IAM and AWS STS quotas; white space does not count."""
    app = cdk.App()
    scope = cdk.Stack(app, "Stack", env=cdk.Environment(account="1" * 12, region="eu-west-1"))
    for number in range(60):
        neo.CompilationJob(
            scope,
            f"Job{number}",
            model_data=neo.ModelData.from_s3_uri(
                f"s3://models-of-a-team-with-a-long-name/{number:0100}/model.tar.gz"
            ),
            framework=neo.Framework.xgboost(),
            target=neo.TargetDevice.ML_C5,
        )
    found = template(scope)
    inline: dict[str, int] = {}
    managed: dict[str, int] = {}
    for resource in found["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Policy":
            for role in properties["Roles"]:
                size = deployed_size(properties["PolicyDocument"])
                inline[role["Ref"]] = inline.get(role["Ref"], 0) + size
        elif resource["Type"] == "AWS::IAM::ManagedPolicy":
            assert deployed_size(properties["PolicyDocument"]) <= 6_144
            for role in properties["Roles"]:
                managed[role["Ref"]] = managed.get(role["Ref"], 0) + 1
    assert max(inline.values()) <= 10_240
    assert managed
    assert max(managed.values()) <= 10
    # Every job waits for every policy of the engine's role, also for those it was split into.
    split = set(of_type(found, "AWS::IAM::ManagedPolicy"))
    assert all(split <= set(job["DependsOn"]) for job in of_type(found, JOB).values())
    assert len(json.dumps(found)) < 1_000_000
    assert len(found["Resources"]) < 500


def test_rights_on_a_bucket_of_the_stack_stay_within_the_limits() -> None:
    scope = cdk.Stack(cdk.App(), "Stack", env=PARTITIONS["aws"])
    models = s3.Bucket(scope, "Models", bucket_name="m" * 63)
    for number in range(110):
        neo.CompilationJob(
            scope,
            f"Job{number}",
            model_data=neo.ModelData.from_bucket(models, f"{number}.tar.gz"),
            framework=neo.Framework.onnx(),
            data_input_config={"x": [1, 3]},
            target=neo.TargetDevice.ML_C5,
        )
    found = of_type(template(scope), "AWS::IAM::ManagedPolicy").values()
    assert len(found) > 2
    for policy in found:
        assert deployed_size(policy["Properties"]["PolicyDocument"]) <= 6_144


@pytest.mark.parametrize("is_key_first", [True, False])
def test_the_key_of_a_bucket_that_is_imported_twice_is_granted(is_key_first: bool) -> None:
    scope = cdk.Stack(cdk.App(), "Stack", env=PARTITIONS["aws"])
    key_arn = "arn:aws:kms:us-east-1:111122223333:key/1"
    key = kms.Key.from_key_arn(scope, "Key", key_arn)
    plain = s3.Bucket.from_bucket_name(scope, "Plain", "models")
    keyed = s3.Bucket.from_bucket_attributes(
        scope, "Keyed", bucket_name="models", encryption_key=key
    )
    for number, bucket in enumerate((keyed, plain) if is_key_first else (plain, keyed)):
        neo.CompilationJob(
            scope,
            f"Job{number}",
            model_data=neo.ModelData.from_bucket(bucket, f"{number}.tar.gz"),
            framework=neo.Framework.onnx(),
            data_input_config={"x": [1, 3]},
            target=neo.TargetDevice.ML_C5,
        )
    found = template(scope)["Resources"]
    engine = {n: r for n, r in found.items() if n.startswith("NeoJobEngineRole")}
    assert json.dumps(engine).count(key_arn) == 1


def test_the_engines_role_takes_what_others_grant() -> None:
    """Such as an aspect that adds a statement to every role."""
    app = cdk.App()
    scope = cdk.Stack(app, "Stack")
    neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_s3_uri("s3://models/m.tar.gz"),
        framework=neo.Framework.onnx(),
        data_input_config={"x": [1, 3]},
        target=neo.TargetDevice.ML_C5,
    )
    roles = [each for each in scope.node.find_all() if isinstance(each, iam.Role)]
    for role in roles:
        role.add_to_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY, actions=["s3:DeleteBucket"], resources=["*"]
            )
        )
    policies = of_type(template(scope), "AWS::IAM::Policy")
    assert len(roles) > 2
    assert json.dumps(policies).count("s3:DeleteBucket") == len(roles)


def test_buckets_and_roles_of_two_stacks_are_told_apart() -> None:
    """Their logical ids are the same, and a reference says no more before it is resolved."""
    app = cdk.App()
    user = cdk.Stack(app, "User", env=PARTITIONS["aws"])
    principal = iam.ServicePrincipal("sagemaker.amazonaws.com")
    for name in ("One", "Two"):
        stack = cdk.Stack(app, name, env=PARTITIONS["aws"])
        neo.CompilationJob(
            user,
            f"Job{name}",
            model_data=neo.ModelData.from_s3_uri("s3://models/m.tar.gz"),
            framework=neo.Framework.onnx(),
            data_input_config={"x": [1, 3]},
            target=neo.TargetDevice.ML_C5,
            artifact_bucket=s3.Bucket(stack, "Bucket"),
            role=iam.Role(stack, "Role", assumed_by=principal),
        )
    found = app.synth().get_stack_by_name("User").template
    engine = [
        json.dumps(resource)
        for name, resource in found["Resources"].items()
        if name.startswith("NeoJobEngine") and resource["Type"].startswith("AWS::IAM::")
    ]
    for name in ("One", "Two"):
        for what in ("Bucket", "Role"):
            export = re.compile(rf"{name}:ExportsOutput\w*{what}")
            assert any(export.search(text) for text in engine), (name, what)


def deployed_size(document: Json) -> int:
    """Return how many characters a policy has when its references are filled in."""
    return len(json.dumps(_filled(document), separators=(",", ":")))


def _filled(value: Any) -> Any:
    if isinstance(value, list):
        return [_filled(each) for each in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Fn::Join"}:
        between, parts = value["Fn::Join"]
        return between.join(str(_filled(part)) for part in parts)
    if set(value) == {"Ref"}:
        return "aws-us-gov" if value["Ref"] == "AWS::Partition" else "x" * 40
    if set(value) in ({"Fn::GetAtt"}, {"Fn::Select"}, {"Fn::Sub"}):
        # arn:aws-us-gov:s3::: and the longest name of a bucket
        return "x" * (83 if value.get("Fn::GetAtt", [""])[-1] == "Arn" else 40)
    return {key: _filled(each) for key, each in value.items()}


def test_as_many_endpoints_as_a_stack_holds_stay_within_the_limits() -> None:
    """CloudFormation takes 500 resources; each endpoint has a model and a script of its own."""
    scope = cdk.Stack(cdk.App(), "Stack", env=PARTITIONS["aws"])
    scripts = s3.Bucket.from_bucket_name(scope, "Scripts", "scripts" * 9)
    for number in range(68):
        neo.CompiledEndpoint(
            scope,
            f"Endpoint{number}",
            model_data=neo.ModelData.from_s3_uri(f"s3://{'models' * 10}/{number:060}/m.tar.gz"),
            framework=neo.Framework.pytorch("2.0"),
            data_input_config={"x": [1, 3, 8, 8]},
            target=neo.TargetDevice.ML_C5,
            inference_code=neo.InferenceCode.from_bucket(scripts, f"{number:060}/s.tar.gz"),
            instance_type="ml.c5.large",
        )
    found = template(scope)
    assert 490 < len(found["Resources"]) <= 500
    assert len(json.dumps(found)) < 1_000_000
    attached: dict[str, int] = {}
    for policy in of_type(found, "AWS::IAM::ManagedPolicy").values():
        assert deployed_size(policy["Properties"]["PolicyDocument"]) <= 6_144
        for role in policy["Properties"]["Roles"]:
            attached[role["Ref"]] = attached.get(role["Ref"], 0) + 1
    assert max(attached.values()) <= 10
    for policy in of_type(found, "AWS::IAM::Policy").values():
        assert deployed_size(policy["Properties"]["PolicyDocument"]) <= 10_240
