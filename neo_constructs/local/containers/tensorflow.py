"""TensorFlow's container: the handlers around a model server's REST API.

Follows aws/sagemaker-tensorflow-serving-container: python_service.py for a script, and
tensorflowServing.js without one. The server is one that the user names, or a stand-in on loopback:
TensorFlow itself where it is installed, or one recorded response.
"""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import io
import json
import re
import sys
import threading
import traceback
import urllib.error
import urllib.request
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .model_server import CONTENT_TYPE, Headers, Reply

JSON = "application/json"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
Predict = Callable[[bytes], tuple[int, bytes]]

Context = namedtuple(
    "Context",
    "model_name, model_version, method, rest_uri, grpc_port, channel, "
    "custom_attributes, request_content_type, accept_header, content_length",
)
Handler = Callable[["Body", Context], Any]
_MODELS = "/v1/models/"


def load(model_dir: Path, script: Path, options: dict[str, Any]) -> Callable[..., Reply]:
    """Load the script, and find or start a model server."""
    uri = options.get("upstream")
    if not uri:
        recorded = options.get("response")
        predict = _recorded(Path(recorded)) if recorded else _predicting(model_dir)
        uri = f"http://127.0.0.1:{_serve(predict)}{_MODELS}model:predict"

    def address(headers: Headers) -> str:
        return _address(uri, _attributes(headers))

    if not script.is_file():
        return lambda body, headers: _without_script(body, headers, address(headers))
    respond = _handler(script)

    def handle(body: bytes, headers: Headers) -> Reply:
        attributes = _attributes(headers)
        # Rests on A-RUN-09.
        context = Context(
            attributes.get("tfs-model-name"),
            attributes.get("tfs-model-version"),
            attributes.get("tfs-method"),
            address(headers),
            None,
            None,
            _header(headers, ATTRIBUTES) or None,
            _header(headers, CONTENT_TYPE) or JSON,
            _header(headers, "accept") or JSON,
            len(body),
        )
        try:
            reply, reply_type = respond(Body(body), context)
        except Exception as error:
            traceback.print_exc()
            return 500, {CONTENT_TYPE: JSON}, json.dumps({"error": str(error)}).encode()
        return _sent(reply, reply_type)

    return handle


def _sent(reply: Any, reply_type: Any) -> Reply:
    """Return a handler's reply as Falcon sends it."""
    kind = {CONTENT_TYPE: JSON if reply_type is None else reply_type}
    if isinstance(reply, str):
        return 200, kind, reply.encode()
    if reply is None or isinstance(reply, bytes):
        return 200, kind, reply or b""
    sys.stderr.write(f"a body is text or bytes, not {type(reply).__name__}\n")
    return 500, {CONTENT_TYPE: "text/html"}, _INTERNAL_ERROR


# Gunicorn's page for what the service did not catch.
_INTERNAL_ERROR = (
    b"<html>\n  <head>\n    <title>Internal Server Error</title>\n  </head>\n  <body>\n"
    b"    <h1><p>Internal Server Error</p></h1>\n    \n  </body>\n</html>\n"
)


class Body:
    """A request's body as the container's server gives it: it can be read, and only forwards."""

    def __init__(self, content: bytes) -> None:
        content_of = io.BytesIO(content)
        self.read, self.readline = content_of.read, content_of.readline
        self.readlines = content_of.readlines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")


def _header(headers: Headers, name: str) -> str:
    return next((v for n, v in headers.items() if n.lower() == name.lower()), "")


def _attributes(headers: Headers) -> dict[str, str]:
    """Return what the custom attributes say to the container."""
    # Rests on A-RUN-10.
    found = re.findall(r"(tfs-[a-z\-]+=[^,]+)", _header(headers, ATTRIBUTES))
    return dict(each.split("=")[:2] for each in found)


def _address(uri: str, attributes: dict[str, str]) -> str:
    """Return a model server's URI with another model, version or method, where these are asked."""
    if not attributes:
        return uri
    base, _, rest = uri.partition(_MODELS)
    model, _, method = rest.partition(":")
    model = attributes.get("tfs-model-name", model.partition("/")[0])
    version = attributes.get("tfs-model-version")
    method = attributes.get("tfs-method", method or "predict")
    return f"{base}{_MODELS}{model}{f'/versions/{version}' if version else ''}:{method}"


