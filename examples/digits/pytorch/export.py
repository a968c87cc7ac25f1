"""Write the digits network as TorchScript, the form that Neo takes of PyTorch models.

    pip install torch==2.0.1 "numpy<2" onnx
    python examples/digits/pytorch/export.py

Takes the weights that train.py has left in digits.onnx, and writes model.pth: traced in evaluation
mode by PyTorch 2.0, the newest that Neo compiles. Then says how good it is on the held-out images,
and how far its answers are from the ONNX network's arithmetic.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

HERE = Path(__file__).parent
DIGITS = HERE.parent


def main() -> None:
    """Export, and compare."""
    weights = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in onnx.load(DIGITS / "digits.onnx").graph.initializer
    }
    network = build(weights).eval()
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.zeros(1, 1, 8, 8))
    traced.save(str(HERE / "model.pth"))

    with np.load(DIGITS / "held_out.npz") as data:
        images, labels = data["images"].astype(np.float32) / 16, data["labels"]
    loaded = torch.jit.load(str(HERE / "model.pth"))
    with torch.no_grad():
        found = np.stack([loaded(torch.from_numpy(i[None, None])).numpy()[0] for i in images])
    right = int((found.argmax(axis=1) == labels).sum())
    distance = float(np.abs(found - expected(weights, images)).max())
    print(f"PyTorch {torch.__version__}: {right} of {len(labels)} right, off by {distance:.1e}")


def build(weights: dict[str, torch.Tensor]) -> nn.Module:
    """Return the network: pixels [1, 1, 8, 8] from 0 to 1, to probabilities [1, 10]."""
    hidden, scores = nn.Linear(64, 64), nn.Linear(64, 10)
    for layer, number in ((hidden, 1), (scores, 2)):
        layer.weight.data = weights[f"weights_{number}"].T.contiguous()
        layer.bias.data = weights[f"bias_{number}"]
    return nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), scores, nn.Softmax(dim=1))


def expected(weights: dict[str, torch.Tensor], images: np.ndarray) -> np.ndarray:
    """Return the probabilities by plain arithmetic."""
    named = {name: tensor.numpy() for name, tensor in weights.items()}
    active = np.maximum(images.reshape(-1, 64) @ named["weights_1"] + named["bias_1"], 0)
    scores = active @ named["weights_2"] + named["bias_2"]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


if __name__ == "__main__":
    main()
