"""Models, endpoint configurations and endpoints that really answer."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from neo_constructs.archive.entry_point import Contract
from neo_constructs.archive.inspection import inspect
from neo_constructs.archive.payload import MAX_PAYLOAD_BYTES
from neo_constructs.archive.tar_member import expansion_limit, extract
from neo_constructs.local.container import ContainerError, LocalContainer, Reply
from neo_constructs.local.model_folder import sample_shapes
from neo_constructs.sandbox.sagemaker.faults import ApiError, not_emulated, not_found, refused
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

_CONTRACTS = {
    "sagemaker-neo-onnx": Contract.DLR,
    "sagemaker-neo-keras": Contract.DLR,
    "sagemaker-inference-tensorflow": Contract.TENSORFLOW,
    "sagemaker-inference-mxnet": Contract.MXNET,
    "xgboost-neo": Contract.NONE,
    "image-classification-neo": None,
}
_NEED_A_SCRIPT = frozenset({Contract.TOOLKIT, Contract.MXNET})
_FRAMEWORK_MISSING = re.compile(r"No module named '(torch|mxnet|tensorflow|xgboost|onnxruntime)'")
_HOW_TO_ADD_IT = "Name an interpreter that has it: NEO_SANDBOX_PYTHON=/path/to/python."
_CHANGING = frozenset({"Creating", "Updating"})
_SERVERLESS_MB = (1024, 2048, 3072, 4096, 5120, 6144)  # API reference, MemorySizeInMB


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
    seconds
        How long an endpoint takes at least to come into service.
    """

    def __init__(
        self,
        *,
        models: Store,
        configurations: Store,
        endpoints: Store,
        platform: Platform,
        seconds: float,
    ) -> None:
        self._platform = platform
        self._seconds = seconds
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
        if any(c.get("ModelPackageName") for c in _containers(parameters)):
            raise not_emulated("model packages")
        arn = self._platform.arn("model", parameters["ModelName"])
        s3 = self._platform.assume(parameters["ExecutionRoleArn"], arn)("s3")
        for container in _containers(parameters):
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
            if len(_containers(model)) != 1:
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
            until = time.monotonic() + self._seconds
            try:
                for role in plan.roles.values():
                    group = f"{ENDPOINT_LOGS}/{name}"
                    write_log(role, group, "AllTraffic", "the sandbox starts containers")
                    put_metric(role, ENDPOINT_METRICS, "Starts", 1)
                fleet = Fleet.start(plan.variants, plan.models, plan.roles)
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


