"""Is every right needed? Take each away, lead a stack through its life, and see what fails.

The rights are those of the synthesized templates. Which of them the emulator enforces is not
believed but recorded: it writes down every decision it makes.
"""

from __future__ import annotations

import contextlib
import copy
import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from botocore.exceptions import ClientError

import neo_constructs as neo
from tests.sandbox.account import MODELS, Account, Json, Requests, mailbox
from tests.sandbox.test_stacks import BUCKET, jobs_of, resolved

DIGITS = Path(__file__).parent.parent.parent / "examples" / "digits"
ENGINE, COMPILER, MODEL = "NeoJobEngineRole", "NeoJobEngineCompileRole", "EndpointModelRole"
MACHINE = "NeoJobEngineMachineRole"
RECOMMENDER = "RecommendationRole"
MEASUREMENT = "Custom::NeoInferenceRecommendationsJob"
REQUEST = b"[1, 2, 3]"
# A script that needs no framework, for the container of one.
SCRIPT = b"""
import json


def model_fn(model_dir):
    return len


def input_fn(body, content_type):
    return json.loads(body)


def predict_fn(data, model):
    return model(data)


def output_fn(prediction, accept):
    return json.dumps(prediction)
"""


LEFT = "left in the bucket"


@dataclass(frozen=True, order=True)
class Grant:
    """One action of one statement of a role's policies."""

    role: str
    action: str
    resource: str
    number: int

    def __str__(self) -> str:
        return f"{self.role}: {self.action} on {self.resource}"


@dataclass(frozen=True)
class Variant:
    """A kind of stack, and what is done with it.

    Parameters
    ----------
    templates
        What is deployed, one after the other.
    has_rare_paths
        Whether requests that overtake each other are made too.
    measures
        Whether it has a recommendations job, which is overtaken too.
    """

    name: str
    templates: tuple[Json, ...]
    has_rare_paths: bool
    measures: bool = False


# --- the stacks --------------------------------------------------------------------------------


def variants(account: Account) -> list[Variant]:
    """Return the stacks that between them take every path.

    Which right a read or a delete needs depends on whether a bucket keeps versions.
    """
    versions = {}
    for bucket in (MODELS, "models-with-versions"):
        account.s3.create_bucket(Bucket=bucket)
        if bucket != MODELS:
            account.s3.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )
        for key in ("1.tar.gz", "2.tar.gz"):
            versions[bucket, key] = account.put_model(bucket, key)

    def lives(bucket: str) -> tuple[Json, ...]:
        def of(key: str, tag: str) -> Json:
            has_versions = bucket != MODELS
            version = versions[bucket, key] if has_versions else None
            return account.synthesize(_jobs(bucket, key, version, tag, has_versions=has_versions))

        return (of("1.tar.gz", "a"), of("1.tar.gz", "b"), of("2.tar.gz", "b"))

    return [
        Variant("plain", lives(MODELS), has_rare_paths=True),
        Variant("versions", lives("models-with-versions"), has_rare_paths=True),
        Variant("endpoint", (account.synthesize(_endpoint),), has_rare_paths=False),
        Variant("measurement", _measurements(account), has_rare_paths=False, measures=True),
    ]


def _measurements(account: Account) -> tuple[Json, ...]:
    """Return a measurement, and the same with another tag."""
    files = {"model.pth": b"0", "code/inference.py": SCRIPT}
    account.put_archive(MODELS, "served.tar.gz", files)
    account.put_archive(MODELS, "payload.tar.gz", {"request.json": REQUEST})

    def of(tag: str) -> Json:
        return account.synthesize(lambda stack: _measurement(stack, tag))

    return of("a"), of("b")


def _measurement(stack: cdk.Stack, tag: str) -> None:
    models = s3.Bucket.from_bucket_name(stack, "Models", MODELS)
    group = neo.ModelPackageGroup(stack, "Versions")
    version = neo.ModelPackage(
        stack,
        "Version",
        model_package_group=group,
        container=neo.ContainerDefinition(
            model_data_url=f"s3://{MODELS}/served.tar.gz",
            artifact_bucket=models,
            image=neo.InferenceImage.deep_learning_container("pytorch", "2.0"),
        ),
        domain="COMPUTER_VISION",
        task="IMAGE_CLASSIFICATION",
        framework="PYTORCH",
        framework_version="2.0",
        model_approval_status="Approved",
    )
    job = neo.InferenceRecommendationsJob(
        stack,
        "Recommendation",
        model_package=version,
        instance_types=["ml.c5.large"],
        sample_payload=neo.SamplePayload.from_bucket(models, "payload.tar.gz"),
        artifact_removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    cdk.Tags.of(job).add(tag, "1")
    newest = neo.ApprovedModelPackage(stack, "Newest", model_package_group=group)
    newest.node.add_dependency(version)


def _jobs(
    bucket: str, key: str, version: str | None, tag: str, *, has_versions: bool
) -> Callable[[cdk.Stack], None]:
    def build(stack: cdk.Stack) -> None:
        cdk.Tags.of(stack).add(tag, "1")
        own = None if has_versions else s3.Bucket(stack, "Plain")
        neo.CompilationJob(
            stack,
            "Job",
            model_data=neo.ModelData.from_bucket(
                s3.Bucket.from_bucket_name(stack, "Models", bucket), key, object_version=version
            ),
            framework=neo.Framework.onnx(),
            data_input_config={"pixels": [1, 1, 8, 8]},
            target=neo.TargetDevice.ML_C5,
            artifact_bucket=own,
            artifact_removal_policy=cdk.RemovalPolicy.DESTROY,
        )

    return build


def _endpoint(stack: cdk.Stack) -> None:
    neo.CompiledEndpoint(
        stack,
        "Endpoint",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
        instance_type="ml.c5.large",
    )


# --- the rights --------------------------------------------------------------------------------


def _statements(template: Json) -> list[tuple[str, Json]]:
    """Return role and statement, in the order of the template."""
    found = []
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}:
            for role in properties["Roles"]:
                found += [(role["Ref"], s) for s in properties["PolicyDocument"]["Statement"]]
        elif resource["Type"] == "AWS::IAM::Role":
            for policy in properties.get("Policies", []):
                found += [(name, s) for s in policy["PolicyDocument"]["Statement"]]
    return found


