"""The two handlers of TensorFlow Serving's container."""

import json


def input_handler(data, context):
    """Return the body that TensorFlow Serving gets."""
    body = json.loads(data.read().decode("utf-8"))
    return json.dumps({"instances": body["pixels"]})


def output_handler(response, context):
    """Return the reply's body and its type."""
    if response.status_code != 200:
        raise ValueError(response.content.decode("utf-8"))
    return response.content, context.accept_header
