"""The stacks of examples/hosting and of examples/recommended, for tests."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from tests.templates.stacks import Json, template

_EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"examples_{name}", _EXAMPLES / name / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FEATURES: dict[str, Callable[[cdk.Stack], Any]] = {
    **_load("hosting").FEATURES,
    "recommended": _load("recommended").recommended,
}


def built(name: str, env: cdk.Environment | None = None) -> Json:
    """Return the template of a feature's stack."""
    scope = cdk.Stack(cdk.App(), "Stack", env=env)
    FEATURES[name](scope)
    return template(scope)
