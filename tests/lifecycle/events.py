"""Events, as CloudFormation sends them."""

from __future__ import annotations

import datetime
import gzip
import io
import tarfile
from collections.abc import Mapping
from typing import Any

from tests.lifecycle.rights import MACHINE

Json = dict[str, Any]

STACK_ID = (
    "arn:aws:cloudformation:eu-west-1:123456789012:stack/S/0a1b2c3d-1111-2222-3333-445566778899"
)
PREFIX = "neo-0a1b2c3d445566778899"
BUCKET = "artifacts"
SOURCE = "s3://staging/0123.gz"
COMPILED = f"s3://{BUCKET}/job/model-ml_c5.tar.gz"
INVENTED = "Stack-Job-1ABCDEF"  # what CloudFormation makes up while no id was reported

_requests = [0]


def count_from_zero() -> None:
    """Let the next request be the first: ids, and so all names, are then the same again."""
    _requests[0] = 0


def event(kind: str = "Create", *, physical_id: str | None = None, **changes: Any) -> Json:
    """Return an event for a compilation job, with scalars as texts, as CloudFormation sends it."""
    properties = {
        "ServiceToken": "arn:aws:lambda:eu-west-1:123456789012:function:engine",
        "ServiceTimeout": "3600",
        "StateMachineArn": MACHINE,
        "PropertiesVersion": "1",
        "InputConfig": {
            "S3Uri": SOURCE,
            "DataInputConfig": '{"pixels":[1,1,8,8]}',
            "Framework": "ONNX",
        },
        "InputFingerprint": "f" * 64,
        "OutputConfig": {"S3OutputLocation": f"s3://{BUCKET}/", "TargetDevice": "ml_c5"},
        "RoleArn": "arn:aws:iam::123456789012:role/compile",
        "StoppingCondition": {"MaxRuntimeInSeconds": "900"},
        "ExpectedInferenceImage": "785573368785.dkr.ecr.eu-west-1.amazonaws.com/image:1",
        "ArtifactRemovalPolicy": "RETAIN",
    }
    properties.update(changes)
    return request_event(kind, "Custom::NeoCompilationJob", "Job", properties, physical_id)


def archive_event(
    kind: str = "Create",
    *,
    physical_id: str | None = None,
    fingerprint: str = "a" * 64,
    **more: Any,
) -> Json:
    """Return an event for a serving archive."""
    properties = {
        "StateMachineArn": MACHINE,
        "ModelDataUrl": COMPILED,
        "Script": {"S3Uri": SOURCE, "Fingerprint": fingerprint},
        "EntryPoint": "inference.py",
        "Layout": "code",
        "OutputLocation": f"s3://{BUCKET}/",
        "ArtifactRemovalPolicy": "RETAIN",
        **more,
    }
    return request_event(kind, "Custom::NeoServingArchive", "Archive", properties, physical_id)


PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/digits/1"


def recommendation_event(
    kind: str = "Create", *, physical_id: str | None = None, **changes: Any
) -> Json:
    """Return an event for an inference recommendations job, with scalars as texts."""
    properties = {
        "StateMachineArn": MACHINE,
        "PropertiesVersion": "1",
        "JobType": "Default",
        "RoleArn": "arn:aws:iam::123456789012:role/recommend",
        "InputConfig": {"ModelPackageVersionArn": PACKAGE, "JobDurationInSeconds": "2700"},
        "OutputConfig": {"S3OutputLocation": f"s3://{BUCKET}/"},
        "CandidateInstanceTypes": ["ml.c5.large", "ml.c5.xlarge"],
        "Selection": {"Objective": "CostPerInference"},
        "ArtifactRemovalPolicy": "RETAIN",
    }
    properties.update(changes)
    resource_type = "Custom::NeoInferenceRecommendationsJob"
    return request_event(kind, resource_type, "Recommendation", properties, physical_id)


def package(version: int, status: str = "Approved", state: str = "Completed") -> Json:
    """Return a version of a model package, as a list shows it."""
    return {
        "ModelPackageArn": f"{PACKAGE[:-1]}{version}",
        "ModelPackageVersion": version,
        "ModelApprovalStatus": status,
        "ModelPackageStatus": state,
    }


def approved_event(kind: str = "Create", *, physical_id: str | None = None, **changes: Any) -> Json:
    """Return an event for a look-up of an approved version."""
    properties = {
        "StateMachineArn": MACHINE,
        "PropertiesVersion": "1",
        "ModelPackageGroupName": "digits",
        "Revision": "1",
        "OutputLocation": f"s3://{BUCKET}/",
    }
    properties.update(changes)
    resource_type = "Custom::NeoApprovedModelPackage"
    return request_event(kind, resource_type, "Approved", properties, physical_id)


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return a tar.gz."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as plain,
        tarfile.open(fileobj=plain, mode="w") as tar,
    ):
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def unpacked(archive: bytes) -> dict[str, bytes]:
    """Return the files of a tar.gz."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member)
            files[member.name] = content.read() if content else b""
    return files


def request_event(
    kind: str, resource_type: str, logical_id: str, properties: Json, physical_id: str | None
) -> Json:
    """Return an event with a request id of its own."""
    number = _requests[0]
    _requests[0] += 1
    return {
        "RequestType": kind,
        "RequestId": f"00000000-0000-0000-0000-{number:012d}",
        "ResponseURL": "https://cloudformation-custom-resource-response.s3.amazonaws.com/x?sig=y",
        "StackId": STACK_ID,
        "ResourceType": resource_type,
        "LogicalResourceId": logical_id,
        "ResourceProperties": properties,
        **({"PhysicalResourceId": physical_id} if physical_id else {}),
    }


def signed(given: Json, seconds: float) -> Json:
    """Return an event with a time signed into its response URL."""
    stamp = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return {**given, "ResponseURL": f"https://bucket.s3.amazonaws.com/x?X-Amz-Date={stamp}"}
