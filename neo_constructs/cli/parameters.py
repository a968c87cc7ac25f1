"""Options that several verbs take: parsed, and named as they are written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NoReturn

from neo_constructs.catalog import support
from neo_constructs.catalog.data_input import DataInputConfig
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.cli.console import exit_unusable
from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import parse_json


def on_command_line(finding: Finding) -> Finding:
    """Return a finding with the arguments named as they are written on the command line."""
    where = f"--{finding.where.replace('_', '-')}" if finding.where in _OPTIONS else finding.where
    fix = _CALL.sub(r"--framework \1:\2", finding.fix)
    fix = _GIVE.sub(lambda found: f"--data-input-config '{found[1]}'", fix)
    fix = _NAME.sub(lambda found: f"--{found[0].replace('_', '-')}", fix)
    return replace(finding, where=where, fix=fix)


_OPTIONS: Final = ("framework", "target", "data_input_config")
_CALL: Final = re.compile(r'Framework\.(\w+)\("([\d.]+)"\)')
_GIVE: Final = re.compile(r"data_input_config=(\{.*?\})(?=[,.]| and \d)")
_NAME: Final = re.compile(r"(?<!-)\bdata_input_config\b|(?<=leave )framework\b")


def parse_or_exit(
    *given: tuple[str | None, Callable[[str], Any]],
    refuse: Callable[[ValidationError], NoReturn] | None = None,
) -> list[Any]:
    """Return parsed arguments, None for those not given; exit with 2 if one is invalid.

    Parameters
    ----------
    given
        Texts and what parses them. All that are invalid are named together.
    refuse
        Says what is wrong. Default: as text.
    """
    parsed, unusable = [], list[Finding]()
    for text, parse in given:
        try:
            parsed.append(None if text is None else parse(text))
        except ValidationError as error:
            unusable += error.findings
    if unusable and refuse:
        refuse(ValidationError(unusable))
    if unusable:
        exit_unusable(str(ValidationError(unusable)))
    return parsed


def any_version(text: str) -> Framework:
    """Return the framework that a text names, with the newest version if it says none.

    Raises
    ------
    ValidationError
        If there is no such framework.
    """
    try:
        return Framework.parse(text)
    except ValidationError as error:
        if error.findings[0].code != "framework-version-missing" or ":" in text:
            raise
        return support.newest(text.upper(), TargetDevice.ML_C5)


def data_input_config(text: str) -> DataInputConfig:
    """Return the shapes that a text of JSON names.

    Raises
    ------
    ValidationError
        If it is no JSON.
    """
    try:
        return DataInputConfig.coerce(parse_json(text))
    except (ValueError, RecursionError) as error:
        finding = Finding(
            code="data-input-config-form",
            where="--data-input-config",
            message=f"{text!r} is not JSON: {error}.",
            fix="""write it as '{"input": [1, 3, 224, 224]}'.""",
        )
        raise ValidationError([finding]) from error
