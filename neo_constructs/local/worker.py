"""One serving container's worker: loads the model and the script, and answers requests.

It runs in an interpreter of its own (module names, working directory and environment are a
process's), which may be the user's: it imports nothing of this library. Requests and replies are
a line of JSON and the body after it.

Two contracts are served. ``toolkit`` is SageMaker's own handler toolkit. ``dlr`` follows
neo_template_mxnet_byom.py of neo-ai/neo-ai-dlr, with ONNX Runtime in place of the compiled model.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

Reply = tuple[int, str, bytes]
Handler = Callable[[bytes, str, str], Reply]


def main() -> None:
    """Load, say that it is done or why not, and serve until the input ends."""
    # Python puts this file's folder first; a script may have modules of the same names.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".") != Path(__file__).parent]
    # What a script prints must not run into the protocol.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    contract, model_dir, script = sys.argv[1:4]
    try:
        handle = _LOADERS[contract](Path(model_dir), Path(script))
    except BaseException as error:
        traceback.print_exc()
        _write(replies, {"error": f"{type(error).__name__}: {error}"}, b"")
        return
    _write(replies, {"ready": True}, b"")
    while header := sys.stdin.buffer.readline():
        request = json.loads(header)
        body = sys.stdin.buffer.read(request["length"])
        status, content_type, reply = handle(body, request["content_type"], request["accept"])
        _write(replies, {"status": status, "content_type": content_type}, reply)


def _write(stream: BinaryIO, header: dict[str, Any], body: bytes) -> None:
    stream.write(json.dumps({**header, "length": len(body)}).encode() + b"\n" + body)
    stream.flush()


# --- the DLR container ----------------------------------------------------------------------


def _load_dlr(model_dir: Path, script: Path) -> Handler:
    import numpy as np
    import onnxruntime

    models = sorted(model_dir.rglob("*.onnx"))
    if len(models) != 1:
        raise ValueError(f"exactly one .onnx file is needed; found {[m.name for m in models]}")
    session = onnxruntime.InferenceSession(str(models[0]), providers=["CPUExecutionProvider"])
    inputs = [i.name for i in session.get_inputs()]
    module = _import(script)
    preprocess, postprocess = module.neo_preprocess, module.neo_postprocess

    def feed(payload: bytes, content_type: str) -> dict[str, Any]:
        data = preprocess(payload, content_type)
        if isinstance(data, dict):
            if set(data) != set(inputs):
                raise ValueError(f"neo_preprocess gave {sorted(data)}; the model takes {inputs}")
            return data
        if len(inputs) != 1 or not isinstance(data, np.ndarray):
            raise ValueError(f"neo_preprocess must give an array, or a dict with the keys {inputs}")
        return {inputs[0]: data}

    def handle(payload: bytes, content_type: str, _accept: str) -> Reply:
        try:
            data = feed(payload, content_type)
        except Exception as error:
            traceback.print_exc()
            return _text(400, f"ClientError: User-defined pre-processing function failed: {error}")
        try:
            outputs = session.run(None, data)
            body, reply_type = postprocess(outputs[0] if len(outputs) == 1 else outputs)
        except Exception:
            traceback.print_exc()
            return _text(500, "Internal Server Error occurred")
        return 200, reply_type, body if isinstance(body, bytes) else str(body).encode()

    return handle


def _import(script: Path) -> Any:
    spec = importlib.util.spec_from_file_location(script.stem, script)
    if spec is None or spec.loader is None:
        raise ImportError(f"{script.name} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[script.stem] = module
    spec.loader.exec_module(module)
    return module


# --- the containers with SageMaker's handler toolkit ----------------------------------------


class _Request:
    """The model server's request, as far as the toolkit looks at them."""

    def __init__(self, content_type: str, accept: str) -> None:
        self._headers = {"Content-Type": content_type, "Accept": accept}
        self.status, self.reply_type = 200, ""

    def get_request_properties(self) -> dict[str, str]:
        return dict(self._headers)

    def get_request_property(self, key: str) -> str | None:
        return self._headers.get(key)


class _Context:
    """The model server's context, as far as the toolkit looks at it."""

    def __init__(self, model_dir: Path) -> None:
        self.system_properties = {"model_dir": str(model_dir), "gpu_id": None}
        self.model_name = "model"
        self.request_processor: list[_Request] = []

    def set_response_status(self, code: int = 200, phrase: str | None = None, idx: int = 0) -> None:
        del phrase, idx
        self.request_processor[0].status = code

    def set_response_content_type(self, request_id: object, value: str) -> None:
        del request_id
        self.request_processor[0].reply_type = value

    def get_request_header(self, idx: int, key: str) -> str | None:
        del idx
        return self.request_processor[0].get_request_property(key)


def _load_toolkit(model_dir: Path, _script: Path) -> Handler:
    from sagemaker_inference.default_handler_service import DefaultHandlerService

    context = _Context(model_dir)
    service = DefaultHandlerService()
    service.initialize(context)

    def handle(payload: bytes, content_type: str, accept: str) -> Reply:
        request = _Request(content_type, accept)
        context.request_processor = [request]
        (body,) = service.handle([{"body": payload}], context)
        encoded = body if isinstance(body, (bytes, bytearray)) else str(body).encode()
        return request.status, request.reply_type or "text/plain", bytes(encoded)

    return handle


def _text(status: int, message: str) -> Reply:
    return status, "text/plain", message.encode()


_LOADERS: dict[str, Callable[[Path, Path], Handler]] = {
    "dlr": _load_dlr,
    "toolkit": _load_toolkit,
}

if __name__ == "__main__":
    main()
