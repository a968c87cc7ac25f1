"""The ``neo`` command and its verbs."""

from __future__ import annotations

import click

from neo_constructs.cli.image import image
from neo_constructs.cli.sandbox import sandbox


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="neo-constructs")
def neo() -> None:
    """Take a trained model to a compiled, served SageMaker endpoint.

    Exit codes: 0 fine, 1 errors found, 2 unusable arguments or unreadable input.
    """


neo.add_command(image)
neo.add_command(sandbox)
