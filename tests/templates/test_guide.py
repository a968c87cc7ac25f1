"""Every snippet of the documentation synthesizes, and serves what it says."""

from __future__ import annotations

import re
import runpy
from functools import partial
from pathlib import Path

import aws_cdk as cdk
import pytest

from neo_constructs.review.assembly import read_assembly
from neo_constructs.review.cards import endpoint_cards
from neo_constructs.review.values import Assembly

GUIDE = Path(__file__).parents[2] / "examples" / "guide"
SNIPPETS = sorted(GUIDE.glob("*.py"))


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda file: file.stem)
def test_a_snippet_synthesizes(
    snippet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aws_cdk.App", partial(cdk.App, outdir=str(tmp_path)))
    runpy.run_path(str(snippet))
    assembly = Assembly(read_assembly(tmp_path))
    cards = endpoint_cards(assembly)
    assert cards, "each of them ends at an endpoint"
    assert all(variant.containers[0].image for card in cards for variant in card.variants)
    errors = [m for stack in assembly.roots for m in stack.messages if m.level == "error"]
    assert errors == []


def test_every_snippet_is_shown_and_every_shown_one_is_there() -> None:
    docs = GUIDE.parents[1] / "docs"
    text = "\n".join(file.read_text() for file in docs.rglob("*.md"))
    shown = set(re.findall(r'--8<-- "examples/guide/([\w/]+\.py)"', text))
    scripts = {str(file.relative_to(GUIDE)) for file in GUIDE.rglob("*.py")}
    assert shown == scripts
