"""Models, endpoint configurations and endpoints that really answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from neo_constructs.archives.sample_payload import MAX_PAYLOAD_BYTES
from neo_constructs.catalog.serverless import MEMORY_SIZES_IN_MB
from neo_constructs.local.container import ContainerError, Reply
from neo_constructs.sandbox.behaviour import Behaviour
from neo_constructs.sandbox.sagemaker.errors import ApiError, not_emulated, not_found, refused
from neo_constructs.sandbox.sagemaker.fleet import Fleet, containers_of
from neo_constructs.sandbox.sagemaker.platform import AssumedRole, Platform, split_uri
from neo_constructs.sandbox.sagemaker.telemetry import (
    ENDPOINT_LOGS,
    ENDPOINT_METRICS,
    put_metric,
    write_log,
)

Parameters: TypeAlias = Mapping[str, Any]
Record: TypeAlias = dict[str, Any]
Store: TypeAlias = MutableMapping[str, Record]

_CHANGING = frozenset({"Creating", "Updating"})


class Records:
    """Create, describe and delete of resources that never change: models, configurations.

    Parameters
    ----------
    store
        Name to record, for the account and region of the current request.
    platform
        The AWS around it.
    kind
        As in an ARN: ``model``.
    name_key
        The name's parameter: ``ModelName``.
    """

    def __init__(self, store: Store, platform: Platform, *, kind: str, name_key: str) -> None:
        self.store = store
        self._platform = platform
        self._kind = kind
        self._name_key = name_key
        self._arn_key = name_key.replace("Name", "Arn")

    def create(self, parameters: Parameters) -> dict[str, Any]:
        """Create a record. Names that differ in case only are one: ARNs are in lower case."""
        name = parameters[self._name_key]
        arn = self._platform.arn(self._kind, name)
        if self.find(name):
            raise refused(f'Cannot create already existing {self._kind} "{arn}".')
        self.store[name] = {**parameters, self._arn_key: arn, "CreationTime": time.time()}
        return {self._arn_key: arn}

    def describe(self, parameters: Parameters) -> dict[str, Any]:
        """Describe a record."""
        return {k: v for k, v in self.get(parameters[self._name_key]).items() if k != "Tags"}

    def delete(self, parameters: Parameters) -> dict[str, Any]:
        """Delete a record."""
        del self.store[self.get(parameters[self._name_key])[self._name_key]]
        return {}

    def find(self, name: str) -> Record | None:
        """Return a record; None if there is none."""
        return next((r for key, r in self.store.items() if key.lower() == name.lower()), None)

    def get(self, name: str) -> Record:
        """Return a record.

        Raises
        ------
        ApiError
            If there is none.
        """
        found = self.find(name)
        if found is None:
            raise not_found(self._kind, self._platform.arn(self._kind, name))
        return found


class Hosting:
    """The operations on models, endpoint configurations and endpoints.

    Parameters
    ----------
    models, configurations, endpoints
        Name to record, for the account and region of the current request.
    platform
        The AWS around it.
    behaviour
        Returns how long an endpoint takes and why it fails, asked when one is made or updated.
    """

    def __init__(
        self,
        *,
        models: Store,
        configurations: Store,
        endpoints: Store,
        platform: Platform,
        behaviour: Callable[[], Behaviour],
    ) -> None:
        self._platform = platform
        self._behaviour = behaviour
        self.models = Records(models, platform, kind="model", name_key="ModelName")
        self.configurations = Records(
            configurations, platform, kind="endpoint-config", name_key="EndpointConfigName"
        )
        self.endpoints = Records(endpoints, platform, kind="endpoint", name_key="EndpointName")
        self._fleets: dict[str, Fleet] = {}
        self._lock = threading.RLock()

    def create_model(self, parameters: Parameters) -> dict[str, Any]:
        """CreateModel: the role must be SageMaker's to assume, and able to read the artifact."""
        if ("PrimaryContainer" in parameters) == ("Containers" in parameters):
            raise refused("Exactly one of PrimaryContainer and Containers must be specified.")
        if any(c.get("ModelPackageName") for c in containers_of(parameters)):
            raise not_emulated("model packages")
        arn = self._platform.arn("model", parameters["ModelName"])
        s3 = self._platform.assume(parameters["ExecutionRoleArn"], arn)("s3")
        for container in containers_of(parameters):
            if url := container.get("ModelDataUrl"):
                bucket, key = split_uri(url)
                try:
                    s3.list_objects_v2(Bucket=bucket, Prefix=key)
                    s3.get_object(Bucket=bucket, Key=key)["Body"].close()
                except Exception as error:
                    raise ApiError(
                        "ValidationException",
                        f"Could not access model data at {url}. Please ensure that the role "
                        f"{parameters['ExecutionRoleArn']} exists and may read it: {error}",
                    ) from error
        return self.models.create(parameters)

    def create_configuration(self, parameters: Parameters) -> dict[str, Any]:
        """CreateEndpointConfig: its models must be there, and its variants ones that are served."""
        _check_variants(parameters)
        for variant in parameters["ProductionVariants"]:
            model = self.models.get(variant["ModelName"])
            if len(containers_of(model)) != 1:
                raise not_emulated("endpoints of several containers")
        return self.configurations.create(parameters)

    def create_endpoint(self, parameters: Parameters) -> dict[str, Any]:
        """CreateEndpoint: containers start in the background."""
        plan = self._plan(parameters)
        reply = self.endpoints.create(parameters)
        self._move(self.endpoints.get(parameters["EndpointName"]), plan, "Creating")
        return reply

    def update_endpoint(self, parameters: Parameters) -> dict[str, Any]:
        """UpdateEndpoint: the new containers start before the old ones stop."""
        endpoint = self.endpoints.get(parameters["EndpointName"])
        plan = self._plan(parameters)
        _refuse_changing(endpoint)
        if endpoint["EndpointStatus"] == "Failed":
            arn = endpoint["EndpointArn"]
            raise refused(f'Cannot update endpoint "{arn}" in status Failed; delete it.')
        self._move(endpoint, plan, "Updating")
        return {"EndpointArn": endpoint["EndpointArn"]}

    def delete_endpoint(self, parameters: Parameters) -> dict[str, Any]:
        """DeleteEndpoint: its containers stop."""
        endpoint = self.endpoints.get(parameters["EndpointName"])
        _refuse_changing(endpoint)
        reply = self.endpoints.delete(parameters)
        with self._lock:
            fleet = self._fleets.pop(endpoint["EndpointArn"], None)
        if fleet:
            fleet.stop()
        return reply

    def describe_endpoint(self, parameters: Parameters) -> dict[str, Any]:
        """DescribeEndpoint, with what its variants run on."""
        found = self.endpoints.describe(parameters)
        config = self.configurations.find(found["EndpointConfigName"])
        if found["EndpointStatus"] == "Creating" or config is None:
            return found
        return {**found, "ProductionVariants": [_variant_summary(v) for v in _variants(config)]}

    def invoke(
        self, name: str, body: bytes, *, headers: Mapping[str, str], variant: str = ""
    ) -> tuple[str, Reply]:
        """InvokeEndpoint: send a request to a container; return variant and reply."""
        if len(body) > MAX_PAYLOAD_BYTES:
            raise ApiError(
                "ValidationError", f"Request {len(body)} bytes has exceeded {MAX_PAYLOAD_BYTES}."
            )
        record = self.endpoints.find(name)
        fleet = self._fleets.get(record["EndpointArn"]) if record else None
        if record is None or fleet is None or record["EndpointStatus"] == "Creating":
            account = self._platform.arn("endpoint", name).split(":")[4]
            raise ApiError("ValidationError", f"Endpoint {name} of account {account} not found.")
        return fleet.invoke(body, headers=headers, variant=variant)

    def _plan(self, parameters: Parameters) -> _Plan:
        """Return what an endpoint is to run; what is missing is said before anything is made."""
        config = self.configurations.get(parameters["EndpointConfigName"])
        models = {v["ModelName"]: self.models.get(v["ModelName"]) for v in _variants(config)}
        arn = self._platform.arn("endpoint", parameters["EndpointName"])
        roles = {
            role: self._platform.assume(role, arn)
            for role in (model["ExecutionRoleArn"] for model in models.values())
        }
        return _Plan(config["EndpointConfigName"], _variants(config), models, roles)

    def _move(self, record: Record, plan: _Plan, status: str) -> None:
        """Bring an endpoint to a configuration, in the background as the service does."""
        name, arn = record["EndpointName"], record["EndpointArn"]
        now = time.time()
        record.update(EndpointStatus=status, LastModifiedTime=now, FailureReason="")

        def work() -> None:
            told = self._behaviour()
            until = time.monotonic() + told.endpoint_seconds
            try:
                for role in plan.roles.values():
                    group = f"{ENDPOINT_LOGS}/{name}"
                    write_log(role, group, "AllTraffic", "the sandbox starts containers")
                    put_metric(role, ENDPOINT_METRICS, "Starts", 1)
                if told.endpoint_fails:
                    time.sleep(told.endpoint_seconds)
                    raise ContainerError(told.endpoint_fails)
                fleet = Fleet.start(plan.variants, plan.models, plan.roles, endpoint=name)
            except Exception as error:
                record.update(
                    EndpointStatus="InService" if status == "Updating" else "Failed",
                    FailureReason=f"The primary container did not pass the ping health check: "
                    f"{error}"[:1024],
                    LastModifiedTime=time.time(),
                )
                return
            time.sleep(max(0.0, until - time.monotonic()))
            with self._lock:
                old, self._fleets[arn] = self._fleets.get(arn), fleet
            record.update(
                EndpointStatus="InService",
                EndpointConfigName=plan.configuration,
                LastModifiedTime=time.time(),
            )
            if old:
                old.stop()

        threading.Thread(target=work, daemon=True).start()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an endpoint is to run: a configuration with all it refers to."""

    configuration: str
    variants: list[Record]
    models: Mapping[str, Record]
    roles: Mapping[str, AssumedRole]


def _refuse_changing(endpoint: Record) -> None:
    if endpoint["EndpointStatus"] in _CHANGING:
        raise refused(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')


def _check_variants(parameters: Parameters) -> None:
    """Refuse variants that the service would refuse, and those that the sandbox cannot serve."""
    variants = parameters["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) < len(names):
        raise refused("Variant names must be unique.")
    for variant in variants:
        serverless = variant.get("ServerlessConfig")
        if serverless and variant.keys() & {"InstanceType", "InitialInstanceCount"}:
            raise refused("A serverless variant takes no InstanceType and InitialInstanceCount.")
        if serverless and serverless["MemorySizeInMB"] not in MEMORY_SIZES_IN_MB:
            allowed = ", ".join(map(str, MEMORY_SIZES_IN_MB))
            raise refused(f"MemorySizeInMB must be one of {allowed}.")
    if len(variants) > 1 and any("ServerlessConfig" in variant for variant in variants):
        raise refused("A serverless variant must be the only one of its endpoint.")
    if parameters.get("ShadowProductionVariants"):
        raise not_emulated("shadow variants")
    if parameters.get("AsyncInferenceConfig"):
        raise not_emulated("asynchronous inference")


def _variant_summary(variant: Record) -> dict[str, Any]:
    count, weight = variant.get("InitialInstanceCount", 1), variant.get("InitialVariantWeight", 1.0)
    return {
        "VariantName": variant["VariantName"],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
    }


def _variants(configuration: Parameters) -> list[Record]:
    return list(configuration["ProductionVariants"])