def _actions(statement: Json) -> list[str]:
    return statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]


def grants(template: Json) -> list[Grant]:
    """Return every right that a template gives."""
    return [
        Grant(role[:-8], action, _readable(statement["Resource"]), number)
        for number, (role, statement) in enumerate(_statements(template))
        for action in _actions(statement)
    ]


def without(template: Json, grant: Grant) -> Json:
    """Return a template that lacks one right."""
    made = copy.deepcopy(template)
    role, statement = _statements(made)[grant.number]
    assert role[:-8] == grant.role
    left = [action for action in _actions(statement) if action != grant.action]
    assert len(left) == len(_actions(statement)) - 1
    statement["Action"] = left or ["s3:GetBucketAcl"]  # a statement must have one
    return made


def _readable(resource: object) -> str:
    if isinstance(resource, list):
        return ", ".join(map(_readable, resource))
    if isinstance(resource, dict):
        ((key, value),) = resource.items()
        if key == "Fn::Join":
            return "".join(map(_readable, value[1]))
        if key == "Fn::Select":
            return {"0": "<stack>", "4": ""}.get(str(value[0]), "")
        return f"<{value if isinstance(value, str) else value[0]}>"
    return str(resource)


# --- what happens ------------------------------------------------------------------------------


def lead(account: Account, variant: Variant, lacking: Grant | None = None) -> str:
    """Lead a stack through its life; return what failed, or an empty text.

    Create, update of tags, update with a compile, a request that is given up while its job runs,
    a job that is stopped from outside, destroy.
    """
    name = f"Iam-{uuid.uuid4().hex[:12]}"
    templates = [without(t, lacking) if lacking else t for t in variant.templates]
    account.create(name, templates[0])
    for template in templates[1:]:
        if failure := _failure(account, name):
            return failure
        account.update(name, template)
    if failure := _failure(account, name):
        return failure
    if variant.has_rare_paths and (failure := _rare_paths(account, name, templates[-1])):
        return failure
    if variant.measures and (failure := _overtaken_measurement(account, name, templates[-1])):
        return failure
    bucket = account.physical_id(name, BUCKET)
    account.delete(name)
    return _failure(account, name) or _left(account, bucket, variant)


def _failure(account: Account, name: str) -> str:
    """Return what the failed events of a stack say."""
    arn = account.arns[name]
    events = account.stacks.describe_stack_events(StackName=arn)["StackEvents"]
    failed = [e for e in events if e["ResourceStatus"].endswith("_FAILED")]
    return "\n".join(e.get("ResourceStatusReason", "") for e in failed)


def _rare_paths(account: Account, name: str, template: Json) -> str:
    properties, settled = resolved(account, name, template), jobs_of(account, name)
    with mailbox() as answers:
        requests = Requests(account, name, answers)
        create = requests.send("Create", properties)
        if failure := _until_it_runs(account, name, settled, requests, create):
            return failure
        delete = requests.send("Delete", properties, physical_id="Stack-Job-1ABC")
        answer = answers.wait_for(delete)
        if answer.get("Status") != "SUCCESS":
            return str(answer.get("Reason", "no answer"))
        time.sleep(1)  # in one second a Delete counts as the later request
        create = requests.send("Create", properties)
        if failure := _until_it_runs(account, name, settled, requests, create):
            return failure
        answer = _stop_from_outside(account, name, settled, requests, create)
        if "stopped outside CloudFormation" not in answer.get("Reason", ""):
            return str(answer.get("Reason", "no answer"))
        time.sleep(1)
        delete = requests.send("Delete", properties, physical_id=answer["PhysicalResourceId"])
        if answers.wait_for(delete).get("Status") != "SUCCESS":
            return "no delete"
        return _broken_archive(requests, properties) or _named(answers.answers.values())


