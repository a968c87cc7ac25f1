"""What in a model file Neo would not compile, or not as it was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from neo_constructs.archive.model_file import ModelFile
from neo_constructs.archive.other_files import REFUSED
from neo_constructs.archive.torch_file import NOT_SCRIPTED, TORCHSCRIPT
from neo_constructs.findings import Finding, Level

# ONNX 1.7, the newest that Neo documents: https://github.com/onnx/onnx/blob/main/docs/Versioning.md
ONNX_MAX_OPSET: Final = 12
ONNX_MAX_IR_VERSION: Final = 7
_WARNINGS: Final = frozenset({"torch-training-mode", "torch-newer", "xgboost-pickle"})


def check_model(model: ModelFile, *, is_checked: bool = True) -> list[Finding]:
    """Say what in a model file keeps Neo from compiling it.

    Parameters
    ----------
    model
        What the file says about itself.
    is_checked
        False where framework or target are made by ``.of``: the errors are then warnings.
    """
    return [
        Finding(
            code=code,
            level=Level.ERROR if is_checked and code not in _WARNINGS else Level.WARNING,
            where=model.where,
            message=message,
            fix=fix,
        )
        for code, message, fix in _problems(model)
    ]


def _problems(model: ModelFile) -> Iterator[tuple[str, str, str]]:
    """Yield code, message and fix."""
    if refused := REFUSED.get(model.format):
        yield "model-format", f"It is {refused.what}, which Neo does not take.", refused.fix
    if model.framework == "PYTORCH":
        yield from _torch(model)
    if model.format == "xgboost-pickle":
        yield (
            "xgboost-pickle",
            "It is a pickle, which only the release of XGBoost that wrote it reads; Neo's is 1.3.",
            "save it with save_model().",
        )
    newer = []
    if model.opset and model.opset > ONNX_MAX_OPSET:
        newer.append(f"opset {model.opset}, newer than {ONNX_MAX_OPSET}")
    if model.ir_version and model.ir_version > ONNX_MAX_IR_VERSION:
        newer.append(f"IR version {model.ir_version}, newer than {ONNX_MAX_IR_VERSION}")
    for what in newer:
        yield (
            "onnx-version",
            f"It has {what}, the newest of ONNX 1.7, which Neo compiles.",
            f"export it with opset {ONNX_MAX_OPSET} and IR version {ONNX_MAX_IR_VERSION}.",
        )


def _torch(model: ModelFile) -> Iterator[tuple[str, str, str]]:
    if model.format != TORCHSCRIPT:
        yield (
            "torch-not-scripted",
            f"It is {NOT_SCRIPTED[model.format]}; Neo takes TorchScript.",
            "torch.jit.trace(model.eval(), example).save('model.pth').",
        )
    if model.is_training:
        yield (
            "torch-training-mode",
            "It was saved in training mode: dropout and batch norm would act as in training.",
            "call model.eval() before torch.jit.trace.",
        )
    if model.is_newer and model.format == TORCHSCRIPT:
        yield (
            "torch-newer",
            "PyTorch 2.1 or newer wrote it, and the newest that Neo compiles is 2.0.",
            "trace it with the version that you declare.",
        )
