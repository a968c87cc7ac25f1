"""Without an extra, a verb that needs it says so in one line, and the others work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
EXTRAS = frozenset(
    {
        "boto3", "botocore", "isal", "ministack", "numpy", "onnxruntime", "sagemaker_inference",
        "starlette", "uvicorn",
    }
)  # fmt: skip
# As on a machine that has nothing but the library's own dependencies.
WITHOUT = f"""
import sys

found_by = list(sys.meta_path)

class Others:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {set(EXTRAS)!r}:
            specs = (finder.find_spec(name, path, target) for finder in found_by)
            return next((spec for spec in specs if spec), None)

sys.meta_path[:] = [Others()]
from neo_constructs.cli.main import neo
neo()
"""


def without_extras(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("sandbox", "run", "--", "true"), "sandbox"),
        (("run", DIGITS / "digits.onnx", "--code", DIGITS / "code", "--serve"), "local"),
    ],
)
def test_one_line_names_the_extra(arguments: tuple[str | Path, ...], extra: str) -> None:
    done = without_extras(*arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"pip install 'neo-constructs[{extra}]'" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("sandbox", "--help"),
        ("validate", DIGITS / "digits.onnx"),
        ("image", "--framework", "pytorch:2.0", "--target", "ml_c5", "--region", "eu-west-1"),
    ],
)
def test_what_needs_no_extra_works_without(arguments: tuple[str | Path, ...]) -> None:
    done = without_extras(*arguments)
    assert done.returncode == 0, done.stderr
