"""Can each probe of ``neo verify`` say that AWS does otherwise than is assumed?

A subset runs with the other tests; NEO_TEST_VERIFY=all runs every probe (``make verify-sandbox``).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from neo_constructs.sandbox.behaviour import Behaviour
from neo_constructs.sandbox.emulator import BEHAVIOUR_FILE, Sandbox, sandbox
from neo_constructs.sandbox.environment import ACCOUNT, REGION
from neo_constructs.verification import removal, run
from neo_constructs.verification.answers import Verdict
from neo_constructs.verification.kit import Kit
from neo_constructs.verification.ledger import Ledger
from neo_constructs.verification.policy import policy
from neo_constructs.verification.probe import Probe
from neo_constructs.verification.probes import PROBES
from neo_constructs.verification.stack_names import BASE, DEPLOYED
from tests.sandbox.account import session_of

IS_ALL = os.environ.get("NEO_TEST_VERIFY") == "all"
QUICK = Behaviour(compile_seconds=0.3, endpoint_seconds=0.2)
# All that the emulator has to be told to do as it is assumed.
TRUE = {probe.id: True for probe in PROBES}
# Of the subset: what needs the base stack alone, and little time.
FEW = ("A-S3-01", "A-S3-03", "A-IAM-03", "A-IAM-07", "A-CFN-03", "A-NEO-13", "A-NEO-14", "A-NEO-17")
CHOSEN = [probe for probe in PROBES if IS_ALL or probe.id in FEW]
STACKS = list(DEPLOYED) if IS_ALL else [BASE]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with sandbox(behaviour=QUICK) as made:
        yield made


def kit_of(running: Sandbox, folder: Path, run_id: str = "run-1") -> Kit:
    """Return a kit that takes the sandbox for AWS, so that every probe says all that it can."""
    ledger = Ledger(folder / "ledger.json", run_id)
    return Kit(session_of(running), ledger, is_emulated=False, pace=0.05)


def tell(running: Sandbox, assumptions: Mapping[str, bool]) -> None:
    Behaviour(QUICK.compile_seconds, QUICK.endpoint_seconds, assumptions=assumptions).write(
        running.log.parent / BEHAVIOUR_FILE
    )


@pytest.fixture(scope="module")
def deployed(
    running: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Sandbox, Path]]:
    folder = tmp_path_factory.mktemp("verify")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        kit = kit_of(running, folder)
        missing = run.deploy(kit, STACKS, folder / "cdk.log")
        assert missing == {}, (folder / "cdk.log").read_text()[-2_000:]
        yield running, folder
        tell(running, {})
        assert removal.remove_all(kit, lambda _: None) == []


def ask(kit: Kit, probe: Probe) -> run.Result:
    (result,) = run.probe_all(kit, [probe], {}, minutes=10, told=lambda _: None)
    return result


def test_what_is_assumed_holds_where_the_emulator_does_so(deployed: tuple[Sandbox, Path]) -> None:
    running, folder = deployed
    tell(running, TRUE)
    kit = kit_of(running, folder / "true", "true")
    found = run.probe_all(kit, CHOSEN, {}, minutes=20, told=lambda each: print(each.probe.id))
    wrong = {
        each.probe.id: f"{each.answer.verdict}: {each.answer.said}"
        for each in found
        if each.answer.verdict is not Verdict.HELD
    }
    assert wrong == {}, "\n".join(f"{name} {why}" for name, why in wrong.items())
    assert removal.remove_all(kit, lambda _: None) == []


@pytest.mark.parametrize("probe", CHOSEN, ids=lambda probe: probe.id)
def test_what_is_otherwise_differs(deployed: tuple[Sandbox, Path], probe: Probe) -> None:
    running, folder = deployed
    tell(running, {**TRUE, probe.id: False})
    kit = kit_of(running, folder / probe.id, probe.id)
    found = ask(kit, probe)
    tell(running, {})
    assert removal.remove_all(kit, lambda _: None) == []
    assert found.answer.verdict is Verdict.DIFFERS, found.answer.said
    assert found.answer.said


# --- the command: whose rights it needs, what it refuses, and how it ends -------------------------


def neo(
    running: Sandbox, folder: Path, *arguments: str, keys: tuple[str, str] | None = None
) -> subprocess.Popen[str]:
    environment = dict(running.environment)
    if keys:
        environment |= {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}
    command = [sys.executable, "-m", "neo_constructs", "verify", "--yes", "--folder", str(folder)]
    return subprocess.Popen(
        [*command, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str], seconds: float = 300) -> tuple[int, str]:
    said, _ = process.communicate(timeout=seconds)
    return process.returncode, said


def stacks(running: Sandbox) -> list[str]:
    """Return the stacks of the kit's names that there are."""
    found = client(running, "cloudformation").describe_stacks()["Stacks"]
    return [s["StackName"] for s in found if s["StackName"].startswith("NeoVerify")]


