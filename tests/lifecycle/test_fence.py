"""Requests of one resource that overtake each other."""

from __future__ import annotations

import pytest

from tests.lifecycle.events import INVENTED, event, signed
from tests.lifecycle.fakes import Json
from tests.lifecycle.world import World


@pytest.fixture
def world() -> World:
    return World()


def compiling(world: World, **changes: str) -> Json:
    """Deliver a Create, and return it when its job runs."""
    world.sagemaker.seconds = 2_000
    create = event(**changes)
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    assert world.running
    return create


def test_a_delete_by_an_invented_id_ends_what_runs(world: World) -> None:
    """A sibling has failed: CloudFormation rolls back while the job is compiling."""
    compiling(world)
    answer = world.serve(event("Delete", physical_id=INVENTED))
    assert answer["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs
    assert not world.running
    assert len(world.calls.of("StopExecution")) == 1


def test_a_delete_that_comes_while_the_model_is_copied(world: World) -> None:
    create = event()
    world.serve(create, until=lambda: bool(world.calls.of("CopyObject")))
    assert not world.sagemaker.jobs
    assert world.serve(event("Delete", physical_id=INVENTED))["Status"] == "SUCCESS"
    while world.tick():
        pass
    assert not world.sagemaker.jobs


def test_a_step_that_outlives_its_execution_leaves_no_job(world: World) -> None:
    world.has_stragglers = True
    create = event()
    world.serve(create, until=lambda: bool(world.calls.of("CopyObject")))
    answer = world.serve(event("Delete", physical_id=INVENTED))
    assert answer["Status"] == "SUCCESS"
    assert len(world.calls.of("CreateCompilationJob")) == 1, "the straggler has started a job"
    assert not world.sagemaker.jobs


def test_a_cancelled_update_gives_way_to_the_next(world: World) -> None:
    first = world.serve(event())["PhysicalResourceId"]
    world.sagemaker.seconds = 2_000
    update = event("Update", physical_id=first, InputFingerprint="0" * 64)
    world.serve(update, until=lambda: bool(world.sagemaker.running()))
    back = world.serve(event("Update", physical_id=first))
    assert back["PhysicalResourceId"] == first
    assert list(world.sagemaker.jobs) == [first]
    assert not world.running


def test_an_execution_that_has_just_answered_is_left_to_end(world: World) -> None:
    create = event()
    world.serve(create, until=lambda: bool(world.answers))
    assert world.running, "the answer is given, the execution not over"
    name = world.answers[0]["PhysicalResourceId"]
    assert world.serve(event("Delete", physical_id=name))["Status"] == "SUCCESS"
    assert not world.calls.of("StopExecution")


def test_an_old_event_that_arrives_after_a_newer_one_creates_nothing(world: World) -> None:
    now = world.clock()
    late = signed(event(), now)
    delete = signed(event("Delete", physical_id=INVENTED), now + 60)
    world.clock.sleep(61)
    assert world.serve(delete)["Status"] == "SUCCESS"
    world.clock.sleep(60)
    answer = world.serve(late)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("Superseded")
    assert not world.calls.of("CreateCompilationJob")


def test_a_new_event_is_not_held_up_by_an_old_one_that_came_late(world: World) -> None:
    now = world.clock()
    delete = signed(event("Delete", physical_id=INVENTED), now + 60)
    world.clock.sleep(70)
    compiling_late = signed(event(), now)
    world.sagemaker.seconds = 2_000
    world.serve(compiling_late, until=lambda: bool(world.sagemaker.running()))
    assert world.serve(delete)["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs


def test_an_execution_started_by_hand_is_ended_like_any_other(world: World) -> None:
    create = compiling(world)
    (execution,) = world.states.all.values()
    execution["input"] = {"by": "hand"}
    assert create
    assert world.serve(event("Delete", physical_id=INVENTED))["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs


def test_other_resources_are_let_alone(world: World) -> None:
    compiling(world)
    other = {**event(), "LogicalResourceId": "Other"}
    world.sagemaker.seconds = 60
    assert world.serve(other)["Status"] == "SUCCESS"
    assert not world.calls.of("StopExecution")
    assert len(world.sagemaker.jobs) == 2


def test_a_failed_jobs_record_goes_with_the_next_request(world: World) -> None:
    first = world.serve(event())["PhysicalResourceId"]
    world.sagemaker.outcome = "FAILED"
    update = event("Update", physical_id=first, InputFingerprint="0" * 64)
    assert world.serve(update)["Status"] == "FAILED"
    assert len(world.sagemaker.jobs) == 2
    world.serve(event("Update", physical_id=first))
    assert list(world.sagemaker.jobs) == [first]


def test_a_job_that_will_not_stop_is_answered_for(world: World) -> None:
    compiling(world)
    world.sagemaker.ignores_stops = True
    world.sagemaker.seconds = 100_000
    begin = world.clock()
    answer = world.serve(event("Delete", physical_id=INVENTED))
    assert answer["Status"] == "FAILED"
    assert "could not be ended in time" in answer["Reason"]
    assert world.clock() - begin < 3_500
