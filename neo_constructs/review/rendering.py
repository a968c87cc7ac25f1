"""A review as text, as Markdown for a comment, and as JSON."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from neo_constructs.review.report import Block, Diagram, Facts, Heading, Points, Review, blocks

WIDTH: Final = 100
_CODE: Final = re.compile(r"`([^`]*)`")
_SPECIAL: Final = re.compile(r"([\\*_\[\]<>#|~@])")


def as_text(review: Review) -> str:
    """Return a review for a terminal."""
    return "\n".join(line for block in blocks(review) for line in _text_lines(block)).strip() + "\n"


def _text_lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(text, depth):
            yield ""
            yield text
            if depth == 1:
                yield "=" * min(WIDTH, len(text))
        case Facts(rows):
            width = max(len(name) for name, _ in rows)
            for name, value in rows:
                yield from _wrapped(f"  {name:<{width}}  ", value)
        case Points(items):
            for path, text in items:
                said = _CODE.sub(r"\1", text)
                yield from _wrapped("  - ", f"{path}: {said}" if path else said)
        case Diagram():
            yield "  (a picture is in the Markdown form)"


def _wrapped(head: str, text: str) -> list[str]:
    one_line = " ".join(text.split())
    return textwrap.wrap(
        one_line,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [head.rstrip()]


def as_markdown(review: Review) -> str:
    """Return a review for a comment on a pull request; what is long is folded."""
    lines, is_folded = ["<!-- neo review -->"], False
    for block in blocks(review):
        if isinstance(block, Heading) and block.depth == 1:
            lines += ["", "</details>"] if is_folded else []
            is_folded = block.is_folded
            if is_folded:
                lines += ["", f"<details><summary>{_plain(block.text)}</summary>"]
                continue
        lines += _markdown_lines(block)
    lines += ["", "</details>"] if is_folded else []
    return "\n".join(lines) + "\n"


def _markdown_lines(block: Block) -> Iterator[str]:
    yield ""
    match block:
        case Heading(text, depth):
            yield f"{'#' * (depth + 2)} {_plain(text)}"
        case Facts(rows):
            yield "| | |"
            yield "|---|---|"
            for name, value in rows:
                yield f"| {_plain(name)} | {_code(value).replace('|', '&#124;')} |"
        case Points(items):
            for path, text in items:
                said = _with_code(text)
                yield f"- {_code(path)}: {said}" if path else f"- {said}"
        case Diagram(text):
            yield "```mermaid"
            yield text
            yield "```"


def _with_code(text: str) -> str:
    """Return a sentence with what stands between backticks as code, and the rest as it is."""
    parts = _CODE.split(text)
    return "".join(_code(part) if i % 2 else _plain(part) for i, part in enumerate(parts))


def _code(text: str) -> str:
    """Return a text as code: nothing in it is markup, a mention or a link."""
    one_line = " ".join(text.replace("`", "'").split())
    return f"`{one_line}`" if one_line else ""


def _plain(text: str) -> str:
    """Return a text as it is: nothing in it is markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("\\@", "&#64;")


def as_json(review: Review) -> str:
    """Return a review as one JSON object, indented, in an order that never varies."""
    return json.dumps(_plain_data(asdict(review)), indent=1, ensure_ascii=False) + "\n"


def _plain_data(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, dict):
        return {key: _plain_data(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_data(each) for each in value]
    return value
