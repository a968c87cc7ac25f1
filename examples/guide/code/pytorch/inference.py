"""The four functions of a PyTorch script, as SageMaker's handler toolkit calls them."""

import json

import torch


def model_fn(model_dir):
    """Load what Neo has compiled; `neopytorch` is in Neo's own container."""
    import neopytorch

    neopytorch.config(model_dir=model_dir, neo_runtime=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.jit.load(f"{model_dir}/compiled.pt", map_location=device)


def input_fn(request_body, request_content_type):
    """Return a request's body as the model takes it."""
    return torch.tensor(json.loads(request_body)["pixels"])


def predict_fn(data, model):
    """Return what the model makes of it."""
    with torch.no_grad():
        return model(data)


def output_fn(prediction, accept):
    """Return the reply's body."""
    return json.dumps({"scores": prediction.tolist()})
