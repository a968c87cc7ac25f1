"""The digits endpoint's script, for the container that serves compiled PyTorch models.

SageMaker's handler toolkit calls these four functions, model_fn once and the others for every
request.
"""

import json
from pathlib import Path

import torch


def model_fn(model_dir):
    """Load what Neo has compiled. ``torch.neo`` exists in Neo's container only."""
    with torch.neo.config(model_dir=model_dir, neo_runtime=True):
        return torch.jit.load(str(Path(model_dir) / "compiled.pt"), map_location="cpu")


def input_fn(request_body, content_type):
    """Turn one image, 8 rows of 8 numbers from 0 to 16 in JSON, into the model's input."""
    if content_type != "application/json":
        raise ValueError(f"send application/json, not {content_type}")
    image = torch.tensor(json.loads(request_body), dtype=torch.float32)
    if image.shape != (8, 8):
        raise ValueError(f"an image is 8 x 8 numbers; got the shape {tuple(image.shape)}")
    return image.reshape(1, 1, 8, 8) / 16


def predict_fn(image, model):
    """Run the model."""
    with torch.no_grad():
        return model(image)


def output_fn(probabilities, accept):
    """Turn the ten probabilities into the digit and how sure the model is of it."""
    probability, digit = probabilities.reshape(-1).max(dim=0)
    reply = {"digit": int(digit), "probability": round(float(probability), 4)}
    return json.dumps(reply), "application/json"
