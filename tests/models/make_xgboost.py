"""Write small XGBoost models in every format: python tests/models/make_xgboost.py FOLDER

Made with xgboost 3.2.0.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import xgboost


def main(folder: Path) -> None:
    """Write the files."""
    features = np.arange(40, dtype="float32").reshape(10, 4)
    booster = xgboost.train(
        {"max_depth": 1}, xgboost.DMatrix(features, features[:, 0] > 15), num_boost_round=1
    )
    booster.save_model(folder / "xgboost.json")
    booster.save_model(folder / "xgboost.ubj")
    (folder / "xgboost.pkl").write_bytes(pickle.dumps(booster))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
