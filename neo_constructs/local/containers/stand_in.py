"""What only Neo's containers have, so that scripts for them can be run without: opt-in.

Nothing here is Neo. A compiled model's files are made of the trained one's, and the modules that
the developer guide's scripts import do nothing.
"""

from __future__ import annotations

import contextlib
import pickle
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def prepare(model_dir: Path, shapes: Any) -> None:
    """Put modules and files in their places, and say so.

    Parameters
    ----------
    model_dir
        Where the trained model is.
    shapes
        Of its inputs, in order, for a sample input; None if they are not known.
    """
    made = [*_torch(model_dir, shapes), *_mxnet(model_dir)]
    sys.stderr.write(f"stand-in, not Neo: {', '.join(made) or 'nothing was needed'}\n")


def _torch(model_dir: Path, shapes: Any) -> Iterator[str]:
    """Make what Neo leaves of a TorchScript model: compiled.pt and sample_input.pkl."""
    models = [f for f in sorted(model_dir.iterdir()) if f.suffix in {".pth", ".pt"}]
    if not models:
        return
    try:
        import torch
    except ModuleNotFoundError:
        return  # a script that needs it says so itself

    @contextlib.contextmanager
    def config(*_: object, **__: object) -> Iterator[None]:
        yield

    module = types.ModuleType("torch.neo")
    vars(module)["config"] = config
    sys.modules["torch.neo"] = torch.neo = module
    yield "torch.neo"
    # Older scripts: neopytorch.config(model_dir=..., neo_runtime=True).
    older = types.ModuleType("neopytorch")
    vars(older)["config"] = lambda *_, **__: None
    sys.modules["neopytorch"] = older
    yield "neopytorch"
    compiled = model_dir / "compiled.pt"
    if not compiled.exists():
        # Frozen: like a compiled model, it needs no torch.no_grad() around it.
        model = torch.jit.load(str(models[0]), map_location="cpu").eval()
        torch.jit.freeze(model).save(str(compiled))
        yield compiled.name
    sample = model_dir / "sample_input.pkl"
    if shapes and not sample.exists():
        tensors = tuple(torch.zeros(shape) for shape in shapes)
        sample.write_bytes(pickle.dumps(tensors[0] if len(tensors) == 1 else tensors))
        yield sample.name


def _mxnet(model_dir: Path) -> Iterator[str]:
    """Give an MXNet model the names that Neo gives it."""
    symbols = sorted(model_dir.glob("*-symbol.json"))
    if not symbols:
        return
    for name in ("neomxnet", "neomx"):
        sys.modules[name] = types.ModuleType(name)
        yield name
    prefix = symbols[0].name.removesuffix("-symbol.json")
    for file, name in (
        (symbols[0], "compiled-symbol.json"),
        *((f, "compiled-0000.params") for f in sorted(model_dir.glob(f"{prefix}-*.params"))[:1]),
    ):
        if not (model_dir / name).exists():
            shutil.copyfile(file, model_dir / name)
            yield name
