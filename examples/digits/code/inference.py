"""The digits endpoint's script, for the container that serves compiled ONNX models.

That container runs the model itself; the script turns a request into the model's input and the
model's output into a reply. It may not import a framework.
"""

import json

import numpy as np


def neo_preprocess(payload, content_type):
    """Turn one image, 8 rows of 8 numbers from 0 to 16 in JSON, into the model's input.

    The container's server gives JSON parsed, unless it is told not to: then it is text or bytes.
    """
    if content_type != "application/json":
        raise ValueError(f"send application/json, not {content_type}")
    is_parsed = not isinstance(payload, (str, bytes, bytearray))
    image = np.array(payload if is_parsed else json.loads(payload), dtype=np.float32)
    if image.shape != (8, 8):
        raise ValueError(f"an image is 8 x 8 numbers; got the shape {image.shape}")
    return image.reshape(1, 1, 8, 8) / 16


def neo_postprocess(result):
    """Turn the ten probabilities into the digit and how sure the model is of it."""
    probabilities = np.asarray(result).reshape(-1)
    digit = int(probabilities.argmax())
    reply = {"digit": digit, "probability": round(float(probabilities[digit]), 4)}
    return json.dumps(reply), "application/json"
