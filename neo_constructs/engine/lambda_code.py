"""Find the Lambda's sources: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import aws_lambda as lambda_

_PACKAGE = Path(__file__).parent.parent


def lambda_folder() -> Path:
    """Return the folder with the Lambda's sources."""
    installed = _PACKAGE / "_lambda"
    return installed if installed.is_dir() else _PACKAGE.parent / "lambda"


def lambda_code() -> lambda_.AssetCode:
    """Return the Lambda's code as an asset; its hash is the same from a checkout and a wheel."""
    # Without the exclusion, running the tests would change the asset's hash.
    return lambda_.Code.from_asset(
        str(lambda_folder()), exclude=["**/__pycache__", "**/.*", "**/*.pyc"]
    )
