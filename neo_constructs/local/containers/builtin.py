"""XGBoost's container: a handler of its own, for CSV and libsvm.

Follows neo_template_xgboost.py of neo-ai/neo-ai-dlr, with XGBoost itself in place of the compiled
model.
"""

from __future__ import annotations

import csv
import io
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

Reply = tuple[int, str, bytes]
LIBSVM = ("text/libsvm", "text/x-libsvm")


def load(model_dir: Path, _script: Path, _options: dict[str, Any]) -> Callable[..., Reply]:
    """Load the model."""
    import numpy as np

    width, predict = _model(model_dir)

    def rows(payload: str, content_type: str) -> Any:
        lines = payload.rstrip().split("\n")
        if content_type in LIBSVM:
            return _sparse(lines, width, np)
        if content_type == "text/csv":
            delimiter = csv.Sniffer().sniff(lines[0]).delimiter
            return np.array([line.split(delimiter) for line in lines]).astype(float)
        raise ValueError(
            "ClientError: Invalid content type. Accepted content types are "
            f'"text/libsvm" and "text/csv". Received {content_type}'
        )

    def handle(payload: bytes, content_type: str, _accept: str) -> Reply:
        if not content_type:  # the template raises, and answers 500
            return 500, "text/plain", b"Internal Server Error occured"
        try:
            found = np.asarray(predict(rows(payload.decode(), content_type)))
            # One value for each row is one line of the reply, as the template writes it.
            found = found.reshape((1, -1)) if found.ndim == 1 or found.shape[1] == 1 else found
            with io.StringIO() as text:
                np.savetxt(text, found, delimiter=",", newline="\n")
                return 200, "text/csv", text.getvalue().encode()
        except Exception as error:
            traceback.print_exc()
            if str(error).startswith("ClientError:"):
                return 400, "text/plain", str(error).encode()
            return 500, "text/plain", b"Internal Server Error occured"  # as the template spells it

    return handle


def _sparse(lines: list[str], width: int, np: Any) -> Any:
    """Return rows of libsvm as an array; what is not named is missing."""
    entries = [
        (row, int(column), float(value))
        for row, line in enumerate(lines)
        for column, _, value in (e.partition(":") for e in line.split(" ") if ":" in e)
    ]
    last = max((column for _, column, _ in entries), default=0)
    if last >= width:
        raise ValueError(f"column {last} of a model with {width} features")
    found = np.full((1 + max((row for row, _, _ in entries), default=0), width), np.nan)
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

    def predict(rows: Any) -> Any:
        return booster.predict(xgboost.DMatrix(rows), validate_features=False)

    return booster.num_features(), predict
