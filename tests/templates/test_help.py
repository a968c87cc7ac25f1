"""``help()`` of a construct says all that it has."""

from __future__ import annotations

import inspect
import re

import pytest

import neo_constructs as neo
from tests.templates.stacks import digits_endpoint, stack

INHERITED = {"env", "node", "stack", "artifacts", "physical_name"}


@pytest.mark.parametrize(
    "name",
    ["CompilationJob", "ServingArchive", "Model", "EndpointConfig", "Endpoint", "CompiledEndpoint"],
)
def test_the_attributes_of_a_construct_are_documented(name: str) -> None:
    made = digits_endpoint(stack())
    kind = getattr(neo, name)
    found = [c for c in made.node.find_all() if isinstance(c, kind)]
    assert found
    own = {a for c in found for a in vars(c) if not a.startswith("_")}
    own |= {a for a, v in vars(kind).items() if isinstance(v, property)}
    text = inspect.getdoc(kind) or ""
    section = text[text.index("Attributes\n---") :]
    for attribute in own - INHERITED:
        assert re.search(rf"^.*\b{attribute}\b", section, re.MULTILINE), attribute


def test_docstrings_point_to_public_names_only() -> None:
    for name in neo.__all__:
        text = inspect.getdoc(getattr(neo, name)) or ""
        assert not re.search(r"\bJobEngine\b", text), name
