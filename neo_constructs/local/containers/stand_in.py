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
    made = [*_torch(model_dir, shapes), *_mxnet(model_dir), *_tensorflow(model_dir)]
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

    # Rests on A-NEO-07.
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


def _tensorflow(model_dir: Path) -> Iterator[str]:
    """Make a SavedModel of a frozen graph, as Neo does of either."""
    frozen = [f for f in sorted(model_dir.iterdir()) if f.suffix in {".pb", ".pbtxt"}]
    if len(frozen) != 1 or frozen[0].stem == "saved_model":
        return
    import tensorflow as tf
    from google.protobuf import text_format

    graph = tf.compat.v1.GraphDef()
    if frozen[0].suffix == ".pb":
        graph.ParseFromString(frozen[0].read_bytes())
    else:
        text_format.Parse(frozen[0].read_text(), graph)
    taken = {name.lstrip("^").partition(":")[0] for node in graph.node for name in node.input}
    inputs = [node.name for node in graph.node if node.op == "Placeholder"]
    outputs = [n.name for n in graph.node if n.name not in taken and n.op not in _NO_OUTPUT]
    with tf.Graph().as_default() as whole, tf.compat.v1.Session(graph=whole) as session:
        tf.import_graph_def(graph, name="")
        tf.compat.v1.saved_model.simple_save(
            session,
            str(model_dir / "1"),
            {name: whole.get_tensor_by_name(f"{name}:0") for name in inputs},
            {name: whole.get_tensor_by_name(f"{name}:0") for name in outputs},
        )
    yield f"1/saved_model.pb of {frozen[0].name}"


_NO_OUTPUT = frozenset({"NoOp", "Placeholder", "Const", "Assert"})
