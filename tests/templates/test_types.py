"""Every public argument of every public callable refuses what is not of its type, and says so.

The cases are made from the signatures: a new argument is tried the day it is written.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

import neo_constructs as neo
from neo_constructs.typed import matches
from tests.templates.stacks import DIGITS

# What people write: text for everything, numbers for durations, mappings for values.
WRONG: tuple[object, ...] = ("text", 900, 1.5, True, {"a": 1}, ["a"], b"bytes", object(), None)
# Public, but no callable of a user's: an exception, what checks return, the lazy enumeration.
NOT_CALLED = {"ValidationError", "Finding", "Contract"}
# Made by from_context, which checks each value itself.
READ = {"Settings"}
# What a dataclass or a factory takes as it is: it is checked with the framework and the model.
# As a program without types would call them.
JOB: Any = neo.CompilationJob
CONFIG: Any = neo.EndpointConfig
UNTYPED = {("DataInputConfig", "DataInputConfig", "value")}


@dataclass(frozen=True)
class Case:
    """One argument, and a value that it must refuse."""

    owner: str
    call: str
    argument: str
    value: object

    def __str__(self) -> str:
        return f"{self.owner}.{self.call}({self.argument}={type(self.value).__name__})"


def scope_of() -> cdk.Stack:
    return cdk.Stack(cdk.App(), "Stack")


@pytest.fixture(scope="module")
def good() -> Mapping[str, Any]:
    """Return a right value for every argument's name."""
    stack = scope_of()
    job = neo.CompilationJob(
        stack,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
    )
    code = neo.InferenceCode.from_asset(DIGITS / "code")
    model = neo.Model(stack, "Model", compilation_job=job, inference_code=code)
    variant = neo.InstanceVariant(model=model, instance_type="ml.c5.large")
    config = neo.EndpointConfig(stack, "Config", production_variants=[variant])
    contract = neo.ServingContract.DLR
    return {
        **{field.name: getattr(contract, field.name) for field in fields(contract)},
        "construct_id": "Another",
        "model_data": neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        "target": neo.TargetDevice.ML_C5,
        "instance_type": "ml.c5.large",
        "inference_code": code,
        "compilation_job": job,
        "model": model,
        "production_variants": [variant],
        "endpoint_config": config,
        "model_data_url": "s3://bucket/model.tar.gz",
        "bucket": s3.Bucket.from_bucket_name(stack, "Given", "given"),
        "repository": ecr.Repository.from_repository_name(stack, "Images", "images"),
        "grantee": iam.AccountRootPrincipal(),
        "key": "key.tar.gz",
        "path": str(DIGITS / "digits.onnx"),
        "uri": "s3://bucket/model.tar.gz",
        "framework": neo.Framework.onnx(),
        "name": "PYTORCH",
        "text": "{}",
        "encoded": "{}",
        "url": "s3://bucket/key",
        "endpoints": (),
        "version": "2.0",
        "dtype": "int64",
        "flags": "--flag",
        "value": "text",
        "context": {},
        "settings": neo.Settings(endpoints=()),
        "folder": DIGITS,
        "compilation_stack": neo.CompilationStack(
            cdk.App(), settings=neo.Settings(endpoints=()), folder=DIGITS
        ),
        "artifact_bucket": s3.Bucket.from_bucket_name(stack, "Artifacts", "artifacts"),
        "artifact_prefix": "neo-1",
        "inference_image": "image",
        "prefix": "/vision/digits",
        "model_name": "digits",
        "model_arn": "arn:aws:sagemaker:eu-west-1:123456789012:model/digits",
        "endpoint_name": "digits",
        "endpoint_arn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/digits",
        "endpoint_config_name": "digits",
        "endpoint_config_arn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint-config/digits",
        "variant": variant,
        "variant_name": "AllTraffic",
        "metric_name": "Invocations",
        "endpoint": neo.Endpoint.from_endpoint_name(stack, "There", "there"),
        "resource_id": "endpoint/there/variant/AllTraffic",
        "min_capacity": 1,
        "max_capacity": 2,
        "max_requests_per_second": 10,
        "metric": cdk.aws_cloudwatch.Metric(namespace="n", metric_name="m"),
        "target_value": 1,
        "model_package_group": neo.ModelPackageGroup.from_model_package_group_name(
            stack, "Versions", "digits"
        ),
        "model_package_group_name": "digits",
        "model_package_group_arn": "arn:aws:sagemaker:eu-west-1:123456789012:model-package-group/a",
        "model_package_arn": "arn:aws:sagemaker:eu-west-1:123456789012:model-package/a/1",
        "model_package": neo.ModelPackage.from_model_package_arn(
            stack, "Version", "arn:aws:sagemaker:eu-west-1:123456789012:model-package/a/1"
        ),
        "initial_number_of_users": 1,
        "spawn_rate": 1,
        "duration": cdk.Duration.minutes(2),
        "number_of_steps": 2,
        "users_per_step": 1,
        "phases": [],
        "container": neo.ContainerDefinition(image=neo.InferenceImage.image_classification()),
        "size": neo.CapacitySize.percent(10),
        "batch": neo.CapacitySize.percent(10),
        "step": neo.CapacitySize.percent(10),
        "strategy": "CANARY",
        "type": "CAPACITY_PERCENT",
        "directory": str(DIGITS),
        "alarm": cdk.aws_cloudwatch.Alarm.from_alarm_arn(stack, "Alarm", "arn:aws:cloudwatch:::x"),
        "statement": iam.PolicyStatement(),
        "target_utilization_percent": 70.0,
        "target_utilization": 0.7,
        "requests_per_instance": 5,
        "schedule": cdk.aws_applicationautoscaling.Schedule.rate(cdk.Duration.hours(1)),
    }


