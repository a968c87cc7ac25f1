"""Every code is reached; a single fault is a single finding; what is good passes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from neo_constructs.findings.codes import CODES
from neo_constructs.findings.finding import Level
from tests.corpus import assemblies, constructs, files, hosting, jobs, recommender, settings
from tests.corpus.case import Case, codes

CASES = [
    *jobs.CASES,
    *files.CASES,
    *settings.CASES,
    *constructs.CASES,
    *hosting.CASES,
    *recommender.CASES,
    *assemblies.CASES,
]
MANY = [*jobs.MANY, *settings.MANY, *constructs.MANY]


def name(case: Case) -> str:
    return f"{case.about}: {case.title}"


@pytest.mark.parametrize("case", [*CASES, *MANY], ids=name)
def test_exactly_what_is_wrong_is_said(case: Case, tmp_path: Path) -> None:
    found = case.run(tmp_path)
    assert codes(found, Level.ERROR) == sorted(case.errors)
    assert codes(found, Level.WARNING) == sorted(case.warnings)
    text = " ".join(str(finding) for finding in found)
    for part in case.says:
        assert part in text
    assert all(finding.where and finding.message.endswith((".", "?", "]")) for finding in found)


def test_every_code_has_a_bad_case_and_a_good_one() -> None:
    for code in CODES:
        about = [case for case in CASES if case.about == code]
        assert any(case.is_bad for case in about), f"nothing reaches {code}"
        assert any(not case.is_bad for case in about), f"no good case is near {code}"
    assert {case.about for case in CASES} == set(CODES)


def test_a_single_fault_is_a_single_finding() -> None:
    """Findings beside the one a case is about are doubts of their own, or the same fault twice."""
    for case in CASES:
        said = [*case.errors, *case.warnings]
        assert said.count(case.about) == case.is_bad, name(case)
        assert {*said} - {case.about} <= {"framework-doubtful", "quota-doubles"}, name(case)


def test_cases_differ() -> None:
    twice = [title for title, times in Counter(map(name, [*CASES, *MANY])).items() if times > 1]
    assert twice == []
