"""The lives of stacks on the emulated AWS, with IAM on: template, Lambda and machine as shipped.

The emulator makes resources one after the other and waits for each, so what CloudFormation does
beside a request that is under way is asked of the engine's function by hand.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

import neo_constructs as neo
from neo_constructs.sandbox.emulator import sandbox
from tests.sandbox.account import MODELS, Account, Json, Requests, mailbox

JOB, ARCHIVE = "Custom::NeoCompilationJob", "Custom::NeoServingArchive"
MODEL_FILES = Path(__file__).parent.parent / "models"
BUCKET = "AWS::S3::Bucket"
FAST = {"NEO_SANDBOX_COMPILE_SECONDS": "3", "SFN_WAIT_SCALE": "0.02"}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with mock.patch.dict(os.environ, FAST), sandbox(bootstrap=False) as running:
        made = Account(running)
        for key in ("1.tar.gz", "2.tar.gz"):
            made.put_model(MODELS, key)
        made.put_model(MODELS, "broken.tar.gz", name="readme.txt")
        yield made


def stack_of(*keys: str, **changes: Any) -> Callable[[cdk.Stack], None]:
    """Return what builds a stack with a job for each model."""

    def build(stack: cdk.Stack) -> None:
        models = s3.Bucket.from_bucket_name(stack, "Models", MODELS)
        for number, key in enumerate(keys):
            job = neo.CompilationJob(
                stack,
                f"Job{number}",
                model_data=neo.ModelData.from_bucket(models, key),
                framework=neo.Framework.onnx(),
                data_input_config={"pixels": [1, 1, 8, 8]},
                **{"target": neo.TargetDevice.ML_C5, **changes},
            )
            cdk.CfnOutput(stack, f"Artifact{number}", value=job.model_data_url)

    return build


def tagged(*keys: str) -> Callable[[cdk.Stack], None]:
    """Return what builds a stack whose jobs bear a tag."""

    def build(stack: cdk.Stack) -> None:
        cdk.Tags.of(stack).add("team", "vision")
        stack_of(*keys)(stack)

    return build


def artifacts(account: Account, name: str) -> list[str]:
    """Return the artifacts a stack puts out, after a look that they are there."""
    found = {o["OutputKey"]: o["OutputValue"] for o in account.describe(name)["Outputs"]}
    for uri in found.values():
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        account.s3.head_object(Bucket=bucket, Key=key)
    return [found[key] for key in sorted(found)]


def jobs_of(account: Account, name: str) -> dict[str, str]:
    """Return the jobs of a stack."""
    return account.jobs(account.prefix(name))


def test_a_life(account: Account) -> None:
    """Create; update without and with a compile; a second job; destroy; again, by that name."""
    one = account.synthesize(stack_of("1.tar.gz"))
    assert account.create("Life", one) == "CREATE_COMPLETE", account.said("Life")
    first, jobs = artifacts(account, "Life"), jobs_of(account, "Life")
    assert list(jobs.values()) == ["COMPLETED"]

    assert account.update("Life", account.synthesize(tagged("1.tar.gz"))) == "UPDATE_COMPLETE"
    assert artifacts(account, "Life") == first
    assert jobs_of(account, "Life") == jobs
    (name,) = jobs
    arn = account.sagemaker.describe_compilation_job(CompilationJobName=name)["CompilationJobArn"]
    tags = account.sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "team", "Value": "vision"}]

    moved = account.synthesize(stack_of("1.tar.gz", target=neo.TargetDevice.ML_M5))
    assert account.update("Life", moved) == "UPDATE_COMPLETE"
    second = artifacts(account, "Life")
    assert second != first
    assert len(jobs_of(account, "Life")) == 1
    assert name not in jobs_of(account, "Life")

    two = account.synthesize(stack_of("1.tar.gz", "2.tar.gz", target=neo.TargetDevice.ML_M5))
    assert account.update("Life", two) == "UPDATE_COMPLETE"
    assert artifacts(account, "Life")[0] == second[0]
    assert len(jobs_of(account, "Life")) == 2

    bucket, prefix = account.physical_id("Life", BUCKET), account.prefix("Life")
    assert account.delete("Life") == "DELETE_COMPLETE"
    assert account.jobs(prefix) == {}
    kept = ("-ml_c5.tar.gz", "-ml_m5.tar.gz", ".json")
    assert all(key.endswith(kept) for key in account.keys(bucket))

    assert account.create("Life", one) == "CREATE_COMPLETE", account.said("Life")
    assert artifacts(account, "Life") != first
    assert account.delete("Life") == "DELETE_COMPLETE"


def test_two_jobs_in_one_stack(account: Account) -> None:
    both = account.synthesize(stack_of("1.tar.gz", "2.tar.gz"))
    assert account.create("Two", both) == "CREATE_COMPLETE", account.said("Two")
    assert len(set(artifacts(account, "Two"))) == 2
    assert account.delete("Two") == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    ("key", "cause"),
    [
        ("broken.tar.gz", "No .onnx file found for ONNX model"),
        ("missing.tar.gz", "There is no object at s3://models/missing.tar.gz"),
    ],
)
def test_a_create_that_fails(account: Account, key: str, cause: str) -> None:
    name = f"Failing{key[0]}"
    broken = account.synthesize(stack_of(key))
    assert account.create(name, broken) == "ROLLBACK_COMPLETE"
    assert cause in account.said(name)
    assert set(jobs_of(account, name).values()) <= {"FAILED"}, "nothing runs"
    assert account.delete(name) == "DELETE_COMPLETE"


def test_an_update_that_fails_and_rolls_back(account: Account) -> None:
    good = account.synthesize(stack_of("1.tar.gz"))
    assert account.create("Back", good) == "CREATE_COMPLETE", account.said("Back")
    first, jobs = artifacts(account, "Back"), jobs_of(account, "Back")
    broken = account.synthesize(stack_of("broken.tar.gz"))
    assert account.update("Back", broken) == "UPDATE_ROLLBACK_COMPLETE"
    assert "No .onnx file found" in account.said("Back")
    assert artifacts(account, "Back") == first
    # The rollback has removed the record of the job that failed, and has compiled nothing.
    assert jobs_of(account, "Back") == jobs
    assert account.delete("Back") == "DELETE_COMPLETE"


@pytest.mark.parametrize("is_invented", [True, False])
def test_a_delete_during_the_compile(account: Account, is_invented: bool) -> None:
    name = f"During{int(is_invented)}"
    template = account.synthesize(stack_of("1.tar.gz"))
    assert account.create(name, template) == "CREATE_COMPLETE", account.said(name)
    settled = jobs_of(account, name)
    properties = resolved(account, name, template)
    with mailbox() as answers:
        requests = Requests(account, name, answers)
        requests.send("Create", properties)
        running = job_under_way(account, name, settled)
        physical_id = "Stack-Job-1ABC" if is_invented else running
        answer = answers.wait_for(requests.send("Delete", properties, physical_id=physical_id))
        assert answer["Status"] == "SUCCESS", answer
    assert jobs_of(account, name) == settled
    bucket = account.physical_id(name, BUCKET)
    assert not [k for k in account.keys(bucket) if "/input/" in k]
    assert account.delete(name) == "DELETE_COMPLETE"


SCRIPT = """
import os

