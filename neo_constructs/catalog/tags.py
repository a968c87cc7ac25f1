"""The tags that SageMaker takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import shortened

# Source: botocore, Tag and TagList; "aws:" is AWS's own, as CreateCompilationJob says.
MAX_TAGS: Final = 50
MAX_KEY: Final = 128
MAX_VALUE: Final = 256


def check_tags(tags: Mapping[str, str], where: str = "tags") -> list[Finding]:
    """Say what is wrong with tags."""
    problems = []
    if len(tags) > MAX_TAGS:
        problems.append((f"There are {len(tags)} tags. Allowed: {MAX_TAGS}.", "leave some out."))
    for key, value in tags.items():
        shown = shortened(repr(key), 80)
        if not 1 <= len(key) <= MAX_KEY:
            message = f"The key {shown} has {len(key)} characters. Allowed: 1 to {MAX_KEY}."
            problems.append((message, "choose a shorter one."))
        elif key.lower().startswith("aws:"):
            message = f"The key {shown} starts with 'aws:', which only AWS gives."
            problems.append((message, "choose another one."))
        if len(value) > MAX_VALUE:
            message = f"The value of {shown} has {len(value)} characters. Allowed: {MAX_VALUE}."
            problems.append((message, "choose a shorter one."))
    return [Finding(code="tags", where=where, message=m, fix=fix) for m, fix in problems]
