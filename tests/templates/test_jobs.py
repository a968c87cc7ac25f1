"""The compilation job: what it says in the template, and what it may."""

from __future__ import annotations

import json

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match

import neo_constructs as neo
from neo_constructs.engine.limits import PROPERTIES_VERSION
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
    engine_policy |= set(of_type(digits, "AWS::IAM::ManagedPolicy"))
    compile_policy = {p for p in policies if p.startswith("NeoJobEngineCompileBucket")}
    watchers = set(of_type(digits, "AWS::Lambda::EventInvokeConfig")) | set(
        of_type(digits, "AWS::Lambda::Permission")
    )
    assert len(engine_policy) == 2
    assert compile_policy
    assert engine_policy | compile_policy | watchers <= set(the(digits, JOB)["DependsOn"])
    assert engine_policy | watchers <= set(the(digits, ARCHIVE)["DependsOn"])
    model_policy = {p for p in policies if p.startswith("DigitsModelPolicy")}
    assert model_policy
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
    own_policy = {p for p in of_type(found, "AWS::IAM::Policy") if p.startswith("NeoPolicy")}
    assert own_policy
    assert own_policy <= set(the(found, JOB)["DependsOn"])


def test_a_role_of_another_stack_gets_the_rights_of_the_jobs_stack() -> None:
    """By a policy where the job is: the prefix of names is that of the job's stack."""
    app = cdk.App()
    trusted = iam.ServicePrincipal("sagemaker.amazonaws.com")
    parent = cdk.Stack(app, "Parent")
    nested = cdk.NestedStack(parent, "Nested")
    scopes = [cdk.Stack(app, "Other"), nested]
    for scope in scopes:
        role = iam.Role(parent, f"Own{scope.node.id}", assumed_by=trusted)
        neo.CompilationJob(
            scope,
            "Job",
            model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
            target=neo.TargetDevice.ML_C5,
            role=role,
        )
    for scope in scopes:
        policies = of_type(template(scope), "AWS::IAM::Policy")
        (policy,) = [p for i, p in policies.items() if "NeoPolicy" in i]
        assert "s3:PutObject" in json.dumps(policy)
    assert not of_type(template(parent), "AWS::IAM::Policy")


def test_jobs_that_share_a_role_share_a_policy() -> None:
    """IAM counts the inline policies of a role together: 10,240 characters."""
    scope = stack()
    role = iam.Role(scope, "Own", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    for number in range(12):
        neo.CompilationJob(
            scope,
            f"Job{number}",
            model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
            target=neo.TargetDevice.ML_C5,
            role=role,
        )
    found = template(scope)
    policies = {
        i: p
        for i, p in of_type(found, "AWS::IAM::Policy").items()
        if {"Ref": next(r for r in of_type(found, "AWS::IAM::Role") if r.startswith("Own"))}
        in p["Properties"]["Roles"]
    }
    assert len(json.dumps(list(policies.values()))) < 10_240
    for job in of_type(found, JOB).values():
        assert {*policies} & {*job["DependsOn"]}


def test_another_bucket_is_another_policy() -> None:
    """CloudFormation deletes the former one's when nothing of the old fleet runs any more."""

    def ids(bucket: str) -> dict[str, set[str]]:
        scope = stack()
        job = neo.CompilationJob(
            scope,
            "Job",
            model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
            target=neo.TargetDevice.ML_C5,
            artifact_bucket=s3.Bucket.from_bucket_name(scope, bucket, bucket),
        )
        neo.Model(
            scope,
            "Model",
            compilation_job=job,
            inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
        )
        found = template(scope)
        return {
            kind: {i for i in of_type(found, kind) if "EngineRolePolicy" not in i}
            for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
        }

    one, same, two = ids("one"), ids("one"), ids("two")
    assert one == same
    for kind, found in one.items():
        assert found
        assert not found & two[kind]


def app_of(scope: cdk.Stack) -> cdk.App:
    found = scope.node.root
    assert isinstance(found, cdk.App)
    return found


@pytest.mark.parametrize("aspect", ["retain", "destroy"])
def test_removal_policies_of_the_whole_stack(aspect: str) -> None:
    """A retained custom resource would never get its Delete, and nobody would stop its job."""
    scope = stack()
    neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
    )
    getattr(cdk.RemovalPolicies.of(scope), aspect)()
    if aspect == "destroy":
        assert the(template(scope), JOB)["DeletionPolicy"] == "Delete"
        return
    with pytest.raises(RuntimeError, match=r"RETAIN is given to a custom resource.*removal-policy"):
        app_of(scope).synth()


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("k" * 129, "v", "129 characters"),
        ("k", "v" * 257, "257 characters"),
        ("aws:x", "v", "only AWS gives"),
    ],
)
def test_tags_that_the_api_refuses(key: str, value: str, says: str) -> None:
    scope = stack()
    job = neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
    )
    job.tags.set_tag(key, value)
    with pytest.raises(RuntimeError, match=rf"{says}.*\[tags\]"):
        app_of(scope).synth()