def hints_of(call: Callable[..., Any]) -> dict[str, Any]:
    found = typing.get_type_hints(inspect.unwrap(call))
    found.pop("return", None)
    return found


def callables(owner: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield name and function of what a user calls of a public class."""
    if owner.__name__ in READ:
        pass
    elif is_dataclass(owner):
        yield owner.__name__, owner
    elif "__init__" in vars(owner):
        yield "__init__", vars(owner)["__init__"]
    for name, member in vars(owner).items():
        if not name.startswith("_") and isinstance(member, staticmethod | classmethod):
            yield name, member.__func__


def arguments(call: Callable[..., Any]) -> dict[str, Any]:
    if inspect.isclass(call):
        hints = typing.get_type_hints(call)
        return {field.name: hints[field.name] for field in fields(call)}  # type: ignore[arg-type] # only dataclasses come here
    return hints_of(call)


def is_checked(call: Callable[..., Any]) -> bool:
    """Whether a callable is for a user: it has arguments that are not only the library's own."""
    return hasattr(call, "__wrapped__") or inspect.isclass(call)


def cases() -> Iterator[Case]:
    for name in sorted(set(neo.__all__) - NOT_CALLED):
        owner = getattr(neo, name)
        for call_name, call in callables(owner):
            for argument, hint in arguments(call).items():
                for value in WRONG:
                    if argument not in {"self", "cls"} and not matches(value, hint):
                        yield Case(name, call_name, argument, value)


CASES = [case for case in cases() if (case.owner, case.call, case.argument) not in UNTYPED]


def test_there_is_a_case_for_every_public_callable() -> None:
    tried = {(case.owner, case.call) for case in CASES}
    for name in sorted(set(neo.__all__) - NOT_CALLED):
        for call_name, call in callables(getattr(neo, name)):
            typed_arguments = [
                argument
                for argument, hint in arguments(call).items()
                if (name, call_name, argument) not in UNTYPED
                and any(not matches(value, hint) for value in WRONG)
            ]
            assert not typed_arguments or (name, call_name) in tried
    print(f"\nwrong arguments: {len(CASES)} of {len(tried)} callables")
    assert len(CASES) > 500


def call_of(case: Case) -> Callable[..., Any]:
    owner = getattr(neo, case.owner)
    is_class = case.call in {"__init__", case.owner}
    found: Callable[..., Any] = owner if is_class else getattr(owner, case.call)
    return found


@pytest.mark.parametrize("owner", sorted({(case.owner, case.call) for case in CASES}), ids=".".join)
def test_what_is_not_of_a_type_is_refused(owner: tuple[str, str], good: Mapping[str, Any]) -> None:
    """With its name, what it is, what is allowed, and what to write."""
    for case in (c for c in CASES if (c.owner, c.call) == owner):
        call = call_of(case)
        # jsii hides the signatures of classes.
        is_construct = case.call == "__init__"
        known = inspect.signature(
            inspect.unwrap(vars(getattr(neo, case.owner))["__init__"]) if is_construct else call
        ).parameters
        needed = {
            name: scope_of() if name == "scope" else good[name]
            for name, parameter in known.items()
            if parameter.default is parameter.empty
            and parameter.kind is not parameter.VAR_KEYWORD
            and name not in {"self", "cls"}
        }
        given = {**needed, case.argument: case.value}
        positional = [
            given.pop(name)
            for name, parameter in known.items()
            if parameter.kind is parameter.POSITIONAL_ONLY and name in given
        ]
        with pytest.raises(neo.ValidationError) as caught:
            call(*positional, **given)
        found = [f for f in caught.value.findings if f.where == case.argument]
        assert [f.code for f in found] == ["wrong-type"], case
        assert "Allowed: " in found[0].message
        assert found[0].fix


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s, d: JOB(s, "J", **{**d, "model_data": "model.pth"}),
         "ModelData.from_asset('model.pth')"),
        (lambda s, d: JOB(s, "J", **d, max_runtime=900), "Duration.seconds(900)"),
        (lambda s, d: JOB(s, "J", **d, role="arn:aws:iam::1:role/x"),
         "iam.Role.from_role_arn(self, \"Role\", 'arn:aws:iam::1:role/x')"),
        (lambda s, d: JOB(s, "J", **d, encryption_key="arn:aws:kms:x"),
         "kms.Key.from_key_arn"),
        (lambda s, d: JOB(s, "J", **d, artifact_bucket="arn:aws:s3:::b"),
         "s3.Bucket.from_bucket_name"),
        (lambda s, d: CONFIG(s, "C", production_variants=[{"model": 1}]),
         "InstanceVariant(model="),
    ],
)  # fmt: skip
def test_the_fix_is_what_to_write(
    call: Callable[[cdk.Stack, dict[str, Any]], object], says: str
) -> None:
    needed = {
        "model_data": neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        "target": neo.TargetDevice.ML_C5,
    }
    with pytest.raises(neo.ValidationError) as caught:
        call(scope_of(), needed)
    assert says in str(caught.value)
    assert caught.value.subject.startswith("Stack/")


