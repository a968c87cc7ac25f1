"""The ``neo`` context of cdk.json: the deployer's whole interface, typed.

The schema is the two classes below; what each key means stands in docs/settings.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, TypeAlias

from neo_constructs.catalog.compiler_options import CompilerOptions
from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.tags import check_tags
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.errors import ValidationError, raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed, parse_json, suggestion
from neo_constructs.typed import typed

CONTEXT_KEY: Final = "neo"
_ENDPOINT_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_RESERVED_IDS = frozenset({"NeoJobEngine", "NeoArtifactBucket", "NeoImageAccounts"})
_S3_URI = re.compile(r"s3://[^/]+/.+")
_SCRIPT = re.compile(r"[^/\\\x00-\x1f]+\.py")
# Source: IAM API reference, PolicyName and the ARN of a policy.
_POLICY = re.compile(r"[\w+=,.@-]{1,128}|arn:aws[\w-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]{1,512}")
# Source: SageMaker API reference, ContainerDefinition.Image; a registry's host comes first.
_IMAGE = re.compile(r"[\w-]+(\.[\w-]+)+(:\d+)?/[\w./-]+([:@][\w.:-]+)?")
_STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")  # AWS CloudFormation API reference

Reader: TypeAlias = Callable[[Any], Any]


class _SettingError(Exception):
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


def _setting(read: Reader, unchecked: Reader | None = None, **default: Any) -> Any:
    return field(metadata={"read": read, "read_unchecked": unchecked or read}, **default)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _SettingError("Allowed: text that is not empty.")
    return value


def _matching(pattern: re.Pattern[str], allowed: str) -> Reader:
    def read(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise _SettingError(f"Allowed: {allowed}.")
        return value

    return read


def _whole_number(minimum: int, maximum: int) -> Reader:
    def read(value: object) -> int:
        # The command line's -c gives text.
        is_text = isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value)
        number = int(str(value)) if is_text else value
        if type(number) is not int or not minimum <= number <= maximum:
            raise _SettingError(f"Allowed: a whole number from {minimum} to {maximum}.")
        return number

    return read


def _one_of(*allowed: str) -> Reader:
    def read(value: object) -> str:
        if value not in allowed:
            raise _SettingError(
                f"Allowed: {listed(allowed)}. {suggestion(str(value), allowed)}".strip()
            )
        return str(value)

    return read


def _parsed(parse: Callable[[str], Any]) -> Reader:
    def read(value: object) -> Any:
        try:
            return parse(_text(value))
        except ValidationError as error:
            finding = error.findings[0]
            raise _SettingError(finding.message, finding.fix) from error

    return read


def _place(value: object) -> str:
    """Read a path or an S3 URI."""
    text = _text(value)
    if text.startswith(("http://", "https://")):
        raise _SettingError(
            "Allowed: a path, or s3://bucket/key.",
            "copy the object's S3 URI from the console, not its URL.",
        )
    if text.startswith("s3:") and not _S3_URI.fullmatch(text):
        raise _SettingError(
            "Allowed: a path, or s3://bucket/key.", "name the object, not its bucket."
        )
    return text


def _tags(value: object) -> dict[str, str]:
    tags = read_string_map(value)
    if found := check_tags(tags):
        raise _SettingError(" ".join(f.message for f in found), found[0].fix)
    return tags


def read_shapes(value: object) -> object:
    """Return shapes that are given as JSON or as text of it."""
    decoded = _json(value) if isinstance(value, str) else value
    if not isinstance(decoded, dict | list):
        raise _SettingError('Allowed: names and shapes, such as {"input": [1, 3, 224, 224]}.')
    return decoded


def read_string_map(value: object) -> dict[str, str]:
    """Return a mapping of texts that is given as JSON or as text of it."""
    decoded = _json(value) if isinstance(value, str) else value
    if not isinstance(decoded, dict) or not all(isinstance(v, str) for v in decoded.values()):
        raise _SettingError('Allowed: an object of texts, such as {"team": "vision"}.')
    return decoded


def _json(value: str) -> object:
    try:
        return parse_json(value)
    except ValueError as error:
        raise _SettingError(f"It is not JSON: {error}.") from error


def read_compiler_options(value: object) -> CompilerOptions:
    """Return compiler options that are given as an object or as the API's text."""
    if not isinstance(value, str | dict) or not value:
        raise _SettingError('Allowed: text, or an object such as {"dtype": "int64"}.')
    decoded: object = value
    if isinstance(value, str) and value.lstrip().startswith("{"):  # -c gives text
        decoded = _json(value)
    if isinstance(decoded, dict) and set(decoded) == {"dtype"}:
        return CompilerOptions.pytorch(dtype=str(decoded["dtype"]))
    return CompilerOptions.of(value)


