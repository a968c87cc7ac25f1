"""Compile in one stack, host in another: compile again, host again, without a deadlock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest import mock

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

import neo_constructs as neo
from neo_constructs.sandbox.emulator import sandbox
from tests.sandbox.account import ENVIRONMENT, MODELS, Account, Json
from tests.sandbox.test_stacks import FAST
from tests.templates.stacks import DIGITS


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with mock.patch.dict(os.environ, FAST), sandbox(bootstrap=False) as running:
        made = Account(running)
        for key in ("1.tar.gz", "2.tar.gz"):
            made.put_model(MODELS, key)
        yield made


def templates(account: Account, key: str) -> dict[str, Json]:
    app = cdk.App(context={"neo_constructs:iam_grace_seconds": 0})
    compiling = cdk.Stack(app, "Compiling", env=ENVIRONMENT)
    hosting = cdk.Stack(app, "Hosting", env=ENVIRONMENT)
    job = neo.CompilationJob(
        compiling,
        "Job",
        model_data=neo.ModelData.from_bucket(
            s3.Bucket.from_bucket_name(compiling, "Models", MODELS), key
        ),
        framework=neo.Framework.onnx(),
        data_input_config={"pixels": [1, 1, 8, 8]},
        target=neo.TargetDevice.ML_C5,
    )
    code = neo.InferenceCode.from_asset(DIGITS / "code")
    model = neo.Model(hosting, "Model", compilation_job=job, inference_code=code)
    cdk.CfnOutput(hosting, "Image", value=job.expected_image or "")
    cdk.CfnOutput(hosting, "Name", value=model.model_name)
    return account.synthesize_app(app)


def served(account: Account) -> str:
    """Return the artifact that the hosting stack's model names."""
    outputs = {o["OutputKey"]: o["OutputValue"] for o in account.describe("Hosting")["Outputs"]}
    found = account.sagemaker.describe_model(ModelName=outputs["Name"])
    return str(found["PrimaryContainer"]["ModelDataUrl"])


def test_compile_host_and_both_again(account: Account) -> None:
    first = templates(account, "1.tar.gz")
    assert account.create("Compiling", first["Compiling"]) == "CREATE_COMPLETE", account.said(
        "Compiling"
    )
    assert account.create("Hosting", first["Hosting"]) == "CREATE_COMPLETE", account.said("Hosting")
    before = served(account)

    second = templates(account, "2.tar.gz")
    assert account.update("Compiling", second["Compiling"]) == "UPDATE_COMPLETE", account.said(
        "Compiling"
    )
    assert second["Hosting"] == first["Hosting"], "what changes is behind the parameters"
    assert account.update("Hosting", second["Hosting"]) == "UPDATE_COMPLETE", account.said(
        "Hosting"
    )
    assert served(account) != before

    assert account.delete("Hosting") == "DELETE_COMPLETE", account.said("Hosting")
    assert account.delete("Compiling") == "DELETE_COMPLETE", account.said("Compiling")
    assert account.jobs() == {}
