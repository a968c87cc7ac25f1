"""What a setting is: how it is read, what it means, and which argument it becomes.

A settings class is a dataclass whose fields are made by ``setting`` and ``nested``. Reading, the
constructs' arguments and docs/settings.md all come from them, so that a setting is added in one
place.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from constructs import Construct

from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed, suggestion
from neo_constructs.patterns.setting_readers import Reader, SettingError, json_value

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Place:
    """Where settings become constructs.

    Parameters
    ----------
    scope
        The stack.
    folder
        What relative paths start from.
    """

    scope: Construct
    folder: Path

    def imported(self, kind: str, name: str, make: Callable[[str], C]) -> C:
        """Return what an ARN or a name stands for; what is named twice is imported once.

        Parameters
        ----------
        kind
            Such as ``Bucket``; a part of the construct's id.
        name
            The ARN or name.
        make
            Makes it with a construct id.
        """
        construct_id = f"{kind}{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        found: Any = self.scope.node.try_find_child(construct_id)
        return found or make(construct_id)


Maker: TypeAlias = Callable[[Place, Any, Any], Any]
SAME: Final = ""


def as_given(_place: Place, value: Any, _settings: Any) -> Any:
    """Return a value as it was read."""
    return value


def setting(
    read: Reader,
    about: str,
    *,
    kind: str = "text",
    unchecked: Reader | None = None,
    argument: str | None = SAME,
    make: Maker = as_given,
    **default: Any,
) -> Any:
    """Return a field of a settings class.

    Parameters
    ----------
    read, unchecked
        Reads a value of JSON, and one of settings with ``unchecked``. Default: the same.
    about, kind
        For docs/settings.md: what it means, and its type.
    argument
        The construct's argument that it becomes; None for none. Default: of the same name.
    make
        Makes the argument of the value. Default: takes it as it is.
    default
        ``default`` or ``default_factory``, as ``dataclasses.field`` has them. Default: needed.
    """
    return field(
        metadata={
            "read": read,
            "read_unchecked": unchecked or read,
            "about": about,
            "kind": kind,
            "argument": argument,
            "make": make,
        },
        **default,
    )


def nested(
    kind: type[Any], about: str, make: Maker, *, argument: str | None = SAME, many: bool = False
) -> Any:
    """Return a field whose value is an object with settings of its own, or a list of such.

    Parameters
    ----------
    kind
        Its settings class.
    about, make, argument
        As for ``setting``.
    many
        Whether it is a list. Default: False.
    """
    return field(
        metadata={
            "nested": kind,
            "many": many,
            "about": about,
            "kind": "list" if many else "object",
            "argument": argument,
            "make": make,
        },
        default=() if many else None,
    )


def read_settings(
    kind: type[Any],
    values: object,
    place: str,
    findings: list[Finding],
    *,
    is_unchecked: bool = False,
) -> Any:
    """Return an instance of a settings class, or None with the reasons in ``findings``.

    Parameters
    ----------
    kind, values
        The class, and what is read.
    place
        The path of ``values`` among the settings.
    findings
        What is wrong is added to it.
    is_unchecked
        Whether settings around it have ``unchecked``. Default: False.
    """
    with contextlib.suppress(SettingError):
        values = json_value(values) if isinstance(values, str) else values  # -c gives text
    if not isinstance(values, dict):
        findings.append(wrong_value(place, values, "Allowed: an object."))
        return None
    known = {each.name: each for each in fields(kind)}
    before = len(findings)
    for key in values:
        if key not in known:
            findings.append(unknown(f"{place}.{key}", f"There is no key {key!r}", key, known))
    is_unchecked = is_unchecked or values.get("unchecked") in (True, "true")
    read = {
        name: _read_one(known[name], value, f"{place}.{name}", findings, is_unchecked)
        for name, value in values.items()
        if name in known
    }
    findings += [_missing(f"{place}.{name}") for name in not_given(kind, values)]
    findings += [
        wrong_value(f"{place}.{name}", values[name], "The same is given as a percentage.")
        for name in getattr(kind, "_excluded", lambda _values: ())(values)
    ]
    return kind(**read) if len(findings) == before else None


def arguments(settings: Any, place: Place) -> dict[str, Any]:
    """Return the arguments of a construct or of a value that settings describe."""
    found = {}
    for each in fields(settings):
        argument, value = each.metadata["argument"], getattr(settings, each.name)
        if argument is None or value is None or (each.metadata.get("many") and not value):
            continue
        found[argument or each.name] = each.metadata["make"](place, value, settings)
    return found


def unknown(
    path: str, message: str, name: str, known: Mapping[str, Any] | Sequence[str]
) -> Finding:
    """Return what is said of a key that does not exist."""
    return Finding(
        code="setting-unknown",
        where=path,
        message=f"{message}. Allowed: {listed(known)}.",
        fix=suggestion(name, list(known)) or "remove it.",
    )


def wrong_value(path: str, value: object, message: str, fix: str = "") -> Finding:
    """Return what is said of a value that is not allowed."""
    text = repr(value)
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return Finding(
        code="setting-value",
        where=path,
        # What says the value already need not be told it again.
        message=message if shown in message else f"{shown} is given. {message}",
        fix=fix or "docs/settings.md says what it means.",
    )


def _read_one(
    known: Field[Any], value: object, place: str, findings: list[Finding], is_unchecked: bool
) -> object:
    inner = known.metadata.get("nested")
    if inner and known.metadata["many"]:
        return _read_list(inner, value, place, findings, is_unchecked)
    if inner:
        return read_settings(inner, value, place, findings, is_unchecked=is_unchecked)
    reader = known.metadata["read_unchecked" if is_unchecked else "read"]
    try:
        return reader(value)
    except SettingError as wrong:
        findings.append(wrong_value(place, value, wrong.message, wrong.fix))
        return None


def _read_list(
    kind: type[Any], values: object, place: str, findings: list[Finding], is_unchecked: bool
) -> tuple[Any, ...]:
    with contextlib.suppress(SettingError):
        values = json_value(values) if isinstance(values, str) else values
    if not isinstance(values, list) or not values:
        findings.append(wrong_value(place, values, "Allowed: a list with at least one object."))
        return ()
    return tuple(
        read_settings(kind, each, f"{place}[{number}]", findings, is_unchecked=is_unchecked)
        for number, each in enumerate(values)
    )


def not_given(kind: type[Any], values: Mapping[str, Any]) -> list[str]:
    """Return what is needed and not given: what has no default, and what the class says itself."""
    needed = [
        each.name
        for each in fields(kind)
        if each.default is MISSING and each.default_factory is MISSING
    ]
    say: Callable[[Mapping[str, Any]], Sequence[str]] = getattr(kind, "_needed", lambda _values: ())
    return [name for name in [*needed, *say(values)] if name not in values]


def _missing(path: str) -> Finding:
    return Finding(
        code="setting-missing",
        where=path,
        message="It is needed, and not given.",
        fix="docs/settings.md says what it means.",
    )
