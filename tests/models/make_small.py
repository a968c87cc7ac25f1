"""Write the models that the containers are compared by: python tests/models/make_small.py FOLDER

``twice.pth`` was made with torch 2.13.0, ``xgboost-1.3.json`` with xgboost 1.3.3.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np


def main(folder: Path) -> None:
    """Write what the framework that is installed can write."""
    with contextlib.suppress(ModuleNotFoundError):
        import torch

        class Twice(torch.nn.Module):
            """One input of any shape."""

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x + x

        torch.jit.trace(Twice().eval(), torch.zeros(1, 2)).save(folder / "twice.pth")
        from make_torch import without_sources

        without_sources(folder)
    with contextlib.suppress(ModuleNotFoundError):
        import xgboost

        features = np.arange(40, dtype="float32").reshape(10, 4)
        matrix = xgboost.DMatrix(features, features[:, 0] > 15)
        xgboost.train({"max_depth": 1}, matrix, 1).save_model(folder / "xgboost-1.3.json")
        classes = xgboost.DMatrix(features, np.arange(10) % 3)
        parameters = {"max_depth": 1, "objective": "multi:softprob", "num_class": 3}
        xgboost.train(parameters, classes, 1).save_model(folder / "xgboost-1.3-classes.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
