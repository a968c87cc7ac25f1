"""Golden templates: a tripwire that shows a reviewer every change. UPDATE_GOLDEN=1 rewrites."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.templates.stacks import PARTITIONS, digits_endpoint, readable, stack, template

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", PARTITIONS)
def test_the_template_is_as_reviewed(name: str) -> None:
    scope = stack(PARTITIONS[name])
    digits_endpoint(scope)
    actual = readable(template(scope))
    golden = GOLDEN / f"digits.{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(actual)
    assert actual == golden.read_text()
