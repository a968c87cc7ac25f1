"""Whenever CloudFormation asks, the policy in force suffices: it changes before what it serves."""

from __future__ import annotations

import pytest

from tests.lifecycle.cloudformation import CloudFormation, Request
from tests.lifecycle.rights import NONE
from tests.lifecycle.templates import ArchiveSpec, deployed, script_body, script_key, source
from tests.lifecycle.world import World

ONE = ArchiveSpec((("A", 1),))
OTHER = ArchiveSpec((("A", 2),))
TWO = ArchiveSpec((("A", 1), ("B", 1)))
RENAMED = ArchiveSpec((("B", 1),))
NO_JOB = ArchiveSpec((), script=1)


class Stack:
    """A stack that is led from one template to the next."""

    def __init__(self, *, keeps_reported: bool = True) -> None:
        self.world = World()
        self.failed: list[Request] = []
        for job, model in (("A", 1), ("A", 2), ("B", 1)):
            self.world.s3.put(source(job, model))
        for version in (1, 2):
            self.world.s3.put(f"s3://models/{script_key(version)}", script_body(version))
        self.stack = CloudFormation(self.world, keeps_reported=keeps_reported, check=self._note)

    def _note(self, request: Request) -> None:
        assert request.answer
        if request.answer["Status"] == "FAILED":
            self.failed.append(request)

    def deploy(self, wanted: ArchiveSpec) -> None:
        self.stack.deploy(wanted)
        self.rest()

    def rest(self) -> None:
        """Go on until nothing is under way."""
        for _ in range(5_000):
            self.stack.take_answers()
            if not self.world.tick() and self.stack.is_idle:
                return
        raise AssertionError("it does not come to rest")

    def go_on_until_a_job_runs(self) -> None:
        while not self.world.sagemaker.running():
            self.world.tick()
            self.stack.take_answers()

    def check(self) -> None:
        """No right was missing, and nothing is left that nobody asks for."""
        assert self.world.calls.denied == []
        assert self.world.sagemaker.running() == []
        live = {resource.physical_id for resource in self.stack.live.values()}
        assert set(self.world.sagemaker.jobs) <= live


@pytest.mark.parametrize("keeps_reported", [True, False])
@pytest.mark.parametrize("wanted", [TWO, OTHER, RENAMED])
def test_an_update_fails_while_its_job_compiles(wanted: ArchiveSpec, keeps_reported: bool) -> None:
    """The right to read the new model is taken back before the new job is deleted."""
    stack = Stack(keeps_reported=keeps_reported)
    stack.deploy(ONE)
    before = dict(stack.stack.live)
    stack.world.sagemaker.seconds = 2_000
    stack.stack.deploy(wanted)
    stack.go_on_until_a_job_runs()
    stack.stack.cancel()
    assert stack.world.calls.rights == deployed(ONE).rights
    stack.rest()
    assert stack.failed == []
    assert stack.stack.live == before
    stack.check()


@pytest.mark.parametrize("keeps_reported", [True, False])
@pytest.mark.parametrize("wanted", [TWO, OTHER, RENAMED])
def test_an_update_whose_job_fails(wanted: ArchiveSpec, keeps_reported: bool) -> None:
    stack = Stack(keeps_reported=keeps_reported)
    stack.deploy(ONE)
    before = dict(stack.stack.live)
    stack.world.sagemaker.outcome = "FAILED"
    stack.deploy(wanted)
    assert len(stack.failed) == 1
    assert stack.stack.live == before
    assert [r for r in stack.failed if r.kind == "Delete"] == []
    stack.stack.destroy()
    stack.rest()
    stack.check()


