"""Is the kit of ``neo verify`` worth something: can each probe say that AWS does otherwise?

A subset runs with the other tests; NEO_TEST_VERIFY=all runs every probe (``make verify-sandbox``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from neo_constructs.sandbox.behaviour import Behaviour
from neo_constructs.sandbox.emulator import BEHAVIOUR_FILE, Sandbox, sandbox
from neo_constructs.verification import removal, run
from neo_constructs.verification.answers import Verdict
from neo_constructs.verification.kit import Kit
from neo_constructs.verification.ledger import Ledger
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
    kit = kit_of(running, folder / "true")
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
    kit = kit_of(running, folder / probe.id)
    found = ask(kit, probe)
    tell(running, {})
    assert removal.remove_all(kit, lambda _: None) == []
    assert found.answer.verdict is Verdict.DIFFERS, found.answer.said
    assert found.answer.said
