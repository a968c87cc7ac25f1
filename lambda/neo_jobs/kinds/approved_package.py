"""Custom::NeoApprovedModelPackage: the newest approved version of a group, as a deploy finds it.

What was found is written down for each revision. A rollback, which comes with the former revision,
thus serves the former version again, whatever was approved meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from neo_jobs import actions, s3_objects
from neo_jobs.aws import Aws
from neo_jobs.cloudformation import Request, digest
from neo_jobs.effects import DeletePrefixes, Effect, PutJson, apply
from neo_jobs.errors import error_code
from neo_jobs.properties import bucket_of, may_ignore_bucket_error
from neo_jobs.transfer import Transfer

Client: TypeAlias = Any

RESOURCE_TYPE = "Custom::NeoApprovedModelPackage"
FIELDS = ("ModelPackageArn", "ModelPackageVersion")


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a decision rests on.

    Parameters
    ----------
    recorded
        What an earlier request of the same revision has found; empty if there was none.
    newest
        The newest approved version there is now; empty if there is none.
    has_leftovers
        Whether a Delete still has something to remove.
    """

    recorded: Mapping[str, str]
    newest: Mapping[str, str]
    has_leftovers: bool = False


def decide(request: Request, seen: Seen) -> actions.Action:
    """Return the next action for a look-up."""
    if request.type == "Delete":
        if seen.has_leftovers:
            return actions.DestroyArtifacts()
        return actions.Succeed(request.physical_id or "none", {})
    if seen.recorded:
        return actions.Succeed(records_folder(request), seen.recorded)
    if seen.newest:
        return actions.RecordAnswer(seen.newest)
    group = request.properties["ModelPackageGroupName"]
    return actions.Fail(
        f"The model package group {group} has no approved version. Approve one: aws sagemaker "
        "update-model-package --model-package-arn ARN --model-approval-status Approved."
    )


def records_folder(request: Request) -> str:
    """Return the key prefix of what was found for each revision; it is the physical id too."""
    return f"{request.resource_prefix}/approved"


def record_key(request: Request) -> str:
    """Return the key of what was found for a request's group and revision."""
    given = request.properties
    asked = digest([given["ModelPackageGroupName"], given.get("Revision") or ""], 10)
    return f"{records_folder(request)}/{asked}.json"


class ApprovedPackages:
    """Look-ups of approved versions in one account and region.

    Parameters
    ----------
    aws
        Clients; calls are made only when a method needs them.
    transfer
        Not used: nothing takes long.
    """

    def __init__(self, aws: Aws, transfer: Transfer) -> None:
        self._aws = aws
        self._transfer = transfer

    @staticmethod
    def physical_id(request: Request) -> str:
        """Return the id to report when a request fails."""
        return request.physical_id or records_folder(request)

    @staticmethod
    def decide(request: Request, seen: Seen, context: actions.StepContext) -> actions.Action:
        """Return the next action."""
        del context
        return decide(request, seen)

    def observe(self, request: Request, context: actions.StepContext) -> Seen:
        """Look for what was found before, and for the newest approved version."""
        if request.type == "Delete":
            return Seen({}, {}, has_leftovers=self._has_leftovers(request, context))
        recorded = self._recorded(request)
        return Seen(recorded, {} if recorded else self._newest(request))

    def perform(self, request: Request, action: actions.Action) -> None:
        """Do the one thing that was decided."""
        apply(effects_of(request, action), self._aws, self._transfer)

    def stop_older(self, request: Request, older: Sequence[Request]) -> None:
        """Do nothing: a look-up leaves nothing running."""

    def remove_older(
        self, request: Request, older: Sequence[Request], context: actions.StepContext
    ) -> None:
        """Do nothing: what was found stays until the resource is deleted."""

    def withdrawn(self, request: Request) -> None:
        """Do nothing, likewise."""

    def abandon(self, request: Request) -> None:
        """Do nothing, likewise."""

    def _recorded(self, request: Request) -> Mapping[str, str]:
        s3, bucket, key = self._aws.client("s3"), _bucket(request), record_key(request)
        if s3_objects.head(s3, bucket, key) is None:
            return {}
        return _parsed(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def _newest(self, request: Request) -> Mapping[str, str]:
        pages = (
            self._aws.client("sagemaker")
            .get_paginator("list_model_packages")
            .paginate(
                ModelPackageGroupName=request.properties["ModelPackageGroupName"],
                ModelApprovalStatus="Approved",
                # Rests on A-REC-12.
                SortBy="CreationTime",
                SortOrder="Descending",
            )
        )
        return next(
            (
                {field: str(each[field]) for field in FIELDS}
                for page in pages
                for each in page["ModelPackageSummaryList"]
                if each["ModelPackageStatus"] == "Completed"
            ),
            {},
        )

    def _has_leftovers(self, request: Request, context: actions.StepContext) -> bool:
        bucket, folder = _bucket(request), records_folder(request)
        if not bucket or request.physical_id != folder:
            return False
        try:
            found = s3_objects.versions(self._aws.client("s3"), bucket, f"{folder}/")
            return any(not context.keeps(each["Key"]) for each in found)
        except ClientError as error:
            if may_ignore_bucket_error(request, error_code(error)):
                return False
            raise


def effects_of(request: Request, action: actions.Action) -> list[Effect]:
    """Return what an action does to the world."""
    match action:
        case actions.RecordAnswer(data):
            key_id = str(request.properties.get("KmsKeyId") or "")
            text = json.dumps(dict(data), indent=1)
            return [PutJson(_bucket(request), record_key(request), text, key_id)]
        case actions.DestroyArtifacts():
            return [DeletePrefixes(_bucket(request), (f"{records_folder(request)}/",))]
    return []


def _parsed(text: bytes) -> Mapping[str, str]:
    """Return what a record says; nothing for one that is damaged, and is then written again."""
    try:
        written = json.loads(text)
        found = {field: written[field] for field in FIELDS}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if all(isinstance(value, str) for value in found.values()) else {}


def _bucket(request: Request) -> str:
    """Return the artifact bucket; empty if the properties name none."""
    return bucket_of(request.properties, "OutputLocation")