@pytest.mark.parametrize("keeps_reported", [True, False])
def test_an_update_of_the_script_is_given_up(keeps_reported: bool) -> None:
    """The right to read the new script is taken back while the worker may still read it."""
    stack = Stack(keeps_reported=keeps_reported)
    stack.deploy(NO_JOB)
    before = dict(stack.stack.live)
    stack.world.has_stragglers = True
    stack.stack.deploy(ArchiveSpec((), script=2))
    stack.world.tick()
    stack.stack.cancel()
    stack.rest()
    assert stack.stack.live == before
    assert stack.world.s3.uploads == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(TWO, ONE, id="a job is removed"),
        pytest.param(ONE, RENAMED, id="a job is renamed"),
        pytest.param(ONE, NO_JOB, id="the last job is removed, the engine stays"),
        pytest.param(ONE, OTHER, id="the model's place changes"),
        pytest.param(ONE, ArchiveSpec((("A", 1),), tag="new"), id="a tag changes"),
        pytest.param(NO_JOB, ArchiveSpec((), script=2), id="the script's place changes"),
        pytest.param(NO_JOB, ONE, id="the archive is removed"),
        pytest.param(
            ArchiveSpec((("A", 1),), script=1, destroys=True),
            ArchiveSpec((("A", 1),), destroys=True),
            id="the archive that is removed is destroyed",
        ),
        pytest.param(
            ArchiveSpec((("A", 1),), destroys=True),
            ArchiveSpec((("B", 1),), destroys=True),
            id="what is removed is destroyed",
        ),
        pytest.param(
            TWO, ArchiveSpec((("B", 1),), grace=30), id="the engine changes with the jobs"
        ),
    ],
)
def test_an_update_that_removes_something(before: ArchiveSpec, after: ArchiveSpec) -> None:
    stack = Stack()
    stack.deploy(before)
    stack.deploy(after)
    assert stack.failed == []
    assert set(stack.stack.live) == set(deployed(after).resources)
    stack.check()


def test_the_last_job_and_the_engine_are_removed_together() -> None:
    stack = Stack()
    stack.deploy(TWO)
    stack.deploy(ArchiveSpec(()))
    assert stack.stack.live == {}
    assert stack.failed == []
    assert stack.world.calls.rights == NONE
    assert stack.world.sagemaker.jobs == {}
    stack.check()


def test_a_first_deploy_that_fails_cleans_up_with_its_own_rights() -> None:
    stack = Stack()
    stack.world.sagemaker.outcome = "FAILED"
    stack.deploy(TWO)
    assert stack.stack.live == {}
    stack.check()


def test_a_missing_right_would_be_seen() -> None:
    """What the tests above rest on: without the right to stop, a rollback says so."""
    stack = Stack()
    stack.world.sagemaker.seconds = 2_000
    stack.stack.deploy(ONE)
    stack.go_on_until_a_job_runs()
    rights = deployed(ONE).rights
    stack.world.calls.rights = type(rights)(
        tuple(
            (actions - {"sagemaker:StopCompilationJob"}, resources, conditions)
            for actions, resources, conditions in rights.statements
        )
    )
    stack.stack.cancel()
    for _ in range(60):
        stack.world.tick()
        stack.stack.take_answers()
    assert any("StopCompilationJob" in what for _, what in stack.world.calls.denied)


@pytest.mark.parametrize("faults", range(13))
@pytest.mark.parametrize(
    "wanted", [ONE, TWO, ArchiveSpec((), measured=1), ArchiveSpec((("A", 1),), 1, measured=1)]
)
@pytest.mark.parametrize("is_before", [True, False])
def test_nothing_runs_of_a_first_deploy_that_is_given_up_at_once(
    wanted: ArchiveSpec, faults: int, is_before: bool
) -> None:
    """Creates and Deletes begin in one second, lists are behind, and the engine goes with all.

    Tasks that are throttled put the Creates off until the Deletes have looked. A Delete that does
    not wait for its Create to be listed answers before that has made its job.
    """
    stack = Stack()
    stack.world.states.lag = stack.world.sagemaker.list_lag = 8
    for _ in range(2):  # executions of the first time are still listed at the second
        stack.stack.deploy(wanted)
        stack.stack.cancel()
        stack.world.task_faults = [("Lambda.TooManyRequestsException", is_before)] * faults
        stack.rest()
        assert stack.world.calls.rights == NONE
        assert stack.world.sagemaker.running() == []


def test_a_measurement_that_an_update_takes_away_is_stopped() -> None:
    stack = Stack()
    both = ArchiveSpec((("A", 1),), measured=1)
    stack.deploy(both)
    stack.world.sagemaker.seconds = 2_000
    stack.stack.deploy(ArchiveSpec((("A", 1),), measured=2))
    stack.go_on_until_a_job_runs()
    stack.stack.cancel()
    stack.deploy(ONE)
    assert stack.failed == []
    stack.check()
