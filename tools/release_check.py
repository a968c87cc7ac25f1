"""Go through the release checklist: what a release must have, each point shown by doing it.

    python tools/release_check.py

Builds the sdist and the wheel twice, installs the wheel alone into an environment of its own, and
looks at what is written down. Exits 1 if a point fails. Nothing is published.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[1]
# The bare library's own dependencies, and what those bring.
ALLOWED: Final = frozenset(
    {
        "annotated-doc", "attrs", "aws-cdk-asset-awscli-v1", "aws-cdk-asset-node-proxy-agent-v6",
        "aws-cdk-cloud-assembly-schema", "aws-cdk-cloud-assembly-api", "aws-cdk-lib", "cattrs",
        "click", "constructs", "importlib-resources", "jsii", "markdown-it-py", "mdurl",
        "neo-constructs", "pip", "publication", "pygments", "python-dateutil", "rich",
        "setuptools", "six", "typeguard", "typing-extensions",
    }
)  # fmt: skip
NEEDED: Final = (
    "neo_constructs/py.typed",
    "neo_constructs/_lambda/neo_jobs/handler.py",
    "neo_constructs/catalog/data/documented.json",
    "neo_constructs/catalog/data/sdk_images.json",
    "neo_constructs/local/containers/model_server.py",
)
NOT_CARRIED: Final = re.compile(r"__pycache__|\.pyc$|(^|/)\.(?!gitignore)|\.venv|cdk\.out")


class Build:
    """The artefacts of two builds, in folders of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.pairs = [self._build(folder / name) for name in ("first", "second")]

    @property
    def wheel(self) -> Path:
        """The wheel of the first build."""
        return self.pairs[0]["whl"]

    @property
    def sdist(self) -> Path:
        """The sdist of the first build."""
        return self.pairs[0]["gz"]

    @staticmethod
    def _build(out: Path) -> dict[str, Path]:
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-d", str(out)],
            cwd=PROJECT,
            check=True,
            capture_output=True,
        )
        return {file.suffix.removeprefix("."): file for file in out.iterdir()}


def version() -> str:
    """Return the version that pyproject.toml states."""
    return str(tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"])


def reproducible(build: Build) -> Iterator[str]:
    """Build twice: both have the same bytes."""
    first, second = build.pairs
    for kind, file in first.items():
        if _digest(file) != _digest(second[kind]):
            yield f"{file.name} differs between two builds"


def complete(build: Build) -> Iterator[str]:
    """Look inside: the Lambda's code, the data and the types are carried, and no rest."""
    with zipfile.ZipFile(build.wheel) as wheel:
        names = wheel.namelist()
    yield from (f"the wheel has no {name}" for name in NEEDED if name not in names)
    with tarfile.open(build.sdist) as sdist:
        inside = sdist.getnames()
    root = inside[0].partition("/")[0]
    for name in ("lambda/neo_jobs/handler.py", "neo_constructs/py.typed", "LICENSE", "README.md"):
        if f"{root}/{name}" not in inside:
            yield f"the sdist has no {name}"
    yield from (f"{name} is carried" for name in [*names, *inside] if NOT_CARRIED.search(name))


def bare(build: Build) -> Iterator[str]:
    """Install the wheel alone: it brings its four dependencies and theirs, and works."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q"]
        subprocess.run([*pip, "install", str(build.wheel)], check=True, capture_output=True)
        listed = _said([*pip, "list", "--format=freeze"])
        found = {line.partition("==")[0].lower().replace("_", "-") for line in listed.split()}
        found = {name.replace(".", "-") for name in found}
        yield from (f"{name} is installed with it" for name in sorted(found - ALLOWED))
        size = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())
        print(
            f"      wheel {build.wheel.stat().st_size / 1e6:.2f} MB, installed {size / 1e6:.0f} MB"
        )
        said = _said([str(python), "-m", "neo_constructs", "--version"], cwd=Path(folder))
        if version() not in said:
            yield f"neo --version says {said!r}"
        code = "import neo_constructs as n, pathlib; print(n.CompilationJob.__name__)"
        if "CompilationJob" not in _said([str(python), "-c", code], cwd=Path(folder)):
            yield "CompilationJob cannot be imported"


def written(_build: Build) -> Iterator[str]:
    """Read the changelog: it has the version, and what that replaces; events are recorded."""
    text = (PROJECT / "CHANGELOG.md").read_text()
    section = re.search(rf"^## {re.escape(version())}\b(.*?)(?=^## |\Z)", text, re.DOTALL | re.M)
    if section is None:
        yield f"CHANGELOG.md has no section for {version()}"
    elif "replaced" not in section[1].lower():
        yield "CHANGELOG.md does not say which resources the version replaces, or that it does not"
    recorded = PROJECT / "tests" / "lifecycle" / "recorded"
    if not any(version() in str(file.relative_to(recorded)) for file in recorded.rglob("*")):
        yield f"no events of {version()} are recorded: make record"


def pinned(_build: Build) -> Iterator[str]:
    """Read constraints.txt: every version that the two commands install is pinned."""
    for line in (PROJECT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#") and "==" not in line:
            yield f"constraints.txt does not pin {line}"


def clean(_build: Build) -> Iterator[str]:
    """Ask git: what is built is what is committed."""
    changed = _said(["git", "-C", str(PROJECT), "status", "--porcelain"])
    yield from (f"not committed: {line}" for line in changed.splitlines())


POINTS: Final[tuple[Callable[[Build], Iterator[str]], ...]] = (
    clean,
    reproducible,
    complete,
    bare,
    written,
    pinned,
)


def main() -> int:
    """Go through all points, and return 1 if one fails."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        print("building twice", flush=True)
        build = Build(Path(folder))
        for point in POINTS:
            faults = list(point(build))
            failed += bool(faults)
            print(f"{'FAIL' if faults else 'ok  '}  {point.__doc__}", flush=True)
            for fault in faults:
                print(f"      {fault}", flush=True)
    print("Then: make test-iam, make mutants, make fuzz; tag, build once more, compare, publish.")
    return int(failed > 0)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _said(command: list[str], cwd: Path | None = None) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=cwd, env=environment, check=True, capture_output=True, text=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
