"""Write a small MXNet model: python tests/models/make_mxnet.py FOLDER

Made with mxnet 1.9.1 and numpy 1.23.5.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mxnet as mx


def main(folder: Path) -> None:
    """Write the files."""
    data = mx.sym.Variable("data")
    net = mx.sym.FullyConnected(data, num_hidden=2, name="head")
    net.save(str(folder / "model-symbol.json"))
    weights = {"arg:head_weight": mx.nd.ones((2, 4)), "arg:head_bias": mx.nd.zeros((2,))}
    mx.nd.save(str(folder / "model-0000.params"), weights)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
