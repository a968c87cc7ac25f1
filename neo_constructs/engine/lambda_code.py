"""The Lambda's code as an asset."""

from __future__ import annotations

from aws_cdk import aws_lambda as lambda_

from neo_constructs.lambda_folder import lambda_folder


def lambda_code() -> lambda_.AssetCode:
    """Return the Lambda's code as an asset; its hash is the same from a checkout and a wheel."""
    # Without the exclusion, running the tests would change the asset's hash.
    return lambda_.Code.from_asset(
        str(lambda_folder()), exclude=["**/__pycache__", "**/.*", "**/*.pyc"]
    )
