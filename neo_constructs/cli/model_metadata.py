"""``neo model-metadata``: the models that Inference Recommender has measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from neo_constructs.cli.console import exit_unusable, require_extra, say
from neo_constructs.cli.examples import examples

# botocore, ModelMetadataFilterType and ModelMetadataSummary.
_COLUMNS: Final = ("Domain", "Task", "Framework", "FrameworkVersion", "Model")


@click.command(
    name="model-metadata",
    epilog=examples(
        "neo model-metadata --domain COMPUTER_VISION --task IMAGE_CLASSIFICATION",
    ),
)
@click.option("--domain", help="Such as COMPUTER_VISION.")
@click.option("--task", help="Such as IMAGE_CLASSIFICATION.")
@click.option("--framework", help="Such as PYTORCH.")
@click.option("--framework-version", help="Such as 1.9.1.")
@click.option("--region", help="Default: that of the environment or the profile.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list, and nothing else.")
def model_metadata(region: str | None, as_json: bool, **asked: str | None) -> None:
    """Look up the models that Inference Recommender has measured.

    The look-up is ListModelMetadata.

    The name in the last column is what ModelPackage takes as nearest_model_name. It needs
    credentials that may do sagemaker:ListModelMetadata. Exits 1 if no model is found, 2 if the look
    up is not possible.
    """
    require_extra("sandbox", "boto3")
    found = list(_look_up(region, {k: v for k, v in asked.items() if v}))
    if as_json:
        say(json.dumps(found, indent=1))
    else:
        for line in _table(found):
            say(line)
    if not found:
        say("No model is known there. Leave out a filter.", err=True)
        raise SystemExit(1)


def _look_up(region: str | None, asked: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield what the service lists, or say in one line why it does not."""
    import boto3
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        EndpointConnectionError,
        NoCredentialsError,
    )

    filters = [
        {"Name": "".join(word.capitalize() for word in name.split("_")), "Value": value}
        for name, value in asked.items()
    ]
    parameters: dict[str, Any] = {"SearchExpression": {"Filters": filters}} if filters else {}
    place = region or boto3.Session().region_name
    if not place:
        exit_unusable("No region is given: add --region, or set AWS_REGION.")
    try:
        client = boto3.client("sagemaker", region_name=place)
        for page in client.get_paginator("list_model_metadata").paginate(**parameters):
            for each in page["ModelMetadataSummaries"]:
                yield {column: str(each.get(column, "")) for column in _COLUMNS}
    except NoCredentialsError:
        exit_unusable("There are no AWS credentials: set AWS_PROFILE, or run aws configure.")
    except EndpointConnectionError as error:
        exit_unusable(f"SageMaker cannot be reached: {error}")
    except (ClientError, BotoCoreError, ValueError) as error:
        exit_unusable(f"SageMaker does not list its models: {error}")


def _table(rows: list[dict[str, str]]) -> Iterator[str]:
    """Yield a header and the rows, in columns."""
    if not rows:
        return
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in _COLUMNS]
    for row in [dict(zip(_COLUMNS, _COLUMNS, strict=True)), *rows]:
        cells = (row[name].ljust(width) for name, width in zip(_COLUMNS, widths, strict=True))
        yield "  ".join(cells).rstrip()