def _yes_or_no(value: object) -> bool:
    text = str(value).lower() if isinstance(value, bool) else value
    if isinstance(text, str) and text in {"true", "false"}:  # -c gives text
        return text == "true"
    raise _SettingError("Allowed: true, false.")


def _any_framework(text: str) -> Framework:
    name, _, version = text.partition(":")
    return Framework.of(name, version or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """One endpoint: the arguments of ``CompiledEndpoint``, under the same names."""

    name: str = _setting(
        _matching(_ENDPOINT_NAME, "small letters, digits and hyphens, a letter first, up to 41")
    )
    model_data: str = _setting(_place)
    target: TargetDevice = _setting(_parsed(TargetDevice.parse), _parsed(TargetDevice.of))
    instance_type: str = _setting(_text)
    framework: Framework | None = _setting(
        _parsed(Framework.parse), _parsed(_any_framework), default=None
    )
    data_input_config: Any = _setting(read_shapes, default=None)
    compiler_options: CompilerOptions | None = _setting(read_compiler_options, default=None)
    inference_code: str | None = _setting(_place, default=None)
    entry_point: str = _setting(
        _matching(_SCRIPT, "the name of a .py file in the folder, without the folder"),
        default="inference.py",
    )
    image: str | None = _setting(
        _matching(
            _IMAGE, "a registry's URI, such as 123456789012.dkr.ecr.<region>.amazonaws.com/a:1"
        ),
        default=None,
    )
    initial_instance_count: int = _setting(_whole_number(1, 1000), default=1)
    endpoint_name: str | None = _setting(_text, default=None)
    max_runtime_minutes: int = _setting(_whole_number(1, 45), default=15)
    artifact_removal_policy: str = _setting(_one_of("RETAIN", "DESTROY"), default="RETAIN")
    unchecked: bool = _setting(_yes_or_no, default=False)

    @property
    def construct_id(self) -> str:
        """The name as the stack's construct carries it: ``resnet-50`` is ``Resnet50``."""
        return _construct_id(self.name)


def _endpoints(value: object) -> tuple[EndpointSettings, ...]:
    """Read the list; ``Settings.parse`` has read its entries one by one before."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise _SettingError("Allowed: a list with at least one endpoint.")
    return tuple(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of the ``neo`` context."""

    endpoints: tuple[EndpointSettings, ...] = _setting(_endpoints)
    stack_name: str = _setting(
        _matching(_STACK_NAME, "letters, digits and hyphens, a letter first, up to 128"),
        default="CompiledEndpointStack",
    )
    tags: Mapping[str, str] = _setting(_tags, default_factory=dict)
    permissions_boundary: str | None = _setting(
        _matching(_POLICY, "a policy's name, or its ARN arn:aws:iam::<account>:policy/<name>"),
        default=None,
    )

    @classmethod
    @typed
    def from_context(cls, context: Mapping[str, Any]) -> Settings:
        """Read the settings from an app's context.

        Parameters
        ----------
        context
            All of it: ``neo`` (an object, or JSON text from ``-c neo=...``), and overrides of
            single values, ``neo.<endpoint name>.<key>`` or ``neo.<key>``.

        Raises
        ------
        ValidationError
            With every unknown key and every wrong value.
        """
        raw = context.get(CONTEXT_KEY)
        if raw is None:
            raise ValidationError([_missing_context()])
        try:
            values = _json(raw) if isinstance(raw, str) else raw
        except _SettingError as wrong:
            raise ValidationError([_wrong_value(CONTEXT_KEY, raw, str(wrong))]) from wrong
        if not isinstance(values, dict):
            message = "Allowed: an object with the key endpoints."
            raise ValidationError([_wrong_value(CONTEXT_KEY, values, message)])
        values = json.loads(json.dumps(values))
        findings = _apply_overrides(values, context)
        return cls._parse(values, findings)

    @classmethod
    def _parse(cls, values: dict[str, Any], findings: list[Finding]) -> Settings:
        listing = values.get("endpoints")
        if isinstance(listing, list):
            parsed = []
            for index, entry in enumerate(listing):
                place = f"{CONTEXT_KEY}.endpoints[{index}]"
                parsed.append(_read(EndpointSettings, entry, place, findings))
            findings += _colliding([e.name for e in parsed if isinstance(e, EndpointSettings)])
            values = {**values, "endpoints": parsed}
        settings = _read(cls, values, CONTEXT_KEY, findings)
        raise_errors(findings, subject="The context in cdk.json")
        assert isinstance(settings, cls)  # noqa: S101 - or there was a finding
        return settings


def _apply_overrides(values: dict[str, Any], context: Mapping[str, Any]) -> list[Finding]:
    """Put single values from the command line in their places."""
    endpoints = {
        entry["name"]: entry
        for entry in _as_list(values.get("endpoints"))
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    }
    findings = []
    for path, value in context.items():
        head, dot, _ = path.partition(".")
        if not dot or head != CONTEXT_KEY:
            if dot and (head in endpoints or head.lower() == CONTEXT_KEY):
                findings.append(_misspelt(path, head in endpoints))
            continue
        owner, _, key = path.removeprefix(f"{CONTEXT_KEY}.").rpartition(".")
        holder = endpoints.get(owner) if owner else values
        known = [f.name for f in fields(EndpointSettings if owner else Settings)]
        if holder is None:
            findings.append(
                _unknown(path, f"There is no endpoint {owner!r}", owner, list(endpoints))
            )
        elif key not in known:
            findings.append(_unknown(path, f"There is no key {key!r}", key, known))
        else:
            holder[key] = value
    return findings


def _misspelt(path: str, is_endpoint: bool) -> Finding:
    """Return what is said of a key of the context that was surely meant for these settings."""
    right = f"{CONTEXT_KEY}.{path}" if is_endpoint else CONTEXT_KEY + path[len(CONTEXT_KEY) :]
    return Finding(
        code="setting-unknown",
        where=path,
        message=f"A key of the context must start with {CONTEXT_KEY!r} and a dot to count.",
        fix=f"write -c {right}=...",
    )


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _read(kind: type[Any], values: object, place: str, findings: list[Finding]) -> object:
    """Return an instance of a settings class, or None with the reasons in ``findings``."""
    if not isinstance(values, dict):
        findings.append(_wrong_value(place, values, "Allowed: an object."))
        return None
    known = {f.name: f for f in fields(kind)}
    before = len(findings)
    for key in values:
        if key not in known:
            path = f"{place}.{key}"
            findings.append(_unknown(path, f"There is no key {key!r}", key, list(known)))
    read = {}
    is_unchecked = values.get("unchecked") is True or values.get("unchecked") == "true"
    reader = "read_unchecked" if is_unchecked else "read"
    for name, setting in known.items():
        if name in values:
            try:
                read[name] = setting.metadata[reader](values[name])
            except _SettingError as wrong:
                at = f"{place}.{name}"
                findings.append(_wrong_value(at, values[name], wrong.message, wrong.fix))
        elif setting.default is MISSING and setting.default_factory is MISSING:
            findings.append(
                Finding(
                    code="setting-missing",
                    where=f"{place}.{name}",
                    message="It is needed, and not given.",
                    fix="docs/settings.md says what it means.",
                )
            )
    return kind(**read) if len(findings) == before else None


def _construct_id(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))


