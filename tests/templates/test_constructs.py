"""What the constructs make, by meaning."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match

import neo_constructs as neo
from neo_constructs.engine.job_engine import PROPERTIES_VERSION, JobEngine
from tests.templates.stacks import (
    DIGITS,
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

JOB = "Custom::NeoCompilationJob"
ARCHIVE = "Custom::NeoServingArchive"


@pytest.fixture(scope="module")
def digits() -> Json:
    scope = stack()
    digits_endpoint(scope)
    return template(scope)


# --- the compilation job --------------------------------------------------------------------


def test_a_job_reads_as_the_api_names_it(digits: Json) -> None:
    properties = the(digits, JOB)["Properties"]
    assert properties["InputConfig"]["Framework"] == "ONNX"
    assert json.loads(properties["InputConfig"]["DataInputConfig"]) == {"pixels": [1, 1, 8, 8]}
    assert "FrameworkVersion" not in properties["InputConfig"]
    assert properties["OutputConfig"]["TargetDevice"] == "ml_c5"
    assert properties["StoppingCondition"] == {"MaxRuntimeInSeconds": 900}
    assert properties["ServiceTimeout"] == 3600
    assert properties["PropertiesVersion"] == PROPERTIES_VERSION
    assert "sagemaker-neo-onnx:1.5.0-cpu-py3" in json.dumps(properties["ExpectedInferenceImage"])


def test_a_job_waits_for_the_rights_it_needs(digits: Json) -> None:
    policies = set(of_type(digits, "AWS::IAM::Policy"))
    engine_policy = {p for p in policies if p.startswith("NeoJobEngineRole")}
    compile_policy = {p for p in policies if p.startswith("NeoJobEngineCompilePolicy")}
    assert engine_policy
    assert compile_policy
    assert engine_policy | compile_policy <= set(the(digits, JOB)["DependsOn"])
    assert engine_policy <= set(the(digits, ARCHIVE)["DependsOn"])
    model_policy = {p for p in policies if p.startswith("DigitsModelRole")}
    assert model_policy <= set(the(digits, "AWS::SageMaker::Model")["DependsOn"])


def test_a_pytorch_job_sends_its_version() -> None:
    scope = stack()
    job = neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_s3_uri("s3://models/resnet/model.tar.gz"),
        framework=neo.Framework.pytorch("2.0.1"),
        target=neo.TargetDevice.ML_G4DN,
        compiler_options=neo.CompilerOptions.pytorch(dtype="int64"),
        max_runtime=cdk.Duration.minutes(45),
    )
    properties = the(template(scope), JOB)["Properties"]
    assert properties["InputConfig"]["FrameworkVersion"] == "2.0"
    assert "DataInputConfig" not in properties["InputConfig"]
    assert properties["InputConfig"]["S3Uri"] == "s3://models/resnet/model.tar.gz"
    assert "InputFingerprint" not in properties
    assert properties["OutputConfig"]["CompilerOptions"] == '{"dtype": "int64"}'
    assert properties["StoppingCondition"] == {"MaxRuntimeInSeconds": 2700}
    assert job.expected_image
    Annotations.from_stack(scope).has_warning(
        "*", Match.string_like_regexp("does not notice that it was replaced")
    )


def test_an_object_version_is_compiled_as_given() -> None:
    scope = stack()
    bucket = s3.Bucket(scope, "Models")
    neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_bucket(bucket, "m/model.tar.gz", object_version="v1"),
        framework=neo.Framework.xgboost(),
        target=neo.TargetDevice.ML_M5,
    )
    found = template(scope)
    assert the(found, JOB)["Properties"]["InputObjectVersion"] == "v1"
    reads = [
        s for s in statements(found, "NeoJobEngineRole") if "s3:GetObjectVersion" in actions(s)
    ]
    assert any("m/model.tar.gz" in json.dumps(s["Resource"]) for s in reads)
    Annotations.from_stack(scope).has_no_warning("*", Match.any_value())


def test_a_role_of_ones_own_gets_what_the_job_needs() -> None:
    scope = stack()
    role = iam.Role(scope, "Own", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        role=role,
    )
    found = template(scope)
    granted = {a for s in statements(found, "Own") for a in actions(s)}
    assert {"s3:GetObject", "s3:PutObject", "logs:PutLogEvents"} <= granted
    passed = granting(found, "NeoJobEngineRole", "iam:PassRole")
    assert "Own" in json.dumps(passed)
    own_policy = {p for p in of_type(found, "AWS::IAM::Policy") if p.startswith("Own")}
    assert own_policy <= set(the(found, JOB)["DependsOn"])


def test_a_role_that_cannot_be_extended_is_told_what_it_needs() -> None:
    scope = stack()
    role = iam.Role.from_role_arn(scope, "Own", "arn:aws:iam::123456789012:role/neo", mutable=False)
    neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        role=role,
    )
    Annotations.from_stack(scope).has_warning(
        "*", Match.string_like_regexp("It must allow: .*s3:PutObject")
    )


@pytest.mark.parametrize("own_role", [False, True])
def test_a_key_encrypts_the_result_and_can_be_used(own_role: bool) -> None:
    scope = stack()
    key = kms.Key(scope, "Key")
    sagemaker = iam.ServicePrincipal("sagemaker.amazonaws.com")
    job = neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        encryption_key=key,
        role=iam.Role(scope, "Own", assumed_by=sagemaker) if own_role else None,
    )
    neo.Model(
        scope,
        "Model",
        compilation_job=job,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
    )
    found = template(scope)
    assert the(found, JOB)["Properties"]["OutputConfig"]["KmsKeyId"] == {
        "Fn::GetAtt": [next(iter(of_type(found, "AWS::KMS::Key"))), "Arn"]
    }
    compiler = "Own" if own_role else "NeoJobEngineCompileRole"
    for role in ("NeoJobEngineRole", compiler, "ModelRole"):
        assert granting(found, role, "kms:Decrypt"), role
    assert granting(found, compiler, "kms:GenerateDataKey")


def test_tags_reach_the_job() -> None:
    scope = stack()
    digits_endpoint(scope)
    cdk.Tags.of(scope).add("team", "vision")
    assert the(template(scope), JOB)["Properties"]["Tags"] == [{"Key": "team", "Value": "vision"}]


def test_a_removal_policy_would_leak_the_job() -> None:
    scope = stack()
    (job,) = digits_endpoint(scope).compilation_jobs
    with pytest.raises(neo.ValidationError, match="artifact_removal_policy"):
        job.apply_removal_policy(cdk.RemovalPolicy.RETAIN)


# --- the engine -----------------------------------------------------------------------------


def test_the_engines_logical_ids_never_change(digits: Json) -> None:
    """A custom resource's service token cannot change, so neither can the function's id."""
    assert set(of_type(digits, "AWS::Lambda::Function")) == {"NeoJobEngineFunction7790F7DC"}
    assert set(of_type(digits, "AWS::StepFunctions::StateMachine")) == {
        "NeoJobEngineMachineE2FCF793"
    }
    assert {i for i in of_type(digits, "AWS::IAM::Role") if i.startswith("NeoJobEngine")} == {
        "NeoJobEngineRoleB15B0B5E",
        "NeoJobEngineCompileRoleCBF29E4F",
        "NeoJobEngineMachineRole086385C8",
    }


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
    assert len(of_type(found, "AWS::Lambda::Function")) == 1
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
        error.startswith("Lambda.") or error == "States.ALL"
        for state in states.values()
        for rule in state.get("Retry", []) + state.get("Catch", [])
        for error in rule["ErrorEquals"]
    )
    assert machine["TimeoutSeconds"] < 3600


def test_the_machine_may_call_the_function_and_the_function_start_the_machine(
    digits: Json,
) -> None:
    function, machine = (
        next(iter(of_type(digits, kind)))
        for kind in ("AWS::Lambda::Function", "AWS::StepFunctions::StateMachine")
    )
    (role,) = [r for i, r in of_type(digits, "AWS::IAM::Role").items() if "MachineRole" in i]
    (policy,) = role["Properties"]["Policies"]
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Action": "lambda:InvokeFunction",
            "Effect": "Allow",
            "Resource": {"Fn::GetAtt": [function, "Arn"]},
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
    variables = the(template(scope), "AWS::Lambda::Function")["Properties"]["Environment"]
    assert variables["Variables"] == {"IAM_GRACE_SECONDS": "0"}


# --- hosting --------------------------------------------------------------------------------


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
        production_variants=[neo.ProductionVariant(model=model, instance_type="ml.c5.large")],
    )
    found = template(scope)
    container = the(found, "AWS::SageMaker::Model")["Properties"]["PrimaryContainer"]
    assert "sagemaker-inference-pytorch:2.0-cpu-py3" in json.dumps(container["Image"])
    (read,) = granting(found, "ModelRole", "s3:GetObject")
    assert ":s3:::elsewhere/*" in json.dumps(read["Resource"])
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


# --- tokens ---------------------------------------------------------------------------------


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


def test_a_warning_can_be_acknowledged_by_its_code() -> None:
    scope = stack()
    made = digits_endpoint(scope, target=neo.TargetDevice.ML_P3, instance_type="ml.p3.2xlarge")
    cdk.Annotations.of(made).acknowledge_warning("neo-constructs:target-hardware", "We know.")
    Annotations.from_stack(scope).has_no_warning("*", Match.any_value())


def test_a_shape_that_is_known_only_at_deploy_is_written_as_a_reference() -> None:
    scope = stack()
    batch = cdk.CfnParameter(scope, "Batch", type="Number", default=1)
    digits_endpoint(scope, data_input_config={"pixels": [batch.value_as_number, 1, 8, 8]})
    config = the(template(scope), JOB)["Properties"]["InputConfig"]["DataInputConfig"]
    assert config == {"Fn::Join": ["", ['{"pixels":[', {"Ref": "Batch"}, ",1,8,8]}"]]}


# --- mistakes -------------------------------------------------------------------------------


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


def test_an_ecr_uri_of_the_deploys_account_and_region_can_be_pulled() -> None:
    scope = stack()
    registry = f"{cdk.Aws.ACCOUNT_ID}.dkr.ecr.{cdk.Aws.REGION}.{cdk.Aws.URL_SUFFIX}"
    digits_endpoint(scope, image=neo.InferenceImage.from_uri(f"{registry}/mine:1"))
    (pull,) = granting(template(scope), "DigitsModelRole", "ecr:BatchGetImage")
    assert json.dumps(pull["Resource"]).count('":repository/mine"') == 1
    Annotations.from_stack(scope).has_no_warning("*", Match.any_value())


def test_a_region_locked_target_fails_at_once_elsewhere() -> None:
    """An environment-agnostic template finds no account in its mapping there."""
    scope = stack()
    neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_s3_uri("s3://models/model.tar.gz"),
        framework=neo.Framework.pytorch("1.13"),
        data_input_config={"x": [1, 3, 224, 224]},
        target=neo.TargetDevice.ML_INF2,
    )
    found = template(scope)
    (mapping,) = found["Mappings"].values()
    assert mapping == {"us-east-2": {"account": "763104351884"}}
    assert "Fn::FindInMap" in json.dumps(the(found, JOB)["Properties"]["ExpectedInferenceImage"])


def test_more_that_is_known_only_at_deploy() -> None:
    scope = stack()
    text = cdk.CfnParameter(scope, "Text").value_as_string
    neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_s3_uri("s3://models/model.tar.gz"),
        framework=neo.Framework.pytorch(text),
        data_input_config=text,  # type: ignore[arg-type]
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


def test_half_a_second_of_runtime_is_rounded_up() -> None:
    scope = stack()
    digits_endpoint(scope, max_runtime=cdk.Duration.millis(90_500))
    condition = the(template(scope), JOB)["Properties"]["StoppingCondition"]
    assert condition == {"MaxRuntimeInSeconds": 91}


def test_an_s3_uri_is_a_bucket_and_a_key() -> None:
    for uri in ("models/m.tar.gz", "s3://models", "s3:///key", "https://models/key", "s3://B_/key"):
        with pytest.raises(neo.ValidationError, match="s3://bucket/key"):
            neo.ModelData.from_s3_uri(uri)
