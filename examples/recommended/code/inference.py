"""The digits endpoint's script, for the deep learning container that serves the model as it is.

``../../digits/pytorch/code`` has the one for the container that serves what Neo has compiled.
"""

import json
from pathlib import Path

import torch


def model_fn(model_dir):
    """Load the model as it was saved."""
    return torch.jit.load(str(Path(model_dir) / "model.pth"), map_location="cpu").eval()


def input_fn(request_body, content_type):
    """Turn one image, 8 rows of 8 numbers from 0 to 16 in JSON, into the model's input."""
    if content_type != "application/json":
        raise ValueError(f"send application/json, not {content_type}")
    return torch.tensor(json.loads(request_body), dtype=torch.float32).reshape(1, 1, 8, 8) / 16


def predict_fn(image, model):
    """Run the model."""
    with torch.no_grad():
        return model(image)


def output_fn(probabilities, accept):
    """Turn the ten probabilities into the digit and how sure the model is of it."""
    probability, digit = probabilities.reshape(-1).max(dim=0)
    reply = {"digit": int(digit), "probability": round(float(probability), 4)}
    return json.dumps(reply), "application/json"
