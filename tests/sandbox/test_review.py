"""What ``neo review --against`` predicts of single changes, and what a deploy then did.

One stack goes through changes one after the other: each is predicted from the two templates, then
deployed, and each resource's fate is compared: its physical id before and after, and its events.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

import neo_constructs as neo
from neo_constructs.review.assembly import StackTemplate
from neo_constructs.review.changes import find_changes, match_stacks
from neo_constructs.review.refusals import with_refusals
from neo_constructs.review.values import Assembly
from neo_constructs.review.verdicts import Change, Verdict
from neo_constructs.sandbox.emulator import sandbox
from neo_constructs.sandbox.environment import ACCOUNT, REGION
from tests.sandbox.account import MODELS, Account, Json
from tests.templates.stacks import DIGITS

FAST = {
    "NEO_SANDBOX_COMPILE_SECONDS": "0.2",
    "NEO_SANDBOX_ENDPOINT_SECONDS": "0.2",
    "SFN_WAIT_SCALE": "0.01",
}
Settings = dict[str, Any]
Edit = Callable[[Settings], object]
STACK = "Reviewed"


def start(folder: Path) -> Settings:
    """Return what the first deploy is made of: arguments, and what stands beside the endpoint."""
    return {
        "folder": folder,
        "id": "Digits",
        "tags": {},
        "beside": {},
        "arguments": {
            "data_input_config": {"pixels": [1, 1, 8, 8]},
            "initial_instance_count": 1,
            "environment": {},
        },
        "target": "ml_c5",
        "instance_type": "ml.c5.large",
        "further": [],
    }


def build(settings: Settings) -> Callable[[cdk.Stack], None]:
    """Return what builds the stack of some settings."""

    def make(stack: cdk.Stack) -> None:
        scope: Construct = stack
        for part in settings["id"].split("/")[:-1]:
            scope = Construct(scope, part)
        folder, arguments = settings["folder"], dict(settings["arguments"])
        if bucket := settings.get("bucket"):
            arguments["artifact_bucket"] = s3.Bucket.from_bucket_name(stack, "Own", bucket)
        if name := settings.get("captured"):
            captured = s3.Bucket.from_bucket_name(stack, "Captured", name)
            arguments["data_capture_config"] = neo.DataCaptureConfig(bucket=captured)
        if role := settings.get("role"):
            arguments["role"] = iam.Role(
                stack, role, assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")
            )
        endpoint = neo.CompiledEndpoint(
            scope,
            settings["id"].rpartition("/")[2],
            model_data=neo.ModelData.from_asset(folder / "digits.onnx"),
            framework=neo.Framework.onnx(),
            inference_code=neo.InferenceCode.from_asset(folder / "code"),
            target=neo.TargetDevice.parse(settings["target"]),
            instance_type=settings["instance_type"],
            **arguments,
        )
        for target, instance_type in settings["further"]:
            endpoint.add_target(
                neo.CompiledVariant(
                    target=neo.TargetDevice.parse(target), instance_type=instance_type
                )
            )
        for thing in settings["beside"].values():
            thing(stack, endpoint)
        for name, value in settings["tags"].items():
            cdk.Tags.of(stack).add(name, value)

    return make


# --- the changes ----------------------------------------------------------------------------------


def argument(**changes: Any) -> Edit:
    return lambda settings: settings["arguments"].update(changes)


def setting(**changes: Any) -> Edit:
    return lambda settings: settings.update(changes)


def beside(name: str, thing: Callable[[cdk.Stack, neo.CompiledEndpoint], object]) -> Edit:
    return lambda settings: settings["beside"].update({name: thing})


def without(name: str) -> Edit:
    return lambda settings: settings["beside"].pop(name)


def tag(name: str, value: str) -> Edit:
    return lambda settings: settings["tags"].update({name: value})


def script(settings: Settings) -> None:
    file = settings["folder"] / "code" / "inference.py"
    file.write_text(file.read_text() + "\n# another line\n")


def model(settings: Settings) -> None:
    """Add a doc_string to the model: field 6 of ModelProto."""
    file = settings["folder"] / "digits.onnx"
    file.write_bytes(file.read_bytes() + b"\x32\x01a")


def alarm(threshold: float) -> Callable[[cdk.Stack, neo.CompiledEndpoint], object]:
    return lambda stack, endpoint: (
        endpoint.variant()
        .metric_invocation_5xx_errors()
        .create_alarm(stack, "Alarm", threshold=threshold, evaluation_periods=1)
    )


def scaling(most: int) -> Callable[[cdk.Stack, neo.CompiledEndpoint], object]:
    return lambda _, endpoint: endpoint.variant().auto_scale_instance_count(max_capacity=most)


def topic(name: str | None) -> Callable[[cdk.Stack, neo.CompiledEndpoint], object]:
    return lambda stack, _: sns.Topic(stack, "Topic", topic_name=name)


def kept_bucket(stack: cdk.Stack, _: neo.CompiledEndpoint) -> object:
    return s3.Bucket(stack, "Kept", removal_policy=cdk.RemovalPolicy.RETAIN)


def lost_bucket(stack: cdk.Stack, _: neo.CompiledEndpoint) -> object:
    return s3.Bucket(stack, "Lost", removal_policy=cdk.RemovalPolicy.DESTROY)


CHANGES: dict[str, Edit] = {
    "a line of the script": script,
    "the model's bytes": model,
    "another instance type": setting(instance_type="ml.c5.xlarge"),
    "two instances": argument(initial_instance_count=2),
    "a variable of the environment": argument(environment={"A": "b"}),
    "another value of it": argument(environment={"A": "c"}),
    "a longer compile": argument(max_runtime=cdk.Duration.minutes(20)),
    "a deployment by steps": argument(
        deployment_config=neo.DeploymentConfig.canary(
            neo.CapacitySize.percent(50), wait=cdk.Duration.minutes(2)
        )
    ),
    "a tag": tag("team", "vision"),
    "another value of the tag": tag("team", "hearing"),
    "an alarm": beside("alarm", alarm(1)),
    "another threshold": beside("alarm", alarm(2)),
    "a topic": beside("topic", topic(None)),
    "the topic's name": beside("topic", topic("reviewed")),
    "no topic": without("topic"),
    "automatic scaling": beside("scaling", scaling(2)),
    "more of it": beside("scaling", scaling(3)),
    "none of it": without("scaling"),
    "a bucket that is kept": beside("kept", kept_bucket),
    "without it": without("kept"),
    "a bucket that is not kept": beside("lost", lost_bucket),
    "without that": without("lost"),
    "captured requests": setting(captured="reviewed-artifacts"),
    "a longer start": argument(container_startup_health_check_timeout=cdk.Duration.minutes(5)),
    "a role of its own": setting(role="Own role"),
    "a second target": setting(further=[("ml_m5", "ml.m5.large")]),
    "one target again": setting(further=[]),
    "another target": setting(target="ml_m5", instance_type="ml.m5.large"),
    "artifacts that go with the job": argument(artifact_removal_policy=cdk.RemovalPolicy.DESTROY),
    "another bucket for artifacts": setting(bucket="reviewed-artifacts"),
    "a name": argument(endpoint_name="digits"),
    "another name": argument(endpoint_name="other-digits"),
    "another construct id, which needs the name": setting(id="Renamed"),
    "no name": lambda settings: settings["arguments"].pop("endpoint_name"),
    "another construct id": setting(id="Renamed"),
    "a move into another scope": setting(id="Inner/Renamed"),
}


def predicted(before: Json, after: Json) -> dict[str, Change]:
    moves = match_stacks(_assembly(before), _assembly(after))
    found = with_refusals(moves, find_changes(moves))
    return {key.logical_id: change for key, change in found.items()}


def _assembly(template: Json) -> Assembly:
    stack = StackTemplate(
        name=STACK, stack_name=STACK, account=ACCOUNT, region=REGION, template=template, paths={}
    )
    return Assembly((stack,))


def observed(account: Account, before: dict[str, Json], seen: set[str]) -> dict[str, Verdict]:
    """Return what became of each resource that did not stay as it was."""
    after = account.resources(STACK)
    pages = account.stacks.get_paginator("describe_stack_events").paginate(StackName=STACK)
    events = [e for page in pages for e in page["StackEvents"] if e["EventId"] not in seen]
    statuses: dict[str, set[str]] = {}
    for event in events:
        statuses.setdefault(event["LogicalResourceId"], set()).add(event["ResourceStatus"])
    found = dict[str, Verdict]()
    for name in {**before, **after}:
        was, now = before.get(name), after.get(name)
        if was is None:
            found[name] = Verdict.ADDED
        elif now is None:
            kept = "DELETE_SKIPPED" in statuses.get(name, set())
            found[name] = Verdict.RETAINED if kept else Verdict.REMOVED
        elif was["PhysicalResourceId"] != now["PhysicalResourceId"]:
            found[name] = Verdict.REPLACED
        elif "UPDATE_COMPLETE" in statuses.get(name, set()):
            found[name] = Verdict.UPDATED
    return found


def events_of(account: Account) -> set[str]:
    pages = account.stacks.get_paginator("describe_stack_events").paginate(StackName=STACK)
    return {e["EventId"] for page in pages for e in page["StackEvents"]}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with mock.patch.dict(os.environ, FAST), sandbox(bootstrap=False) as running:
        made = Account(running)
        made.put_model(MODELS, "1.tar.gz")
        made.s3.create_bucket(Bucket="reviewed-artifacts")
        yield made


def test_what_a_change_does_is_what_was_predicted(account: Account, tmp_path: Path) -> None:
    shutil.copytree(DIGITS / "code", tmp_path / "code")
    shutil.copy(DIGITS / "digits.onnx", tmp_path / "digits.onnx")
    settings = start(tmp_path)
    before = account.synthesize(build(settings))
    assert account.create(STACK, before) == "CREATE_COMPLETE", account.said(STACK)
    wrong, right, changed = list[str](), 0, 0
    for name, edit in CHANGES.items():
        settings = {**settings, "arguments": {**settings["arguments"]}}
        former = {**settings, "arguments": {**settings["arguments"]}}
        edit(settings)
        after = account.synthesize(build(settings))
        guess = predicted(before, after)
        resources, seen = account.resources(STACK), events_of(account)
        jobs = set(account.jobs())
        status = account.update(STACK, after)
        if any(change.refused for change in guess.values()):
            assert status == "UPDATE_ROLLBACK_COMPLETE", name
            settings, right = former, right + 1
            continue
        assert status == "UPDATE_COMPLETE", (
            f"{name}: {' '.join(account.said(STACK).split())[:1500]}"
        )
        done = observed(account, resources, seen)
        for logical_id in {**guess, **done, **resources}:
            said = guess[logical_id].verdict if logical_id in guess else None
            changed += said is not None
            if said == done.get(logical_id):
                right += 1
            else:
                wrong.append(f"{name}: {logical_id}: {said}, but {done.get(logical_id)}")
        compiles = [
            c
            for c in guess.values()
            if c.type == "Custom::NeoCompilationJob"
            and c.verdict in {Verdict.ADDED, Verdict.REPLACED}
        ]
        assert len(set(account.jobs()) - jobs) == len(compiles), name
        before = after
    print(f"{len(CHANGES)} changes, {right} fates right, {changed} of change, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
