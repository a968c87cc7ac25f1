"""What the two commands install: pinned, with hashes, and the same as constraints.txt says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;\\\n]+)", re.MULTILINE)


def pins(text: str) -> dict[str, str]:
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in PIN.findall(text)}


@pytest.mark.parametrize("name", ["demo", "test"])
def test_every_file_has_a_hash_and_the_version_of_the_constraints(name: str, project: Path) -> None:
    text = (project / "locks" / f"{name}.txt").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) > 50
    for entry in entries:
        assert PIN.match(entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    known = pins((project / "constraints.txt").read_text())
    locked = pins(text)
    assert {n: v for n, v in locked.items() if n in known} == {
        n: known[n] for n in locked if n in known
    }


def test_the_locks_have_all_that_is_declared(project: Path) -> None:
    declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    extras = declared["optional-dependencies"]

    def names(*lists: list[str]) -> set[str]:
        found = {re.split(r"[\[<>=;~! ]", each)[0] for given in lists for each in given}
        return {re.sub(r"[-_.]+", "-", name).lower() for name in found} - {"neo-constructs"}

    demo = set(pins((project / "locks" / "demo.txt").read_text()))
    tests = set(pins((project / "locks" / "test.txt").read_text()))
    run = names(declared["dependencies"], extras["sandbox"], extras["local"], extras["fast"])
    assert run <= demo <= tests
    assert names(extras["dev"], extras["review"]) | {"sagemaker"} <= tests
