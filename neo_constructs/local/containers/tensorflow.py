"""TensorFlow's container: the handlers around a model server's REST API.

Follows aws/sagemaker-tensorflow-serving-container. The server is one that the user names, or a
stand-in on loopback: TensorFlow itself where it is installed, or one recorded response.
"""

from __future__ import annotations

import contextlib
import http.server
import importlib
import io
import json
import sys
import threading
import traceback
import urllib.error
import urllib.request
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

Reply = tuple[int, str, bytes]
Predict = Callable[[bytes], tuple[int, bytes]]

Context = namedtuple(
    "Context",
    "model_name, model_version, method, rest_uri, grpc_port, channel, "
    "custom_attributes, request_content_type, accept_header, content_length",
)
Handler = Callable[[io.BytesIO, Context], tuple[Any, str]]


def load(model_dir: Path, script: Path, options: dict[str, Any]) -> Callable[..., Reply]:
    """Load the script, and find or start a model server."""
    name, uri = "model", options.get("upstream")
    if not uri:
        recorded = options.get("response")
        predict = _recorded(Path(recorded)) if recorded else _predicting(model_dir)
        uri = f"http://127.0.0.1:{_serve(predict)}/v1/models/{name}:predict"
    respond = _handler(script)

    def handle(payload: bytes, content_type: str, accept: str) -> Reply:
        context = Context(
            name, None, "predict", uri, None, None, None,
            content_type or "application/json",
            "application/json" if accept in {"", "*/*"} else accept,
            len(payload),
        )  # fmt: skip
        try:
            body, reply_type = respond(io.BytesIO(payload), context)
        except Exception as error:
            traceback.print_exc()
            return 500, "application/json", json.dumps({"error": str(error)}).encode()
        is_raw = isinstance(body, (bytes, bytearray))
        return 200, reply_type, bytes(body) if is_raw else str(body).encode()

    return handle


def _default(data: io.BytesIO, context: Context) -> tuple[Any, str]:
    """Hand a request to the model server as it is."""
    return _post(context.rest_uri, data.read()).content, "application/json"


def _handler(script: Path) -> Handler:
    """Return what the container would call."""
    if not script.is_file():
        return _default
    module: Any = importlib.import_module(script.stem)  # its folder is on the import path
    if hasattr(module, "handler"):
        given: Handler = module.handler
        return given
    if not (hasattr(module, "input_handler") and hasattr(module, "output_handler")):
        # The container's own words, at its start.
        raise NotImplementedError("Handlers are not implemented correctly in user script.")

    def handler(data: io.BytesIO, context: Context) -> tuple[Any, str]:
        response = _post(context.rest_uri, module.input_handler(data, context))
        body, reply_type = module.output_handler(response, context)
        return body, reply_type

    return handler


class _Response:
    """What handlers use of a response of requests, where that package is not installed."""

    def __init__(self, status: int, content: bytes) -> None:
        self.status_code, self.content = status, content
        self.text = content.decode(errors="replace")
        self.ok = status < 400
        self.headers = {"Content-Type": "application/json"}

    def json(self) -> Any:
        return json.loads(self.content)


def _post(uri: str, body: Any) -> Any:
    """Send a request as the container does."""
    with contextlib.suppress(ModuleNotFoundError):
        import requests

        return requests.post(uri, data=body, timeout=60)
    data = body.encode() if isinstance(body, str) else body
    try:
        with urllib.request.urlopen(uri, data=data, timeout=60) as reply:  # noqa: S310 - the model server
            return _Response(reply.status, reply.read())
    except urllib.error.HTTPError as error:
        return _Response(error.code, error.read())


# --- a stand-in for the model server --------------------------------------------------------


def _serve(predict: Predict) -> int:
    """Answer on loopback, and return the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, reply = predict(body)
            except Exception as error:
                status, reply = 400, json.dumps({"error": str(error)}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def _recorded(file: Path) -> Predict:
    content = file.read_bytes()
    return lambda _body: (200, content)


def _predicting(model_dir: Path) -> Predict:
    """Return TensorFlow's own predictions. Source of the form: TensorFlow Serving, RESTful API."""
    bundles = sorted(file.parent for file in model_dir.rglob("saved_model.pb"))
    if len(bundles) != 1:
        raise ValueError(f"no SavedModel bundles found! ({len(bundles)} where one is needed)")
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}. A model server is needed: install tensorflow for {sys.executable}, or give "
            "--upstream with the URI of one, or --response with what it would answer"
        ) from error
    model = tf.saved_model.load(str(bundles[0]))  # the signatures live as long as it does

    def predict(body: bytes) -> tuple[int, bytes]:
        request = json.loads(body)
        signature = model.signatures[request.get("signature_name", "serving_default")]
        specs = signature.structured_input_signature[1]
        found = signature(**_arguments(request, specs, tf))
        outputs = {key: value.numpy().tolist() for key, value in found.items()}
        return 200, json.dumps(_answer(outputs, is_rows="instances" in request)).encode()

    return predict


def _arguments(request: dict[str, Any], specs: dict[str, Any], tf: Any) -> dict[str, Any]:
    """Return a request's tensors by the names of the model's inputs."""
    if "instances" in request:
        rows = request["instances"]
        is_named = isinstance(rows[0], dict) and set(rows[0]) <= set(specs)
        given = {name: [row[name] for row in rows] for name in specs} if is_named else rows
    else:
        given = request["inputs"]
        is_named = isinstance(given, dict) and set(given) <= set(specs)
    if not is_named:
        (name,) = specs
        given = {name: given}
    return {name: tf.constant(value, dtype=specs[name].dtype) for name, value in given.items()}


def _answer(outputs: dict[str, Any], *, is_rows: bool) -> dict[str, Any]:
    if not is_rows:
        return {"outputs": next(iter(outputs.values())) if len(outputs) == 1 else outputs}
    if len(outputs) == 1:
        return {"predictions": next(iter(outputs.values()))}
    rows = zip(*outputs.values(), strict=True)
    return {"predictions": [dict(zip(outputs, row, strict=True)) for row in rows]}
