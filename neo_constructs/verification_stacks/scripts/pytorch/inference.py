"""Answers digits, and says how it was called: for ``neo verify``.

A model that cannot be loaded is said in the reply, so that the container's reasons are seen.
"""

import json
import os
import sys

LOADED = {}


def model_fn(model_dir):
    """Load what Neo has compiled, or say why that cannot be loaded."""
    LOADED.update(files=sorted(os.listdir(model_dir)), python=sys.version.split()[0])
    LOADED.update(environment=sorted(os.environ), pid=os.getpid())
    try:
        import torch

        LOADED.update(torch=torch.__version__, has_neo=hasattr(torch, "neo"))
        with torch.neo.config(model_dir=model_dir, neo_runtime=True):
            path = os.path.join(model_dir, "compiled.pt")
            return torch.jit.load(path, map_location="cpu")
    except Exception as error:
        LOADED.update(error=repr(error)[:500])
        return LOADED


def transform_fn(model, body, content_type, accept):
    """Return the ten probabilities of 8 rows of 8 numbers, and how the script was called."""
    called = {"type": type(body).__name__, "content_type": content_type, "accept": accept}
    toolkits = sorted(m for m in sys.modules if m in ("ts", "mms", "sagemaker_inference"))
    said = dict(called, loaded=LOADED, modules=toolkits)
    scores = []
    if model is not LOADED and content_type == "application/json":
        import torch

        image = torch.tensor(json.loads(body), dtype=torch.float32).reshape(1, 1, 8, 8) / 16
        with torch.no_grad():
            scores = model(image).reshape(-1).tolist()
    return json.dumps({"scores": scores, "called": said}), "application/json"
