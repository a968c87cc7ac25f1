"""Answers digits, and says how it was called: for ``neo verify``."""

import json
import os
import sys

import numpy as np

SHAPE = (1, 1, 8, 8)
called = {}


def neo_preprocess(payload, content_type):
    """Turn 8 rows of 8 numbers from 0 to 16 into the model's input; anything else into zeros."""
    called.clear()
    called.update(type=type(payload).__name__, content_type=content_type, pid=os.getpid())
    called.update(python=sys.version.split()[0], environment=sorted(os.environ))
    is_parsed = not isinstance(payload, (str, bytes, bytearray))
    try:
        image = np.array(payload if is_parsed else json.loads(payload), dtype=np.float32)
    except (ValueError, TypeError):
        image = np.zeros(64, dtype=np.float32)
    if image.size != 64:
        image = np.zeros(64, dtype=np.float32)
    return image.reshape(SHAPE) / 16


def neo_postprocess(result):
    """Return the ten probabilities, and how the script was called."""
    scores = np.asarray(result).reshape(-1).tolist()
    return json.dumps({"scores": scores, "called": called}), "application/json"
