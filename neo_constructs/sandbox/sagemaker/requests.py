"""Check requests as the service would: the botocore model with its enums, patterns and lengths.

botocore's own client checks only types and required members.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import botocore.session
import botocore.validate

from neo_constructs.sandbox.sagemaker.errors import ApiError

MAX_TAGS = 50  # API reference, TagList
# Java's character classes, as far as the model uses them.
_JAVA_CLASSES = (("\\p{L}", "a-zA-Z\u00c0-\uffef"), ("\\p{Z}", "\\s"), ("\\p{N}", "\\d"))


@cache
def service_model() -> Any:
    """Return botocore's model of SageMaker."""
    return botocore.session.get_session().get_service_model("sagemaker")


def validate(operation: str, parameters: Mapping[str, Any], model: Any = None) -> None:
    """Refuse a request that the service would refuse.

    Parameters
    ----------
    operation, parameters
        The request.
    model
        botocore's model of the service. Default: SageMaker's.

    Raises
    ------
    ApiError
        ``ValidationException``, with every violation.
    """
    shape = (model or service_model()).operation_model(operation).input_shape
    if shape is None:
        return
    if not isinstance(parameters, Mapping):
        raise ApiError("SerializationException", "The request is no JSON object.")
    report = botocore.validate.ParamValidator().validate(parameters, shape)
    problems = (
        [report.generate_report()] if report.has_errors() else list(_violations(shape, parameters))
    )
    if problems:
        head = f"{len(problems)} validation error{'s' * (len(problems) > 1)} detected: "
        raise ApiError("ValidationException", head + "; ".join(problems))


def coerce(shape: Any, value: Any) -> Any:
    """Return a CloudFormation property as the API wants it: numbers and booleans, not texts."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        return {k: coerce(shape.members[k], v) for k, v in value.items() if k in shape.members}
    if kind == "list" and isinstance(value, list):
        return [coerce(shape.member, v) for v in value]
    if kind in {"integer", "long"}:
        return int(value)
    if kind in {"float", "double"}:
        return float(value)
    if kind == "boolean":
        return str(value).lower() == "true"
    return value


def _violations(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    if shape.type_name == "structure":
        for key, member in value.items():
            if key in shape.members:
                yield from _violations(shape.members[key], member, f"{path}.{key}".strip("."))
    elif shape.type_name == "list":
        yield from _size_violations(shape, value, path)
        for index, member in enumerate(value):
            yield from _violations(shape.member, member, f"{path}.{index + 1}.member")
    elif shape.type_name == "map":
        for key, member in value.items():
            yield from _violations(shape.key, key, f"{path}.key")
            yield from _violations(shape.value, member, f"{path}.{key}")
    elif shape.type_name == "string":
        yield from _text_violations(shape, value, path)
    elif shape.type_name in {"integer", "long", "float", "double"}:
        yield from _size_violations(shape, value, path)


def _text_violations(shape: Any, value: str, path: str) -> Iterator[str]:
    allowed, pattern = shape.metadata.get("enum"), shape.metadata.get("pattern")
    head = f"Value '{_shown(value)}' at '{_path(path)}' failed to satisfy constraint: Member must"
    if allowed and value not in allowed:
        yield f"{head} satisfy enum value set: [{', '.join(allowed)}]"
    elif pattern and not _matches(pattern, value):
        yield f"{head} satisfy regular expression pattern: {pattern}"
    else:
        yield from _size_violations(shape, value, path)


def _size_violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    is_number = isinstance(value, int | float)
    size, what = (value, "value") if is_number else (len(value), "length")
    head = (
        f"Value '{_shown(value)}' at '{_path(path)}' failed to satisfy constraint: "
        f"Member must have {what}"
    )
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{head} greater than or equal to {low}"
    if high is not None and size > high:
        yield f"{head} less than or equal to {high}"


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 1_000 else f"{text[:1_000]}..."


def _path(path: str) -> str:
    """Return a path as the service writes it: each part begins in lower case."""
    return ".".join(part[:1].lower() + part[1:] for part in path.split("."))


def page(items: Sequence[Any], parameters: Mapping[str, Any]) -> tuple[list[Any], dict[str, str]]:
    """Return one page of a list, and the token of the next one.

    Raises
    ------
    ApiError
        If the token is not one that was given out.
    """
    token = parameters.get("NextToken", "0")
    if not str(token).isdecimal():
        raise ApiError("ValidationException", "Invalid NextToken.")
    first = int(token)
    last = first + int(parameters.get("MaxResults", 10))
    return list(items[first:last]), {"NextToken": str(last)} if last < len(items) else {}


def check_tags(tags: Sequence[Mapping[str, str]], known: Sequence[Mapping[str, str]] = ()) -> None:
    """Refuse tags that the service would refuse.

    Raises
    ------
    ApiError
        ``ValidationException``
    """
    keys = [tag["Key"] for tag in tags]
    if len(set(keys)) < len(keys):
        raise ApiError("ValidationException", "Duplicate tag keys found.")
    # CloudFormation gives tags of its own.
    users = [key for key in keys if not key.startswith("aws:cloudformation:")]
    if any(key.lower().startswith("aws:") for key in users):
        raise ApiError("ValidationException", "Tag keys must not start with aws:.")
    if len({*keys, *(tag["Key"] for tag in known)}) > MAX_TAGS:
        raise ApiError("ValidationException", f"A resource has at most {MAX_TAGS} tags.")


def _matches(pattern: str, value: str) -> bool:
    for java, python in _JAVA_CLASSES:
        pattern = pattern.replace(java, python)
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:  # syntax only Java knows: not for us to guess
        return True