def _colliding(names: list[str]) -> list[Finding]:
    """Look for names that would be one and the same construct."""
    ids = [_construct_id(name) for name in names]
    return [
        Finding(
            code="setting-value",
            where=f"{CONTEXT_KEY}.endpoints",
            message=f"The name {name!r} is taken already; it becomes the construct {own}.",
            fix="give each endpoint a name that differs in more than its hyphens.",
        )
        for index, (name, own) in enumerate(zip(names, ids, strict=True))
        if own in ids[:index] or own in _RESERVED_IDS
    ]


def _missing_context() -> Finding:
    return Finding(
        code="setting-missing",
        where=CONTEXT_KEY,
        message="cdk.json has no context of that name.",
        fix='add "context": {"neo": {"endpoints": [...]}}; docs/settings.md has an example.',
    )


def _unknown(path: str, message: str, name: str, known: list[str]) -> Finding:
    return Finding(
        code="setting-unknown",
        where=path,
        message=f"{message}. Allowed: {listed(known)}.",
        fix=suggestion(name, known) or "remove it.",
    )


def _wrong_value(path: str, value: object, message: str, fix: str = "") -> Finding:
    text = repr(value)
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return Finding(
        code="setting-value",
        where=path,
        # What says the value already need not be told it again.
        message=message if shown in message else f"{shown} is given. {message}",
        fix=fix or "docs/settings.md says what it means.",
    )