@pytest.mark.parametrize("of_bucket", [True, False])
def test_every_write_is_under_the_key_that_was_asked_for(of_bucket: bool) -> None:
    """In the bucket's own case too: without a key, the API takes the account's default one."""
    scope = stack()
    key = kms.Key(scope, "Key")
    job = neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        artifact_bucket=neo.ArtifactBucket(
            scope, "Artifacts", encryption_key=key if of_bucket else None
        ),
        encryption_key=None if of_bucket else key,
    )
    neo.Model(
        scope,
        "Model",
        compilation_job=job,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
    )
    found = template(scope)
    properties = the(found, JOB)["Properties"]
    assert properties["OutputConfig"]["KmsKeyId"] == the(found, ARCHIVE)["Properties"]["KmsKeyId"]
    assert ("KmsKeyIsBucketDefault" in properties) is of_bucket
    for resource in found["Resources"].values():
        document = resource.get("Properties", {}).get("PolicyDocument", {})
        for statement in document.get("Statement", []):
            if "kms:" in json.dumps(statement["Action"]):
                assert "kms:ViaService" in statement["Condition"]["StringEquals"]
    for role in ("NeoJobEngineRole", "NeoJobEngineCompileRole", "ModelRole"):
        assert granting(found, role, "kms:Decrypt"), role


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
        "*", Match.string_like_regexp("It needs this policy.*s3:PutObject.*/neo-")
    )


def test_the_missing_rights_can_be_pasted() -> None:
    scope = cdk.Stack(
        cdk.App(), "Stack", env=cdk.Environment(account="210987654321", region="cn-north-1")
    )
    role = iam.Role.from_role_arn(scope, "Own", "arn:aws-cn:iam::1:role/neo", mutable=False)
    neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        role=role,
        artifact_bucket=s3.Bucket.from_bucket_name(scope, "Artifacts", "artifacts"),
    )
    (entry,) = Annotations.from_stack(scope).find_warning(
        "*", Match.string_like_regexp("cannot be extended")
    )
    text = str(entry.entry.data)
    document, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])
    resources = [
        each
        for statement in document["Statement"]
        for each in (
            statement["Resource"]
            if isinstance(statement["Resource"], list)
            else [statement["Resource"]]
        )
    ]
    assert "arn:aws-cn:s3:::artifacts/neo-*-????????-??????????-????????/*" in resources
    logs = "arn:aws-cn:logs:cn-north-1:210987654321:log-group:/aws/sagemaker/CompilationJobs"
    assert logs in resources
    assert not any("{" in each or "Token" in each for each in resources)


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
    for role in ("NeoJobEngineRole", compiler):
        assert granting(found, role, "kms:GenerateDataKey"), role
    assert granting(found, compiler, "kms:Encrypt")
    assert not [a for s in statements(found, "NeoJobEngineRole") for a in actions(s) if "*" in a]


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


def test_half_a_second_of_runtime_is_rounded_up() -> None:
    scope = stack()
    digits_endpoint(scope, max_runtime=cdk.Duration.millis(90_500))
    condition = the(template(scope), JOB)["Properties"]["StoppingCondition"]
    assert condition == {"MaxRuntimeInSeconds": 91}
