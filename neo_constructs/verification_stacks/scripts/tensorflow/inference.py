"""Answers digits, and says how it was called: for ``neo verify``."""

import json
import os
import sys

called = {}


def input_handler(data, context):
    """Return the body that TensorFlow Serving gets."""
    body = data.read().decode("utf-8")
    called.update(content_type=context.request_content_type, accept=context.accept_header)
    called.update(python=sys.version.split()[0], environment=sorted(os.environ), pid=os.getpid())
    called.update(has_grpc=hasattr(context, "grpc_port") and bool(context.grpc_port))
    pixels = [value / 16 for row in json.loads(body) for value in row]
    return json.dumps({"instances": [pixels]})


def output_handler(response, context):
    """Return the ten probabilities, and how the script was called."""
    if response.status_code != 200:
        called.update(error=response.content.decode("utf-8")[:500])
        return json.dumps({"scores": [], "called": called}), "application/json"
    scores = json.loads(response.content.decode("utf-8"))["predictions"][0]
    return json.dumps({"scores": scores, "called": called}), "application/json"
