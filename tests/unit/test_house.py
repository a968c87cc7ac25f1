"""The floors of the house: what may import what, and what loads when."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import neo_constructs
from neo_constructs.findings.codes import CODES

# Each floor knows only floors below it (docs/decisions.md). The second ladder stands on the first
# up to `plans`, and never loads the CDK.
WITHOUT_CDK = (
    "lambda_folder",
    "findings",
    "typed",
    "catalog",
    "model_formats",
    "archives",
    "scripts",
    "plans",
)
CONSTRUCTS = ("engine", "compilation", "hosting", "registry", "recommender", "patterns")
TOOLS = ("local", "sandbox", "review", "verification", "cli")
FLOORS = {
    floor: set(ladder[:number])
    for ladder in ([*WITHOUT_CDK, *CONSTRUCTS], [*WITHOUT_CDK, *TOOLS])
    for number, floor in enumerate(ladder)
}
# Stacks that `neo verify` deploys, by names that its probes know.
FLOORS["verification_stacks"] = {*WITHOUT_CDK, *CONSTRUCTS, "verification"}
WITH_CDK = (*CONSTRUCTS, "verification_stacks")


def imports(file: Path) -> Iterator[str]:
    """Yield every module a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # The containers' files run in other interpreters, where this library may not be.
            is_apart = file.parent.name == "containers"
            assert node.level == 0 or is_apart, f"{file} has a relative import"
            assert node.module
            yield node.module


def sources(floor: str, project: Path) -> list[Path]:
    package = project / "neo_constructs"
    file = package / f"{floor}.py"
    return [file] if file.is_file() else sorted((package / floor).rglob("*.py"))


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_knows_only_the_floors_below_it(floor: str, project: Path) -> None:
    files = sources(floor, project)
    assert files
    for file in files:
        for module in imports(file):
            top, _, rest = module.partition(".")
            if top == "neo_constructs" and rest:
                assert rest.split(".")[0] in {floor, *FLOORS[floor]}, f"{file} imports {module}"
            # A prediction asks the functions that decide in the account.
            asks = (floor, file.name) == ("review", "engine_inputs.py")
            assert top != "neo_jobs" or asks, f"{file} imports the Lambda"
            if floor not in WITH_CDK:
                assert top not in {"aws_cdk", "constructs", "jsii"}, f"{file} imports {module}"


def test_every_folder_is_a_floor(project: Path) -> None:
    package = project / "neo_constructs"
    folders = {f.name for f in package.iterdir() if f.is_dir() and f.name != "__pycache__"}
    files = {f.stem for f in package.glob("*.py") if not f.name.startswith("__")}
    assert folders | files == set(FLOORS)


def test_the_lambda_needs_nothing_but_the_standard_library_and_boto3(project: Path) -> None:
    files = sorted((project / "lambda").rglob("*.py"))
    assert files
    allowed = {*sys.stdlib_module_names, "boto3", "botocore", "neo_jobs"}
    for file in files:
        assert {module.split(".")[0] for module in imports(file)} <= allowed, file


def test_the_local_worker_needs_nothing_of_the_library(project: Path) -> None:
    worker = project / "neo_constructs" / "local" / "worker.py"
    assert "neo_constructs" not in {module.split(".")[0] for module in imports(worker)}


def test_the_containers_files_are_written_for_an_older_python(project: Path) -> None:
    """``neo run --python`` runs them by 3.10 or newer; the rest of the library needs 3.11."""
    local = project / "neo_constructs" / "local"
    for file in (local / "worker.py", *(local / "containers").glob("*.py")):
        ast.parse(file.read_text(), feature_version=(3, 10))


def test_every_code_is_documented(project: Path) -> None:
    text = (project / "docs" / "findings.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", text, re.MULTILINE))
    assert rows == dict(CODES)


def test_only_one_file_touches_the_emulators_private_names(project: Path) -> None:
    users = {
        file.name
        for file in (project / "neo_constructs").rglob("*.py")
        if any(module.startswith("ministack") for module in imports(file))
    }
    assert users == {"ministack_hooks.py"}


def test_the_public_names_are_the_same_for_the_type_checker(project: Path) -> None:
    tree = ast.parse((project / "neo_constructs" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    declared = {
        alias.name: node.module.removeprefix("neo_constructs.")
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert declared == neo_constructs._MODULES
    assert sorted(declared) == neo_constructs.__all__


@pytest.mark.parametrize("name", neo_constructs.__all__)
def test_every_public_name_loads_and_is_documented(name: str) -> None:
    value = getattr(neo_constructs, name)
    assert (value.__doc__ or "").strip()
    assert name in dir(neo_constructs)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="CompiledEndpont"):
        _ = getattr(neo_constructs, "CompiledEndpont")  # noqa: B009 - a type checker sees it


@pytest.mark.parametrize(
    "module",
    ["neo_constructs", "neo_constructs.catalog.images", "neo_constructs.cli.main"],
)
def test_importing_starts_neither_the_cdk_nor_an_sdk(module: str) -> None:
    code = (
        f"import sys, {module}; "
        "print([m for m in ('aws_cdk', 'jsii', 'boto3', 'botocore', 'sagemaker') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_model_says_where_its_sources_lay(project: Path) -> None:
    """PyTorch notes the paths of the machine that wrote a file."""
    models = [*(project / "tests" / "models").iterdir(), *(project / "examples").rglob("*.pth")]
    for file in models:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as packed:
                for name in packed.namelist():
                    found = re.search(
                        rb"/(?:home|work|tmp|root|Users)/[^\"]{1,80}", packed.read(name)
                    )
                    assert not found, f"{file.name}, {name}: {found}"


def test_the_kinds_of_the_engine_do_not_know_each_other(project: Path) -> None:
    """What two kinds share is the engine's; a kind of job is what its own file says."""
    kinds = project / "lambda" / "neo_jobs" / "kinds"
    jobs = {"job_names", "job_rules", "job_effects", "job_result", "older_jobs", "sagemaker_job"}
    for name, others in (("serving_archive", jobs | {"compilation"}), ("compilation", jobs)):
        known = {m.rpartition(".")[2] for m in imports(kinds / f"{name}.py") if ".kinds" in m}
        assert not known & others, f"{name} imports {known & others}"


def test_no_module_imports_itself_by_way_of_others(project: Path) -> None:
    files = {
        ".".join(file.relative_to(root).with_suffix("").parts): file
        for root in (project, project / "lambda")
        for package in ("neo_constructs", "neo_jobs")
        for file in (root / package).rglob("*.py")
        if "containers" not in file.parts
    }
    graph = {
        name: {module for module in imports(file) if module in files}
        for name, file in files.items()
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for other in graph[name]:
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())
    assert len(done) > 100
