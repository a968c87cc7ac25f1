"""Put single values from the command line, ``-c neo.<path>=<value>``, in their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from neo_constructs.findings.finding import Finding
from neo_constructs.patterns.setting_readers import SettingError, json_value
from neo_constructs.patterns.setting_schema import unknown


def apply_overrides(
    values: dict[str, Any],
    context: Mapping[str, Any],
    stack: type[Any],
    endpoint: type[Any],
    context_key: str,
) -> list[Finding]:
    """Change settings by an app's context, and say which of its keys name none.

    Parameters
    ----------
    values
        The settings as JSON; they are changed.
    context
        All of the app's.
    stack, endpoint
        The settings classes of the whole and of an endpoint.
    context_key
        What the keys that count start with.
    """
    listing = values.get("endpoints")
    endpoints = {
        entry["name"]: entry
        for entry in (listing if isinstance(listing, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    }
    findings = []
    for path, value in context.items():
        head, *rest = path.split(".")
        if not rest or head != context_key:
            if rest and (head in endpoints or head.lower() == context_key):
                findings.append(_misspelt(path, head in endpoints, context_key))
            continue
        first, *deeper = rest
        if deeper and first in endpoints:
            findings += _put(endpoints[first], endpoint, path, deeper, value)
        elif deeper and first not in {each.name for each in fields(stack)}:
            findings.append(unknown(path, f"There is no endpoint {first!r}", first, endpoints))
        else:
            findings += _put(values, stack, path, rest, value)
    return findings


def _put(
    holder: dict[str, Any], kind: type[Any], path: str, keys: list[str], value: object
) -> list[Finding]:
    """Put a value below some keys, each of which the settings class of its level has."""
    key, *deeper = keys
    known = {each.name: each for each in fields(kind)}
    if key not in known:
        return [unknown(path, f"There is no key {key!r}", key, known)]
    if not deeper:
        holder[key] = value
        return []
    inner = known[key].metadata.get("nested")
    if inner is None or known[key].metadata["many"]:
        return [unknown(path, f"{key!r} has no keys of its own", key, known)]
    return _put(_object(holder, key), inner, path, deeper, value)


def _object(holder: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the object at a key, made if there is none; text of one is read."""
    found = holder.get(key)
    if isinstance(found, str):
        try:
            found = json_value(found)
        except SettingError:
            found = None
    holder[key] = found if isinstance(found, dict) else {}
    made: dict[str, Any] = holder[key]
    return made


def _misspelt(path: str, is_endpoint: bool, context_key: str) -> Finding:
    """Return what is said of a key of the context that was surely meant for these settings."""
    right = f"{context_key}.{path}" if is_endpoint else context_key + path[len(context_key) :]
    return Finding(
        code="setting-unknown",
        where=path,
        message=f"A key of the context must start with {context_key!r} and a dot to count.",
        fix=f"write -c {right}=...",
    )
