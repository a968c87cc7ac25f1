"""CloudFormation's handlers for the three SageMaker types of a hosted model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from neo_constructs.sandbox.sagemaker import requests
from neo_constructs.sandbox.sagemaker.errors import ApiError

Properties: TypeAlias = Mapping[str, Any]
Call: TypeAlias = Callable[[str, Mapping[str, Any]], dict[str, Any]]
MakeName: TypeAlias = Callable[[str, str], str]
FindByArn: TypeAlias = Callable[[str], Mapping[str, Any]]

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """One CloudFormation type over the API.

    Parameters
    ----------
    type_name
        ``AWS::SageMaker::Model``
    noun
        As in ``CreateModel``.
    replacing
        The properties whose change replaces the resource (CloudFormation's schema, createOnly).
    updates
        Whether there is an update operation.
    """

    type_name: str
    noun: str
    replacing: tuple[str, ...]
    updates: bool = False

    @property
    def name_key(self) -> str:
        """The name's property."""
        return f"{self.noun}Name"

    def handlers(self, call: Call, make_name: MakeName, find_by_arn: FindByArn) -> dict[str, Any]:
        """Return create, update and delete in the emulator's signatures.

        Parameters
        ----------
        call
            Calls an operation.
        make_name
            Makes a physical name from stack name and logical id.
        find_by_arn
            Finds a record: the physical id is an ARN, and an ARN has its name in lower case.
        """

        def create(
            logical_id: str, properties: Properties, stack_name: str
        ) -> tuple[str, dict[str, str]]:
            name = properties.get(self.name_key) or make_name(stack_name, logical_id)
            operation = f"Create{self.noun}"
            reply = _translated(
                call, operation, _parameters(operation, {**properties, self.name_key: name})
            )
            try:
                self._settle(call, name)
            except ValueError:
                # CloudFormation hears of no id, so that nobody else would delete it.
                call(f"Delete{self.noun}", {self.name_key: name})
                raise
            arn = str(next(iter(reply.values())))
            return arn, self._attributes(name, arn)

        def update(
            physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
        ) -> tuple[str, dict[str, str]]:
            del stack_name, logical_id
            name = find_by_arn(physical_id)[self.name_key]
            if self.updates and _without_tags(old) != _without_tags(new):
                operation = f"Update{self.noun}"
                _translated(call, operation, _parameters(operation, {**new, self.name_key: name}))
                self._settle(call, name)
            return physical_id, self._attributes(name, physical_id)

        def delete(physical_id: str, properties: Properties) -> None:
            del properties
            try:
                name = find_by_arn(physical_id)[self.name_key]
                self._until_at_rest(call, name)
                call(f"Delete{self.noun}", {self.name_key: name})
            except ApiError as error:
                if "Could not find" not in str(error):
                    raise ValueError(str(error)) from error

        return {
            "create": create,
            "update": update,
            "delete": delete,
            "update_with_logical_id": True,
        }

    def _attributes(self, name: str, arn: str) -> dict[str, str]:
        return {self.name_key: name, f"{self.noun}Arn": arn, "Id": arn}

    def _settle(self, call: Call, name: str) -> None:
        """Wait until an endpoint has come into service."""
        found = self._until_at_rest(call, name)
        if found.get("FailureReason"):
            raise ValueError(found["FailureReason"])

    def _until_at_rest(self, call: Call, name: str) -> dict[str, Any]:
        """Wait while an endpoint changes, and return what there is then."""
        while self.updates:
            found = call(f"Describe{self.noun}", {self.name_key: name})
            if found["EndpointStatus"] not in {"Creating", "Updating"}:
                return found
            time.sleep(_POLL_SECONDS)
        return {}


_NAMED_TYPES = (
    ResourceType(
        type_name="AWS::SageMaker::Model",
        noun="Model",
        replacing=(
            "ModelName",
            "ExecutionRoleArn",
            "PrimaryContainer",
            "Containers",
            "VpcConfig",
            "EnableNetworkIsolation",
            "InferenceExecutionConfig",
        ),
    ),
    ResourceType(
        type_name="AWS::SageMaker::EndpointConfig",
        noun="EndpointConfig",
        replacing=(
            "EndpointConfigName",
            "ProductionVariants",
            "ShadowProductionVariants",
            "KmsKeyId",
            "DataCaptureConfig",
            "AsyncInferenceConfig",
            "ExplainerConfig",
            "ExecutionRoleArn",
            "VpcConfig",
            "EnableNetworkIsolation",
        ),
    ),
    ResourceType(
        type_name="AWS::SageMaker::Endpoint",
        noun="Endpoint",
        replacing=("EndpointName",),
        updates=True,
    ),
)


@dataclass(frozen=True, slots=True)
class PackageType:
    """AWS::SageMaker::ModelPackage, whose versions have no names."""

    type_name: str = "AWS::SageMaker::ModelPackage"
    replacing: tuple[str, ...] = (
        "ModelPackageGroupName",
        "ModelPackageDescription",
        "InferenceSpecification",
        "ValidationSpecification",
        "SourceAlgorithmSpecification",
        "MetadataProperties",
        "ModelMetrics",
        "ClientToken",
        "DriftCheckBaselines",
        "Domain",
        "Task",
        "SamplePayloadUrl",
        "SecurityConfig",
    )

    def handlers(self, call: Call, make_name: MakeName, find_by_arn: FindByArn) -> dict[str, Any]:
        """Return create, update and delete in the emulator's signatures."""
        del make_name, find_by_arn

        def create(
            _logical_id: str, properties: Properties, _stack_name: str
        ) -> tuple[str, dict[str, str]]:
            operation = "CreateModelPackage"
            reply = _translated(call, operation, _parameters(operation, properties))
            arn = str(reply["ModelPackageArn"])
            return arn, {"ModelPackageArn": arn}

        def update(
            physical_id: str, _old: Properties, new: Properties, _stack: str, _logical_id: str
        ) -> tuple[str, dict[str, str]]:
            operation = "UpdateModelPackage"
            asked = _parameters(operation, {**new, "ModelPackageArn": physical_id})
            _translated(call, operation, asked)
            return physical_id, {"ModelPackageArn": physical_id}

        def delete(physical_id: str, _properties: Properties) -> None:
            try:
                call("DeleteModelPackage", {"ModelPackageName": physical_id})
            except ApiError as error:
                if "Could not find" not in str(error):
                    raise ValueError(str(error)) from error

        return {
            "create": create,
            "update": update,
            "delete": delete,
            "update_with_logical_id": True,
        }


RESOURCE_TYPES: tuple[ResourceType | PackageType, ...] = (
    *_NAMED_TYPES,
    ResourceType(
        type_name="AWS::SageMaker::ModelPackageGroup",
        noun="ModelPackageGroup",
        replacing=("ModelPackageGroupName", "ModelPackageGroupDescription"),
    ),
    PackageType(),
)


def _parameters(operation: str, properties: Properties) -> dict[str, Any]:
    """Return the properties that an operation takes, in the API's types."""
    shape = requests.service_model().operation_model(operation).input_shape
    taken: dict[str, Any] = requests.coerce(
        shape, {k: v for k, v in properties.items() if k in shape.members}
    )
    return taken


def _translated(call: Call, operation: str, parameters: Properties) -> dict[str, Any]:
    try:
        return call(operation, parameters)
    except ApiError as error:
        raise ValueError(
            f"{error} (Service: AmazonSageMaker; Status Code: {error.status}; "
            f"Error Code: {error.code})"
        ) from error


def _without_tags(properties: Properties) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key != "Tags"}
