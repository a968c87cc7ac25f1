"""Write the tables of docs/settings.md from the settings classes; ``--check`` only compares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from neo_constructs.patterns.setting_schema import not_given
from neo_constructs.patterns.settings import Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
START, END = "<!-- settings: start -->\n", "<!-- settings: end -->\n"
TITLES = {"Settings": "The stack", "EndpointSettings": "An endpoint"}


def classes(kind: type[Any], path: str = "") -> Iterator[tuple[str, type[Any]]]:
    """Yield every settings class below one, with each place it stands at."""
    inner = [
        (f"{path}{each.name}{'[]' if each.metadata['many'] else ''}", each.metadata["nested"])
        for each in fields(kind)
        if each.metadata.get("nested")
    ]
    yield path.removesuffix("."), kind
    for name, nested in inner:
        yield from classes(nested, f"{name}.")


def default_of(kind: type[Any], field: Field[Any]) -> str:
    """Return a default as the table shows it."""
    if field.name in not_given(kind, {}):
        return "needed"
    if field.default is MISSING:
        return "needed" if field.default_factory is MISSING else "none"
    if field.default is None or field.default == ():
        return "none"
    if isinstance(field.default, bool):
        return str(field.default).lower()
    if isinstance(field.default, tuple):
        return ", ".join(f"`{each}`" for each in field.default)
    return f"`{field.default:g}`" if isinstance(field.default, float) else f"`{field.default}`"


def table(kind: type[Any]) -> str:
    """Return a settings class as a table."""
    rows = [
        f"| `{each.name}` | {each.metadata['kind']} | {default_of(kind, each)} "
        f"| {each.metadata['about']} |"
        for each in fields(kind)
    ]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])


def tables() -> str:
    """Return all tables; one that several keys share stands under all their names."""
    places: dict[type[Any], list[str]] = {}
    for path, kind in classes(Settings):
        places.setdefault(kind, []).append(path)
    parts = []
    for kind, paths in places.items():
        title = TITLES.get(kind.__name__) or ", ".join(f"`{path}`" for path in paths)
        says = (kind.__doc__ or "").strip().replace("``", "`")
        parts.append(f"## {title}\n\n{says}\n\n{table(kind)}\n")
    return "\n".join(parts)


def page(text: str) -> str:
    """Return the page with its tables made anew."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{tables()}\n{END}{after}"


def main() -> int:
    """Write the page, or say that it is not up to date."""
    text = PAGE.read_text()
    if "--check" in sys.argv:
        return int(page(text) != text)
    PAGE.write_text(page(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