def _overtaken_measurement(account: Account, name: str, template: Json) -> str:
    """Give up a measurement while its job runs: the Delete stops it."""
    properties = resolved(account, name, template, MEASUREMENT)
    prefix = account.prefix(name)

    def measured() -> dict[str, str]:
        found = account.sagemaker.list_inference_recommendations_jobs(
            NameContains=prefix, MaxResults=100
        )["InferenceRecommendationsJobs"]
        return {each["JobName"]: each["Status"] for each in found}

    before = measured()
    with mailbox() as answers:
        requests = Requests(account, name, answers)
        create = requests.send("Create", properties, resource_type=MEASUREMENT)
        until = time.monotonic() + 30
        while time.monotonic() < until and set(measured()) == set(before):
            if answer := answers.answers.get(create):
                return str(answer["Reason"])
            time.sleep(0.05)
        delete = requests.send(
            "Delete", properties, physical_id="Stack-Job-1ABC", resource_type=MEASUREMENT
        )
        answer = answers.wait_for(delete)
        if answer.get("Status") != "SUCCESS":
            return str(answer.get("Reason", "no answer"))
    ((job, status),) = (each for each in measured().items() if each[0] not in before)
    if status == "STOPPED":
        return ""
    found = account.sagemaker.describe_inference_recommendations_job(JobName=job)
    return f"the job that was given up is {status}: {found.get('FailureReason')}"


def _named(answers: Iterable[Json]) -> str:
    """Return what successful answers say was refused: what stays is named, and is no failure."""
    reasons = [str(each.get("Reason", "")) for each in answers if each["Status"] == "SUCCESS"]
    return "\n".join(reason for reason in reasons if "not authorized" in reason)


def _broken_archive(requests: Requests, job: Json) -> str:
    """Ask for an archive that cannot be finished: what is begun is aborted, here or later."""
    properties = {
        "StateMachineArn": job["StateMachineArn"],
        "PropertiesVersion": "1",
        "ModelDataUrl": job["InputConfig"]["S3Uri"],
        "Script": {
            "S3Uri": job["InputConfig"]["S3Uri"],
            "ObjectVersion": job.get("InputObjectVersion") or "",
        },
        "EntryPoint": "inference.py",
        "Layout": "submit-directory",
        "OutputLocation": job["OutputConfig"]["S3OutputLocation"],
        "ArtifactRemovalPolicy": "DESTROY",
    }
    kind = "Custom::NeoServingArchive"
    time.sleep(1)
    create = requests.send("Create", properties, resource_type=kind)
    answer = requests.answers.wait_for(create)
    if "has no inference.py at its root" not in answer.get("Reason", ""):
        return str(answer.get("Reason", "no answer"))
    time.sleep(1)
    name = answer["PhysicalResourceId"]
    delete = requests.send("Delete", properties, physical_id=name, resource_type=kind)
    answer = requests.answers.wait_for(delete)
    return "" if answer.get("Status") == "SUCCESS" else str(answer.get("Reason", "no answer"))


def _stop_from_outside(
    account: Account, name: str, settled: dict[str, str], requests: Requests, request_id: str
) -> Json:
    """Stop every job that a request starts, and return its answer."""
    until = time.monotonic() + 60
    while time.monotonic() < until and request_id not in requests.answers.answers:
        for job, status in jobs_of(account, name).items():
            if job not in settled and status in {"STARTING", "INPROGRESS"}:
                with contextlib.suppress(ClientError):  # it may have ended meanwhile
                    account.sagemaker.stop_compilation_job(CompilationJobName=job)
        time.sleep(0.05)
    return requests.answers.answers.get(request_id, {})


def _until_it_runs(
    account: Account, name: str, settled: dict[str, str], requests: Requests, request_id: str
) -> str:
    """Wait for a job; return why there is none."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if answer := requests.answers.answers.get(request_id):
            return str(answer["Reason"])
        if set(jobs_of(account, name)) - set(settled):
            return ""
        time.sleep(0.05)
    return "no job has started"


def _left(account: Account, bucket: str, variant: Variant) -> str:
    """Return what should have been destroyed and is there; endpoints keep theirs."""
    if not variant.has_rare_paths:
        return ""
    begun = account.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    left = [*account.keys(bucket), *(f"upload of {each['Key']}" for each in begun)]
    return f"{LEFT}: {left}" if left else ""


# --- the record --------------------------------------------------------------------------------


def decisions(log: Path) -> set[tuple[str, str]]:
    """Return role and action of everything that the emulator was asked, and allowed."""
    found = set()
    for line in log.read_text().splitlines():
        decision = json.loads(line)
        if ":assumed-role/" in decision["caller"] and decision["is_allowed"]:
            role = decision["caller"].split("/")[1]
            for known in (ENGINE, COMPILER, MODEL, MACHINE, RECOMMENDER):
                if f"-{known}" in role:
                    found.add((known, decision["action"]))
    return found
