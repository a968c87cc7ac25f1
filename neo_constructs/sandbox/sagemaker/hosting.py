"""Models, endpoint configurations and endpoints that really answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from neo_constructs.archives.sample_payload import MAX_PAYLOAD_BYTES
from neo_constructs.catalog.serverless import MEMORY_SIZES_IN_MB
from neo_constructs.local.container import ContainerError, Reply
from neo_constructs.sandbox.behaviour import Behaviour
from neo_constructs.sandbox.sagemaker import capacity, deployment
from neo_constructs.sandbox.sagemaker.async_inference import Ticket, answer_later, ticket
from neo_constructs.sandbox.sagemaker.data_capture import DataCapture
from neo_constructs.sandbox.sagemaker.errors import ApiError, refused
from neo_constructs.sandbox.sagemaker.fleet import Fleet, containers_of
from neo_constructs.sandbox.sagemaker.platform import AssumedRole, Platform, split_uri
from neo_constructs.sandbox.sagemaker.records import Records
from neo_constructs.sandbox.sagemaker.registry import Registry
from neo_constructs.sandbox.sagemaker.shares import Shares
from neo_constructs.sandbox.sagemaker.telemetry import (
    ENDPOINT_LOGS,
    ENDPOINT_METRICS,
    put_metric,
    write_log,
)

Parameters: TypeAlias = Mapping[str, Any]
Record: TypeAlias = dict[str, Any]
Store: TypeAlias = MutableMapping[str, Record]

_CHANGING: Final = frozenset({"Creating", "Updating"})
_SERVED: Final = "ServedContainers"  # of a model's record; never shown
_CAPACITIES: Final = "Capacities"  # of an endpoint's record; never shown


@dataclass(slots=True)
class _Serving:
    """What an endpoint is served by: a fleet, and while it moves another one beside it."""

    fleet: Fleet
    capture: DataCapture | None
    later: Mapping[str, Any] | None
    new: Fleet | None = None
    turns: Shares | None = None

    def next(self) -> Fleet:
        """Return the fleet that gets the next request."""
        if self.new and self.turns and self.turns.next() == "new":
            return self.new
        return self.fleet


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
    registry
        Where models may come from.
    """

    def __init__(
        self,
        *,
        models: Store,
        configurations: Store,
        endpoints: Store,
        platform: Platform,
        behaviour: Callable[[], Behaviour],
        registry: Registry,
    ) -> None:
        self._registry = registry
        self._platform = platform
        self._behaviour = behaviour
        self.models = Records(models, platform, kind="model", name_key="ModelName")
        self.configurations = Records(
            configurations, platform, kind="endpoint-config", name_key="EndpointConfigName"
        )
        self.endpoints = Records(endpoints, platform, kind="endpoint", name_key="EndpointName")
        self._serving: dict[str, _Serving] = {}
        self._lock = threading.RLock()

    def create_model(self, parameters: Parameters) -> dict[str, Any]:
        """CreateModel: the role must be SageMaker's to assume, and able to read the artifact."""
        if ("PrimaryContainer" in parameters) == ("Containers" in parameters):
            raise refused("Exactly one of PrimaryContainer and Containers must be specified.")
        given, parameters = parameters, self._unpacked(parameters)
        arn = self._platform.arn("model", parameters["ModelName"])
        s3 = self._platform.assume(parameters["ExecutionRoleArn"], arn)("s3")
        for container in containers_of(parameters):
            for url in _artifacts(container):
                bucket, key = split_uri(url)
                try:
                    s3.list_objects_v2(Bucket=bucket, Prefix=key)
                    if not key.endswith("/"):
                        s3.get_object(Bucket=bucket, Key=key)["Body"].close()
                except Exception as error:
                    raise ApiError(
                        "ValidationException",
                        f"Could not access model data at {url}. Please ensure that the role "
                        f"{parameters['ExecutionRoleArn']} exists and may read it: {error}",
                    ) from error
        reply = self.models.create(given)
        # What is described is what was given; what is served is what the package says.
        self.models.get(given["ModelName"])[_SERVED] = containers_of(parameters)
        return reply

    def _unpacked(self, parameters: Parameters) -> Parameters:
        """Return a model's parameters with each package replaced by what it says."""
        containers = [
            {**found, **{k: v for k, v in each.items() if k != "ModelPackageName"}}
            for each in containers_of(parameters)
            for found in (
                self._registry.containers(each["ModelPackageName"])
                if "ModelPackageName" in each
                else [each]
            )
        ]
        rest = {k: v for k, v in parameters.items() if k not in {"PrimaryContainer", "Containers"}}
        return {**rest, "Containers": containers}

    def describe_model(self, parameters: Parameters) -> dict[str, Any]:
        """DescribeModel."""
        found = self.models.describe(parameters)
        return {key: value for key, value in found.items() if key != _SERVED}

    def create_configuration(self, parameters: Parameters) -> dict[str, Any]:
        """CreateEndpointConfig: its models must be there, and its variants ones that are served."""
        _check_variants(parameters)
        for variant in [*_variants(parameters), *_shadows(parameters)]:
            self.models.get(variant["ModelName"])
        return self.configurations.create(parameters)

    def create_endpoint(self, parameters: Parameters) -> dict[str, Any]:
        """CreateEndpoint: containers start in the background."""
        plan = self._plan(parameters)
        reply = self.endpoints.create(parameters)
        record = self.endpoints.get(parameters["EndpointName"])
        self._move(record, plan, "Creating", capacity.configured(plan.variants))
        return reply

    def update_endpoint(self, parameters: Parameters) -> dict[str, Any]:
        """UpdateEndpoint: the new containers start before the old ones stop."""
        endpoint = self.endpoints.get(parameters["EndpointName"])
        plan = self._plan(parameters)
        _refuse_changing(endpoint)
        if endpoint["EndpointStatus"] == "Failed":
            arn = endpoint["EndpointArn"]
            raise refused(f'Cannot update endpoint "{arn}" in status Failed; delete it.')
        excluded = [
            each["VariantPropertyType"]
            for each in parameters.get("ExcludeRetainedVariantProperties", [])
        ]
        capacities = capacity.after_update(
            capacity.configured(plan.variants),
            endpoint.get(_CAPACITIES, {}),
            retains=parameters.get("RetainAllVariantProperties", False),
            excluded=excluded,
        )
        self._move(endpoint, plan, "Updating", capacities)
        return {"EndpointArn": endpoint["EndpointArn"]}

    def change_capacities(self, parameters: Parameters) -> dict[str, Any]:
        """UpdateEndpointWeightsAndCapacities: no container starts anew."""
        endpoint = self.endpoints.get(parameters["EndpointName"])
        _refuse_changing(endpoint)
        asked = parameters["DesiredWeightsAndCapacities"]
        known = endpoint.get(_CAPACITIES, {})
        if missing := [e["VariantName"] for e in asked if e["VariantName"] not in known]:
            raise refused(f"The variant {missing[0]!r} was not found for the endpoint.")
        endpoint[_CAPACITIES] = capacity.changed(known, asked)
        serving = self._serving.get(endpoint["EndpointArn"])
        if serving:
            serving.fleet.weigh(capacity.weights(endpoint[_CAPACITIES]))
        return {"EndpointArn": endpoint["EndpointArn"]}

    def delete_endpoint(self, parameters: Parameters) -> dict[str, Any]:
        """DeleteEndpoint: its containers stop."""
        endpoint = self.endpoints.get(parameters["EndpointName"])
        _refuse_changing(endpoint)
        reply = self.endpoints.delete(parameters)
        with self._lock:
            serving = self._serving.pop(endpoint["EndpointArn"], None)
        if serving:
            serving.fleet.stop()
        return reply

    def describe_endpoint(self, parameters: Parameters) -> dict[str, Any]:
        """DescribeEndpoint, with what its variants run on."""
        found = self.endpoints.describe(parameters)
        capacities = found.pop(_CAPACITIES, {})
        given = found.pop("DeploymentConfig", None)
        config = self.configurations.find(found["EndpointConfigName"])
        if given:
            found["LastDeploymentConfig"] = given
        if found["EndpointStatus"] == "Creating" or config is None:
            return found
        for key in ("DataCaptureConfig", "AsyncInferenceConfig"):
            if key in config:
                found[key] = _capture_summary(config[key]) if "Capture" in key else config[key]
        return {
            **found,
            "ProductionVariants": [
                capacity.summary(
                    each["VariantName"],
                    capacities.get(each["VariantName"])
                    or capacity.configured([each])[each["VariantName"]],
                    is_serverless="ServerlessConfig" in each,
                )
                for each in _variants(config)
            ],
        }

    def invoke(
        self,
        name: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        variant: str = "",
        container: str = "",
    ) -> tuple[str, Reply]:
        """InvokeEndpoint: send a request to a container; return variant and reply."""
        if len(body) > MAX_PAYLOAD_BYTES:
            raise ApiError(
                "ValidationError", f"Request {len(body)} bytes has exceeded {MAX_PAYLOAD_BYTES}."
            )
        serving = self._serving_of(name)
        if serving.later:
            raise ApiError(
                "ValidationError",
                f"Endpoint {name} is asynchronous: it takes requests by InvokeEndpointAsync.",
            )
        return self._ask(serving, body, headers=headers, variant=variant, container=container)

    def invoke_later(
        self, name: str, source: str, *, headers: Mapping[str, str], inference_id: str
    ) -> Ticket:
        """InvokeEndpointAsync: answer in the background, by way of S3."""
        serving = self._serving_of(name)
        if not serving.later:
            raise ApiError(
                "ValidationError", f"Endpoint {name} is not asynchronous; use InvokeEndpoint."
            )
        given = ticket(serving.later, inference_id, name)
        role = next(iter(serving.fleet.roles.values()))
        answer_later(
            serving.later,
            given,
            role=role,
            source=source,
            invoke=lambda body: self._ask(serving, body, headers=headers)[1],
            endpoint=name,
        )
        return given

    def stop(self) -> None:
        """Stop every container."""
        for serving in self._serving.values():
            serving.fleet.stop()

    def _serving_of(self, name: str) -> _Serving:
        record = self.endpoints.find(name)
        serving = self._serving.get(record["EndpointArn"]) if record else None
        if record is None or serving is None or record["EndpointStatus"] == "Creating":
            account = self._platform.arn("endpoint", name).split(":")[4]
            raise ApiError("ValidationError", f"Endpoint {name} of account {account} not found.")
        return serving

    def _ask(
        self,
        serving: _Serving,
        body: bytes,
        *,
        headers: Mapping[str, str],
        variant: str = "",
        container: str = "",
    ) -> tuple[str, Reply]:
        fleet = serving.next()
        name, reply = fleet.invoke(body, headers=headers, variant=variant, container=container)
        if serving.capture and reply.status < 400:
            kind = headers.get("Content-Type", "")
            serving.capture.keep(fleet.roles[name], name, body=body, content_type=kind, reply=reply)
        return name, reply

    def _plan(self, parameters: Parameters) -> _Plan:
        """Return what an endpoint is to run; what is missing is said before anything is made."""
        config = self.configurations.get(parameters["EndpointConfigName"])
        every = [*_variants(config), *_shadows(config)]
        models = {v["ModelName"]: _served(self.models.get(v["ModelName"])) for v in every}
        arn = self._platform.arn("endpoint", parameters["EndpointName"])
        roles = {
            role: self._platform.assume(role, arn)
            for role in (model["ExecutionRoleArn"] for model in models.values())
        }
        moves = parameters.get("DeploymentConfig")
        return _Plan(config, _variants(config), models, roles, moves)

    def _move(
        self, record: Record, plan: _Plan, status: str, capacities: capacity.Capacities
    ) -> None:
        """Bring an endpoint to a configuration, in the background as the service does."""
        now = time.time()
        record.update(EndpointStatus=status, LastModifiedTime=now, FailureReason="")
        if plan.deployment:
            record["DeploymentConfig"] = plan.deployment

        def work() -> None:
            told = self._behaviour()
            until = time.monotonic() + told.endpoint_seconds
            try:
                fleet = self._start(record, plan, capacities, told)
                self._shift(record, plan, fleet, capacities, told)
            except Exception as error:
                is_update = status == "Updating"
                record.update(
                    EndpointStatus="InService" if is_update else "Failed",
                    FailureReason=_reason(error),
                    LastModifiedTime=time.time(),
                )
                return
            time.sleep(max(0.0, until - time.monotonic()))
            record[_CAPACITIES] = capacities
            record.update(
                EndpointStatus="InService",
                EndpointConfigName=plan.configuration["EndpointConfigName"],
                LastModifiedTime=time.time(),
            )

        threading.Thread(target=work, daemon=True).start()

    def _start(
        self, record: Record, plan: _Plan, capacities: capacity.Capacities, told: Behaviour
    ) -> Fleet:
        """Start the containers of a configuration."""
        name = record["EndpointName"]
        for role in plan.roles.values():
            write_log(
                role, f"{ENDPOINT_LOGS}/{name}", "AllTraffic", "the sandbox starts containers"
            )
            put_metric(role, ENDPOINT_METRICS, "Starts", 1)
        if told.endpoint_fails:
            time.sleep(told.endpoint_seconds)
            raise ContainerError(told.endpoint_fails)
        return Fleet.start(
            plan.variants,
            plan.models,
            plan.roles,
            endpoint=name,
            weights=capacity.weights(capacities),
            shadows=_shadows(plan.configuration),
        )

    def _shift(
        self,
        record: Record,
        plan: _Plan,
        fleet: Fleet,
        capacities: capacity.Capacities,
        told: Behaviour,
    ) -> None:
        """Move the requests to a new fleet, step by step, and go back if an alarm goes off."""
        arn, config = record["EndpointArn"], plan.configuration
        serving = self._serving.get(arn)
        # Rests on A-HOST-04.
        is_same = record["EndpointConfigName"] == config["EndpointConfigName"]
        if serving and plan.deployment and not is_same:
            instances = sum(int(of["DesiredInstanceCount"]) for of in capacities.values())
            serving.new = fleet
            try:
                for percent in deployment.shares(plan.deployment, instances):
                    serving.turns = Shares({"new": percent, "old": 100 - percent})
                    record["PendingDeploymentSummary"] = _pending(config, percent)
                    time.sleep(told.deployment_step_seconds)
                    self._watch(plan)
            except Exception:
                serving.new = serving.turns = None
                fleet.stop()
                raise
            finally:
                record.pop("PendingDeploymentSummary", None)
        with self._lock:
            capture = DataCapture.of(config, record["EndpointName"])
            self._serving[arn] = _Serving(fleet, capture, config.get("AsyncInferenceConfig"))
        if serving:
            serving.fleet.stop()

    # Rests on A-HOST-03.
    def _watch(self, plan: _Plan) -> None:
        """Look at the alarms with a model's own role, as the service asks for.

        Raises
        ------
        _AlarmError
            If one is going off.
        """
        names = deployment.alarms(plan.deployment)
        if not names:
            return
        # Which model's role the service takes is not documented: each must be able to. One alarm
        # by one: the roles' policies name each.
        every = [
            alarm
            for role in plan.roles.values()
            for name in names
            # Rests on A-HOST-06.
            for alarm in role("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        ]
        known = {each["AlarmName"] for each in every}
        if missing := sorted(set(names) - known):
            raise _AlarmError(f"The alarms {', '.join(missing)} do not exist.")
        if ringing := sorted({e["AlarmName"] for e in every if e["StateValue"] == "ALARM"}):
            raise _AlarmError(f"The alarms {', '.join(ringing)} went off; the update went back.")


class _AlarmError(RuntimeError):
    """An alarm that makes an update go back."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an endpoint is to run: a configuration with all it refers to."""

    configuration: Record
    variants: list[Record]
    models: Mapping[str, Record]
    roles: Mapping[str, AssumedRole]
    deployment: Mapping[str, Any] | None = None


def _served(model: Record) -> Record:
    """Return a model's record with the containers that it is served by."""
    return {**model, "PrimaryContainer": None, "Containers": model[_SERVED]}


def _reason(error: Exception) -> str:
    if isinstance(error, _AlarmError):
        return str(error)[:1024]
    return f"The primary container did not pass the ping health check: {error}"[:1024]


def _refuse_changing(endpoint: Record) -> None:
    if endpoint["EndpointStatus"] in _CHANGING:
        raise refused(f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".')


def _check_variants(parameters: Parameters) -> None:
    """Refuse variants that the service would refuse, and those that the sandbox cannot serve."""
    variants, shadows = _variants(parameters), _shadows(parameters)
    names = [variant["VariantName"] for variant in [*variants, *shadows]]
    if len(set(names)) < len(names):
        raise refused("Variant names must be unique.")
    for variant in variants:
        serverless = variant.get("ServerlessConfig")
        if serverless and variant.keys() & {"InstanceType", "InitialInstanceCount"}:
            raise refused("A serverless variant takes no InstanceType and InitialInstanceCount.")
        if serverless and serverless["MemorySizeInMB"] not in MEMORY_SIZES_IN_MB:
            allowed = ", ".join(map(str, MEMORY_SIZES_IN_MB))
            raise refused(f"MemorySizeInMB must be one of {allowed}.")
    is_serverless = any("ServerlessConfig" in variant for variant in variants)
    if len(variants) > 1 and is_serverless:
        raise refused("A serverless variant must be the only one of its endpoint.")
    if shadows and (len(variants) != 1 or len(shadows) != 1 or is_serverless):
        raise refused("A shadow variant stands beside one production variant on instances.")
    if shadows and parameters.get("AsyncInferenceConfig"):
        raise refused("An asynchronous endpoint has no shadow variants.")
    if is_serverless and parameters.get("AsyncInferenceConfig"):
        raise refused("A serverless variant is not asynchronous.")


def _capture_summary(config: Mapping[str, Any]) -> Record:
    """Return what DescribeEndpoint shows of a DataCaptureConfig."""
    is_on = config.get("EnableCapture", True)
    return {
        "EnableCapture": is_on,
        "CaptureStatus": "Started" if is_on else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }


def _pending(config: Mapping[str, Any], percent: int) -> Record:
    """Return what DescribeEndpoint shows while an endpoint moves."""
    status = {"Status": "Baking", "StatusMessage": f"{percent} % of the requests"}
    return {
        "EndpointConfigName": config["EndpointConfigName"],
        "ProductionVariants": [
            {"VariantName": each["VariantName"], "VariantStatus": [status]}
            for each in _variants(config)
        ],
        "StartTime": time.time(),
    }


def _artifacts(container: Mapping[str, Any]) -> list[str]:
    """Return the URLs that a container's model lies at."""
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    return [url for url in (container.get("ModelDataUrl"), source.get("S3Uri")) if url]


def _variants(configuration: Parameters) -> list[Record]:
    return list(configuration["ProductionVariants"])


def _shadows(configuration: Parameters) -> list[Record]:
    return list(configuration.get("ShadowProductionVariants") or [])
