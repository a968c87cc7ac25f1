"""Two requests of one resource, the second coming at every single call of the first.

A second and independent way to fail, beside the random lives: no chance, no hypothesis. The first
request stalls inside a call, while the second is served for so many steps or to its end; then the
first goes on, as a process that was frozen does, unless its function's time is over. Lists and
Describe are some seconds behind.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from neo_constructs.engine.limits import STEP_SECONDS, WORKER_SECONDS
from tests.lifecycle.events import INVENTED, PREFIX, SOURCE, archive_event, event, signed
from tests.lifecycle.fakes import Json, Killed
from tests.lifecycle.helpers import record_key
from tests.lifecycle.world import World

HOUR = 3_600


@dataclass(frozen=True)
class Lags:
    """How many seconds reads are behind."""

    describe: float = 0
    jobs: float = 0
    executions: float = 0


ALL = "NEO_SIMULATED_LIVES" in os.environ  # every combination: make simulate
LAGS = (
    (Lags(), Lags(describe=3), Lags(jobs=8), Lags(executions=8), Lags(3, 8, 5))
    if ALL
    else (Lags(), Lags(3, 8, 5))
)
TICKS = (0, 1, 3, 10_000) if ALL else (1, 10_000)


@dataclass(frozen=True)
class Pair:
    """Two requests that may be under way at once.

    Parameters
    ----------
    name
        What happens.
    first, second
        Make the events; the second is given the first one's.
    keeps
        Whether a job lives at the end.
    is_large
        Whether the model is copied in parts, by the worker.
    """

    name: str
    first: Callable[[World], Json]
    second: Callable[[World, Json], Json]
    keeps: bool = False
    is_large: bool = False


def _create(_world: World) -> Json:
    return event(ArtifactRemovalPolicy="DESTROY")


def _update(world: World) -> Json:
    first = world.serve(event())["PhysicalResourceId"]
    return event("Update", physical_id=first, InputFingerprint="0" * 64)


def _invented(_world: World, _first: Json) -> Json:
    return event("Delete", physical_id=INVENTED, ArtifactRemovalPolicy="DESTROY")


def _back(_world: World, first: Json) -> Json:
    made = event("Update", physical_id=first["PhysicalResourceId"])
    made["OldResourceProperties"] = first["ResourceProperties"]
    return made


def _deleted(_world: World, first: Json) -> Json:
    return event("Delete", physical_id=first["PhysicalResourceId"])


def _archive(_world: World) -> Json:
    return archive_event(ArtifactRemovalPolicy="DESTROY")


def _archive_invented(_world: World, _first: Json) -> Json:
    return archive_event("Delete", physical_id=INVENTED, ArtifactRemovalPolicy="DESTROY")


PAIRS = (
    Pair("a Create, deleted by an invented id", _create, _invented),
    Pair("a large Create, deleted by an invented id", _create, _invented, is_large=True),
    Pair("an Update, rolled back", _update, _back, keeps=True),
    Pair("an Update, deleted by the old id", _update, _deleted),
    Pair("an archive, deleted by an invented id", _archive, _archive_invented),
)


class Stalled(World):
    """A world in which one call of the first request stalls, and the second is served meanwhile.

    Parameters
    ----------
    pair
        The requests.
    at
        Before which call of the first the second comes.
    ticks
        How many steps of anything go by before the first goes on.
    """

    def __init__(self, pair: Pair, lags: Lags, at: int, ticks: int) -> None:
        super().__init__()
        if pair.is_large:
            self.s3.put(SOURCE, b"1" * 2_000)
        self.sagemaker.describe_lag, self.sagemaker.list_lag = lags.describe, lags.jobs
        self.states.lag = lags.executions
        self.sagemaker.seconds = 20
        self.pair, self.at, self.ticks = pair, at, ticks
        self.first = pair.first(self)
        self.second: Json = {}
        self.calls_of_first = 0
        self.first = signed(self.first, self.clock())
        self.calls.before = self._before

    def _before(self) -> None:
        if self.calls.serving != self.first["RequestId"]:
            return
        self.calls_of_first += 1
        if self.calls_of_first - 1 == self.at and not self.second:
            self._stall()

    def _stall(self) -> None:
        began = self.clock()
        self.second = signed(self.pair.second(self, self.first), self.clock() + 1)
        self.clock.sleep(1)
        is_worker = self.is_working
        self.frozen = self.in_step
        self.deliver(self.second)
        for _ in range(self.ticks):
            if not self.tick():
                break
        self.frozen = ""
        self.calls.serving = self.first["RequestId"]
        if self.clock() - began > (WORKER_SECONDS if is_worker else STEP_SECONDS) - 20:
            raise Killed  # its function's time is over

    def serve_both(self) -> None:
        """Serve the first, and whatever comes."""
        self.deliver(self.first)
        for _ in range(5_000):
            if not self.tick():
                return
        raise AssertionError("it does not come to rest")


def check(world: Stalled) -> None:
    """Check that nothing is left, and that nobody waits."""
    pair = world.pair
    assert world.sagemaker.running() == [], "a job runs that nobody asks for"
    assert world.s3.uploads == {}, "an upload is left unfinished"
    assert [k for k in world.s3.under(PREFIX) if "/input/" in k] == [], "a copy is left"
    # What is on record may be live: its own Delete comes for it.
    there = world.s3.under(PREFIX)
    unrecorded = [name for name in world.sagemaker.jobs if record_key(name) not in there]
    assert unrecorded == [], "a job that nobody deletes"
    answers = {a["RequestId"]: a for a in world.answers}
    last = world.second or world.first
    assert answers[last["RequestId"]]["Status"] == "SUCCESS", answers[last["RequestId"]]["Reason"]
    assert answers[last["RequestId"]]["at"] - 1_800_000_000 < 2 * HOUR
    if pair.keeps:
        kept = answers[last["RequestId"]]["PhysicalResourceId"]
        assert kept in world.sagemaker.jobs
        assert f"{kept}/model-ml_c5.tar.gz" in there


@pytest.mark.parametrize("lags", LAGS, ids=str)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_a_second_request_at_every_call_of_the_first(pair: Pair, lags: Lags) -> None:
    lives = 0
    for at, ticks in itertools.product(range(400), TICKS):
        world = Stalled(pair, lags, at, ticks)
        world.serve_both()
        if not world.second:
            break  # the first has no such call
        lives += 1
        try:
            check(world)
        except AssertionError as error:
            raise AssertionError(f"call {at}, {ticks} steps: {error}") from error
    print(f"{pair.name}: {lives} lives, {lags}")
    assert lives > 20
