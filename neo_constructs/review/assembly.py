"""Read a cloud assembly: its stacks, with nested stacks and stages, and what the CDK noted of them.

The format is the CDK's own (aws-cdk-lib, cloud-assembly-schema): ``manifest.json`` names a template
for each stack and a folder for each stage; a nested stack's template is named by the metadata of
its resource. Nothing of an assembly is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from neo_constructs.findings.errors import ValidationError
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import parse_json

Json: TypeAlias = Mapping[str, Any]

MANIFEST: Final = "manifest.json"
NESTED: Final = "AWS::CloudFormation::Stack"
MAX_BYTES: Final = 50_000_000  # of one file; CloudFormation takes templates of 1 MB
_OURS: Final = ("Custom::Neo", "AWS::SageMaker::")
_UNKNOWN: Final = ("unknown-account", "unknown-region")
_MESSAGES: Final = {
    "aws:cdk:warning": "warning",
    "aws:cdk:error": "error",
    "aws:cdk:info": "info",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What the CDK or a construct has noted of a construct: a warning, an error or advice."""

    path: str
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A finding of a rule that was answered, with the reason given."""

    path: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StackTemplate:
    """One stack of an assembly.

    Parameters
    ----------
    name
        How the app names it: ``Prod/Serving``; a nested stack's construct path.
    stack_name
        CloudFormation's name for it; empty for a nested stack.
    account, region
        Where it is deployed; empty if that is known at deploy only.
    template
        As synthesized.
    paths
        The construct path of each logical id, without the stack's own.
    nested
        Nested stacks, by the logical id of their resource.
    messages, acknowledged
        What the CDK noted, of this stack and its nested ones.
    """

    name: str
    stack_name: str
    account: str
    region: str
    template: Json
    paths: Mapping[str, str]
    nested: Mapping[str, StackTemplate] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    acknowledged: tuple[Acknowledged, ...] = ()

    @property
    def resources(self) -> Mapping[str, Json]:
        """The resources, by logical id."""
        found: Mapping[str, Json] = self.template["Resources"]
        return found

    def path(self, logical_id: str) -> str:
        """Return a resource's construct path, as far as the assembly says it."""
        return self.paths.get(logical_id, logical_id)

    def and_nested(self) -> Iterator[StackTemplate]:
        """Yield this stack and every stack nested in it, however deep."""
        yield self
        for stack in self.nested.values():
            yield from stack.and_nested()


def read_assembly(folder: Path) -> tuple[StackTemplate, ...]:
    """Return the stacks of a cloud assembly, in the order of their names.

    Parameters
    ----------
    folder
        What ``cdk synth`` has written: ``cdk.out``.

    Raises
    ------
    ValidationError
        If the folder is none, or is damaged: all faults together.
    """
    found, faults = list[StackTemplate](), list[Finding]()
    _read(folder, found, faults, ())
    if faults:
        raise ValidationError(faults)
    return tuple(sorted(found, key=lambda stack: (stack.name, stack.account, stack.region)))


def check_contents(folder: Path, *assemblies: tuple[StackTemplate, ...]) -> None:
    """Refuse assemblies of which none has anything to review.

    Raises
    ------
    ValidationError
        If no stack has a resource of the library's or of SageMaker's.
    """
    stacks = [stack for roots in assemblies for root in roots for stack in root.and_nested()]
    types = {str(r.get("Type")) for stack in stacks for r in stack.resources.values()}
    if any(kind.startswith(_OURS) for kind in types):
        return
    names = ", ".join(stack.name for stack in stacks) or "no stack at all"
    message = f"No stack has a resource of this library's or of SageMaker's. There is: {names}."
    fix = "give the folder that `cdk synth` wrote for the app with the endpoint"
    finding = Finding(code="assembly-empty", where=str(folder), message=message, fix=fix)
    raise ValidationError([finding])


