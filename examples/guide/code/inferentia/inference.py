"""A PyTorch script for Inferentia: the model is loaded with torch.neuron."""

import json
import os

import torch
import torch.neuron


def model_fn(model_dir):
    """Load what Neo has compiled for the NeuronCores."""
    os.environ.setdefault("NEURON_RT_NUM_CORES", "1")
    return torch.jit.load(f"{model_dir}/model.pt")


def input_fn(request_body, request_content_type):
    """Return a request's body as the model takes it."""
    return torch.tensor(json.loads(request_body)["pixels"])


def predict_fn(data, model):
    """Return what the model makes of it."""
    return model(data)


def output_fn(prediction, accept):
    """Return the reply's body."""
    return json.dumps({"scores": prediction.tolist()})
