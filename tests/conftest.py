"""What every test gets: no validation of templates (one job does that), no cache of ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")

PROJECT = Path(__file__).parent.parent


# Files that mostly wait for the emulated AWS, the longest first: started last, they would keep one
# worker waiting alone at the end.
LONG = (
    "test_iam.py",
    "test_stacks.py",
    "test_hosting.py",
    "test_recommender.py",
    "test_review.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; the order within a file stays."""

    def rank(item: pytest.Item) -> int:
        is_long = item.path.parent.name == "sandbox" and item.path.name in LONG
        return LONG.index(item.path.name) if is_long else len(LONG)

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def project() -> Path:
    """The repository."""
    return PROJECT


@pytest.fixture(scope="session")
def digits() -> Path:
    """The folder of the digits example."""
    return PROJECT / "examples" / "digits"
