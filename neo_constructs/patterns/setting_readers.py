"""Read single values of the ``neo`` context: JSON's, or text from the command line's ``-c``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.tags import check_tags
from neo_constructs.findings.errors import NeoConstructsError, ValidationError
from neo_constructs.findings.wording import listed, parse_json, suggestion

_S3_URI = re.compile(r"s3://[^/]+/.+")
_ARN = re.compile(r"arn:aws[\w-]*:(?P<service>[a-z0-9-]+):.*")

Reader: TypeAlias = Callable[[Any], Any]


class SettingError(NeoConstructsError):
    """A value that is not allowed.

    Parameters
    ----------
    message
        What is wrong, or what is allowed.
    fix
        What to do. Default: read the page.
    """

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message, self.fix = message, fix


def text(value: object) -> str:
    """Read text that is not empty."""
    if not isinstance(value, str) or not value:
        raise SettingError("Allowed: text that is not empty.")
    return value


def matching(pattern: re.Pattern[str], allowed: str) -> Reader:
    """Return a reader of text of a form."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise SettingError(f"Allowed: {allowed}.")
        return value

    return read


def whole_number(minimum: int, maximum: int) -> Reader:
    """Return a reader of whole numbers within limits."""

    def read(value: object) -> int:
        # The command line's -c gives text.
        is_text = isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value)
        given = int(str(value)) if is_text else value
        if type(given) is not int or not minimum <= given <= maximum:
            raise SettingError(f"Allowed: a whole number from {minimum} to {maximum}.")
        return given

    return read


def one_of(*allowed: str) -> Reader:
    """Return a reader of one of some words."""

    def read(value: object) -> str:
        if value not in allowed:
            raise SettingError(
                f"Allowed: {listed(allowed)}. {suggestion(str(value), allowed)}".strip()
            )
        return str(value)

    return read


def parsed(parse: Callable[[str], Any]) -> Reader:
    """Return a reader of what a catalog knows."""

    def read(value: object) -> Any:
        try:
            return parse(text(value))
        except ValidationError as error:
            finding = error.findings[0]
            raise SettingError(finding.message, finding.fix) from error

    return read


def path_or_uri(value: object) -> str:
    """Read a path or an S3 URI."""
    given = text(value)
    if given.startswith(("http://", "https://")):
        raise SettingError(
            "Allowed: a path, or s3://bucket/key.",
            "copy the object's S3 URI from the console, not its URL.",
        )
    if given.startswith("s3:") and not _S3_URI.fullmatch(given):
        raise SettingError(
            "Allowed: a path, or s3://bucket/key.", "name the object, not its bucket."
        )
    return given


def tags(value: object) -> dict[str, str]:
    """Read tags."""
    given = read_string_map(value)
    if found := check_tags(given):
        raise SettingError(" ".join(f.message for f in found), found[0].fix)
    return given


def read_shapes(value: object) -> object:
    """Return shapes that are given as JSON or as text of it."""
    decoded = json_value(value) if isinstance(value, str) else value
    if not isinstance(decoded, dict | list):
        raise SettingError('Allowed: names and shapes, such as {"input": [1, 3, 224, 224]}.')
    return decoded


def read_string_map(value: object) -> dict[str, str]:
    """Return a mapping of texts that is given as JSON or as text of it."""
    decoded = json_value(value) if isinstance(value, str) else value
    if not isinstance(decoded, dict) or not all(isinstance(v, str) for v in decoded.values()):
        raise SettingError('Allowed: an object of texts, such as {"team": "vision"}.')
    return decoded


def json_value(value: str) -> object:
    """Read JSON."""
    try:
        return parse_json(value)
    except ValueError as error:
        raise SettingError(f"It is not JSON: {error}.") from error


def read_compiler_options(value: object) -> CompilerOptions:
    """Return compiler options that are given as an object or as the API's text."""
    if not isinstance(value, str | dict) or not value:
        raise SettingError('Allowed: text, or an object such as {"dtype": "int64"}.')
    decoded: object = value
    if isinstance(value, str) and value.lstrip().startswith("{"):  # -c gives text
        decoded = json_value(value)
    if isinstance(decoded, dict) and set(decoded) == {"dtype"}:
        return CompilerOptions.pytorch(dtype=str(decoded["dtype"]))
    return CompilerOptions.of(value)


def yes_or_no(value: object) -> bool:
    """Read true or false."""
    given = str(value).lower() if isinstance(value, bool) else value
    if isinstance(given, str) and given in {"true", "false"}:  # -c gives text
        return given == "true"
    raise SettingError("Allowed: true, false.")


def any_framework(given: str) -> Framework:
    """Return any framework by name and version."""
    name, _, version = given.partition(":")
    return Framework.of(name, version or None)


def number(least: float, most: float) -> Reader:
    """Return a reader of numbers within limits."""

    def read(value: object) -> float:
        given = value
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
            given = float(value)  # -c gives text
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        if not is_number or not least <= float(str(given)) <= most:
            raise SettingError(f"Allowed: a number from {least:g} to {most:g}.")
        return float(str(given))

    return read


def texts(value: object) -> tuple[str, ...]:
    """Read a list of texts."""
    decoded = json_value(value) if isinstance(value, str) else value
    if isinstance(decoded, list) and decoded and all(isinstance(e, str) and e for e in decoded):
        return tuple(decoded)
    raise SettingError('Allowed: a list of texts, such as ["a", "b"].')


def arn(service: str, example: str) -> Reader:
    """Return a reader of the ARNs of a service."""

    def read(value: object) -> str:
        match = _ARN.fullmatch(value) if isinstance(value, str) else None
        if match is None or match["service"] != service:
            raise SettingError(f"Allowed: an ARN such as {example}.")
        return match[0]

    return read


def arns(service: str, example: str) -> Reader:
    """Return a reader of lists of the ARNs of a service."""
    one = arn(service, example)

    def read(value: object) -> tuple[str, ...]:
        return tuple(one(each) for each in texts(value))

    return read
