"""Mark what stands in a template, so that a renderer can show it as it is and as nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_BEGIN: Final = "\x02"
_END: Final = "\x03"
_QUOTED: Final = re.compile(f"{_BEGIN}([^{_BEGIN}{_END}]*){_END}")


def quoted(text: str) -> str:
    """Return a stranger's text, marked."""
    return f"{_BEGIN}{text.replace(_BEGIN, '?').replace(_END, '?')}{_END}"


def parts(text: str) -> Iterator[tuple[str, bool]]:
    """Yield a sentence's parts: the sentence's own words, and what is quoted in it."""
    for number, part in enumerate(_QUOTED.split(text)):
        if part:
            yield part, bool(number % 2)


def unmarked(text: str, mark: str = "`") -> str:
    """Return a sentence with what is quoted between two marks."""
    return _QUOTED.sub(lambda found: f"{mark}{found[1]}{mark}", text)
