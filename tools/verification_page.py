"""Write docs/verification.md's table: which assumption is asked, how, and which is not, and why.

python -m tools.verification_page
"""

from __future__ import annotations

import re
from pathlib import Path

from neo_constructs.verification.costs import estimate
from neo_constructs.verification.no_probe import NO_PROBE
from neo_constructs.verification.probes import PROBES
from neo_constructs.verification.stack_names import DEPLOYED

PAGE = Path(__file__).parent.parent / "docs" / "verification.md"
START, END = "<!-- probes: start -->", "<!-- probes: end -->"


def table() -> str:
    """Return the two lists, as Markdown."""
    whole = estimate(PROBES, DEPLOYED)
    lines = [
        f"{len(PROBES) + len(NO_PROBE)} assumptions: {len(PROBES)} are asked, {len(NO_PROBE)} are "
        f"not. All together: about {whole.minutes:.0f} minutes and ${whole.dollars:.2f} in "
        f"us-east-1: {whole.arithmetic}.",
        "",
        "| asked | what is done | minutes, about |",
        "|---|---|---|",
        *(f"| {probe.id} | {probe.does} | {probe.minutes:.0f} |" for probe in PROBES),
        "",
        "| not asked | why |",
        "|---|---|",
        *(f"| {name} | {why} |" for name, why in NO_PROBE.items()),
    ]
    return "\n".join(lines)


def page(text: str) -> str:
    """Return the page with today's table."""
    pattern = re.compile(f"{re.escape(START)}.*{re.escape(END)}", re.DOTALL)
    return pattern.sub(lambda _: f"{START}\n\n{table()}\n\n{END}", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
