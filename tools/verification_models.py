"""Write the digits network in the other frameworks' forms, for the endpoints of ``neo verify``.

    pip install tensorflow-cpu scikit-learn onnx
    python tools/verification_models.py

Takes the weights that examples/digits/train.py has left in digits.onnx, so that all endpoints
answer alike: a frozen TensorFlow graph, and MXNet's symbol and parameters, in the format that
mxnet 1.9.1 writes (tests/models/make_mxnet.py). The trees are XGBoost's own, trained on the same
images by xgboost 1.3.3 and written in its binary form, which Neo's XGBoost reads:

    PYTHONPATH=FOLDER_OF_XGBOOST_1.3.3 python tools/verification_models.py trees
"""

from __future__ import annotations

import json
import shutil
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
DIGITS = PROJECT / "examples" / "digits"
MODELS = PROJECT / "neo_constructs" / "verification_stacks" / "models"


def main() -> None:
    """Write them all, or the trees alone."""
    (MODELS / "mxnet").mkdir(exist_ok=True, parents=True)
    if sys.argv[1:] == ["trees"]:
        write_trees()
        return
    import onnx
    from onnx import numpy_helper

    weights = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load(DIGITS / "digits.onnx").graph.initializer
    }
    shutil.copy(DIGITS / "digits.onnx", MODELS / "digits.onnx")
    shutil.copy(DIGITS / "pytorch" / "model.pth", MODELS / "digits.pth")
    write_mxnet(weights)
    write_tensorflow(weights)


def write_mxnet(weights: dict[str, Any]) -> None:
    """Write the symbol, and the parameters beside it."""
    nodes: list[dict[str, Any]] = [{"op": "null", "name": "data", "inputs": []}]

    def layer(name: str, hidden: int, source: int) -> int:
        attributes = {"num_hidden": str(hidden)}
        first = len(nodes)
        for part in ("weight", "bias"):
            nodes.append(
                {"op": "null", "name": f"{name}_{part}", "attrs": attributes, "inputs": []}
            )
        inputs = [[source, 0, 0], [first, 0, 0], [first + 1, 0, 0]]
        nodes.append({"op": "FullyConnected", "name": name, "attrs": attributes, "inputs": inputs})
        return len(nodes) - 1

    hidden = layer("hidden", 64, 0)
    active = {"op": "Activation", "name": "active", "attrs": {"act_type": "relu"}}
    nodes.append({**active, "inputs": [[hidden, 0, 0]]})
    scores = layer("scores", 10, len(nodes) - 1)
    nodes.append({"op": "softmax", "name": "probabilities", "inputs": [[scores, 0, 0]]})
    symbol = {
        "nodes": nodes,
        "arg_nodes": [n for n, node in enumerate(nodes) if node["op"] == "null"],
        "node_row_ptr": list(range(len(nodes) + 1)),
        "heads": [[len(nodes) - 1, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10901]},
    }
    (MODELS / "mxnet" / "model-symbol.json").write_text(json.dumps(symbol, indent=1) + "\n")
    arrays = {
        "arg:hidden_weight": weights["weights_1"].T,
        "arg:hidden_bias": weights["bias_1"],
        "arg:scores_weight": weights["weights_2"].T,
        "arg:scores_bias": weights["bias_2"],
    }
    (MODELS / "mxnet" / "model-0000.params").write_bytes(mxnet_parameters(arrays))


def mxnet_parameters(arrays: dict[str, Any]) -> bytes:
    """Return float arrays in the format of ``mxnet.nd.save``."""
    out = struct.pack("<QQQ", 0x112, 0, len(arrays))
    for array in arrays.values():
        # Dense, its dimensions, on the processor, float32.
        out += struct.pack("<IiI", 0xF993FAC9, 0, array.ndim)
        out += struct.pack(f"<{array.ndim}q", *array.shape)
        out += struct.pack("<iii", 1, 0, 0)
        out += array.astype("<f4").tobytes()
    out += struct.pack("<Q", len(arrays))
    for name in arrays:
        out += struct.pack("<Q", len(name)) + name.encode()
    return out


def write_tensorflow(weights: dict[str, Any]) -> None:
    """Write a frozen graph: pixels [1, 64] from 0 to 1, to probabilities [1, 10]."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.float32, (1, 64), "pixels")
        hidden = tf.nn.relu(tf.matmul(pixels, weights["weights_1"]) + weights["bias_1"])
        scores = tf.matmul(hidden, weights["weights_2"]) + weights["bias_2"]
        tf.nn.softmax(scores, name="probabilities")
    tf.io.write_graph(graph, str(MODELS), "digits.pb", as_text=False)


def write_trees() -> None:
    """Write a small booster, trained on the digits."""
    import xgboost
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    with tempfile.TemporaryDirectory() as folder:
        # As text: that version's DMatrix takes no arrays of numpy 2.
        rows = Path(folder, "digits.libsvm")
        with rows.open("w") as out:
            for image, label in zip(images / 16, labels, strict=True):
                out.write(f"{label} {' '.join(f'{n}:{v}' for n, v in enumerate(image))}\n")
        booster = xgboost.train(
            {"max_depth": 3, "objective": "multi:softprob", "num_class": 10, "seed": 7},
            xgboost.DMatrix(str(rows)),
            num_boost_round=3,
        )
    booster.save_model(str(MODELS / "digits.model"))


if __name__ == "__main__":
    main()
