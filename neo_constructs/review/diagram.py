"""A small picture of what serves what, as Mermaid's text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from neo_constructs.review.cards import (
    APPROVED,
    ARCHIVE,
    COMPILATION,
    CONFIG,
    ENDPOINT,
    MODEL,
    PACKAGE,
    RECOMMENDATION,
)
from neo_constructs.review.values import Assembly, Key

# The form of a node says its kind.
_SHAPES: Final = {
    COMPILATION: ("[/", "/]", "compiles"),
    RECOMMENDATION: ("[/", "/]", "measures"),
    ARCHIVE: ("[/", "/]", "writes the script"),
    APPROVED: ("[/", "/]", "finds the version"),
    PACKAGE: ("[(", ")]", "version"),
    MODEL: ("[", "]", "model"),
    CONFIG: ("[", "]", "configuration"),
    ENDPOINT: ("([", "])", "endpoint"),
}
MAX_NODES: Final = 60


def mermaid(assembly: Assembly) -> str:
    """Return a flow chart of jobs, models and endpoints; empty if there are too many to read."""
    exact = [found for found in assembly.resources(*_SHAPES) if found[1]["Type"] in _SHAPES]
    if not 0 < len(exact) <= MAX_NODES:
        return ""
    names = {key: f"n{number}" for number, (key, _) in enumerate(exact)}
    lines = ["flowchart LR"]
    for key, resource in exact:
        left, right, does = _SHAPES[resource["Type"]]
        lines.append(f'  {names[key]}{left}"{_label(assembly.title(key))}<br/>{does}"{right}')
    lines += [f"  {names[start]} --> {names[end]}" for start, end in _arrows(assembly, names)]
    return "\n".join(lines)


def _arrows(assembly: Assembly, names: dict[Key, str]) -> Iterator[tuple[Key, Key]]:
    for end in names:
        stack, resource = assembly.stacks[end.stack], assembly.resource(end)
        given = resource.get("Properties")
        starts = {source.key for source in assembly.sources(stack, given)}
        yield from ((start, end) for start in sorted(starts & set(names)) if start != end)


def _label(text: str) -> str:
    """Return a text that Mermaid shows as it is."""
    escaped = {'"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;", "`": "'", "%": "#37;"}
    return "".join(escaped.get(c, c if c.isprintable() else "?") for c in text)[:80]
