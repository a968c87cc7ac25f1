"""The containers behind one endpoint: started, asked, and stopped together."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from neo_constructs.archives.inspection import inspect
from neo_constructs.archives.tar_member import expansion_limit, extract
from neo_constructs.local.container import ContainerError, LocalContainer, Reply
from neo_constructs.local.model_folder import sample_shapes
from neo_constructs.sandbox.sagemaker.errors import ApiError
from neo_constructs.sandbox.sagemaker.platform import AssumedRole, split_uri
from neo_constructs.sandbox.sagemaker.telemetry import ENDPOINT_LOGS, write_log
from neo_constructs.scripts.serving_contract import ServingContract

Record: TypeAlias = dict[str, Any]

_FRAMEWORK_MISSING = re.compile(r"No module named '(torch|mxnet|tensorflow|xgboost|onnxruntime)'")
MAX_LOG_BYTES: Final = 1_000_000  # of what one request prints
_HOW_TO_ADD_IT = "Name an interpreter that has it: NEO_SANDBOX_PYTHON=/path/to/python."


class Fleet:
    """The containers behind one endpoint configuration."""

    def __init__(self) -> None:
        self._resources = contextlib.ExitStack()
        self._containers: dict[str, LocalContainer | str] = {}
        self._loaders: dict[str, Callable[[], LocalContainer | str]] = {}
        self._logs: dict[str, ContainerLog] = {}
        self._shares = Shares({})

    @classmethod
    def start(
        cls,
        variants: list[Record],
        models: Mapping[str, Record],
        clients: Mapping[str, AssumedRole],
        *,
        endpoint: str,
    ) -> Fleet:
        """Start a container for each variant, with what the model's own role may read.

        Parameters
        ----------
        variants, models, clients
            The variants, the models they name by name, and what each model's role may use.
        endpoint
            Its name: what containers print goes to the endpoint's log group.

        Raises
        ------
        ContainerError
            If one cannot load.
        """
        fleet = cls()
        fleet._shares = Shares(
            {each["VariantName"]: float(each.get("InitialVariantWeight", 1)) for each in variants}
        )
        try:
            for variant in variants:
                model = models[variant["ModelName"]]
                role, name = clients[model["ExecutionRoleArn"]], variant["VariantName"]
                (container,) = containers_of(model)
                base = Path(fleet._resources.enter_context(tempfile.TemporaryDirectory()))
                log = ContainerLog(base / "log", role, endpoint, f"{name}/emulated")
                fleet._resources.callback(log.output.close)
                fleet._logs[name] = log
                fleet._loaders[name] = partial(fleet._load, container, role, log)
            for name, load in fleet._loaders.items():
                fleet._containers[name] = load()
        except BaseException:
            fleet.stop()
            raise
        return fleet

    def invoke(
        self, body: bytes, *, headers: Mapping[str, str], variant: str = ""
    ) -> tuple[str, Reply]:
        """Send a request to a variant; by default to one by the weights.

        A container that has died is started anew for the next request, as the service does.

        Raises
        ------
        ApiError
            If there is no such variant.
        """
        name = variant or self._shares.next()
        if name not in self._containers:
            raise ApiError("ValidationError", f"Variant {name!r} was not found for the endpoint.")
        container = self._containers[name]
        if isinstance(container, str):
            return name, Reply(500, "text/plain", container.encode())
        try:
            reply = container.invoke(body, headers)
            if reply.status >= 400:  # some containers put the traceback here, and nowhere else
                self._logs[name].output.write(reply.body + b"\n")
            return name, reply
        except ContainerError as error:
            with contextlib.suppress(ContainerError):
                self._containers[name] = self._loaders[name]()
            return name, Reply(500, "text/plain", str(error).encode())
        finally:
            self._logs[name].send()

    def stop(self) -> None:
        """Stop every container and remove its files."""
        self._resources.close()

    def _load(
        self, container: Record, role: AssumedRole, log: ContainerLog
    ) -> LocalContainer | str:
        s3 = role("s3")
        base = Path(self._resources.enter_context(tempfile.TemporaryDirectory()))
        model_dir, variables = base / "model", dict(container.get("Environment", {}))
        if url := container.get("ModelDataUrl"):
            _fetch(s3, url, model_dir)
        model_dir.mkdir(exist_ok=True)
        contract = ServingContract.of_image(container["Image"])
        if not contract.adapter:
            # The endpoint exists, as it would; only its container is not one we have.
            return f"The sandbox cannot run the handler built into {container['Image']}."
        if contract.fetches_script:
            script = _only_script(s3, variables.get("SAGEMAKER_SUBMIT_DIRECTORY", ""), base)
        else:
            script = model_dir / "code" / variables.get("SAGEMAKER_PROGRAM", "inference.py")
        if contract.adapter_needs_script and not script.is_file():
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
                log=log.output,
            )
        except ContainerError as error:
            if not _FRAMEWORK_MISSING.search(str(error)):
                raise
            return f"The sandbox cannot run this container: {error}. {_HOW_TO_ADD_IT}"
        finally:
            log.send()
        self._resources.callback(started.stop)
        return started


def containers_of(model: Mapping[str, Any]) -> list[Record]:
    """Return the containers that a model's record names."""
    primary = model.get("PrimaryContainer")
    return [primary] if primary else list(model.get("Containers", []))


class Shares:
    """Whose turn it is, so that each variant gets its share of the requests.

    The service draws by the weights; here they take turns, which gives the same shares exactly
    (smooth weighted round-robin, as nginx has it).

    Parameters
    ----------
    weights
        By the variant's name. One of 0 gets none, unless all are.

    Examples
    --------
    >>> shares = Shares({"a": 3, "b": 1})
    >>> [shares.next() for _ in range(4)]
    ['a', 'a', 'b', 'a']
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        total = sum(weights.values())
        self._weights = dict(weights) if total else dict.fromkeys(weights, 1.0)
        self._credit = dict.fromkeys(weights, 0.0)
        self._lock = threading.Lock()

    def next(self) -> str:
        """Return the variant that gets the next request."""
        with self._lock:
            for name, weight in self._weights.items():
                self._credit[name] += weight
            chosen = max(self._credit, key=lambda name: self._credit[name])
            self._credit[chosen] -= sum(self._weights.values())
            return chosen


class ContainerLog:
    """What a container prints, on its way to the endpoint's log group.

    Parameters
    ----------
    file
        Where the container writes.
    role
        The model's: it is what may write to the group.
    endpoint, stream
        Where it goes: the group ``/aws/sagemaker/Endpoints/<endpoint>``, a stream for the variant.
    """

    def __init__(self, file: Path, role: AssumedRole, endpoint: str, stream: str) -> None:
        self._role = role
        self._group, self._stream = f"{ENDPOINT_LOGS}/{endpoint}", stream
        self._lock = threading.Lock()
        self.output = file.open("ab+")
        self._sent = 0

    def send(self) -> None:
        """Send what was printed since the last time, a line an event."""
        with self._lock:
            self.output.seek(self._sent)
            text = self.output.read(MAX_LOG_BYTES)
            self._sent = self.output.seek(0, os.SEEK_END)
        if lines := [line for line in text.decode(errors="replace").splitlines() if line.strip()]:
            write_log(self._role, self._group, self._stream, *lines)


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
