"""``neo verify`` without AWS: what it knows, what it says, what it never says."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from neo_jobs.errors import IAM_ERROR_MARKERS

from neo_constructs.cli.main import neo
from neo_constructs.findings.codes import CODES
from neo_constructs.findings.finding import Level
from neo_constructs.sandbox import assumptions
from neo_constructs.sandbox.behaviour import VARIABLE, Behaviour, switches
from neo_constructs.sandbox.sagemaker import judgement
from neo_constructs.scripts.script_rules import check_code
from neo_constructs.scripts.serving_contract import ServingContract
from neo_constructs.verification import ledger, removal, run
from neo_constructs.verification.answers import Verdict, differs, held, unknown
from neo_constructs.verification.compilations import FAMILIES
from neo_constructs.verification.costs import estimate
from neo_constructs.verification.kit import Kit, Missing
from neo_constructs.verification.ledger import Ledger, Made
from neo_constructs.verification.no_probe import NO_PROBE
from neo_constructs.verification.probe import Probe
from neo_constructs.verification.probes import PROBES
from neo_constructs.verification.probes.failing_jobs import FAILING
from neo_constructs.verification.probes.roles import NEW_ROLE
from neo_constructs.verification.redaction import redacted
from neo_constructs.verification.report import Report, recordings
from neo_constructs.verification.run import Result, probe_all
from neo_constructs.verification.stack_names import DEPLOYED, ONNX
from tools import verification_data, verification_page

BY_ID = {probe.id: probe for probe in PROBES}
ACCOUNT = "123456789012"


# --- rows, probes, code ---------------------------------------------------------------------------


def rows(project: Path) -> list[str]:
    text = (project / "docs" / "assumptions.md").read_text()
    return re.findall(r"^\| (A-[A-Z0-9]+-\d\d) \|", text, re.MULTILINE)


def test_every_row_has_a_probe_or_a_reason_and_a_place_in_the_code(project: Path) -> None:
    ids = rows(project)
    assert len(ids) == len(set(ids)) > 90
    assert len(BY_ID) == len(PROBES)
    assert not set(BY_ID) & set(NO_PROBE)
    assert set(ids) == set(BY_ID) | set(NO_PROBE)
    apart = {"verification", "verification_stacks", "__pycache__"}
    code = "".join(
        file.read_text()
        for folder in ("neo_constructs", "lambda", "tools")
        for file in sorted((project / folder).rglob("*.py"))
        if not apart & set(file.parts) and file.name not in {"assumptions.py", "judgement.py"}
    )
    code += (project / "action.yml").read_text()
    named = set(re.findall(r"Rests on ([^\n]+)\.", code))
    assert set(ids) == {name for each in named for name in each.split(", ")}


def test_the_page_says_what_is_asked(project: Path) -> None:
    text = (project / "docs" / "verification.md").read_text()
    assert verification_page.page(text) == text, "python -m tools.verification_page"


def test_each_probe_has_a_switch_that_makes_its_assumption_false() -> None:
    """Or the emulator does otherwise by itself, unless it is told to do as it is assumed."""
    assert set(BY_ID) == assumptions.KNOWN
    assert switches(["a-s3-01"], ["A-CFN-03", ""]) == {"A-S3-01": True, "A-CFN-03": False}


def test_data_is_that_of_the_corpus_and_of_the_network() -> None:
    for name, value in (
        ("digits", verification_data.digits()),
        ("requests", verification_data.requests()),
    ):
        written = json.loads((verification_data.DATA / f"{name}.json").read_text())
        assert written == json.loads(json.dumps(value)), "python tools/verification_data.py"


@pytest.mark.parametrize("name", FAILING)
def test_a_job_that_must_fail_breaks_its_rule(name: str) -> None:
    failing = FAILING[name]
    assert failing.rule in CODES
    wanted = failing.wanted
    job = {
        "InputConfig": wanted.input_config("s3://a/b.tar.gz"),
        "OutputConfig": {"TargetDevice": wanted.target},
    }
    found = judgement._findings(job, wanted.archive())
    assert failing.rule in {finding.code for finding in found}
    level = Level.ERROR if failing.is_error else Level.WARNING
    assert {f.level for f in found if f.code == failing.rule} == {level}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_models_of_the_kit_break_no_rule(family: str) -> None:
    wanted = FAMILIES[family]
    job = {
        "InputConfig": wanted.input_config("s3://a/b.tar.gz"),
        "OutputConfig": {"TargetDevice": wanted.target},
    }
    assert judgement.refusal(job, wanted.archive()) == ""


@pytest.mark.parametrize(
    ("folder", "contract"),
    [
        ("onnx", ServingContract.DLR),
        ("mxnet", ServingContract.MXNET),
        ("pytorch", ServingContract.TOOLKIT),
        ("tensorflow", ServingContract.TENSORFLOW),
    ],
)
def test_the_scripts_of_the_kit_break_no_rule(
    project: Path, folder: str, contract: ServingContract
) -> None:
    scripts = project / "neo_constructs" / "verification_stacks" / "scripts" / folder
    assert [
        f for f in check_code(scripts, "inference.py", contract) if f.level is Level.ERROR
    ] == []


def test_the_scripts_of_dlrs_containers_are_one_but_for_the_models_input(project: Path) -> None:
    """Each container takes one file alone, so there are two."""
    scripts = project / "neo_constructs" / "verification_stacks" / "scripts"
    onnx, mxnet = ((scripts / name / "inference.py").read_text() for name in ("onnx", "mxnet"))
    assert onnx.replace("SHAPE = (1, 1, 8, 8)", "SHAPE = (1, 64)") == mxnet != onnx


def test_a_new_role_is_known_by_the_engines_own_texts() -> None:
    """Another text would fail a deploy where the probe says that the assumption held."""
    assert NEW_ROLE == IAM_ERROR_MARKERS


# --- what is never held ---------------------------------------------------------------------------


class Refusing(boto3.Session):  # type: ignore[misc] # boto3 has no types
    """A session whose every request is refused with one code."""

    def __init__(self, code: str) -> None:
        super().__init__("AKIA", "secret", region_name="eu-west-1")
        self._code = code

    def client(self, service: str, **_: Any) -> Any:
        class Client:
            def __getattr__(client, operation: str) -> Any:
                def refuse(*_: Any, **__: Any) -> Any:
                    error = {"Error": {"Code": self._code, "Message": "no"}}
                    raise ClientError(error, f"{service}.{operation}")

                return refuse

        return Client()


def kit(folder: Path, code: str) -> Kit:
    return Kit(Refusing(code), Ledger(folder / "ledger.json", "r"), is_emulated=False, pace=0.001)


def asked(
    folder: Path, probes: list[Probe], missing: dict[str, Missing], **more: Any
) -> list[Result]:
    code = more.pop("code", "ResourceLimitExceeded")
    minutes = more.pop("minutes", 1.0)
    return probe_all(kit(folder, code), probes, missing, minutes=minutes, told=lambda _: None)


@pytest.mark.parametrize("code", ["ResourceLimitExceeded", "AccessDeniedException", "Surprise"])
def test_what_cannot_be_asked_is_unknown(tmp_path: Path, code: str) -> None:
    found = asked(tmp_path, list(PROBES), {}, code=code)
    verdicts = {each.probe.id: each.answer.verdict for each in found}
    assert set(verdicts) == set(BY_ID)
    assert Verdict.HELD not in verdicts.values()
    told = {name for name, verdict in verdicts.items() if verdict is Verdict.DIFFERS}
    # Of a job that was never made, a code that nobody has heard of is an answer.
    assert told == ({"A-NEO-13"} if code == "Surprise" else set())
    assert all(each.answer.said for each in found)


def test_without_its_stack_or_time_a_probe_is_unknown(tmp_path: Path) -> None:
    missing = {name: Missing(f"{name} is ROLLBACK_COMPLETE") for name in DEPLOYED}
    with_stacks = [probe for probe in PROBES if probe.stacks]
    for found in (
        asked(tmp_path, with_stacks, missing),
        asked(tmp_path, with_stacks, {}, minutes=-1),
    ):
        assert {each.answer.verdict for each in found} == {Verdict.UNKNOWN}


def test_an_endpoint_that_does_not_start_is_an_answer(tmp_path: Path) -> None:
    why = Missing("Endpoint: did not pass the ping health check", is_containers=True)
    found = asked(tmp_path, [BY_ID["A-NEO-03"], BY_ID["A-RUN-01"]], {ONNX: why})
    assert [each.answer.verdict for each in found] == [Verdict.DIFFERS, Verdict.UNKNOWN]


def test_a_refusal_is_an_answer_only_after_a_look_at_its_code(project: Path) -> None:
    """Else a missing right, or a throttled request, would be taken for what AWS does."""
    checked = 0
    for file in sorted((project / "neo_constructs/verification/probes").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.ExceptHandler) or "ClientError" not in ast.unparse(node):
                continue
            text = ast.unparse(node)
            if file.name != "__init__.py" and ("return " in text or "append" in text):
                # Not an answer yet: it is asked again, or left out.
                is_left = any(t in text for t in ("return None", "CannotSayError", "'none'"))
                assert "judged(" in text or is_left, f"{file.name}: {text}"
                checked += 1
    assert checked > 12


# --- what is said and written ---------------------------------------------------------------------

SECRETS = {
    "arn": f"arn:aws:iam::{ACCOUNT}:role/x",
    "user": f"User: arn:aws:sts::{ACCOUNT}:assumed-role/Ann/ann@example.org is not authorized",
    "url": "https://b.s3.amazonaws.com/k?X-Amz-Signature=abc&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE/1",
    "key": "AKIAIOSFODNN7EXAMPLE",
    "session": "AROAIOSFODNN7EXAMPLE:ann@example.org",
    "federated": f"arn:aws:sts::{ACCOUNT}:federated-user/Ann",
    "sso": f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Ann_1",
    "other": "arn:aws:iam::210987654321:root",
    "image": "785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-neo-onnx:1",
}


def test_accounts_callers_keys_and_urls_are_taken_out() -> None:
    text = json.dumps(redacted({"a": [SECRETS, (1, None, True)]}, ACCOUNT))
    for secret in (ACCOUNT, "210987654321", "Ann", "ann@", "X-Amz-Signature", "AKIAIOSF"):
        assert secret not in text
    assert "785573368785.dkr.ecr" in text  # an account of AWS's own, which is the evidence


def report(*results: Result, is_emulated: bool = False) -> Report:
    return Report(
        region="eu-west-1",
        account=ACCOUNT,
        date="2026-01-02",
        version="0.3.0",
        is_emulated=is_emulated,
        results=results,
    )


def result(name: str, answer: Any) -> Result:
    return Result(BY_ID[name], answer, 1.0)


def test_a_report_has_the_answers_and_the_evidence_of_what_differs() -> None:
    made = report(
        result("A-S3-01", held("as | assumed")),
        result("A-S3-03", differs("otherwise", request_id="1234", **SECRETS)),
        result("A-S3-04", unknown("no time")),
    )
    text, data = made.as_markdown(), json.loads(made.as_json())
    assert "1 held, 1 differs, 1 unknown" in text
    assert '"request_id": "1234"' in text
    assert "as \\| assumed" in text
    assert ACCOUNT not in text + made.as_json()
    assert data["answers"]["A-S3-03"]["verdict"] == "differs"
    assert "verifies nothing" in report(is_emulated=True).as_markdown()


def test_recordings_are_those_of_the_echo_and_of_failed_jobs() -> None:
    events = [{"RequestType": "Create", "StackId": f"arn:aws:cloudformation:x:{ACCOUNT}:stack/a"}]
    found = recordings(
        [
            result("A-CFN-03", held("", events=events)),
            result("A-NEO-15", held("", jobs={"broken archive": {"FailureReason": "no"}})),
            result("A-S3-01", held("")),
        ],
        ACCOUNT,
    )
    assert set(found) == {"requests", "failed_jobs"}
    assert found["requests"].keys() == {"A-CFN-03"}
    assert ACCOUNT not in json.dumps(found)


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    kept = Ledger(tmp_path / "a" / "ledger.json", "run", ACCOUNT)
    kept.note("stack", "NeoVerifyBase")
    kept.note("bucket", "b", region="us-west-2")
    kept.answered("A-S3-01", {"verdict": "held", "said": "", "evidence": {}, "seconds": 1})
    kept.gone(Made("stack", "NeoVerifyBase"))
    read = Ledger.read(kept.file)
    assert (read.run_id, read.made) == ("run", (Made("bucket", "b", "us-west-2"),))
    assert set(read.answers) == {"A-S3-01"}
    kept.file.write_text("{}")
    with pytest.raises(ValueError, match="no ledger"):
        Ledger.read(kept.file)


def test_whatever_is_made_can_be_removed_by_hand() -> None:
    kinds = {value for name, value in vars(ledger).items() if name.isupper()}
    for kind in kinds:
        assert "x-1" in removal.command_for(Made(kind, "x-1"), "eu-west-1")
    assert kinds == {*removal._REMOVERS, ledger.STACK}


def test_the_estimate_grows_with_what_is_asked() -> None:
    one = estimate([BY_ID["A-S3-01"]], ["NeoVerifyBase"])
    all_ = estimate(PROBES, DEPLOYED)
    assert 0 < one.dollars < all_.dollars < 5
    assert one.minutes < all_.minutes < 180


# --- the command ----------------------------------------------------------------------------------


def test_the_list_names_every_assumption() -> None:
    done = CliRunner().invoke(neo, ["verify", "--list"])
    assert done.exit_code == 0
    for name in (*BY_ID, *NO_PROBE):
        assert f"{name} " in done.output


@pytest.mark.parametrize(
    ("only", "says"), [("A-X-99", "Allowed: A-CFN-01"), ("A-HOST-04", "two fleets")]
)
def test_an_assumption_without_a_probe_is_said(only: str, says: str) -> None:
    done = CliRunner().invoke(neo, ["verify", "--only", only])
    assert done.exit_code == 2
    assert says in done.output


def test_without_credentials_or_region_it_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = CliRunner().invoke(neo, ["verify", "--folder", str(tmp_path)])
    assert (done.exit_code, "No region" in done.output) == (2, True)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    done = CliRunner().invoke(neo, ["verify", "--folder", str(tmp_path)])
    assert (done.exit_code, "who is calling" in done.output) == (2, True)


def test_a_broken_probe_says_that_it_broke(tmp_path: Path) -> None:
    def breaks(_: Kit) -> Any:
        raise KeyError("oh")

    probe = Probe(id="A-S3-01", does="", run=breaks, minutes=1)
    (found,) = asked(tmp_path, [probe], {})
    assert found.answer.verdict is Verdict.UNKNOWN
    assert "The probe itself failed" in found.answer.said
    assert run.former_results(kit(tmp_path, ""), [probe]) == []


def test_a_switch_is_set_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "behaviour.json"
    Behaviour().write(file)
    monkeypatch.setenv(VARIABLE, str(file))
    told = ["--otherwise", "A-CFN-03", "--as-assumed", "a-cfn-02"]
    assert CliRunner().invoke(neo, ["sandbox", "set", *told]).exit_code == 0
    assert Behaviour.read(file).assumptions == {"A-CFN-02": True, "A-CFN-03": False}
    done = CliRunner().invoke(neo, ["sandbox", "set", "--otherwise", "A-X-01"])
    assert (done.exit_code, "Allowed: A-CFN-01" in done.output) == (2, True)
    assert CliRunner().invoke(neo, ["sandbox", "set"]).exit_code == 0
    assert Behaviour.read(file) == Behaviour()
