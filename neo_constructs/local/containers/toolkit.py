"""PyTorch's container: SageMaker's own handler toolkit, as that container runs it.

Only the model server around it is ours, and the functions that the container has of its own.
Sources: aws/sagemaker-inference-toolkit, aws/sagemaker-pytorch-inference-toolkit 2.0.25.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .model_server import Context, Reply, serving

MODELS = (".pt", ".pth")


class Defaults:
    """PyTorch's container's own functions: what a script does not define."""

    def default_model_fn(self, model_dir: str) -> Any:
        """Load model.pt, or the only model there is."""
        import torch

        found = [f.name for f in sorted(Path(model_dir).iterdir()) if f.suffix in MODELS]
        # Neo leaves compiled.pt; its container is not published.
        # Rests on A-NEO-07.
        named = [name for name in ("compiled.pt", "model.pt") if name in found][:1] or found
        if len(named) != 1:
            raise ValueError(
                f"Exactly one .pth or .pt file is required for PyTorch models: {found}"
            )
        path = str(Path(model_dir, named[0]))
        try:
            # Rests on A-RUN-08.
            return torch.jit.load(path, map_location="cpu")
        except RuntimeError as error:
            raise ValueError(
                f"Failed to load {path}. Please ensure model is saved using torchscript."
            ) from error

    def default_input_fn(self, input_data: Any, content_type: str) -> Any:
        """Make a tensor of JSON, CSV or NPY; those of text are of float32."""
        import torch
        from sagemaker_inference import content_types, decoder

        array = decoder.decode(input_data, content_type)
        is_text = content_type in content_types.UTF8_TYPES
        return torch.FloatTensor(array) if is_text else torch.from_numpy(array)

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        """Run the model."""
        import torch

        with torch.no_grad():
            on_cpu = model.to("cpu")
            given = data.to("cpu")
            on_cpu.eval()
            return on_cpu(given)

    def default_output_fn(self, prediction: Any, accept: str) -> Any:
        """Write the first type of the accepted that is JSON, CSV or NPY."""
        import torch
        from sagemaker_inference import content_types, encoder, errors, utils

        if type(prediction) is torch.Tensor:
            prediction = prediction.detach().cpu().numpy().tolist()
        for content_type in utils.parse_accept(accept):
            if content_type in encoder.SUPPORTED_CONTENT_TYPES:
                encoded = encoder.encode(prediction, content_type)
                return encoded.encode() if content_type == content_types.CSV else encoded
        raise errors.UnsupportedFormatError(accept)


def load(model_dir: Path, _script: Path, _options: dict[str, Any]) -> Callable[..., Reply]:
    """Load the model by the script; the toolkit finds that on the import path."""
    transformer = toolkit().Transformer(default_inference_handler=Defaults())
    # Rests on A-RUN-03.
    context = Context(str(model_dir), limit_max_image_pixels=True, server_version="0.12.0")
    return serve(transformer, context)


def toolkit() -> Any:
    """Return the module of SageMaker's toolkit that calls a script's functions.

    Raises
    ------
    ModuleNotFoundError
        If the toolkit is not installed.
    """
    try:
        from sagemaker_inference import transformer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}. The container runs the script by SageMaker's toolkit: "
            f"{sys.executable} -m pip install sagemaker-inference"
        ) from error
    return transformer


def serve(transformer: Any, context: Context) -> Callable[..., Reply]:
    """Load the model by a transformer of the toolkit, and return what answers requests."""
    from sagemaker_inference.default_handler_service import DefaultHandlerService

    service = DefaultHandlerService(transformer=transformer)
    service.initialize(context)
    # Rests on A-RUN-02.
    return serving(service.handle, context, decodes=False)