def _read(
    folder: Path, found: list[StackTemplate], faults: list[Finding], around: tuple[Path, ...]
) -> None:
    if _inside(folder, ".") in around:
        faults.append(_damaged(folder / MANIFEST, "The assembly contains itself."))
        return
    manifest = _json(folder / MANIFEST, faults, is_manifest=True)
    if manifest is None:
        return
    artifacts = manifest.get("artifacts", {})
    if not isinstance(artifacts, dict) or not all(isinstance(a, dict) for a in artifacts.values()):
        faults.append(_damaged(folder / MANIFEST, "It has no artifacts."))
        return
    assets = dict(_assets(folder, artifacts, faults))
    for name in sorted(artifacts):
        artifact = artifacts[name]
        properties = as_mapping(artifact.get("properties"))
        if artifact.get("type") == "cdk:cloud-assembly":
            inner = _inside(folder, properties.get("directoryName"))
            if inner is None:
                faults.append(_damaged(folder / MANIFEST, f"The stage {name} names no folder."))
            else:
                _read(inner, found, faults, (*around, folder.resolve()))
        elif artifact.get("type") == "aws:cloudformation:stack":
            stack = _stack(_Folder(folder, assets), name, artifact, properties, faults)
            if stack and any(other.name == stack.name for other in found):
                message = f"Two stacks have the name {stack.name!r}."
                faults.append(_damaged(folder / MANIFEST, message))
            found += [stack] if stack else []


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder of an assembly, and the files of its assets by their hashes."""

    path: Path
    assets: Mapping[str, str]


def _assets(folder: Path, artifacts: Json, faults: list[Finding]) -> Iterator[tuple[str, str]]:
    """Yield the hash and the file of each asset: nested stacks may be named in no other way."""
    for artifact in artifacts.values():
        if artifact.get("type") == "cdk:asset-manifest":
            file = _inside(folder, as_mapping(artifact.get("properties")).get("file"))
            files = as_mapping((_json(file, faults) or {}).get("files")) if file else {}
            for digest, asset in files.items():
                yield digest, str(as_mapping(as_mapping(asset).get("source")).get("path") or "")


def _stack(
    folder: _Folder, name: str, artifact: Json, properties: Json, faults: list[Finding]
) -> StackTemplate | None:
    template = _template(folder.path, properties.get("templateFile"), faults)
    if template is None:
        return None
    notes: dict[str, Any] = dict(as_mapping(artifact.get("metadata")))
    if more := artifact.get("additionalMetadataFile"):
        file = _inside(folder.path, more)
        notes |= (_json(file, faults) or {}) if file else {}
    place = str(artifact.get("environment") or "").removeprefix("aws://").partition("/")
    account, region = ("" if part in _UNKNOWN else part for part in (place[0], place[2]))
    stack_name = str(properties.get("stackName") or name)
    # The construct path; the CDK adds the stack's name where that is another.
    title = str(artifact.get("displayName") or name).removesuffix(f" ({stack_name})")
    return _with_nested(
        StackTemplate(
            name=title,
            stack_name=stack_name,
            account=account,
            region=region,
            template=template,
            paths={},
            messages=tuple(_messages(notes)),
            acknowledged=tuple(_acknowledged(notes)),
        ),
        folder,
        notes,
        title,
        faults,
        (),
    )


def _with_nested(  # noqa: PLR0917 - what the recursion carries along
    stack: StackTemplate,
    folder: _Folder,
    notes: Json,
    prefix: str,
    faults: list[Finding],
    around: tuple[str, ...],
) -> StackTemplate:
    """Return a stack with its construct paths and its nested stacks filled in."""
    paths = _paths(stack.resources, notes, prefix)
    nested, messages = dict[str, StackTemplate](), list(stack.messages)
    for logical_id, resource in stack.resources.items():
        if resource.get("Type") != NESTED:
            continue
        asset = _nested_file(folder, resource)
        path = f"{prefix}/{paths.get(logical_id, logical_id)}"
        if not asset:
            text = "The template of this nested stack is not in the assembly, and not reviewed."
            messages.append(Message(path, "warning", text))
            continue
        if asset in around:
            faults.append(_damaged(folder.path / asset, "The nested stack contains itself."))
            continue
        template = _template(folder.path, asset, faults)
        if template is None:
            continue
        # The construct is `Name`; the CDK's resource stands at `Name.NestedStack/Name...Resource`.
        inner = f"{prefix}/{paths.get(logical_id, logical_id).partition('.NestedStack/')[0]}"
        nested[logical_id] = _with_nested(
            StackTemplate(
                name=inner,
                stack_name="",
                account=stack.account,
                region=stack.region,
                template=template,
                paths={},
            ),
            folder,
            notes,
            inner,
            faults,
            (*around, asset),
        )
    return StackTemplate(
        name=stack.name,
        stack_name=stack.stack_name,
        account=stack.account,
        region=stack.region,
        template=stack.template,
        paths=paths,
        nested=nested,
        messages=tuple(messages),
        acknowledged=stack.acknowledged,
    )


def _nested_file(folder: _Folder, resource: Json) -> str:
    """Return the file of a nested stack's template; empty if the assembly does not name it."""
    noted = as_mapping(resource.get("Metadata")).get("aws:asset:path")
    if isinstance(noted, str):
        return noted
    url = str(as_mapping(resource.get("Properties")).get("TemplateURL"))
    return next((file for digest, file in folder.assets.items() if digest in url), "")


