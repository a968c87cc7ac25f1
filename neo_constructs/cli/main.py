"""The ``neo`` command and its verbs."""

from __future__ import annotations

import click

from neo_constructs.cli.image import image
from neo_constructs.cli.model_metadata import model_metadata
from neo_constructs.cli.package import package
from neo_constructs.cli.review import review
from neo_constructs.cli.run import run
from neo_constructs.cli.sandbox import sandbox
from neo_constructs.cli.validate import validate


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="neo-constructs")
def neo() -> None:
    """Take a trained model to a compiled, served SageMaker endpoint.

    Exit codes: 0 fine, 1 errors found, 2 unusable arguments or unreadable input.
    """


neo.add_command(image)
neo.add_command(model_metadata)
neo.add_command(package)
neo.add_command(review)
neo.add_command(run)
neo.add_command(sandbox)
neo.add_command(validate)
