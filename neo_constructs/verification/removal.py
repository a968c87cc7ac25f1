"""Remove all that a run has made; what cannot be removed is listed with the command that does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from neo_constructs.findings.errors import NeoConstructsError
from neo_constructs.verification import ledger
from neo_constructs.verification.kit import Kit, OutOfTimeError
from neo_constructs.verification.ledger import Made
from neo_constructs.verification.run import NotOursError, left_stacks
from neo_constructs.verification.stack_names import BASE

_GONE: Final = ("does not exist", "Could not find", "NoSuchEntity", "NoSuchBucket", "not found")
_MINUTES: Final = 30
_ENDED: Final = frozenset({"COMPLETED", "FAILED", "STOPPED"})
# What costs money first, then what it was made of; what others are made with last.
_ORDER: Final = (
    ledger.ENDPOINT,
    ledger.ENDPOINT_CONFIG,
    ledger.MODEL,
    ledger.JOB,
    ledger.ROLE,
    ledger.BUCKET,
    ledger.STACK,
)


class NotRemovedError(NeoConstructsError):
    """Something is still there after it was removed."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """What could not be removed."""

    made: Made
    why: str
    command: str


def remove_all(kit: Kit, told: Callable[[str], None]) -> list[Leftover]:
    """Remove all that a run has made, and return what is left.

    Parameters
    ----------
    kit
        The run.
    told
        Is told of each thing before it is removed.
    """
    # What the probes may no longer do, the removal has to.
    kit.stopped.clear()
    kit.until = float("inf")
    left = _remove_noted(kit, told)
    # A stack whose creation was asked for in the last moment is there now.
    kit.sleep(5)
    known = {one.made.name for one in left}
    with contextlib.suppress(NotOursError, ClientError, BotoCoreError):
        for name, run in left_stacks(kit).items():
            if run == kit.ledger.run_id and name not in known:
                kit.ledger.note(ledger.STACK, name)
    late = [one for one in kit.ledger.made if one not in {each.made for each in left}]
    return [*left, *_remove_noted(kit, told, late)] if late else left


def _remove_noted(
    kit: Kit, told: Callable[[str], None], chosen: Iterable[Made] | None = None
) -> list[Leftover]:
    everything = kit.ledger.made if chosen is None else chosen
    made = sorted(everything, key=lambda one: (_ORDER.index(one.kind), one.name == BASE))
    left = list[Leftover]()
    _stop_jobs(kit, made)
    for kinds in (_ORDER[:1], _ORDER[1:-1], _ORDER[-1:]):
        chosen = [each for each in made if each.kind in kinds]
        # Endpoints beside the stacks use what these made; the stacks go side by side.
        doomed = {one.name: found for one in chosen if (found := _begin_removal(kit, one))}
        for each in chosen:
            told(f"{each.kind} {each.name}")
            try:
                _remove(kit, each, doomed, left)
            except (ClientError, BotoCoreError, OutOfTimeError, NotRemovedError) as error:
                left.append(Leftover(each, str(error), command_for(each, kit.region)))
                continue
            kit.ledger.gone(each)
    return left


def _remove(kit: Kit, made: Made, doomed: Mapping[str, _Doomed], left: list[Leftover]) -> None:
    if made.kind == ledger.STACK:
        if stack := doomed.get(made.name) or _look_at(kit, made.name):
            _remove_stack(kit, made.name, stack)
        return
    if any(one.made.name == made.name for one in left):
        raise NotRemovedError("What uses it could not be removed.")
    try:
        _REMOVERS[made.kind](kit, made)
    except ClientError as error:
        if not any(text.lower() in str(error).lower() for text in _GONE):
            raise


def _stop_jobs(kit: Kit, made: Iterable[Made]) -> None:
    """Ask all jobs to stop, so that they end side by side."""
    for each in made:
        if each.kind == ledger.JOB:
            with contextlib.suppress(ClientError):
                kit.client("sagemaker").stop_compilation_job(CompilationJobName=each.name)


def command_for(made: Made, region: str) -> str:
    """Return the command that removes something."""
    name, place = made.name, f"--region {made.region or region}"
    return {
        ledger.JOB: f"aws sagemaker delete-compilation-job {place} --compilation-job-name {name}",
        ledger.MODEL: f"aws sagemaker delete-model {place} --model-name {name}",
        ledger.ENDPOINT: f"aws sagemaker delete-endpoint {place} --endpoint-name {name}",
        ledger.ENDPOINT_CONFIG: "aws sagemaker delete-endpoint-config "
        f"{place} --endpoint-config-name {name}",
        ledger.ROLE: f"aws iam delete-role-policy --role-name {name} --policy-name Rights; "
        f"aws iam delete-role --role-name {name}",
        ledger.BUCKET: f"aws s3 rb {place} --force s3://{name}",
        ledger.STACK: f"aws cloudformation delete-stack {place} --stack-name {name}",
    }[made.kind]


@dataclass(frozen=True, slots=True)
class _Doomed:
    """What has to be known of a stack before it is deleted: then nobody says it any more."""

    stack_id: str
    log_groups: tuple[str, ...]


def _begin_removal(kit: Kit, made: Made) -> _Doomed | None:
    """Begin to delete a stack that no other thing needs; None if that has to wait."""
    if made.kind != ledger.STACK or made.name == BASE:
        return None
    try:
        found = _look_at(kit, made.name)
        if found:
            _delete_stack(kit, made.name, found)
    except (ClientError, BotoCoreError):
        return None  # it is tried again, and said then
    return found


def _look_at(kit: Kit, stack: str) -> _Doomed | None:
    """Return a stack as it is; None if there is none."""
    try:
        (found,) = kit.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    functions = _names(kit, stack, "AWS::Lambda::Function")
    endpoints = _names(kit, stack, "AWS::SageMaker::Endpoint")
    names = [endpoint.rsplit("/", 1)[-1] for endpoint in endpoints]
    groups = [f"/aws/lambda/{name}" for name in functions]
    groups += [f"/aws/sagemaker/Endpoints/{name}" for name in names]
    return _Doomed(found["StackId"], tuple(groups))


def _delete_stack(kit: Kit, name: str, doomed: _Doomed) -> None:
    for bucket in _names(kit, name, "AWS::S3::Bucket"):
        empty(kit.client("s3"), bucket)
    kit.client("cloudformation").delete_stack(StackName=doomed.stack_id)


def _remove_stack(kit: Kit, name: str, doomed: _Doomed) -> None:
    """Delete a stack, wait for that, and remove the log groups that outlive it."""
    cloudformation = kit.client("cloudformation")

    def ended() -> str | None:
        (now,) = cloudformation.describe_stacks(StackName=doomed.stack_id)["Stacks"]
        status = str(now["StackStatus"])
        # A change set that was never executed.
        is_at_rest = status == "REVIEW_IN_PROGRESS" or not status.endswith("_IN_PROGRESS")
        return status if is_at_rest else None

    status = kit.wait(ended, seconds=_MINUTES * 60, what=f"The end of {name}")
    if status != "DELETE_COMPLETE":  # not begun yet, or something was in the way for a while
        _delete_stack(kit, name, doomed)
        status = kit.wait(ended, seconds=_MINUTES * 60, what=f"The end of {name}")
    if status != "DELETE_COMPLETE":
        raise NotRemovedError(f"{name} is {status}.")
    _remove_log_groups(kit, doomed.log_groups)


def _names(kit: Kit, stack: str, kind: str) -> list[str]:
    return [
        str(resource["PhysicalResourceId"])
        for page in kit.client("cloudformation")
        .get_paginator("list_stack_resources")
        .paginate(StackName=stack)
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == kind
        and resource.get("PhysicalResourceId")
        and resource["ResourceStatus"] != "DELETE_COMPLETE"
    ]


def empty(s3: Any, bucket: str) -> None:
    """Remove all that is in a bucket, former versions and unfinished uploads included."""
    try:
        _empty(s3, bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise


def _empty(s3: Any, bucket: str) -> None:
    for version in _versions(s3, bucket):
        s3.delete_object(Bucket=bucket, **version)
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def _versions(s3: Any, bucket: str) -> Iterator[dict[str, str]]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for found in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            yield {"Key": found["Key"], "VersionId": found["VersionId"]}


def _remove_log_groups(kit: Kit, names: Iterable[str]) -> None:
    logs = kit.client("logs")
    for name in names:
        try:
            logs.delete_log_group(logGroupName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise


def _remove_job(kit: Kit, made: Made) -> None:
    sagemaker = kit.client("sagemaker")
    named = {"CompilationJobName": made.name}
    status = sagemaker.describe_compilation_job(**named)["CompilationJobStatus"]
    if status not in _ENDED:
        if status != "STOPPING":
            sagemaker.stop_compilation_job(**named)

        def ended() -> bool | None:
            now = sagemaker.describe_compilation_job(**named)["CompilationJobStatus"]
            return True if now in _ENDED else None

        kit.wait(ended, seconds=600, what=f"The end of {made.name}")
    sagemaker.delete_compilation_job(**named)


def _remove_endpoint(kit: Kit, made: Made) -> None:
    """Delete an endpoint, wait until it is gone, and remove what its container has logged."""
    sagemaker = kit.client("sagemaker")

    def status() -> str:
        try:
            return str(sagemaker.describe_endpoint(EndpointName=made.name)["EndpointStatus"])
        except ClientError as error:
            if any(text.lower() in str(error).lower() for text in _GONE):
                return ""
            raise

    def settled() -> bool | None:
        return None if status() in {"Creating", "Updating", "RollingBack"} else True

    kit.wait(settled, seconds=_MINUTES * 60, what=f"The endpoint {made.name}")
    if status() not in {"", "Deleting"}:
        sagemaker.delete_endpoint(EndpointName=made.name)
    kit.wait(
        lambda: None if status() else True,
        seconds=_MINUTES * 60,
        what=f"The end of the endpoint {made.name}",
    )
    _remove_log_groups(kit, [f"/aws/sagemaker/Endpoints/{made.name}"])


def _remove_role(kit: Kit, made: Made) -> None:
    iam = kit.client("iam")
    for name in iam.list_role_policies(RoleName=made.name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=made.name, PolicyName=name)
    iam.delete_role(RoleName=made.name)


def _remove_bucket(kit: Kit, made: Made) -> None:
    s3 = kit.client("s3", region=made.region)
    empty(s3, made.name)
    s3.delete_bucket(Bucket=made.name)


_REMOVERS: Final[dict[str, Callable[[Kit, Made], object]]] = {
    ledger.JOB: _remove_job,
    ledger.MODEL: lambda kit, made: kit.client("sagemaker").delete_model(ModelName=made.name),
    ledger.ENDPOINT: _remove_endpoint,
    ledger.ENDPOINT_CONFIG: lambda kit, made: kit.client("sagemaker").delete_endpoint_config(
        EndpointConfigName=made.name
    ),
    ledger.ROLE: _remove_role,
    ledger.BUCKET: _remove_bucket,
}
