"""What cdk-nag's AwsSolutions rules find, and that each finding is answered exactly."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

import neo_constructs as neo
from tests.templates.features import FEATURES
from tests.templates.stacks import (
    DIGITS,
    PARTITIONS,
    actions,
    digits_endpoint,
    statements,
    template,
)

PAGE = Path(__file__).parent.parent.parent / "docs" / "security.md"
ENGINE = [
    ("NeoJobEngine/Bucket", "IAM5", "/neo-...-*"),
    ("NeoJobEngine/CompileBucket", "IAM5", "/neo-...-????????-??????????-????????/*"),
    ("NeoJobEngine/CompileBucket", "IAM5", "/neo-...-????????/input/*"),
    ("NeoJobEngine/CompileRole", "IAM5", "*"),
    ("NeoJobEngine/CompileRole", "IAM5", ":log-group:/aws/sagemaker/CompilationJobs:*"),
    ("NeoJobEngine/Machine", "SF1", ""),
    ("NeoJobEngine/Machine", "SF2", ""),
    ("NeoJobEngine/Role", "IAM5", "*"),
    ("NeoJobEngine/Role", "IAM5", ":compilation-job/neo-...-*"),
    ("NeoJobEngine/Role", "IAM5", ":inference-recommendations-job/neo-...-*"),
    ("NeoJobEngine/Role", "IAM5", ":execution:<NeoJobEngineMachineE2FCF793.Name>:*"),
]
REST = [
    ("Digits/Model/Policy", "IAM5", "*"),
    ("Digits/Model/Policy", "IAM5", "/neo-...-????????-??????????-????????/*"),
    ("Digits/Model/Policy", "IAM5", "/neo-...-????????/serving/*"),
    ("Digits/Model/Policy", "IAM5", ":log-group:/aws/sagemaker/Endpoints/*"),
    ("Digits/Model/Policy", "IAM5", ":repository/*"),
    ("NeoArtifactBucket", "S1", ""),
]


Build = Callable[[cdk.Stack], object]


def findings(
    folder: Path, env: cdk.Environment | None, build: Build = digits_endpoint
) -> list[tuple[str, str, str]]:
    """Return what the rules find in a stack: where, rule, what of it."""
    app = cdk.App(outdir=str(folder))
    build(cdk.Stack(app, "Stack", env=env))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "true")
        with contextlib.suppress(RuntimeError):  # there are findings: they are in the report
            app.synth()
    report = json.loads((folder / "validation-report.json").read_text())
    return sorted(
        _readable(violation["ruleName"], construct["constructPath"])
        for plugin in report["pluginReports"]
        if "Nag" in plugin["pluginName"] or "AwsSolutions" in plugin["pluginName"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    )


def _readable(rule: str, path: str) -> tuple[str, str, str]:
    where = path.removeprefix("Stack/").removesuffix("/Resource").removesuffix("/DefaultPolicy")
    where = where.removesuffix("Role/Policy") + "Role" * where.endswith("Role/Policy")
    where = re.sub(r"[0-9A-F]{8}$", "", where)  # policies of a bucket are named by its hash
    name, _, what = rule.removeprefix("AwsSolutions-").removesuffix("]").partition("[Resource::")
    head, has_prefix, tail = what.partition("neo-{")
    if has_prefix:
        what = f"{head}neo-...{tail[tail.rindex('}') + 1 :]}"
    for start in (
        ":compilation-job/",
        ":inference-recommendations-job/",
        ":execution:",
        ":log-group:",
        ":repository/",
        "/neo-",
    ):
        if start in what:
            what = what[what.index(start) :]
            break
    return where, name, what


@pytest.mark.parametrize("partition", PARTITIONS)
def test_every_finding_is_answered(partition: str, tmp_path: Path) -> None:
    assert findings(tmp_path, PARTITIONS[partition]) == []


@pytest.mark.parametrize("name", FEATURES)
def test_every_finding_of_a_feature_is_answered(name: str, tmp_path: Path) -> None:
    assert findings(tmp_path, PARTITIONS["aws"], FEATURES[name]) == []


def test_keys_and_roles_of_ones_own_add_no_finding(tmp_path: Path) -> None:
    def build(stack: cdk.Stack) -> None:
        key = kms.Key(stack, "Key", enable_key_rotation=True)
        trusted = iam.ServicePrincipal("sagemaker.amazonaws.com")
        neo.CompilationJob(
            stack,
            "Job",
            model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
            target=neo.TargetDevice.ML_C5,
            role=iam.Role(stack, "Compiler", assumed_by=trusted),
            encryption_key=key,
            artifact_bucket=neo.ArtifactBucket(
                stack,
                "Artifacts",
                encryption_key=key,
                server_access_logs_bucket=s3.Bucket.from_bucket_name(stack, "Logs", "logs"),
            ),
        )

    assert findings(tmp_path, PARTITIONS["aws"], build) == []


def test_every_answer_has_its_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the answers the rules find just these: nothing is answered for nothing."""
    answers: set[tuple[str, str]] = set()

    def note(scope: IConstruct, given: Iterable[tuple[str, str]]) -> None:
        answers.update((scope.node.path, rule) for rule, _ in given)

    for module in ("engine.acknowledgements", "engine.job_engine", "compilation.artifact_bucket"):
        monkeypatch.setattr(f"neo_constructs.{module}.acknowledge", note)
    found = findings(tmp_path, PARTITIONS["aws"])
    assert found == sorted([*ENGINE, *REST])
    assert len(answers) == len(found)


def test_the_page_on_security_has_a_row_for_each() -> None:
    page = PAGE.read_text()
    for where, rule, what in [*ENGINE, *REST]:
        row = f"| `{where}` | {rule} | {f'`{what}` ' if what else ''}|"
        assert row in page, row


def test_the_page_on_security_has_every_right() -> None:
    scope = cdk.Stack(cdk.App(), "Stack", env=PARTITIONS["aws"])
    digits_endpoint(scope)
    granted = {
        (HEADINGS[role], action)
        for name, role in (
            ("NeoJobEngineRole", "engine"),
            ("NeoJobEngineCompileRole", "compile"),
            ("DigitsModelRole", "model"),
        )
        for statement in statements(template(scope), name)
        for action in actions(statement)
    }
    sections = PAGE.read_text().split("\n### ")
    for heading, action in granted:
        (section,) = [text for text in sections if text.startswith(heading)]
        assert f"| `{action}` |" in section, (heading, action)


HEADINGS = {"engine": "The engine's function", "compile": "Neo", "model": "The endpoint"}
