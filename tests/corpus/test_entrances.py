"""Whoever asks gets the same findings: the plans, ``neo validate``, a job and an endpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match
from click.testing import CliRunner

import neo_constructs as neo
from neo_constructs.archives.inspection import inspect
from neo_constructs.catalog.compilation_request import JobSettings
from neo_constructs.cli.main import neo as command
from neo_constructs.findings.finding import Level
from neo_constructs.plans.compilation_plan import CompilationPlan
from neo_constructs.plans.validation import validate
from tests.corpus import files, jobs
from tests.corpus.case import Case, codes
from tests.templates.stacks import DIGITS

Said = tuple[list[str], list[str]]  # codes of errors and of warnings
C5 = neo.TargetDevice.ML_C5
_CODE = re.compile(r"\[([a-z-]+)\]\s*\[ack")
MODELS = [case for case in files.CASES if case.model]
SETTINGS = [case for case in jobs.CASES if case.settings]
# What a script has to do with it: an endpoint asks for one, the others do not.
_OF_SCRIPTS = re.compile(r"script-.*")


def name(case: Case) -> str:
    return f"{case.about}: {case.title}"


def said_by(make: Callable[[cdk.Stack], object], region: str | None = None) -> Said:
    """Return what is said when a construct is made; warnings only where there is no error."""
    env = cdk.Environment(account="123456789012", region=region) if region else None
    stack = cdk.Stack(cdk.App(), "Stack", env=env)
    try:
        make(stack)
    except neo.ValidationError as error:
        return codes(list(error.findings), Level.ERROR), []
    found = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    texts = (str(entry.entry.data) for entry in found)
    return [], sorted(match[1] for text in texts if (match := _CODE.search(text)))


def without_scripts(said: Said) -> Said:
    errors, warnings = ([c for c in part if not _OF_SCRIPTS.fullmatch(c)] for part in said)
    return errors, warnings


def expected(errors: list[str], warnings: list[str]) -> Said:
    """Return what a construct says: an error leaves the warnings out."""
    return (errors, []) if errors else ([], warnings)


@pytest.mark.parametrize("case", MODELS, ids=name)
def test_a_model_is_judged_alike_by_whoever_asks(case: Case, tmp_path: Path) -> None:
    assert case.model
    path = case.model(tmp_path)
    found = list(validate(path, target=C5).findings)
    wanted = codes(found, Level.ERROR), codes(found, Level.WARNING)

    result = CliRunner().invoke(command, ["validate", str(path), "--target", "ml_c5", "--json"])
    by_level: dict[str, list[str]] = {"error": [], "warning": []}
    for each in json.loads(result.stdout)["findings"]:
        by_level[each["level"]].append(each["code"])
    assert (sorted(by_level["error"]), sorted(by_level["warning"])) == wanted

    def job(stack: cdk.Stack) -> object:
        return neo.CompilationJob(
            stack, "Job", model_data=neo.ModelData.from_asset(path), target=C5
        )

    def endpoint(stack: cdk.Stack) -> object:
        return neo.CompiledEndpoint(
            stack,
            "Endpoint",
            model_data=neo.ModelData.from_asset(path),
            target=C5,
            instance_type="ml.c5.large",
        )

    assert said_by(job) == expected(*wanted)
    errors, warnings = without_scripts(said_by(endpoint))
    assert errors == wanted[0]
    assert not warnings or warnings == wanted[1]


def test_two_faults_of_a_model_are_said_together_by_whoever_asks(tmp_path: Path) -> None:
    """A too new file with a dimension of zero: once, one way to ask said a third of it."""
    file = tmp_path / "model.onnx"
    content = (DIGITS / "digits.onnx").read_bytes()
    file.write_bytes(b"\x08\x08" + content[2:-1] + b"\x11")
    zero = {"pixels": [1, 1, 0, 8]}
    found = list(validate(file, target=C5, data_input_config=neo.DataInputConfig(zero)).findings)
    assert len(found) >= 3

    def job(stack: cdk.Stack) -> object:
        return neo.CompilationJob(
            stack,
            "Job",
            model_data=neo.ModelData.from_asset(file),
            target=C5,
            data_input_config=zero,
        )

    assert said_by(job)[0] == codes(found, Level.ERROR)


def test_a_bad_duration_hides_no_missing_script() -> None:
    def endpoint(stack: cdk.Stack) -> object:
        return neo.CompiledEndpoint(
            stack,
            "Endpoint",
            model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
            target=C5,
            instance_type="ml.c5.large",
            max_runtime=cdk.Duration.hours(2),
        )

    assert said_by(endpoint)[0] == ["max-runtime", "script-needed"]


@pytest.mark.parametrize("case", SETTINGS, ids=name)
def test_settings_are_judged_alike_by_plan_and_job(case: Case) -> None:
    asked = case.settings
    assert isinstance(asked, JobSettings)
    plan = CompilationPlan(
        declared_framework=asked.framework,
        target=asked.target,
        data_input_config=asked.data_input_config,
        compiler_options=asked.compiler_options,
        max_runtime_seconds=asked.max_runtime_seconds,
        region=asked.region,
    )
    found = plan.check()
    wanted = codes(found, Level.ERROR), codes(found, Level.WARNING)
    assert wanted == (sorted(case.errors), sorted(case.warnings))

    def job(stack: cdk.Stack) -> object:
        seconds = asked.max_runtime_seconds
        models = s3.Bucket.from_bucket_name(stack, "Models", "models")
        return neo.CompilationJob(
            stack,
            "Job",
            model_data=neo.ModelData.from_bucket(models, "model.tar.gz", object_version="v1"),
            framework=asked.framework,
            target=asked.target,
            data_input_config=asked.data_input_config,
            compiler_options=asked.compiler_options,
            max_runtime=None if seconds is None else cdk.Duration.seconds(seconds),
        )

    assert said_by(job, asked.region) == expected(*wanted)


@pytest.mark.parametrize(
    ("options", "is_said"),
    [({"dtype": "int64"}, False), (None, True)],
)
def test_options_that_state_the_type_answer_the_doubt(
    options: dict[str, str] | None, is_said: bool, tmp_path: Path
) -> None:
    """Other options do not: they say nothing of the inputs' type."""
    file = tmp_path / "model.onnx"
    file.write_bytes(files.onnx(dtype=7))
    plan = CompilationPlan(
        inspection=inspect(file),
        target=C5,
        compiler_options=neo.CompilerOptions.coerce(options) if options else None,
    )
    assert ("input-dtype" in {f.code for f in plan.check()}) is is_said
