"""XGBoost's container: a handler of its own, for CSV and libsvm.

Follows neo_template_xgboost.py of neo-ai/neo-ai-dlr, with XGBoost itself in place of the compiled
model.
"""

from __future__ import annotations

import csv
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .dlr import service
from .model_server import Context, Reply, serving

LIBSVM = ("text/libsvm", "text/x-libsvm")


def load(model_dir: Path, _script: Path, _options: dict[str, Any]) -> Callable[..., Reply]:
    """Load the model."""
    import numpy as np

    width, predict = _model(model_dir)

    def answer(payload: Any, content_type: str | None) -> tuple[str, str]:
        rows = _rows(payload, content_type, width, np)
        found = np.asarray(predict(rows)).reshape(len(rows), -1)
        # One value for each row is one line of the reply, as the template writes it.
        found = found.reshape((1, -1)) if found.shape[1] == 1 else found
        with io.StringIO() as text:
            np.savetxt(text, found, delimiter=",", newline="\n")
            return text.getvalue(), "text/csv"

    return serving(service(answer), Context(str(model_dir)), decodes=True)


def _rows(payload: Any, content_type: str | None, width: int, np: Any) -> Any:
    """Return a request's table, of at most as many columns as the model has."""
    if content_type in LIBSVM:
        return _sparse(payload.rstrip().split("\n"), width, np)
    if content_type == "text/csv":
        lines = payload.rstrip().split("\n")
        delimiter = csv.Sniffer().sniff(lines[0]).delimiter
        found = np.array([line.split(delimiter) for line in lines]).astype(float)
        _require_fit(found.shape[1], width)
        return found
    raise ValueError(
        'ClientError: Invalid content type. Accepted content types are "text/libsvm" and '
        f'"text/csv". Received {content_type}'
    )


# Rests on A-RUN-07.
def _require_fit(columns: int, width: int) -> None:
    """Refuse rows that are too long: neo-ai-dlr, src/dlr_treelite.cc. Shorter ones are padded."""
    if columns > width:
        raise ValueError(f"{columns} columns for a model with {width} features")


def _sparse(lines: list[str], width: int, np: Any) -> Any:
    """Return rows of libsvm as an array; what is not named is missing."""
    entries = [
        (row, int(parts[0]), float(parts[1]))
        for row, line in enumerate(lines)
        for parts in (entry.split(":") for entry in line.split(" ") if ":" in entry)
    ]
    if not entries:
        raise ValueError("no entry with a colon")
    height = 1 + max(row for row, _, _ in entries)
    columns = 1 + max(column for _, column, _ in entries)
    _require_fit(columns, width)
    found = np.full((height, columns), np.nan, np.float32)
    for row, column, value in entries:
        found[row, column] = value
    return found


def _model(model_dir: Path) -> tuple[int, Callable[[Any], Any]]:
    """Return how many features the model has, and what predicts."""
    import xgboost

    files = [file for file in sorted(model_dir.iterdir()) if file.is_file()]
    if len(files) != 1:
        raise ValueError(f"exactly one model file is needed; found {[f.name for f in files]}")
    (file,) = files
    if file.read_bytes()[:1] == b"\x80":  # a pickle, which XGBoost's own training script writes
        booster = pickle.loads(file.read_bytes())  # noqa: S301 - it is the user's, as the script is
        booster = booster.get_booster() if hasattr(booster, "get_booster") else booster
    else:
        booster = xgboost.Booster(model_file=str(file))
    # XGBoost 1.3.3, which Neo documents, has no num_features().
    parameters = json.loads(booster.save_config())["learner"]["learner_model_param"]

    def predict(rows: Any) -> Any:
        # Rests on A-RUN-08.
        return booster.predict(xgboost.DMatrix(rows), validate_features=False)

    return int(parameters["num_feature"]), predict
