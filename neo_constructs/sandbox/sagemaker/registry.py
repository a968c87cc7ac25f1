"""The model registry: groups, and the versions in them."""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TypeAlias

from neo_constructs.sandbox.sagemaker import requests
from neo_constructs.sandbox.sagemaker.errors import not_emulated, not_found, refused
from neo_constructs.sandbox.sagemaker.platform import Platform
from neo_constructs.sandbox.sagemaker.records import Records

Parameters: TypeAlias = Mapping[str, Any]
Record: TypeAlias = dict[str, Any]
Store: TypeAlias = MutableMapping[str, Record]

_PENDING: Final = "PendingManualApproval"
# API reference, UpdateModelPackage: what of these may change later.
_CHANGEABLE: Final = ("ModelApprovalStatus", "ApprovalDescription", "CustomerMetadataProperties")


class Registry:
    """The operations on model package groups and model packages.

    Parameters
    ----------
    groups, packages
        Name to record, and ARN to record, for the account and region of the current request.
    platform
        The AWS around it.
    """

    def __init__(self, *, groups: Store, packages: Store, platform: Platform) -> None:
        self._packages = packages
        self._platform = platform
        self.groups = Records(
            groups, platform, kind="model-package-group", name_key="ModelPackageGroupName"
        )

    def describe_group(self, parameters: Parameters) -> dict[str, Any]:
        """DescribeModelPackageGroup."""
        return {**self.groups.describe(parameters), "ModelPackageGroupStatus": "Completed"}

    def list_groups(self, parameters: Parameters) -> dict[str, Any]:
        """ListModelPackageGroups."""
        found = self.groups.list(parameters)
        summaries = found.pop("ModelPackageGroups")
        done = {"ModelPackageGroupStatus": "Completed"}
        return {"ModelPackageGroupSummaryList": [{**s, **done} for s in summaries], **found}

    def delete_group(self, parameters: Parameters) -> dict[str, Any]:
        """DeleteModelPackageGroup: only of one without versions."""
        name = self.groups.get(parameters["ModelPackageGroupName"])["ModelPackageGroupName"]
        if any(each["ModelPackageGroupName"] == name for each in self._packages.values()):
            raise refused(f"Model Package Group {name} cannot be deleted: it has model packages.")
        return self.groups.delete(parameters)

    def create(self, parameters: Parameters) -> dict[str, Any]:
        """CreateModelPackage: the next version of its group."""
        if "ModelPackageName" in parameters or "ModelPackageGroupName" not in parameters:
            raise not_emulated("model packages without a group")
        given = parameters["ModelPackageGroupName"].rsplit("/", 1)[-1]
        group = self.groups.get(given)
        group["LastVersion"] = version = int(group.get("LastVersion", 0)) + 1
        name = group["ModelPackageGroupName"]
        arn = self._platform.arn("model-package", f"{name}/{version}")
        self._packages[arn] = {
            "ModelApprovalStatus": _PENDING,
            **parameters,
            "ModelPackageGroupName": name,
            "ModelPackageVersion": version,
            "ModelPackageArn": arn,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
            "CreationTime": time.time(),
        }
        return {"ModelPackageArn": arn}

    def describe(self, parameters: Parameters) -> dict[str, Any]:
        """DescribeModelPackage, by the version's ARN."""
        found = self.get(parameters["ModelPackageName"])
        return {key: value for key, value in found.items() if key != "Tags"}

    def update(self, parameters: Parameters) -> dict[str, Any]:
        """UpdateModelPackage: approval, and metadata."""
        record = self.get(parameters["ModelPackageArn"])
        record.update({key: parameters[key] for key in _CHANGEABLE if key in parameters})
        return {"ModelPackageArn": record["ModelPackageArn"]}

    def delete(self, parameters: Parameters) -> dict[str, Any]:
        """DeleteModelPackage: its version is not given again."""
        del self._packages[self.get(parameters["ModelPackageName"])["ModelPackageArn"]]
        return {}

    def get(self, arn: str) -> Record:
        """Return a version.

        Raises
        ------
        ApiError
            If there is none.
        """
        if arn not in self._packages:
            raise not_found("model-package", arn)
        return self._packages[arn]

    def containers(self, arn: str) -> list[Record]:
        """Return the containers of an approved version, as a model has them.

        Raises
        ------
        ApiError
            If there is no such version, or nobody has approved it.
        """
        found = self.get(arn)
        if found["ModelApprovalStatus"] != "Approved":
            raise refused(f"Model package {arn} is not approved: {found['ModelApprovalStatus']}.")
        known = ("Image", "ModelDataUrl", "Environment", "ContainerHostname")
        return [
            {key: each[key] for key in known if key in each}
            for each in found["InferenceSpecification"]["Containers"]
        ]

    def list(self, parameters: Parameters) -> dict[str, Any]:
        """ListModelPackages of a group, the newest first."""
        # By name, or by an ARN, which has the name in lower case.
        group = parameters.get("ModelPackageGroupName", "").rsplit("/", 1)[-1].lower()
        status = parameters.get("ModelApprovalStatus")
        found = [
            each
            for each in self._packages.values()
            if each["ModelPackageGroupName"].lower() == group
            and status in {None, each["ModelApprovalStatus"]}
        ]
        if parameters.get("SortOrder") != "Ascending":
            found.reverse()
        shown, following = requests.page(found, parameters)
        keys = (
            "ModelPackageGroupName",
            "ModelPackageVersion",
            "ModelPackageArn",
            "ModelPackageStatus",
            "ModelApprovalStatus",
            "CreationTime",
        )
        summaries = [{key: each[key] for key in keys} for each in shown]
        return {"ModelPackageSummaryList": summaries, **following}
