"""The containers of ONNX and Keras models: neo_preprocess, the model, neo_postprocess.

Follows neo_template_mxnet_byom.py of neo-ai/neo-ai-dlr. In place of the compiled model runs the
trained one: ONNX Runtime, or Keras.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

Reply = tuple[int, str, bytes]
Run = Callable[[dict[str, Any]], list[Any]]


def load(model_dir: Path, script: Path, _options: dict[str, Any]) -> Callable[..., Reply]:
    """Load the model and the script."""
    import numpy as np

    inputs, run = _model(model_dir)
    if script.suffix != ".py" or "." in script.stem:
        raise ImportError(f"{script.name!r} is no name that Python can import; call it x.py")
    module = importlib.import_module(script.stem)  # its folder is on the import path
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
        if not content_type:  # the template raises, and answers 500
            return 500, "text/plain", b"Internal Server Error occured"
        try:
            data = feed(payload, content_type)
        except Exception as error:
            traceback.print_exc()
            text = f"ClientError: User-defined pre-processing function failed:\n{error}"
            return 400, "text/plain", text.encode()
        try:
            outputs = run(data)
            body, reply_type = postprocess(outputs[0] if len(outputs) == 1 else outputs)
        except Exception:
            traceback.print_exc()
            return 500, "text/plain", b"Internal Server Error occured"  # as the template spells it
        is_raw = isinstance(body, (bytes, bytearray))
        return 200, reply_type, bytes(body) if is_raw else str(body).encode()

    return handle


def _model(model_dir: Path) -> tuple[list[str], Run]:
    models = [file for file in sorted(model_dir.rglob("*")) if file.suffix in {".onnx", ".h5"}]
    if len(models) != 1:
        raise ValueError(
            f"exactly one .onnx or .h5 file is needed; found {[m.name for m in models]}"
        )
    return _onnx(models[0]) if models[0].suffix == ".onnx" else _keras(models[0])


def _onnx(file: Path) -> tuple[list[str], Run]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return [i.name for i in session.get_inputs()], lambda data: list(session.run(None, data))


def _keras(file: Path) -> tuple[list[str], Run]:
    """Load a Keras model; like Neo's, it takes images with their channels first."""
    import numpy as np
    from tensorflow import keras

    model = keras.models.load_model(file, compile=False)
    names = [tensor.name.partition(":")[0] for tensor in model.inputs]

    def run(data: dict[str, Any]) -> list[Any]:
        given = [data[name] for name in names]
        given = [np.transpose(x, (0, 2, 3, 1)) if np.ndim(x) == 4 else x for x in given]
        found = model(given[0] if len(given) == 1 else given, training=False)
        return [np.asarray(x) for x in (found if isinstance(found, list | tuple) else [found])]

    return names, run
