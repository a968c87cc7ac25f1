"""An MXNet script: the two functions that Neo's container calls around the compiled model."""

import json

import numpy as np


def neo_preprocess(payload, content_type):
    """Return a request's body as an array."""
    return np.asarray(json.loads(payload)["pixels"], dtype=np.float32)


def neo_postprocess(result):
    """Return the reply's body and its type."""
    scores = np.asarray(result).tolist()
    return json.dumps({"scores": scores}), "application/json"