class Fleet:
    """The containers behind one endpoint configuration."""

    def __init__(self) -> None:
        self._resources = contextlib.ExitStack()
        self._containers: dict[str, LocalContainer | str] = {}
        self._loaders: dict[str, Callable[[], LocalContainer | str]] = {}

    @classmethod
    def start(
        cls,
        variants: list[Record],
        models: Mapping[str, Record],
        clients: Mapping[str, AssumedRole],
    ) -> Fleet:
        """Start a container for each variant, with what the model's own role may read.

        Raises
        ------
        ContainerError
            If one cannot load.
        """
        fleet = cls()
        try:
            for variant in variants:
                model = models[variant["ModelName"]]
                role = clients[model["ExecutionRoleArn"]]
                (container,) = _containers(model)
                fleet._loaders[variant["VariantName"]] = partial(fleet._load, container, role)
            for name, load in fleet._loaders.items():
                fleet._containers[name] = load()
        except BaseException:
            fleet.stop()
            raise
        return fleet

    def invoke(
        self, body: bytes, *, headers: Mapping[str, str], variant: str = ""
    ) -> tuple[str, Reply]:
        """Send a request to a variant; by default to the only one.

        A container that has died is started anew for the next request, as the service does.

        Raises
        ------
        ApiError
            If there is no such variant.
        """
        name = variant or next(iter(self._containers))
        if name not in self._containers:
            raise ApiError("ValidationError", f"Variant {name!r} was not found for the endpoint.")
        container = self._containers[name]
        if isinstance(container, str):
            return name, Reply(500, "text/plain", container.encode())
        try:
            return name, container.invoke(body, headers)
        except ContainerError as error:
            with contextlib.suppress(ContainerError):
                self._containers[name] = self._loaders[name]()
            return name, Reply(500, "text/plain", str(error).encode())

    def stop(self) -> None:
        """Stop every container and remove its files."""
        self._resources.close()

    def _load(self, container: Record, role: AssumedRole) -> LocalContainer | str:
        s3 = role("s3")
        base = Path(self._resources.enter_context(tempfile.TemporaryDirectory()))
        model_dir, variables = base / "model", dict(container.get("Environment", {}))
        if url := container.get("ModelDataUrl"):
            _fetch(s3, url, model_dir)
        model_dir.mkdir(exist_ok=True)
        contract = _contract(container["Image"])
        if contract is None:
            # The endpoint exists, as it would; only its container is not one we have.
            return f"The sandbox cannot run the handler built into {container['Image']}."
        if contract is Contract.DLR:
            script = _only_script(s3, variables.get("SAGEMAKER_SUBMIT_DIRECTORY", ""), base)
        else:
            script = model_dir / "code" / variables.get("SAGEMAKER_PROGRAM", "inference.py")
        if contract in _NEED_A_SCRIPT and not script.is_file():
            return f"The sandbox cannot run the default handlers of {container['Image']}."
        try:
            started = LocalContainer(
                model_dir,
                script,
                contract=contract,
                environment={**role.environment, **variables},
                python=os.environ.get("NEO_SANDBOX_PYTHON", sys.executable),
                # Nothing was compiled here: what Neo would have left is made of the model.
                options={"stand_in": True, "shapes": sample_shapes(inspect(model_dir).model)},
            )
        except ContainerError as error:
            if not _FRAMEWORK_MISSING.search(str(error)):
                raise
            return f"The sandbox cannot run this container: {error}. {_HOW_TO_ADD_IT}"
        self._resources.callback(started.stop)
        return started


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
        if serverless and serverless["MemorySizeInMB"] not in _SERVERLESS_MB:
            allowed = ", ".join(map(str, _SERVERLESS_MB))
            raise refused(f"MemorySizeInMB must be one of {allowed}.")
    if len(variants) > 1 or parameters.get("ShadowProductionVariants"):
        raise not_emulated("several variants of one endpoint")
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


def _containers(model: Parameters) -> list[Record]:
    primary = model.get("PrimaryContainer")
    return [primary] if primary else list(model.get("Containers", []))


def _variants(configuration: Parameters) -> list[Record]:
    return list(configuration["ProductionVariants"])


def _contract(image: str) -> Contract | None:
    """Return how an image's container takes its script; None for one we have nothing for."""
    repository = image.partition("/")[2].partition(":")[0]
    return _CONTRACTS.get(repository, Contract.TOOLKIT)


def _fetch(s3: Any, uri: str, folder: Path) -> None:
    """Unpack an archive from S3."""
    folder.mkdir(parents=True)
    bucket, key = split_uri(uri)
    with tempfile.TemporaryFile() as copy:
        s3.download_fileobj(bucket, key, copy)
        limit = expansion_limit(copy.tell())
        copy.seek(0)
        with gzip.GzipFile(fileobj=copy) as plain:
            extract(plain, folder, limit=limit)


def _only_script(s3: Any, uri: str, base: Path) -> Path:
    """Return the one script in the archive that the DLR container fetches.

    Source: neo_template_mxnet_byom.py of neo-ai/neo-ai-dlr.
    """
    if not uri.startswith("s3://") or not uri.endswith(".tar.gz"):
        raise ContainerError(f"SAGEMAKER_SUBMIT_DIRECTORY must be s3://....tar.gz, not {uri!r}")
    _fetch(s3, uri, base / "script")
    scripts = sorted((base / "script").rglob("*.py"))
    if len(scripts) != 1:
        raise ContainerError(f"{uri} must hold exactly one .py file; found {len(scripts)}")
    return scripts[0]
