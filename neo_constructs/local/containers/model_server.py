"""The model server around a container's service, as far as a script and a client see it.

It decodes a request's body, gives the service a context, and turns what the service returns into a
reply. Sources: awslabs/multi-model-server 1.1.11 (mms/service.py, mms/context.py,
mms/protocol/otf_message_handler.py), which serves DLR, XGBoost and MXNet, and pytorch/serve 0.12,
which serves PyTorch and does the same here.
"""

from __future__ import annotations

import email
import json
import sys
import traceback
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Headers = dict[str, str]
Reply = tuple[int, Headers, bytes]
Service = Callable[[list[dict[str, Any]], "Context"], Any]
CONTENT_TYPE = "content-type"


class WorkerDied(Exception):
    """What ends the server's worker; the client gets an error, and a new worker is started."""


class Request:
    """A request's headers, and what has been said of its reply.

    Parameters
    ----------
    headers
        The request's, as the client has written them.
    """

    def __init__(self, headers: Mapping[str, Any]) -> None:
        """Begin with a reply of status 200 and no headers."""
        self._headers = dict(headers)
        self._status: tuple[int, str | None] = (200, None)
        self._reply: dict[str, Any] = {}

    def get_request_property(self, key: str) -> Any:
        """Return a header by its very name."""
        return self._headers.get(key)

    def get_request_properties(self) -> dict[str, Any]:
        """Return all headers."""
        return self._headers

    def report_status(self, code: int, reason_phrase: str | None = None) -> None:
        """Set the reply's status."""
        self._status = (code, reason_phrase)

    def get_response_status_code(self) -> int:
        """Return the reply's status."""
        return self._status[0]

    def get_response_status_phrase(self) -> str | None:
        """Return the reply's reason."""
        return self._status[1]

    def add_response_property(self, key: str, value: Any) -> None:
        """Set a header of the reply."""
        self._reply[key] = value

    def get_response_headers(self) -> dict[str, Any]:
        """Return the reply's headers so far."""
        return self._reply

    def get_response_header(self, key: str) -> Any:
        """Return one of the reply's headers."""
        return self._reply.get(key)


class Metrics:
    """Takes the metrics of a script, and forgets them."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return a method that takes a metric, whatever its kind is."""
        if not name.startswith("add_"):
            raise AttributeError(f"the model server's metrics have no {name!r}")
        return lambda *_, **__: None


class Context:
    """What the model server tells a script of itself and of a request.

    Parameters
    ----------
    model_dir
        Where the model lies.
    properties
        More of the server's own properties.
    """

    def __init__(self, model_dir: str, **properties: object) -> None:
        """Begin without a request."""
        self.model_name = "model"
        self.manifest = None
        self.system_properties = {
            "model_dir": model_dir,
            "gpu_id": None,
            "batch_size": 1,
            "server_name": "MMS",
            "server_version": "1.1.11",
            **properties,
        }
        self.request_ids: dict[int, str] = {}
        self.request_processor: list[Request] = []
        self.metrics = Metrics()

    def get_request_id(self, idx: int = 0) -> str | None:
        """Return the id of a request."""
        return self.request_ids.get(idx)

    def get_request_header(self, idx: int, key: str) -> Any:
        """Return a header by its very name."""
        return self.request_processor[idx].get_request_property(key)

    def get_all_request_header(self, idx: int) -> dict[str, Any]:
        """Return all headers of a request."""
        return self.request_processor[idx].get_request_properties()

    def set_response_content_type(self, idx: int, value: Any) -> None:
        """Set the reply's content type."""
        self.set_response_header(idx, CONTENT_TYPE, value)

    def get_response_content_type(self, idx: int) -> Any:
        """Return the reply's content type."""
        return self.get_response_headers(idx).get(CONTENT_TYPE)

    def get_response_status(self, idx: int) -> tuple[int, str | None]:
        """Return the reply's status and its reason."""
        request = self.request_processor[idx]
        return request.get_response_status_code(), request.get_response_status_phrase()

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the reply's status."""
        self.request_processor[idx].report_status(code, phrase)

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        """Set the status of every reply."""
        for request in self.request_processor:
            request.report_status(code, phrase)

    def get_response_headers(self, idx: int) -> dict[str, Any]:
        """Return the reply's headers so far."""
        return self.request_processor[idx].get_response_headers()

    def set_response_header(self, idx: int, key: str, value: Any) -> None:
        """Set a header of the reply."""
        self.request_processor[idx].add_response_property(key, value)