def model_fn(model_dir):
    return "{version} " + " ".join(sorted(os.listdir(model_dir)))

def transform_fn(model, body, content_type, accept):
    return model + " " + body, "text/plain"
"""


def served(folder: Path, version: int) -> Callable[[cdk.Stack], None]:
    """Return what builds an endpoint of a PyTorch model with a script of a version."""
    code = folder / f"code{version}"
    code.mkdir()
    (code / "inference.py").write_text(SCRIPT.format(version=version))

    def build(stack: cdk.Stack) -> None:
        endpoint = neo.CompiledEndpoint(
            stack,
            "Served",
            model_data=neo.ModelData.from_asset(MODEL_FILES / "traced.pth"),
            framework=neo.Framework.pytorch("2.0"),
            target=neo.TargetDevice.ML_C5,
            inference_code=neo.InferenceCode.from_asset(code),
            instance_type="ml.c5.large",
            artifact_removal_policy=cdk.RemovalPolicy.DESTROY,
            artifact_bucket=s3.Bucket(stack, "Artifacts", versioned=True),
        )
        cdk.CfnOutput(stack, "Endpoint", value=endpoint.endpoint.endpoint_name)

    return build


def invoked(account: Account, name: str) -> str:
    """Return what a stack's endpoint answers."""
    (output,) = account.describe(name)["Outputs"]
    reply = account.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=output["OutputValue"], ContentType="application/json", Body=b"[1]"
    )
    return str(reply["Body"].read().decode())


