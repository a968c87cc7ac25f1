"""What in a model file Neo would not compile, or not as it was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import listed
from neo_constructs.model_formats.model_file import ModelFile, Trait
from neo_constructs.model_formats.torch_file import NOT_SCRIPTED, TORCHSCRIPT
from neo_constructs.model_formats.unsupported_formats import UNSUPPORTED

# ONNX 1.7, the newest that Neo documents: https://github.com/onnx/onnx/blob/main/docs/Versioning.md
# Rests on A-NEO-12.
ONNX_MAX_OPSET: Final = 12
# Rests on A-NEO-12.
ONNX_MAX_IR_VERSION: Final = 7
# Rests on A-NEO-16.
_ERRORS: Final = frozenset(
    {"model-format", "model-truncated", "keras-weights-only", "torch-not-scripted", "onnx-version"}
)
_SHOWN: Final = 5


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
            level=Level.ERROR if is_checked and code in _ERRORS else Level.WARNING,
            where=model.where,
            message=message,
            fix=fix,
        )
        for code, message, fix in _problems(model)
    ]


def _problems(model: ModelFile) -> Iterator[tuple[str, str, str]]:
    """Yield code, message and fix."""
    if unsupported := UNSUPPORTED.get(model.format):
        yield "model-format", f"It is {unsupported.what}, which Neo does not take.", unsupported.fix
    if model.framework == "PYTORCH":
        yield from _torch(model)
    if model.framework == "KERAS":
        yield from _keras(model)
    yield from _types(model)
    if model.format == "xgboost-pickle":
        yield (
            "xgboost-pickle",
            "It is a pickle, which only the release of XGBoost that wrote it reads; Neo's is 1.3.",
            "save it with save_model().",
        )
    if model.domains:
        yield (
            "onnx-domain",
            f"It has operators of {listed(model.domains[:_SHOWN])}, which are not ONNX's own; Neo "
            "is documented for those only.",
            "export it without them.",
        )
    if model.framework == "ONNX" and not model.opset and not model.domains:
        yield (
            "onnx-version",
            "It names no version of ONNX's operators.",
            f"export it with opset {ONNX_MAX_OPSET} and IR version {ONNX_MAX_IR_VERSION}.",
        )
    if model.opset and model.opset > ONNX_MAX_OPSET:
        yield (
            "onnx-version",
            f"It has opset {model.opset}, newer than {ONNX_MAX_OPSET}, the newest of ONNX 1.7, "
            "which Neo compiles.",
            f"export it with opset_version={ONNX_MAX_OPSET}, or convert it: "
            f"onnx.version_converter.convert_version(model, {ONNX_MAX_OPSET}).",
        )
    if model.ir_version and model.ir_version > ONNX_MAX_IR_VERSION:
        yield (
            "onnx-version",
            f"It has IR version {model.ir_version}, newer than {ONNX_MAX_IR_VERSION}, the newest "
            "of ONNX 1.7, which Neo compiles.",
            f"load it by onnx.load, set model.ir_version = {ONNX_MAX_IR_VERSION}, and save it.",
        )


def _torch(model: ModelFile) -> Iterator[tuple[str, str, str]]:
    if model.format != TORCHSCRIPT:
        yield (
            "torch-not-scripted",
            f"It is {NOT_SCRIPTED[model.format]}; Neo takes TorchScript.",
            "torch.jit.trace(model.eval(), example).save('model.pth').",
        )
    if Trait.TRAINING in model.traits:
        yield (
            "torch-training-mode",
            "It acts as in training: dropout and batch norm are recorded, or saved, so.",
            "call model.eval() before torch.jit.trace, and for submodules of their own mode too.",
        )
    if Trait.NEWER in model.traits and model.format == TORCHSCRIPT:
        yield (
            "torch-newer",
            "PyTorch 2.1 or newer wrote it, and the newest that Neo compiles is 2.0.",
            "trace it with the version that you declare.",
        )
    if Trait.NESTED in model.traits:
        yield (
            "torch-nested-inputs",
            "It was traced with lists, tuples or dictionaries of tensors; Neo takes tensors.",
            "trace a module whose forward takes each tensor by itself.",
        )


def _keras(model: ModelFile) -> Iterator[tuple[str, str, str]]:
    if Trait.TRUNCATED in model.traits:
        yield (
            "model-truncated",
            "The file ends before its own header says.",
            "copy or download it again, and compare its size.",
        )
    elif Trait.WEIGHTS_ONLY in model.traits:
        yield (
            "keras-weights-only",
            "It holds weights without the model's architecture.",
            "save the whole model: model.save('model.h5').",
        )


def _types(model: ModelFile) -> Iterator[tuple[str, str, str]]:
    """Say which inputs are of a type that Neo is not documented for."""
    others = [f"{i.name!r} is {i.dtype}" for i in model.inputs if i.dtype != "float32"]
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        fix = "feed float32, and convert in the model."
        if model.framework == "PYTORCH":
            fix = "give CompilerOptions.pytorch(dtype=...) where the type is one of them."
        yield (
            "input-dtype",
            f"Neo takes inputs for float32 by itself: {listed(others[:_SHOWN])}{more}.",
            fix,
        )
