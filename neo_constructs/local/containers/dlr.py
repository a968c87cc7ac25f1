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

from .model_server import Context, Reply, serving

Run = Callable[[dict[str, Any]], list[Any]]


def load(model_dir: Path, script: Path, _options: dict[str, Any]) -> Callable[..., Reply]:
    """Load the model and the script."""
    inputs, run = _model(model_dir)
    if script.suffix != ".py" or "." in script.stem:
        raise ImportError(f"{script.name!r} is no name that Python can import; call it x.py")
    module = importlib.import_module(script.stem)  # its folder is on the import path

    def answer(data: Any, content_type: str | None) -> tuple[Any, Any]:
        outputs = run(_feed(module, data, content_type, inputs))
        body, reply_type = module.neo_postprocess(outputs[0] if len(outputs) == 1 else outputs)
        return body, reply_type

    # Rests on A-RUN-01.
    return serving(service(answer), Context(str(model_dir)), decodes=True)


def service(
    answer: Callable[[Any, str | None], tuple[Any, Any]],
) -> Callable[[list[dict[str, Any]], Context], list[Any]]:
    """Return the service of DLR's templates around what answers one request."""

    def handle(batch: list[dict[str, Any]], context: Context) -> list[Any]:
        names = ("Content-type", "Content-Type")
        given = next((v for n in names if (v := context.get_request_header(0, n))), None)
        try:
            if given is None:
                raise ValueError("Content type could not be deduced")
            payloads = [v for n in ("data", "body") if (v := batch[0].get(n)) is not None]
            if not payloads:
                raise ValueError("Nonexistent payload")
            body, reply_type = answer(payloads[0], given)
        except Exception as error:
            traceback.print_exc()
            if str(error).startswith("ClientError:"):
                context.set_all_response_status(400, "ClientError")
                return [str(error)]
            context.set_all_response_status(500, "InternalServerError")
            return ["Internal Server Error occured"]  # as the templates spell it
        context.set_response_content_type(0, reply_type)
        return [body]

    return handle


def _feed(module: Any, data: Any, content_type: str | None, inputs: list[str]) -> dict[str, Any]:
    """Return the model's inputs by their names, as the script makes them of a request."""
    import numpy as np

    try:
        made = module.neo_preprocess(data, content_type)
    except Exception as error:
        raise ValueError(
            f"ClientError: User-defined pre-processing function failed:\n{error}"
        ) from error
    if isinstance(made, (np.ndarray, np.generic)):
        if len(inputs) != 1:
            raise ValueError(
                "ClientError: User-defined pre-processing function returns a single input, but "
                "the model has multiple inputs."
            )
        return {inputs[0]: made}
    if not isinstance(made, dict):
        raise ValueError(
            "ClientError: User-defined pre-processing function must return either dict type or "
            "np.ndarray"
        )
    given, expected = set(made), set(inputs)
    if given != expected:
        missing = ", ".join(str(name) for name in expected - given)
        unknown = ", ".join(str(name) for name in given - expected)
        raise ValueError(
            f"ClientError: Input name(s) mismatch: {given} {expected}"
            + (f"\nExpected {missing} in input data" if missing else "")
            + (f"\nThe model does not accept the following inputs: {unknown}" if unknown else "")
        )
    return made


# Rests on A-RUN-08.
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
        return [np.asarray(x) for x in (found if isinstance(found, (list, tuple)) else [found])]

    return names, run
