"""The named faults of the engine: each can be made, and some are, to see that someone notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lifecycle.mutations import MUTATIONS, SIMULATION, Mutation, fails, mutated

HANDFUL = ("a Delete removes the record", "an engine that breaks answers")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.row)
def test_a_fault_can_be_made(mutation: Mutation, tmp_path: Path) -> None:
    """Its text stands once in the engine, so that the fault is still one."""
    assert mutated(mutation, tmp_path).is_dir()


def test_no_fault_is_named_twice() -> None:
    assert len({m.row for m in MUTATIONS}) == len(MUTATIONS)
    assert set(HANDFUL) <= {m.row for m in MUTATIONS}


@pytest.mark.parametrize("row", HANDFUL)
def test_the_simulation_notices(row: str, tmp_path: Path) -> None:
    (mutation,) = [m for m in MUTATIONS if m.row == row]
    assert fails(mutated(mutation, tmp_path), SIMULATION)
