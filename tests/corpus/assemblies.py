"""Cloud assemblies: whole, damaged, and of other things."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neo_constructs.findings.finding import Finding
from neo_constructs.review.assembly import check_contents, read_assembly
from tests.corpus.case import Case, findings_of

STACK = {
    "type": "aws:cloudformation:stack",
    "environment": "aws://unknown-account/unknown-region",
    "properties": {"templateFile": "Stack.template.json"},
    "displayName": "Stack",
}
JOB = {"Type": "Custom::NeoCompilationJob", "Properties": {}}
TOPIC = {"Type": "AWS::SNS::Topic"}


def written(
    resources: Any = None, *, artifacts: Any = None, more: dict[str, str] | None = None
) -> Callable[[Path], None]:
    """Return what writes an assembly of one stack, with other files in place of its own."""

    def write(folder: Path) -> None:
        given = {"Stack": STACK} if artifacts is None else artifacts
        (folder / "manifest.json").write_text(json.dumps({"artifacts": given}))
        template = {"Resources": {"Job": JOB} if resources is None else resources}
        (folder / "Stack.template.json").write_text(json.dumps(template))
        for name, text in (more or {}).items():
            (folder / name).write_text(text)

    return write


def case(
    about: str,
    title: str,
    write: Callable[[Path], None],
    *says: str,
    errors: tuple[str, ...] = (),
) -> Case:
    def run(folder: Path) -> Any:
        write(folder)

        def read() -> list[Finding]:
            check_contents(folder, read_assembly(folder))
            return []

        return findings_of(read)

    return Case(about=about, title=title, run=run, errors=errors, says=says)


def nothing(_: Path) -> None:
    return


_MISSING, _DAMAGED, _EMPTY = ("assembly-missing",), ("assembly-damaged",), ("assembly-empty",)
_STAGE = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "inner"}}
_ELSEWHERE = {**STACK, "properties": {"templateFile": "../../etc/passwd"}}
_NESTED = {"Type": "AWS::CloudFormation::Stack", "Metadata": {"aws:asset:path": "n.json"}}

CASES = [
    case("assembly-missing", "an empty folder", nothing, "cdk synth", errors=_MISSING),
    case("assembly-missing", "a stage without a folder", written(artifacts={"Prod": _STAGE}),
         "inner", errors=_MISSING),
    case("assembly-missing", "an assembly", written()),
    case("assembly-damaged", "no JSON", written(more={"Stack.template.json": "{"}),
         "Stack.template.json", errors=_DAMAGED),
    case("assembly-damaged", "deep JSON", written(more={"manifest.json": "[" * 100_000}),
         "nested too deeply", errors=_DAMAGED),
    case("assembly-damaged", "a list", written(more={"manifest.json": "[]"}), errors=_DAMAGED),
    case("assembly-damaged", "no artifacts", written(artifacts=[]), errors=_DAMAGED),
    case("assembly-damaged", "an artifact that is text", written(artifacts={"a": "b"}),
         errors=_DAMAGED),
    case("assembly-damaged", "no template", written(artifacts={"S": {**STACK, "properties": {}}}),
         "names no template", errors=_DAMAGED),
    case("assembly-damaged", "a template elsewhere", written(artifacts={"S": _ELSEWHERE}),
         "../../etc/passwd", errors=_DAMAGED),
    case("assembly-damaged", "no resources", written([]), "has no resources", errors=_DAMAGED),
    case("assembly-damaged", "a resource that is text", written({"A": "b"}), errors=_DAMAGED),
    case("assembly-damaged", "a lost nested template", written({"Job": JOB, "N": _NESTED}),
         "n.json", errors=_DAMAGED),
    case("assembly-damaged", "a stage in itself", written(artifacts={"Prod": {
         **_STAGE, "properties": {"directoryName": "."}}}), "contains itself", errors=_DAMAGED),
    case("assembly-damaged", "outputs that are text",
         written(more={"Stack.template.json": '{"Resources": {}, "Outputs": "x"}'}),
         "Outputs are no object", errors=_DAMAGED),
    case("assembly-damaged", "metadata of no form",
         written(artifacts={"S": {**STACK, "metadata": {"/Stack/Job": "text"}}})),
    case("assembly-empty", "a topic", written({"Topic": TOPIC}), "There is: Stack", errors=_EMPTY),
    case("assembly-empty", "no stack", written(artifacts={}), "no stack at all", errors=_EMPTY),
    case("assembly-empty", "a model of SageMaker's", written({"M": {"Type": "AWS::SageMaker::Model"}})),
]  # fmt: skip
