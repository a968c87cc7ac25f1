"""What the README and the guides name: files, targets, options, numbers, all of them there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import neo_constructs
from neo_constructs.catalog.framework import Framework
from neo_constructs.cli.main import VERBS
from neo_constructs.verification.no_probe import NO_PROBE
from neo_constructs.verification.probes import PROBES
from tests.containers.cases import GROUPS

PAGES = ("README.md", "CONTRIBUTING.md", "docs/engine.md", "docs/security.md", "docs/decisions.md")
# Of a deploy, of a reader's own, or of another project.
ELSEWHERE = re.compile(
    r"~/|/aws/|/opt/|/ping|/invocations|s3://|model/|site/|neo-|aws/|<|\*|\.\.\.|="
)
FILE = re.compile(r"`((?:[\w-]+/)*[\w-]+\.(?:py|md|json|txt|toml|yml|sh))`")


def text(project: Path, page: str) -> str:
    return (project / page).read_text()


def lines_of(table: str, start: str) -> list[str]:
    """Return the rows of the table whose first row starts so."""
    rows = table[table.index(start) :].split("\n\n", maxsplit=1)[0].splitlines()
    return [row for row in rows if row.startswith("|")]


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_are_there(project: Path, page: str) -> None:
    everywhere = {
        str(file.relative_to(project))
        for folder in (
            "neo_constructs",
            "lambda",
            "tests",
            "tools",
            "docs",
            "examples",
            "benchmarks",
            "locks",
        )
        for file in (project / folder).rglob("*")
        if "__pycache__" not in file.parts
    } | {file.name for file in project.iterdir()}
    found = [name for name in FILE.findall(text(project, page)) if not ELSEWHERE.search(name)]
    assert found
    missing = {
        name
        for name in found
        if not any(f"/{each}".endswith(f"/{name.rstrip('/')}") for each in everywhere)
    }
    assert missing <= NOT_OURS


# Files that a run makes, or that others have.
NOT_OURS = frozenset({"inference.py", "manifest.json", "requirements.txt"})


def test_links_lead_somewhere(project: Path) -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)", text(project, page)):
            assert target.startswith("https://") or (project / target).exists(), target


def test_every_target_of_make_is_told(project: Path) -> None:
    (line,) = re.findall(r"^\.PHONY: (.+)$", text(project, "Makefile"), re.MULTILINE)
    told = text(project, "README.md") + text(project, "CONTRIBUTING.md")
    assert {name for name in line.split() if f"make {name}" not in told} <= {"check-python"}


def test_names_of_constructs_are_public_names(project: Path) -> None:
    rows = lines_of(text(project, "README.md"), "| construct |")
    names = {name for row in rows for name in re.findall(r"`([A-Z]\w+)", row.split("|")[1])}
    assert len(names) > 12
    assert names <= set(neo_constructs.__all__)


def test_exit_codes_and_verbs_are_told_once_and_alike(project: Path) -> None:
    readme, page = text(project, "README.md"), text(project, "docs/command-line.md")
    codes = [[row.split("|")[1] for row in lines_of(each, "| code |")] for each in (readme, page)]
    assert codes[0] == codes[1]
    assert {row.split("`")[1] for row in lines_of(page, "| verb |")[2:]} == {
        f"neo {verb}" for verb in VERBS
    }


def test_numbers_are_counted(project: Path) -> None:
    readme = text(project, "README.md")
    total = len(PROBES) + len(NO_PROBE)
    assert f"checks {len(PROBES)} of the\n{total} things" in readme
    assert f"{len(PROBES)} of the {total} assumptions" in text(project, "CHANGELOG.md")
    requests = sum(len(case.requests) for cases in GROUPS.values() for case in cases)
    assert f"same {requests} requests" in readme
    changes = ast.parse(text(project, "tests/sandbox/test_review.py"))
    (count,) = [
        len(node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else node.value.keys)
        for node in changes.body
        if isinstance(node, ast.AnnAssign | ast.Assign)
        and isinstance(node.value, ast.List | ast.Tuple | ast.Dict)
        and "CHANGES"
        in ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
    ]
    assert f"{count} changes" in readme


def test_pythons_are_one_range(project: Path) -> None:
    readme = text(project, "README.md")
    declared = re.findall(
        r'"Programming Language :: Python :: (3\.\d+)"', text(project, "pyproject.toml")
    )
    newest = max(declared, key=lambda version: int(version.partition(".")[2]), default="3.14")
    assert f"Python 3.11.2 to {newest}" in readme
    assert 'requires-python = ">=3.11' in text(project, "pyproject.toml")


BY_NAME = {"onnx", "pytorch", "tensorflow", "keras", "mxnet", "xgboost"}


def test_every_framework_has_an_example_but_those_named(project: Path) -> None:
    makers = {name for name in BY_NAME if callable(getattr(Framework, name))}
    shown = "".join(file.read_text() for file in (project / "examples").rglob("*.py"))
    shown += text(project, "cdk.json")
    missing = {name for name in makers if f"Framework.{name}(" not in shown}
    # ONNX is read from the file.
    assert missing - {"onnx"} == {"keras"}
    assert "each framework but Keras" in text(project, "README.md")