def _handler(script: Path) -> Handler:
    """Return what the container would call.

    It runs the script's file without making a module of it that others can import.
    """
    spec = importlib.util.spec_from_file_location("inference", script)
    if spec is None or spec.loader is None:
        raise ImportError(f"{script.name} is no Python script")
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    has_both = hasattr(module, "input_handler") and hasattr(module, "output_handler")
    if not hasattr(module, "handler") and not has_both:
        # The container's own words, at its start.
        raise NotImplementedError("Handlers are not implemented correctly in user script.")
    if one := getattr(module, "handler", None):
        given: Handler = one
        return given
    # A handler that is None is taken, too: then there are no other two.
    is_none = hasattr(module, "handler")
    before = None if is_none else module.input_handler
    after = None if is_none else module.output_handler

    def handler(data: Body, context: Context) -> Any:
        return after(_post(context.rest_uri, before(data, context)), context)  # type: ignore[misc]

    return handler


# --- without a script -----------------------------------------------------------------------


# Rests on A-RUN-10.
def _without_script(body: bytes, headers: Headers, uri: str) -> Reply:
    """Answer as the container's JavaScript does."""
    kind, text = _header(headers, CONTENT_TYPE), body.decode(errors="replace")
    if kind in {JSON, "application/jsonlines", "application/jsons"}:
        asked = _instances(text)
    elif kind == "text/csv":
        asked = _table(text)
    else:
        fault = f'{{"error": "Unsupported Media Type: {kind or "Unknown"}"}}'
        return 415, {CONTENT_TYPE: JSON}, fault.encode()
    found = _post(uri, asked.encode())
    reply: str = found.content.decode(errors="replace")
    reply_type = JSON
    if found.status_code == 400:
        reply = reply.replace("\\'instances\\'", "'instances'")
    accept = _header(headers, "accept")
    wanted = accept.strip().replace(" ", "", 1).split(",")
    if {"application/jsonlines", JSON} & set(wanted):
        reply, reply_type = reply.replace("\n", ""), wanted[0]
    return found.status_code, {CONTENT_TYPE: reply_type}, reply.encode()


def _instances(text: str) -> str:
    """Return a body of JSON as the model server takes it."""
    if re.search(r'"(instances|inputs|examples)"\s*:', text):
        return text
    if re.search(r"[}\]]\s*[\[{]", text):  # values with nothing but space between them
        lines = re.split(r"\r?\n", text.strip())
        rows = "".join(
            ("," if number else "") + line.strip()
            for number, line in enumerate(lines)
            if line.strip()
        )
        return f'{{"instances":{rows}}}' if len(lines) == 1 else f'{{"instances":[{rows}]}}'
    rows = text if re.match(r"\s*\[\s*\[", text) else f"[{text}]"
    return f'{{"instances":{rows}}}'


def _table(text: str) -> str:
    """Return a body of CSV as the model server takes it; quotes as the container sets them."""
    is_text = not re.match(r'\s*("|[\d.Ee+\-]+.*)', text)
    lines = re.split(r"\r?\n", text.strip())
    rows = ""
    for number, each in enumerate(lines):
        line = each.strip()
        if not line:
            continue
        many = "," in line
        if is_text:  # only the first of each is replaced
            line = '"' + line.replace('"', '\\"', 1).replace(",", '","', 1) + '"'
        rows += (f"[{line}]" if many else line) + ("," if number != len(lines) - 1 else "")
    return f'{{"instances":[{rows}]}}'


# --- the model server -----------------------------------------------------------------------


class _Headers(dict[str, str]):
    """Headers that are found whatever the case of their names is, as in requests."""

    def get(self, name: str, default: Any = None) -> Any:
        return _header(self, name) or default


class _Response:
    """What handlers use of a response of requests, where that package is not installed."""

    def __init__(self, status: int, content: bytes) -> None:
        self.status_code, self.content = status, content
        self.text = content.decode(errors="replace")
        self.ok = status < 400
        self.headers = _Headers({"Content-Type": JSON})

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
    frozen = sorted(file.name for file in model_dir.glob("*.pb*"))
    if not bundles and frozen:
        raise ValueError(
            f"{frozen[0]} is a frozen graph. Neo compiles those, but the model server takes "
            "SavedModels only: give --stand-in, which makes one of it, or --response with what it "
            "would answer"
        )
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
