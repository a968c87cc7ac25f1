"""The emulated SageMaker as one object: an operation's name and parameters in, a reply out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from neo_constructs.sandbox.behaviour import Behaviour
from neo_constructs.sandbox.sagemaker import requests
from neo_constructs.sandbox.sagemaker.compilation import CompilationJobs
from neo_constructs.sandbox.sagemaker.errors import ApiError
from neo_constructs.sandbox.sagemaker.hosting import Hosting
from neo_constructs.sandbox.sagemaker.model_metadata import list_metadata
from neo_constructs.sandbox.sagemaker.platform import Platform
from neo_constructs.sandbox.sagemaker.recommendations import RecommendationsJobs
from neo_constructs.sandbox.sagemaker.registry import Registry

Parameters: TypeAlias = Mapping[str, Any]
Store: TypeAlias = MutableMapping[str, dict[str, Any]]


_KINDS = ("jobs", "models", "configs", "endpoints", "groups", "packages", "measurements")


class SageMaker:
    """What the sandbox has of SageMaker.

    Parameters
    ----------
    make_store
        Makes an empty store that tells accounts and regions apart.
    platform
        The AWS around it.
    behaviour
        Returns how long things take and what fails, asked whenever something begins.
    """

    def __init__(
        self,
        *,
        make_store: Callable[[], Store],
        platform: Platform,
        behaviour: Callable[[], Behaviour],
    ) -> None:
        self._stores = {kind: make_store() for kind in _KINDS}
        registry = Registry(
            groups=self._stores["groups"], packages=self._stores["packages"], platform=platform
        )
        jobs = CompilationJobs(self._stores["jobs"], platform, behaviour)
        measured = RecommendationsJobs(self._stores["measurements"], platform, behaviour, registry)
        self.hosting = Hosting(
            models=self._stores["models"],
            configurations=self._stores["configs"],
            endpoints=self._stores["endpoints"],
            platform=platform,
            behaviour=behaviour,
            registry=registry,
        )
        hosting = self.hosting
        self._operations: dict[str, Callable[[Parameters], dict[str, Any]]] = {
            "CreateCompilationJob": jobs.create,
            "DescribeCompilationJob": jobs.describe,
            "StopCompilationJob": jobs.stop,
            "DeleteCompilationJob": jobs.delete,
            "ListCompilationJobs": jobs.list,
            "CreateModel": hosting.create_model,
            "DescribeModel": hosting.describe_model,
            "DeleteModel": hosting.models.delete,
            "CreateEndpointConfig": hosting.create_configuration,
            "DescribeEndpointConfig": hosting.configurations.describe,
            "DeleteEndpointConfig": hosting.configurations.delete,
            "CreateEndpoint": hosting.create_endpoint,
            "UpdateEndpoint": hosting.update_endpoint,
            "DescribeEndpoint": hosting.describe_endpoint,
            "DeleteEndpoint": hosting.delete_endpoint,
            "UpdateEndpointWeightsAndCapacities": hosting.change_capacities,
            "ListModels": hosting.models.list,
            "ListEndpointConfigs": hosting.configurations.list,
            "ListEndpoints": hosting.endpoints.list,
            "CreateModelPackageGroup": registry.groups.create,
            "DescribeModelPackageGroup": registry.describe_group,
            "DeleteModelPackageGroup": registry.delete_group,
            "ListModelPackageGroups": registry.list_groups,
            "CreateModelPackage": registry.create,
            "DescribeModelPackage": registry.describe,
            "UpdateModelPackage": registry.update,
            "DeleteModelPackage": registry.delete,
            "ListModelPackages": registry.list,
            "ListModelMetadata": list_metadata,
            "CreateInferenceRecommendationsJob": measured.create,
            "DescribeInferenceRecommendationsJob": measured.describe,
            "StopInferenceRecommendationsJob": measured.stop,
            "ListInferenceRecommendationsJobs": measured.list,
            "AddTags": self._add_tags,
            "DeleteTags": self._delete_tags,
            "ListTags": self._list_tags,
        }

    def call(self, operation: str, parameters: Parameters) -> dict[str, Any]:
        """Answer one request.

        Raises
        ------
        ApiError
            As the service would.
        """
        if operation not in self._operations:
            message = f"The sandbox does not emulate sagemaker:{operation}."
            raise ApiError("UnknownOperationException", message, 501)
        requests.validate(operation, parameters)
        if operation.startswith("Create"):
            requests.check_tags(parameters.get("Tags", []))
        return self._operations[operation](parameters)

    def state(self) -> dict[str, Store]:
        """Return everything that is stored."""
        return self._stores

    def reset(self) -> None:
        """Forget everything."""
        for store in self._stores.values():
            store.clear()

    def _add_tags(self, parameters: Parameters) -> dict[str, Any]:
        record = self.find_by_arn(parameters["ResourceArn"])
        requests.check_tags(parameters["Tags"], record.get("Tags", []))
        new = {tag["Key"] for tag in parameters["Tags"]}
        kept = [tag for tag in record.get("Tags", []) if tag["Key"] not in new]
        record["Tags"] = [*kept, *parameters["Tags"]]
        return {"Tags": record["Tags"]}

    def _delete_tags(self, parameters: Parameters) -> dict[str, Any]:
        record = self.find_by_arn(parameters["ResourceArn"])
        gone = set(parameters["TagKeys"])
        record["Tags"] = [tag for tag in record.get("Tags", []) if tag["Key"] not in gone]
        return {}

    def _list_tags(self, parameters: Parameters) -> dict[str, Any]:
        tags = self.find_by_arn(parameters["ResourceArn"]).get("Tags", [])
        found, following = requests.page(tags, {"MaxResults": requests.MAX_TAGS, **parameters})
        return {"Tags": found, **following}

    def find_by_arn(self, arn: str) -> dict[str, Any]:
        """Return the record of a resource.

        Raises
        ------
        ApiError
            If there is none.
        """
        for store in self._stores.values():
            for record in store.values():
                if arn in record.values():
                    return record
        raise ApiError("ResourceNotFound", f"Could not find {arn}.")
