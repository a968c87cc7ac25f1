"""ListModelMetadata: a few of the models that Inference Recommender knows, in its words.

The names are those of the developer guide's examples (page inference-recommender-prerequisites) and
of public model zoos; the service lists more, and its list changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from neo_constructs.sandbox.sagemaker import requests

_KEYS: Final = ("Domain", "Task", "Framework", "FrameworkVersion", "Model")
_MODELS: Final = (
    ("COMPUTER_VISION", "IMAGE_CLASSIFICATION", "PYTORCH", "1.7.1", "resnet18"),
    ("COMPUTER_VISION", "IMAGE_CLASSIFICATION", "PYTORCH", "1.7.1", "resnet50"),
    ("COMPUTER_VISION", "IMAGE_CLASSIFICATION", "TENSORFLOW", "2.4.1", "xceptionV1-keras"),
    ("COMPUTER_VISION", "OBJECT_DETECTION", "TENSORFLOW", "1.15.5", "ssd-mobilenet"),
    ("NATURAL_LANGUAGE_PROCESSING", "FILL_MASK", "PYTORCH", "1.7.1", "bert-base-cased"),
    ("MACHINE_LEARNING", "REGRESSION", "XGBOOST", "1.3", "xgboost"),
)


def list_metadata(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the models that all filters fit, a page at a time."""
    filters = (parameters.get("SearchExpression") or {}).get("Filters", [])
    rows = [dict(zip(_KEYS, each, strict=True)) for each in _MODELS]
    found = [row for row in rows if all(row[f["Name"]] == f["Value"] for f in filters)]
    shown, following = requests.page(found, {"MaxResults": 100, **parameters})
    return {"ModelMetadataSummaries": shown, **following}
