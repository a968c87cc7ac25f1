"""Mutation testing of the engine's decisions: every small change of them must be noticed.

    python tools/mutate_reconcile.py

Prints how many mutants there were and how many were killed by tests/unit/test_reconcile.py, and
the survivors with their differences. Exits 1 if there are any.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parent.parent
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
TESTS = "tests/unit/test_reconcile.py"
# mutmut finds a module by its path from where it runs, so the package stands at the top there.
SETTINGS = f"""
[tool.mutmut]
source_paths = ["neo_jobs/kinds/job_rules.py"]
pytest_add_cli_args_test_selection = ["{TESTS}"]
also_copy = ["neo_jobs", "tests"]
[tool.pytest.ini_options]
pythonpath = ["."]
"""


def main() -> int:
    """Mutate, test, and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        with (folder / "log").open("w") as log:
            subprocess.run([MUTMUT, "run"], cwd=folder, stdout=log, stderr=log, check=True)
        ask(folder, "export-cicd-stats")
        stats = json.loads((folder / "mutants" / "mutmut-cicd-stats.json").read_text())
        survivors = [line.split(":")[0] for line in ask(folder, "results") if ":" in line]
        for survivor in survivors:
            print("\n".join(ask(folder, "show", survivor)))
    print(f"job_rules.py: {stats['total']} mutants, {stats['killed']} killed")
    return int(stats["killed"] != stats["total"])


def prepare(folder: Path) -> None:
    """Copy what the tests need, and nothing else."""
    shutil.copytree(PROJECT / "lambda" / "neo_jobs", folder / "neo_jobs")
    for file in (TESTS, "tests/lifecycle/events.py", "tests/lifecycle/rights.py"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / file, folder / file)
    for package in ("tests", "tests/unit", "tests/lifecycle"):
        (folder / package / "__init__.py").touch()
    (folder / "pyproject.toml").write_text(SETTINGS)


def ask(folder: Path, *arguments: str) -> list[str]:
    """Return what mutmut says, line by line."""
    done = subprocess.run(
        [MUTMUT, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return [line.strip() for line in done.stdout.splitlines()]


if __name__ == "__main__":
    sys.exit(main())