def _paths(resources: Mapping[str, Json], notes: Json, prefix: str) -> dict[str, str]:
    """Return the construct path of each resource, below a stack's path."""
    known = dict[str, str]()
    for path, entries in notes.items():
        inner = _below(path.removeprefix("/"), prefix)
        for entry in entries if isinstance(entries, list) else ():
            if inner and as_mapping(entry).get("type") == "aws:cdk:logicalId":
                # A nested stack's ids are its own, and lie deeper.
                known.setdefault(str(entry.get("data")), inner)
    for logical_id, resource in resources.items():
        noted = as_mapping(resource.get("Metadata")).get("aws:cdk:path")
        if isinstance(noted, str) and (inner := _below(noted, prefix)):
            known[logical_id] = inner
    return {name: _short(known[name]) for name in resources if name in known}


def _below(path: str, prefix: str) -> str:
    return path.removeprefix(f"{prefix}/") if path.startswith(f"{prefix}/") else ""


def _short(path: str) -> str:
    """Return the path of the construct that a person wrote: its resource is an inner one."""
    return path.removesuffix("/Resource").removesuffix("/Default") or path


def _messages(notes: Json) -> Iterator[Message]:
    for path in sorted(notes):
        for entry in notes[path] if isinstance(notes[path], list) else ():
            level = _MESSAGES.get(str(as_mapping(entry).get("type")))
            if level:
                yield Message(path.removeprefix("/"), level, str(entry.get("data")))


def _acknowledged(notes: Json) -> Iterator[Acknowledged]:
    for path in sorted(notes):
        for entry in notes[path] if isinstance(notes[path], list) else ():
            if as_mapping(entry).get("type") == "aws:cdk:acknowledged-rules":
                for rule, reason in sorted(as_mapping(entry.get("data")).items()):
                    name = str(rule).removeprefix("Annotation::")
                    yield Acknowledged(path.removeprefix("/"), name, str(reason))


def _template(folder: Path, name: Any, faults: list[Finding]) -> Json | None:
    file = _inside(folder, name)
    if file is None:
        faults.append(_damaged(folder / MANIFEST, f"A stack names no template: {name!r}."))
        return None
    template = _json(file, faults)
    if template is None:
        return None
    resources = template.get("Resources")
    if not isinstance(resources, dict) or not all(isinstance(r, dict) for r in resources.values()):
        faults.append(_damaged(file, "The template has no resources."))
        return None
    for section in ("Outputs", "Mappings", "Parameters", "Conditions"):
        if not isinstance(template.get(section, {}), dict):
            faults.append(_damaged(file, f"{section} are no object."))
            return None
    if not all(isinstance(r.get("Properties", {}), dict) for r in resources.values()):
        faults.append(_damaged(file, "Properties of a resource are no object."))
        return None
    # The CDK's own resource holds what it counts, and makes nothing.
    kept = {name: r for name, r in resources.items() if r.get("Type") != "AWS::CDK::Metadata"}
    return {**template, "Resources": kept}


def _inside(folder: Path, name: Any) -> Path | None:
    """Return a file of an assembly; None if it is not named, or lies elsewhere."""
    if not isinstance(name, str) or not name:
        return None
    try:
        file = (folder / name).resolve()
        is_inside = file.is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a circle of links, a name that is none
        return None
    return file if is_inside else None


def _json(file: Path, faults: list[Finding], *, is_manifest: bool = False) -> Json | None:
    try:
        if file.exists() and not file.is_file():
            raise IsADirectoryError(21, "not a file")
        with file.open("rb") as opened:
            text = opened.read(MAX_BYTES + 1)
        value = parse_json(text) if len(text) <= MAX_BYTES else None
    except OSError as error:
        if is_manifest:
            message = f"This is no cloud assembly: {MANIFEST} cannot be read ({error.strerror})."
            fix = "run `cdk synth`, and give the folder it writes, cdk.out"
            finding = Finding(
                code="assembly-missing", where=str(file.parent), message=message, fix=fix
            )
        else:
            finding = _damaged(file, f"It cannot be read: {error.strerror}.")
        faults.append(finding)
        return None
    except ValueError as error:
        faults.append(_damaged(file, f"It is no JSON: {error}."))
        return None
    if not isinstance(value, dict):
        faults.append(_damaged(file, "It is no JSON object of a size that the CDK writes."))
        return None
    return value


def _damaged(file: Path, message: str) -> Finding:
    fix = "run `cdk synth` again into an empty folder"
    return Finding(code="assembly-damaged", where=str(file), message=message, fix=fix)


def as_mapping(value: Any) -> Json:
    """Return a value if it is an object, else an empty one: templates are written by anybody."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return a value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def branches(value: Any) -> list[Any]:
    """Return a value, or the items of a list, with both branches of each condition."""
    if isinstance(value, list):
        return [each for item in value for each in branches(item)]
    if isinstance(value, dict) and set(value) == {"Fn::If"}:
        return [each for item in as_list(value["Fn::If"])[1:] for each in branches(item)]
    return [] if value is None or value == {"Ref": "AWS::NoValue"} else [value]
