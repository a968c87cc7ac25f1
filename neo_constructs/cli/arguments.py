"""Arguments that several verbs take, and what is said of those that say nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import click

from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.errors import ValidationError
from neo_constructs.findings import Finding


def parse_all(*given: tuple[str | None, Callable[[str], Any]]) -> list[Any]:
    """Return parsed arguments, None for those not given; exit with 2 if one says nothing.

    All that say nothing are named together.
    """
    parsed, unusable = [], list[Finding]()
    for text, parse in given:
        try:
            parsed.append(None if text is None else parse(text))
        except ValidationError as error:
            unusable += error.findings
    if unusable:
        click.echo(str(ValidationError(unusable)), err=True)
        sys.exit(2)
    return parsed


def data_input_config(text: str) -> DataInputConfig:
    """Return the shapes that a text of JSON names.

    Raises
    ------
    ValidationError
        If it is no JSON.
    """
    try:
        return DataInputConfig.coerce(json.loads(text))
    except (ValueError, RecursionError) as error:
        finding = Finding(
            code="data-input-config-form",
            where="--data-input-config",
            message=f"{text!r} is not JSON: {error}.",
            fix="""write it as '{"input": [1, 3, 224, 224]}'.""",
        )
        raise ValidationError([finding]) from error
