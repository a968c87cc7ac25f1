"""Versions in the registry and what serves them, on the emulated AWS with IAM on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import aws_cdk as cdk
import pytest
from botocore.exceptions import ClientError

import neo_constructs as neo
from neo_constructs.sandbox.emulator import sandbox
from tests.sandbox.account import Account
from tests.sandbox.test_hosting import FASTER, JSON, QUESTION
from tests.templates.stacks import DIGITS


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with mock.patch.dict(os.environ, FASTER), sandbox(bootstrap=False) as running:
        yield Account(running)


def versioned(code: Path, status: str = "Approved") -> Callable[[cdk.Stack], None]:
    """Return what registers the compiled digits, and serves the version."""

    def build(stack: cdk.Stack) -> None:
        job = neo.CompilationJob(
            stack,
            "Job",
            model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
            target=neo.TargetDevice.ML_C5,
        )
        version = neo.ModelPackage(
            stack,
            "Version",
            model_package_group=neo.ModelPackageGroup(
                stack, "Versions", model_package_group_name="digits"
            ),
            container=neo.ContainerDefinition(
                compilation_job=job, inference_code=neo.InferenceCode.from_asset(code)
            ),
            domain="COMPUTER_VISION",
            task="IMAGE_CLASSIFICATION",
            model_approval_status=status,
        )
        model = neo.Model(stack, "Model", model_package=version, enable_network_isolation=False)
        config = neo.EndpointConfig(
            stack,
            "Config",
            production_variants=[neo.InstanceVariant(model=model, instance_type="ml.c5.large")],
        )
        neo.Endpoint(stack, "Endpoint", endpoint_config=config, endpoint_name="digits")

    return build


def versions(account: Account) -> list[dict[str, Any]]:
    found = account.sagemaker.list_model_packages(ModelPackageGroupName="digits")
    return list(found["ModelPackageSummaryList"])


def answer(account: Account) -> Any:
    runtime = account.client("sagemaker-runtime")
    reply = runtime.invoke_endpoint(
        EndpointName="digits", ContentType=JSON, Accept=JSON, Body=QUESTION
    )
    return json.loads(reply["Body"].read())


def test_a_new_script_is_a_new_version_and_the_old_one_stays(
    account: Account, tmp_path: Path
) -> None:
    script = (DIGITS / "code" / "inference.py").read_text()
    (tmp_path / "inference.py").write_text(script)
    created = account.create("Registered", account.synthesize(versioned(tmp_path)))
    assert created == "CREATE_COMPLETE", account.said("Registered")
    assert answer(account)
    assert [each["ModelPackageVersion"] for each in versions(account)] == [1]

    (tmp_path / "inference.py").write_text(script + "\n# another line\n")
    updated = account.update("Registered", account.synthesize(versioned(tmp_path)))
    assert updated == "UPDATE_COMPLETE", account.said("Registered")
    assert [each["ModelPackageVersion"] for each in versions(account)] == [2, 1]
    assert answer(account)
    assert len(account.jobs(account.prefix("Registered"))) == 1, "a script compiles nothing"

    assert account.delete("Registered") == "DELETE_COMPLETE", account.said("Registered")
    assert [each["ModelPackageVersion"] for each in versions(account)] == [2, 1]
    with pytest.raises(ClientError, match="it has model packages"):
        account.sagemaker.delete_model_package_group(ModelPackageGroupName="digits")
    for each in versions(account):
        account.sagemaker.delete_model_package(ModelPackageName=each["ModelPackageArn"])
    account.sagemaker.delete_model_package_group(ModelPackageGroupName="digits")


def test_a_version_that_nobody_approved_is_not_served(account: Account, tmp_path: Path) -> None:
    (tmp_path / "inference.py").write_text((DIGITS / "code" / "inference.py").read_text())
    build = versioned(tmp_path, "PendingManualApproval")
    assert account.create("Waiting", account.synthesize(build)) == "ROLLBACK_COMPLETE"
    assert "is not approved: PendingManualApproval" in account.said("Waiting")
    assert account.delete("Waiting") == "DELETE_COMPLETE"


def neo_metadata(account: Account, *arguments: str, **environment: str) -> Any:
    """Run the command against the sandbox."""
    known = account.environment
    return subprocess.run(
        [str(Path(sys.executable).with_name("neo")), "model-metadata", *arguments],
        env={**os.environ, **known, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_nearest_model_is_looked_up(account: Account) -> None:
    done = neo_metadata(account, "--task", "IMAGE_CLASSIFICATION", "--framework", "PYTORCH")
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["Domain", "Task", "Framework", "FrameworkVersion", "Model"]
    assert [row.split()[-1] for row in rows] == ["resnet18", "resnet50"]
    listed = neo_metadata(account, "--domain", "MACHINE_LEARNING", "--json")
    assert [each["Model"] for each in json.loads(listed.stdout)] == ["xgboost"]


def test_what_keeps_it_from_being_looked_up_is_said_in_a_line(account: Account) -> None:
    nothing = neo_metadata(account, "--framework", "CAFFE")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "Leave out a filter" in nothing.stderr
    for said, environment in (
        ("cannot be reached", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}),
        ("No region", {"AWS_ENDPOINT_URL": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": ""}),
        ("no AWS credentials", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}),
    ):
        done = neo_metadata(account, **environment)
        assert done.returncode == 2, (said, done.stdout)
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
