"""MXNet's container: SageMaker's toolkit, with rules by the kind of model.

Source: aws/sagemaker-mxnet-inference-toolkit 1.5.5. A script without transform_fn gets a Module's
functions or a Block's, by what its model_fn returns, which is called twice: to see what it
returns, and by the toolkit.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .model_server import Context, Reply
from .toolkit import serve, toolkit

FILES = ("model-symbol.json", "model-0000.params", "model-shapes.json")


def load(model_dir: Path, script: Path, _options: dict[str, Any]) -> Callable[..., Reply]:
    """Load the model by the script."""
    return serve(_transformer(model_dir, script), Context(str(model_dir)))


def _transformer(model_dir: Path, script: Path) -> Any:
    """Return what calls the script's functions."""
    made = toolkit()
    import mxnet as mx

    try:
        module: Any = importlib.import_module(script.stem)
    except ModuleNotFoundError as error:
        raise ValueError(f"import_module exception: {error}") from error
    if hasattr(module, "transform_fn"):
        return made.Transformer(default_inference_handler=_Defaults())
    model = getattr(module, "model_fn", _Defaults().default_model_fn)(str(model_dir))
    if isinstance(model, mx.module.BaseModule):
        return _module_transformer(made.Transformer)
    if isinstance(model, mx.gluon.block.Block):
        return made.Transformer(default_inference_handler=_Block())
    raise ValueError(
        f"Unsupported model type: {type(model).__name__}. Did you forget to implement "
        "`transform_fn` or `model_fn` in your entry-point?"
    )


class _Defaults:
    """The functions that a script does not define, of whatever model."""

    types: tuple[str, ...] = ("application/json", "application/x-npy")

    def default_model_fn(self, model_dir: str) -> Any:
        """Load what SageMaker's training leaves; the batch size is one."""
        import mxnet as mx

        for name in FILES:
            if not Path(model_dir, name).exists():
                raise ValueError(
                    f"Failed to load model with default model_fn: missing file {name}."
                    f"Expected files: {list(FILES)}"
                )
        shapes = [
            (each["name"], [1, *each["shape"][1:]])
            for each in json.loads(Path(model_dir, FILES[2]).read_text())
        ]
        symbol, arguments, auxiliary = mx.model.load_checkpoint(f"{model_dir}/model", 0)
        names = [name for name, _ in shapes]
        module = mx.mod.Module(symbol, data_names=names, label_names=None, context=mx.cpu())
        module.bind(for_training=False, data_shapes=shapes)
        module.set_params(arguments, auxiliary, allow_missing=True)
        return module

    def default_input_fn(self, input_data: Any, content_type: str) -> Any:
        """Make an array of what the toolkit decodes."""
        import mxnet as mx
        from sagemaker_inference import decoder, errors

        if content_type not in self.types:
            raise errors.UnsupportedFormatError(content_type)
        return mx.nd.array(decoder.decode(input_data, content_type))

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        """Say that the script must do it."""
        raise NotImplementedError(f"no predict_fn for a {type(model).__name__} of {type(data)}")

    def default_output_fn(self, prediction: Any, accept: str) -> Any:
        """Write the first type of the accepted that is known."""
        from sagemaker_inference import encoder, errors

        for content_type in accept.replace(" ", "").split(","):
            if content_type in self.types:
                return encoder.encode(prediction.asnumpy().tolist(), content_type)
        raise errors.UnsupportedFormatError(accept)


class _Block(_Defaults):
    """What a script with a Gluon block does not define."""

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        """Call the block."""
        return model(data)


class _Module(_Defaults):
    """What a script with a Module does not define."""

    types = ("application/json", "text/csv", "application/x-npy")

    def default_input_fn(self, input_data: Any, content_type: str, model: Any = None) -> Any:
        """Make batches of the model's size; CSV is given the shape that the model has."""
        import mxnet as mx

        array = super().default_input_fn(input_data, content_type)
        [(_, shape)] = [tuple(each)[:2] for each in model.data_shapes]
        if content_type == "text/csv":
            array = array.reshape((-1, *shape[1:]))
        size = shape[0]
        missing = 0 if size == 1 else size - array.shape[0] % size
        batches = mx.io.NDArrayIter(array, batch_size=size, last_batch_handle="pad")
        if missing:
            batches.getpad = lambda: missing
        return batches

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        """Let the module predict."""
        return model.predict(data)


def _module_transformer(base: Any) -> Any:
    """Return what calls functions of a Module: input_fn may take the model, none a context."""

    class Transformer(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(_Module())

        def _default_transform_fn(self, model: Any, data: Any, kind: str, accept: str) -> Any:
            takes_model = "model" in inspect.getfullargspec(self._input_fn).args
            given = self._input_fn(data, kind, *([model] if takes_model else []))
            return self._output_fn(self._predict_fn(given, model), accept)

    return Transformer()
