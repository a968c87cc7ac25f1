"""Every deliberate difference is a real one."""

from __future__ import annotations

import pytest

from neo_constructs.findings.errors import ValidationError
from tests.oracle.differences import DIFFERENCES, NO_ANSWER, Difference


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: str(row.what))
def test_the_two_answers_are_as_the_table_says(row: Difference) -> None:
    assert row.they_say != row.we_say
    assert row.reason
    try:
        theirs = str(row.sdk())
    except (ValueError, FileNotFoundError):
        theirs = NO_ANSWER
    try:
        ours = str(row.ours())
    except ValidationError:
        ours = NO_ANSWER
    assert theirs.endswith(row.they_say)
    assert ours.endswith(row.we_say)