def client(running: Sandbox, service: str) -> Any:
    return session_of(running).client(service, endpoint_url=running.endpoint)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox of its own: what is refused or interrupted is seen by what is there."""
    folder = tmp_path_factory.mktemp("command")
    with sandbox(behaviour=QUICK) as made:
        yield made, folder


ONLY = [word for probe in CHOSEN for word in ("--only", probe.id)]


def test_the_printed_policy_is_enough(empty: tuple[Sandbox, Path]) -> None:
    """A user with nothing else: no probe lacks a right, and all is removed."""
    running, folder = empty
    iam = client(running, "iam")
    iam.create_user(UserName="verifier")
    document = json.dumps(policy(ACCOUNT, REGION))
    # A user's inline policies hold 2,048 characters at most: this is a managed one, of 6,144.
    arn = iam.create_policy(PolicyName="Verify", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="verifier", PolicyArn=arn)
    made = iam.create_access_key(UserName="verifier")["AccessKey"]
    assert len(json.dumps(policy(ACCOUNT, REGION), separators=(",", ":"))) <= 6_144
    keys = (made["AccessKeyId"], made["SecretAccessKey"])
    code, said = ended(neo(running, folder / "policy", *ONLY, keys=keys), 580)
    assert "lacks a right" not in said, said
    assert "Left:" not in said, said
    assert "not authorized" not in said.replace("job", ""), said
    assert "Emulated: this verifies nothing" in said
    assert code in {0, 1}
    assert stacks(running) == []
    assert [file.name for file in (folder / "policy").iterdir()] == ["cdk.log"]


def test_a_stack_of_that_name_that_is_not_its_own_is_left_alone(
    empty: tuple[Sandbox, Path],
) -> None:
    running, folder = empty
    cloudformation = client(running, "cloudformation")
    body = json.dumps({"Resources": {"A": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}})
    cloudformation.create_stack(StackName=BASE, TemplateBody=body)
    code, said = ended(neo(running, folder / "foreign", "--only", "A-S3-01"))
    assert (code, "it was not made by neo verify" in said) == (2, True)
    assert stacks(running) == [BASE]
    cloudformation.delete_stack(StackName=BASE)


@pytest.mark.parametrize("phase", ["deploying", "probes"])
def test_an_interrupted_run_removes_what_it_has_made(
    empty: tuple[Sandbox, Path], phase: str
) -> None:
    running, folder = empty
    process = neo(running, folder / phase, "--only", "A-IAM-05", "--only", "A-S3-01")
    interrupt(process, phase, signal.SIGTERM)  # SIGINT is ignored in what a shell runs aside
    code, said = ended(process)
    assert (code, "Interrupted" in said) == (130, True), said
    assert stacks(running) == []
    # What was answered is kept for --resume, and nothing that was made.
    (file,) = (folder / phase).glob("*.ledger.json")
    assert json.loads(file.read_text())["made"] == []
    code, said = ended(neo(running, folder / phase, "--remove"))
    assert (code, file.exists()) == (0, False), said


def test_a_killed_run_is_resumed_and_a_kept_one_removed(empty: tuple[Sandbox, Path]) -> None:
    running, folder = empty
    process = neo(running, folder / "killed", "--only", "A-IAM-05", "--only", "A-S3-01")
    interrupt(process, "probes", signal.SIGKILL)
    process.communicate(timeout=30)
    assert BASE in stacks(running)
    code, said = ended(neo(running, folder / "killed", "--only", "A-S3-01"))
    assert (code, "neo verify --resume" in said) == (2, True), said
    code, said = ended(neo(running, folder / "killed", "--resume", "--keep", "--only", "A-S3-01"))
    assert (code, "Kept" in said) == (0, True), said
    assert BASE in stacks(running)
    # Without its ledger it is known by its tag.
    (ledger,) = (folder / "killed").glob("*.ledger.json")
    ledger.unlink()
    code, said = ended(neo(running, folder / "killed", "--remove"))
    assert (code, stacks(running)) == (0, []), said
    assert not list((folder / "killed").glob("*.ledger.json"))


def interrupt(process: subprocess.Popen[str], phase: str, number: int) -> None:
    """Send a signal as soon as a run says that it does something."""
    assert process.stdout
    for line in process.stdout:
        if phase in line and " s  " in line:
            break
    time.sleep(1)
    process.send_signal(number)
