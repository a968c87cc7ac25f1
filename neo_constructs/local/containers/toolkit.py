"""The containers of PyTorch and MXNet models: SageMaker's own handler toolkit, as they run it.

Only the model server around it is ours, and the handlers that PyTorch's container has of its own.
Sources: aws/sagemaker-inference-toolkit, aws/sagemaker-pytorch-inference-toolkit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Reply = tuple[int, str, bytes]
MODELS = (".pt", ".pth")


class _Request:
    """The model server's request, as far as the toolkit looks at it."""

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


class _PyTorch:
    """PyTorch's container's own handlers: what a script does not define."""

    def default_model_fn(self, model_dir: str) -> Any:
        import torch

        found = [f for f in sorted(Path(model_dir).iterdir()) if f.suffix in MODELS]
        named = [f for f in found if f.name in {"compiled.pt", "model.pt"}][:1] or found
        if len(named) != 1:
            raise ValueError(f"exactly one .pth or .pt file is needed; found {len(found)}")
        return torch.jit.load(str(named[0]), map_location="cpu").eval()

    def default_input_fn(self, input_data: Any, content_type: str) -> Any:
        import torch
        from sagemaker_inference import decoder

        array = decoder.decode(input_data, content_type)
        is_text = content_type in {"application/json", "text/csv"}
        return torch.FloatTensor(array) if is_text else torch.from_numpy(array)

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        import torch

        with torch.no_grad():
            return model(data)

    def default_output_fn(self, prediction: Any, accept: str) -> Any:
        from sagemaker_inference import encoder

        array = prediction.detach().cpu().numpy() if hasattr(prediction, "detach") else prediction
        return encoder.encode(array, accept)


def load(model_dir: Path, _script: Path, _options: dict[str, Any]) -> Callable[..., Reply]:
    """Load the model by the script; the toolkit finds that on the import path."""
    try:
        from sagemaker_inference.default_handler_service import DefaultHandlerService
        from sagemaker_inference.transformer import Transformer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}. The container runs the script by SageMaker's toolkit: "
            f"{sys.executable} -m pip install sagemaker-inference"
        ) from error
    context = _Context(model_dir)
    is_torch = any(file.suffix in MODELS for file in model_dir.iterdir())
    transformer = Transformer(default_inference_handler=_PyTorch()) if is_torch else None
    service = DefaultHandlerService(transformer=transformer)
    service.initialize(context)

    def handle(payload: bytes, content_type: str, accept: str) -> Reply:
        request = _Request(content_type, accept)
        context.request_processor = [request]
        (body,) = service.handle([{"body": payload}], context)
        if not isinstance(body, (str, bytes, bytearray)):
            sys.stderr.write(
                f"warning: the script's reply is of type {type(body).__name__}; return text or "
                "bytes, which reach the caller as they are\n"
            )
        encoded = bytes(body) if isinstance(body, (bytes, bytearray)) else str(body).encode()
        return request.status, request.reply_type or "text/plain", encoded

    return handle
