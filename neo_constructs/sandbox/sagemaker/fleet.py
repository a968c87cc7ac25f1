"""The containers behind one endpoint: started, asked, and stopped together."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from neo_constructs.archives.inspection import inspect
from neo_constructs.archives.tar_member import expansion_limit, extract
from neo_constructs.local.container import ContainerError, LocalContainer, Reply
from neo_constructs.local.model_folder import sample_shapes
from neo_constructs.sandbox.sagemaker.errors import ApiError
from neo_constructs.sandbox.sagemaker.platform import AssumedRole, split_uri
from neo_constructs.sandbox.sagemaker.shares import Shares
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
        self._members: dict[str, list[_Member]] = {}
        self._shares = Shares({})
        self._copies: Shares | None = None
        self._shadow = ""
        self.roles: dict[str, AssumedRole] = {}

    @classmethod
    def start(
        cls,
        variants: list[Record],
        models: Mapping[str, Record],
        clients: Mapping[str, AssumedRole],
        *,
        endpoint: str,
        weights: Mapping[str, float],
        shadows: Sequence[Record] = (),
    ) -> Fleet:
        """Start the containers of each variant, with what the model's own role may read.

        Parameters
        ----------
        variants, models, clients
            The variants, the models they name by name, and what each model's role may use.
        endpoint
            Its name: what containers print goes to the endpoint's log group.
        weights
            Of the variants, by name.
        shadows
            The variants that get copies of requests. Default: none.

        Raises
        ------
        ContainerError
            If one cannot load.
        """
        fleet = cls()
        fleet.weigh(weights)
        if shadows:
            (shadow,), (one,) = shadows, variants
            share = float(shadow.get("InitialVariantWeight", 1))
            rest = float(one.get("InitialVariantWeight", 1))
            fleet._shadow = shadow["VariantName"]
            # Rests on A-HOST-05.
            fleet._copies = Shares({"copy": share, "": rest})
        try:
            for variant in [*variants, *shadows]:
                model = models[variant["ModelName"]]
                role, name = clients[model["ExecutionRoleArn"]], variant["VariantName"]
                fleet.roles[name] = role
                fleet._members[name] = [
                    fleet._member(container, role, endpoint, f"{name}/emulated{number or ''}")
                    for number, container in enumerate(containers_of(model))
                ]
            for members in fleet._members.values():
                for member in members:
                    member.container = member.load()
        except BaseException:
            fleet.stop()
            raise
        return fleet

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Change the variants' shares of the requests."""
        self._shares = Shares(weights)

    def invoke(
        self, body: bytes, *, headers: Mapping[str, str], variant: str = "", container: str = ""
    ) -> tuple[str, Reply]:
        """Send a request to a variant; by default to one by the weights.

        A container that has died is started anew for the next request, as the service does.

        Parameters
        ----------
        body, headers
            The request.
        variant
            Its name. Default: one by the weights.
        container
            The hostname of the one that is to answer. Default: all, one after the other.

        Raises
        ------
        ApiError
            If there is no such variant, or no such container.
        """
        name = variant or self._shares.next()
        if name not in self._members or name == self._shadow:
            raise ApiError("ValidationError", f"Variant {name!r} was not found for the endpoint.")
        members = self._members[name]
        if container:
            members = [each for each in members if each.hostname == container]
            if not members:
                raise ApiError("ValidationError", f"Container {container!r} was not found.")
        if self._copies and self._copies.next():
            self._copy(body, headers)
        return name, _chained(members, body, headers)

    def _copy(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a copy of a request to the shadow variant; its answer goes nowhere."""
        members = self._members[self._shadow]
        threading.Thread(target=lambda: _chained(members, body, headers), daemon=True).start()

    def stop(self) -> None:
        """Stop every container and remove its files."""
        self._resources.close()

    def _member(self, container: Record, role: AssumedRole, endpoint: str, stream: str) -> _Member:
        base = Path(self._resources.enter_context(tempfile.TemporaryDirectory()))
        log = ContainerLog(base / "log", role, endpoint, stream)
        self._resources.callback(log.output.close)
        load = partial(self._load, container, role, log)
        return _Member(container.get("ContainerHostname", ""), load, log)

    def _load(
        self, container: Record, role: AssumedRole, log: ContainerLog
    ) -> LocalContainer | str:
        s3 = role("s3")
        base = Path(self._resources.enter_context(tempfile.TemporaryDirectory()))
        model_dir, variables = base / "model", dict(container.get("Environment", {}))
        if url := container.get("ModelDataUrl"):
            _fetch(s3, url, model_dir)
        elif source := (container.get("ModelDataSource") or {}).get("S3DataSource"):
            _fetch_source(s3, source, model_dir)
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


@dataclass(slots=True)
class _Member:
    """A container of a variant: running, or why it cannot."""

    hostname: str
    load: Callable[[], LocalContainer | str]
    log: ContainerLog
    container: LocalContainer | str = ""

    def ask(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send it a request."""
        if isinstance(self.container, str):
            return Reply(500, "text/plain", self.container.encode())
        try:
            reply = self.container.invoke(body, headers)
            if reply.status >= 400:  # some containers put the traceback here, and nowhere else
                self.log.output.write(reply.body + b"\n")
            return reply
        except ContainerError as error:
            with contextlib.suppress(ContainerError):
                self.container = self.load()
            return Reply(500, "text/plain", str(error).encode())
        finally:
            self.log.send()


def _chained(members: Sequence[_Member], body: bytes, headers: Mapping[str, str]) -> Reply:
    """Return what the last of several containers answers: each gets what the one before it said.

    Source: AWS developer guide, page inference-pipelines.
    """
    reply = Reply(200, headers.get("Content-Type", ""), body)
    for member in members:
        given = {**headers, "Content-Type": reply.content_type or headers.get("Content-Type", "")}
        reply = member.ask(reply.body, {k: v for k, v in given.items() if v})
        if reply.status >= 400:
            break
    return reply


def containers_of(model: Mapping[str, Any]) -> list[Record]:
    """Return the containers that a model's record names."""
    primary = model.get("PrimaryContainer")
    return [primary] if primary else list(model.get("Containers", []))


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


def _fetch_source(s3: Any, source: Record, folder: Path) -> None:
    """Fetch the files of a model that is not packed, or the archive of one that is."""
    if source["CompressionType"] == "Gzip":
        _fetch(s3, source["S3Uri"], folder)
        return
    bucket, prefix = split_uri(source["S3Uri"])
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            name = found["Key"].removeprefix(prefix).lstrip("/")
            path = (folder / name).resolve()
            if name and path.is_relative_to(folder.resolve()) and not found["Key"].endswith("/"):
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as out:
                    s3.download_fileobj(bucket, found["Key"], out)


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