def test_a_script_goes_into_the_served_archive(account: Account, tmp_path: Path) -> None:
    """Create, edit the script, roll back, destroy: PyTorch's containers read code/ there."""
    first = account.synthesize(served(tmp_path, 1))
    assert account.create("Served", first) == "CREATE_COMPLETE", account.said("Served")
    inside = "code traced.pth [1]"
    assert invoked(account, "Served") == f"1 {inside}"
    jobs = jobs_of(account, "Served")

    edited = account.synthesize(served(tmp_path, 2))
    assert account.update("Served", edited) == "UPDATE_COMPLETE", account.said("Served")
    assert invoked(account, "Served") == f"2 {inside}"
    assert jobs_of(account, "Served") == jobs, "an edited script compiles nothing"

    bucket = account.physical_id("Served", BUCKET)
    archives = [key for key in account.keys(bucket) if "/serving/" in key]
    assert len(archives) == 1, "the archive that was replaced is destroyed"
    assert "Uploads" not in account.s3.list_multipart_uploads(Bucket=bucket)

    broken = json.loads(json.dumps(account.synthesize(served(tmp_path, 3))))
    (archive,) = [r for r in broken["Resources"].values() if r["Type"] == ARCHIVE]
    archive["Properties"]["EntryPoint"] = "serve.py"
    assert account.update("Served", broken) == "UPDATE_ROLLBACK_COMPLETE"
    assert "has no serve.py at its root; it holds inference.py" in account.said("Served")
    assert invoked(account, "Served") == f"2 {inside}"
    assert [key for key in account.keys(bucket) if "/serving/" in key] == archives

    assert account.delete("Served") == "DELETE_COMPLETE", account.said("Served")
    assert not [key for key in account.keys(bucket) if "/serving/" in key]


def test_a_script_that_raises_is_corrected_and_deployed_again(
    account: Account, tmp_path: Path
) -> None:
    """A failed first deploy leaves no endpoint that keeps the next one from being made."""
    endpoint = "fixed-name"
    good, build_bad = account.synthesize(served(tmp_path, 1)), served(tmp_path, 2)
    (tmp_path / "code2/inference.py").write_text(
        "def model_fn(folder):\n    raise RuntimeError('not yet')\n"
    )
    bad = account.synthesize(build_bad)
    for template in (good, bad):
        (found,) = [
            r for r in template["Resources"].values() if r["Type"] == "AWS::SageMaker::Endpoint"
        ]
        found["Properties"]["EndpointName"] = endpoint
    assert account.create("Broken", bad) == "ROLLBACK_COMPLETE"
    assert "not yet" in account.said("Broken")
    assert account.delete("Broken") == "DELETE_COMPLETE"
    assert account.create("Broken", good) == "CREATE_COMPLETE", account.said("Broken")
    assert account.delete("Broken") == "DELETE_COMPLETE"


def job_under_way(account: Account, name: str, settled: dict[str, str]) -> str:
    """Wait for a job that was not there before, and return its name."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for job, status in jobs_of(account, name).items():
            if job not in settled and status in {"STARTING", "INPROGRESS"}:
                return job
        time.sleep(0.02)
    raise AssertionError("no job has started")


def resolved(account: Account, name: str, template: Json, kind: str = JOB) -> Json:
    """Return the properties of a stack's job as its function got them, for a slower compile."""
    (resource,) = [r for r in template["Resources"].values() if r["Type"] == kind]
    found = account.resources(name)

    def value(given: Any) -> Any:
        if isinstance(given, dict) and "Ref" in given:
            return found[given["Ref"]]["PhysicalResourceId"]
        if isinstance(given, dict) and "Fn::GetAtt" in given:
            role = found[given["Fn::GetAtt"][0]]["PhysicalResourceId"]
            return f"arn:aws:iam::000000000000:role/{role}"
        if isinstance(given, dict) and "Fn::Join" in given:
            return given["Fn::Join"][0].join(map(value, given["Fn::Join"][1]))
        if isinstance(given, dict):
            return {key: value(each) for key, each in given.items()}
        return given

    # Without contents, the version's ARN tells what is measured.
    given = {k: v for k, v in resource["Properties"].items() if k != "ModelContents"}
    properties: Json = value(given)
    return properties