def test_all_wrong_arguments_are_said_together() -> None:
    with pytest.raises(neo.ValidationError) as caught:
        JOB(scope_of(), "Job", model_data="m.pth", target=None, max_runtime=900)
    assert [f.where for f in caught.value.findings] == ["model_data", "target", "max_runtime"]


def test_what_is_known_at_deploy_is_of_a_type() -> None:
    stack = scope_of()
    number = cdk.CfnParameter(stack, "Number", type="Number").value_as_number
    listed = cdk.CfnParameter(stack, "List", type="List<String>").value_as_list
    assert matches(number, int)
    assert matches(number, float)
    assert matches(listed, Sequence[str])
    assert matches(kms.Key(stack, "Key"), kms.IKey)
    assert matches(kms.Key.from_key_arn(stack, "K", "arn:aws:kms:us-east-1:1:key/x"), kms.IKey)
    assert matches(iam.Role.from_role_arn(stack, "R", "arn:aws:iam::1:role/x"), iam.IRole)
    assert not matches(s3.Bucket(stack, "Bucket"), kms.IKey)


def test_a_value_of_a_million_characters_is_not_repeated() -> None:
    for call in (
        lambda: neo.TargetDevice.parse("x" * 1_000_000),
        lambda: neo.Framework.parse("x" * 1_000_000),
        lambda: neo.ModelData.from_s3_uri("x" * 1_000_000),
        lambda: JOB(scope_of(), "J", model_data="x" * 1_000_000, target=neo.TargetDevice.ML_C5),
    ):
        with pytest.raises(neo.ValidationError) as caught:
            call()
        assert len(str(caught.value)) < 20_000