def serving(
    service: Service, context: Context, *, decodes: bool
) -> Callable[[bytes, Headers], Reply]:
    """Return what answers requests by a service.

    Parameters
    ----------
    service
        The container's: takes a batch of one request and the context.
    context
        What the service is told.
    decodes
        Whether JSON and text reach the service decoded, as the server does by itself; SageMaker's
        toolkits switch it off (``decode_input_request=false``).
    """

    def handle(body: bytes, headers: Headers) -> Reply:
        context.request_ids = {0: str(uuid.uuid4())}
        given = next((v for n, v in headers.items() if n.lower() == CONTENT_TYPE), "")
        kind = given.partition(";")[0].strip()
        parts = list(_parts(body, given, kind))
        named = {name: {CONTENT_TYPE: of} for name, of, _ in parts}
        # Rests on A-RUN-02.
        data = {n: _decoded(p, of) if decodes else bytearray(p) for n, of, p in parts}
        context.request_processor = [Request({**named, **headers})]
        try:
            found = service([data], context)
        except MemoryError:
            traceback.print_exc()
            return _error(507, "Out of resources")
        except Exception:
            traceback.print_exc()
            return _error(503, "Prediction failed")
        if not isinstance(found, list):
            return _error(503, "Invalid model predict output")
        if len(found) != 1:
            return _error(503, "number of batch response mismatched")
        return _reply(found[0], context)

    return handle


def _parts(body: bytes, content_type: str, kind: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield name, type and content of what a body holds: itself, or the fields of a form."""
    if kind == "application/x-www-form-urlencoded":
        for name, value in urllib.parse.parse_qsl(body.decode(errors="replace")):
            yield name, "", value.encode()
    elif kind == "multipart/form-data":
        head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
        for part in email.message_from_bytes(head + body).walk():
            field = part.get_param("name", header="content-disposition")
            if isinstance(field, str):
                content: Any = part.get_payload(decode=True)
                yield field, part.get_content_type() if part.get_filename() else "", content
    else:
        yield "body", kind, body


# Rests on A-RUN-01.
def _decoded(body: bytes, kind: str) -> Any:
    """Return a body as the server gives it to its service."""
    try:
        if kind == "application/json":
            return json.loads(body.decode())
        return body.decode() if kind.startswith("text") else bytearray(body)
    except ValueError as error:
        raise WorkerDied(f"the body is not {kind}: {error}") from error


def _reply(value: Any, context: Context) -> Reply:
    headers = context.get_response_headers(0)
    for name, content in headers.items():
        if not isinstance(content, str):
            raise WorkerDied(f"the reply's header {name} is {content!r}, which is no text")
        if name == CONTENT_TYPE and not content.isascii():
            raise WorkerDied(f"the reply's type {content!r} is not ASCII")
    status, _ = context.get_response_status(0)
    if isinstance(value, (bytes, bytearray)):
        return status, headers, bytes(value)
    if isinstance(value, str):
        try:
            return status, headers, value.encode()
        except UnicodeEncodeError as error:
            raise WorkerDied(f"the reply's text is no text: {error}") from error
    try:
        return status, headers, json.dumps(value, indent=2).encode()
    except TypeError as error:
        sys.stderr.write(f"the reply cannot be sent: {error}\n")
        return _error(503, "Unsupported model output data type.")


def _error(status: int, message: str) -> Reply:
    """Return an error as the server words it."""
    fault = {"code": status, "type": "InternalServerException", "message": message}
    return status, {CONTENT_TYPE: "application/json"}, json.dumps(fault, indent=2).encode() + b"\n"


def worker_died() -> Reply:
    """Return what a client gets whose request has ended the worker."""
    return _error(500, "Worker died.")
