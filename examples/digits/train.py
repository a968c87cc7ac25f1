"""Train the network of the digits example and export it within what Neo takes.

    pip install scikit-learn onnx
    python examples/digits/train.py

Writes digits.onnx (opset 12, IR version 7: ONNX 1.7) and held_out.npz, the images kept from
training with their labels, and prints the accuracy on them. The data is scikit-learn's copy of
the UCI handwritten digits: 1,797 real images of 8 x 8 pixels with values from 0 to 16.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

HERE = Path(__file__).parent
SEED = 7


def main() -> None:
    """Train, export, and say how good it is."""
    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=SEED
    )
    network = MLPClassifier(hidden_layer_sizes=(64,), alpha=1e-2, max_iter=400, random_state=SEED)
    network.fit(train_x / 16, train_y)
    onnx.save(export(network), HERE / "digits.onnx")
    np.savez_compressed(
        HERE / "held_out.npz",
        images=test_x.reshape(-1, 8, 8).astype(np.uint8),
        labels=test_y.astype(np.uint8),
    )
    accuracy = network.score(test_x / 16, test_y)
    print(f"accuracy on {len(test_y)} held-out images: {accuracy:.4f}")


def export(network: MLPClassifier) -> onnx.ModelProto:
    """Return the network as ONNX: pixels [1, 1, 8, 8] from 0 to 1, to probabilities [1, 10]."""
    (weights_1, weights_2), (bias_1, bias_2) = network.coefs_, network.intercepts_
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["pixels"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights_1", "bias_1"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["active"]),
            helper.make_node("Gemm", ["active", "weights_2", "bias_2"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"]),
        ],
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 10])],
        [
            numpy_helper.from_array(values.astype(np.float32), name)
            for name, values in (
                ("weights_1", weights_1),
                ("bias_1", bias_1),
                ("weights_2", weights_2),
                ("bias_2", bias_2),
            )
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7, producer_name="digits"
    )
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    main()
