"""The template most tests look at, synthesized once for a file."""

from __future__ import annotations

import pytest

from tests.templates.stacks import Json, digits_endpoint, stack, template


@pytest.fixture(scope="module")
def digits() -> Json:
    """The README's endpoint."""
    scope = stack()
    digits_endpoint(scope)
    return template(scope)
