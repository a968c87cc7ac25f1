"""The stacks of examples/hosting, for tests."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from tests.templates.stacks import Json, template

_APP = Path(__file__).parent.parent.parent / "examples" / "hosting" / "app.py"


def _load() -> dict[str, Callable[[cdk.Stack], Any]]:
    spec = importlib.util.spec_from_file_location("examples_hosting", _APP)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Callable[[cdk.Stack], Any]] = module.FEATURES
    return found


FEATURES = _load()


def built(name: str, env: cdk.Environment | None = None) -> Json:
    """Return the template of a feature's stack."""
    scope = cdk.Stack(cdk.App(), "Stack", env=env)
    FEATURES[name](scope)
    return template(scope)
