"""A run's answers as a table, as JSON and as Markdown."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from neo_constructs.findings.wording import shortened
from neo_constructs.verification.answers import Verdict
from neo_constructs.verification.redaction import redacted
from neo_constructs.verification.removal import Leftover
from neo_constructs.verification.run import Result

SCHEMA = 1  # of the JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run has found.

    Parameters
    ----------
    region, account, date, version
        Where, by whom, when, and of which release of this library.
    is_emulated
        Whether it was the sandbox: then it verifies nothing.
    results
        The answers.
    leftovers
        What could not be removed.
    """

    region: str
    account: str
    date: str
    version: str
    is_emulated: bool
    results: Sequence[Result]
    leftovers: Sequence[Leftover] = ()

    def as_json(self) -> str:
        """Return it as JSON, without what identifies the account."""
        found = {
            "schema": SCHEMA,
            "region": self.region,
            "date": self.date,
            "version": self.version,
            "emulated": self.is_emulated,
            "answers": {each.probe.id: _entry(each) for each in self.results},
            "left": [f"{one.made.kind} {one.made.name}: {one.command}" for one in self.leftovers],
        }
        return json.dumps(redacted(found, self.account), indent=1, default=str) + "\n"

    def as_markdown(self) -> str:
        """Return it as Markdown: the counts, the table, and the evidence of what differs."""
        counted = ", ".join(f"{count} {verdict}" for verdict, count in counts(self.results))
        lines = [
            f"# {self.region}, {self.date}",
            "",
            f"neo_constructs {self.version}: {counted}.",
            *(["", "**Emulated: this verifies nothing.**"] if self.is_emulated else []),
            "",
            "| assumption | answer | what was seen |",
            "|---|---|---|",
            *(
                f"| {each.probe.id} | {each.answer.verdict} | {_cell(each.answer.said)} |"
                for each in self.results
            ),
        ]
        for each in self.results:
            if each.answer.verdict is Verdict.DIFFERS:
                evidence = json.dumps(each.answer.evidence, indent=1, default=str)
                lines += ["", f"## {each.probe.id}", "", each.probe.does, ""]
                lines += [f"    {line}" for line in evidence.splitlines()]
        if self.leftovers:
            lines += ["", "## What is left", ""]
            lines += [
                f"- {one.made.kind} {one.made.name}: `{one.command}`" for one in self.leftovers
            ]
        return str(redacted("\n".join(lines), self.account)) + "\n"


def counts(results: Iterable[Result]) -> list[tuple[str, int]]:
    """Return how often each verdict was given, in the order held, differs, unknown."""
    found = collections.Counter(each.answer.verdict for each in results)
    return [(verdict.value, found[verdict]) for verdict in Verdict]


def row(result: Result, account: str) -> str:
    """Return an answer as a line of a table, without what identifies the account."""
    said = str(redacted(shortened(result.answer.said, 200), account))
    return f"{result.probe.id:10} {result.answer.verdict:8} {said}"


def recordings(results: Iterable[Result], account: str) -> dict[str, Any]:
    """Return what tests can replay: requests to the echo, and reasons of failed jobs.

    Parameters
    ----------
    results
        The answers.
    account
        The account of the run, which is taken out.
    """
    events = {
        each.probe.id: each.answer.evidence["events"]
        for each in results
        if each.answer.evidence.get("events")
    }
    jobs: Any = {}
    for each in results:
        if each.probe.id == "A-NEO-15":
            jobs = each.answer.evidence.get("jobs", {})
    found: dict[str, Any] = redacted({"requests": events, "failed_jobs": jobs}, account)
    return found


def _entry(result: Result) -> dict[str, Any]:
    return {
        "verdict": result.answer.verdict.value,
        "said": result.answer.said,
        "does": result.probe.does,
        "seconds": round(result.seconds, 1),
        "evidence": result.answer.evidence,
    }


def _cell(text: str) -> str:
    return " ".join(shortened(text, 400).split()).replace("|", "\\|")
