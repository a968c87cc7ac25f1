"""A review as text, as Markdown for a comment, and as JSON."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from neo_constructs.review.quoting import parts, unmarked
from neo_constructs.review.report import Block, Diagram, Facts, Heading, Points, Review, blocks

WIDTH: Final = 100
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>#|~])")


def as_text(review: Review) -> str:
    """Return a review for a terminal."""
    return "\n".join(line for block in blocks(review) for line in _text_lines(block)).strip() + "\n"


def _text_lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(text, depth):
            yield ""
            line = " ".join(unmarked(text, "").split())
            yield line
            if depth == 1:
                yield "=" * min(WIDTH, len(line))
        case Facts(rows):
            width = max(len(name) for name, _ in rows)
            for name, value in rows:
                yield from _wrapped(f"  {name:<{width}}  ", value)
        case Points(items):
            for path, text in items:
                said = unmarked(text, "")
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
    lines, is_folded = list[str](), False
    for block in blocks(review):
        if isinstance(block, Heading) and block.depth == 1:
            lines += ["", "</details>"] if is_folded else []
            is_folded = block.is_folded
            if is_folded:
                lines += ["", f"<details><summary>{_plain(block.text)}</summary>"]
                continue
        lines += _markdown_lines(block)
    lines += ["", "</details>"] if is_folded else []
    return "\n".join(lines).lstrip() + "\n"


def _markdown_lines(block: Block) -> Iterator[str]:
    yield ""
    match block:
        case Heading(text, depth):
            yield f"{'#' * (depth + 2)} {_sentence(text)}"
        case Facts(rows):
            yield "| | |"
            yield "|---|---|"
            for name, value in rows:
                # In a table, GitHub takes the backslash away again.
                yield f"| {_plain(name)} | {_code(value).replace('|', chr(92) + '|')} |"
        case Points(items):
            for path, text in items:
                said = _sentence(text)
                yield f"- {_code(path)}: {said}" if path else f"- {said}"
        case Diagram(text):
            yield "```mermaid"
            yield text
            yield "```"


def _sentence(text: str) -> str:
    """Return a sentence, with what is quoted in it as code."""
    return "".join(_code(part) if is_quoted else _plain(part) for part, is_quoted in parts(text))


def _code(text: str) -> str:
    """Return a text as code: nothing in it is markup, a mention or a link."""
    one_line = " ".join(text.split())
    if not one_line:
        return ""
    longest = max((len(run) for run in re.findall("`+", one_line)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{one_line}{space}{fence}"


def _plain(text: str) -> str:
    """Return our own words as they are: nothing in them is markup."""
    return _SPECIAL.sub(r"\\\1", re.sub(r"\s+", " ", text))


def as_json(review: Review) -> str:
    """Return a review as one JSON object, indented, in an order that never varies."""
    return json.dumps(_plain_data(asdict(review)), indent=1) + "\n"


def _plain_data(value: Any) -> Any:
    if isinstance(value, str):
        return unmarked(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, dict):
        return {key: _plain_data(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_data(each) for each in value]
    return value
