"""``neo image``: the container image that serves a compiled model."""

from __future__ import annotations

import sys

import click

from neo_constructs.catalog import support
from neo_constructs.catalog.compilation_request import check_region
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.images import find_image
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.cli.examples import examples
from neo_constructs.cli.parameters import parse_or_exit
from neo_constructs.findings.errors import ValidationError, raise_errors


@click.command(
    epilog=examples(
        "neo image --framework pytorch:2.0 --target ml_c5 --region eu-west-1",
    )
)
@click.option("--framework", required=True, help="Such as pytorch:2.0 or onnx.")
@click.option("--target", required=True, help="Such as ml_c5.")
@click.option("--region", required=True, help="Such as eu-west-1.")
def image(framework: str, target: str, region: str) -> None:
    """Print the URI of the image that serves a model compiled for TARGET.

    Warnings go to standard error. Exits 1 if Neo has no such image, 2 if an argument is invalid.
    """
    parsed, device = parse_or_exit((framework, Framework.parse), (target, TargetDevice.parse))
    try:
        found = [*device.check(), *support.check(parsed, device)]
        warnings = raise_errors([*found, *check_region(device, region)])
        uri = find_image(parsed, device).uri(region)
    except ValidationError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)
    click.echo(uri)
