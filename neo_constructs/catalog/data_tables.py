"""The catalog's data files, read once, when first asked for."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def sdk_images() -> Any:
    """Return the image table taken from the SageMaker SDK."""
    return _read("sdk_images")


@cache
def deep_learning_containers() -> Any:
    """Return the table of plain inference images taken from the SageMaker SDK."""
    return _read("deep_learning_containers")


@cache
def service_model() -> Any:
    """Return the enumerations taken from the service model in botocore."""
    return _read("service_model")


@cache
def documented() -> Any:
    """Return what only the documentation states."""
    return _read("documented")


def _read(name: str) -> Any:
    return json.loads((resources.files(__package__) / "data" / f"{name}.json").read_text("utf-8"))
