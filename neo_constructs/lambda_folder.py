"""Find the Lambda's sources: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def lambda_folder() -> Path:
    """Return the folder with the Lambda's sources."""
    installed = _PACKAGE / "_lambda"
    return installed if installed.is_dir() else _PACKAGE.parent / "lambda"
