"""The function dies between any two calls, or a reply gets lost: the outcome is the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lifecycle.events import (
    INVENTED,
    SOURCE,
    approved_event,
    archive_event,
    event,
    package,
    recommendation_event,
)
from tests.lifecycle.fakes import Json
from tests.lifecycle.world import World

Scenario = Callable[[World], Json]


def a_create(_world: World) -> Json:
    return event(Tags=[{"Key": "a", "Value": "b"}])


def an_update_that_compiles(world: World) -> Json:
    first = world.serve(event())["PhysicalResourceId"]
    return event("Update", physical_id=first, InputFingerprint="0" * 64)


def an_update_of_tags(world: World) -> Json:
    first = world.serve(event(Tags=[{"Key": "a", "Value": "b"}]))["PhysicalResourceId"]
    update = event("Update", physical_id=first, Tags=[{"Key": "c", "Value": "d"}])
    return {**update, "OldResourceProperties": {"Tags": [{"Key": "a", "Value": "b"}]}}


def a_rollback(world: World) -> Json:
    first = world.serve(event())["PhysicalResourceId"]
    world.sagemaker.outcome = "FAILED"
    world.serve(event("Update", physical_id=first, InputFingerprint="0" * 64))
    world.sagemaker.outcome = "COMPLETED"
    return event("Update", physical_id=first)


def a_failing_create(world: World) -> Json:
    world.sagemaker.outcome = "FAILED"
    return event()


def a_create_whose_role_is_young(world: World) -> Json:
    world.sagemaker.young_roles = 1
    return event()


def a_delete_of_what_runs(world: World) -> Json:
    world.sagemaker.seconds = 5_000
    world.serve(event(), until=lambda: bool(world.sagemaker.running()))
    (name,) = world.sagemaker.jobs
    return event("Delete", physical_id=name)


def a_delete_that_destroys(world: World) -> Json:
    name = world.serve(event())["PhysicalResourceId"]
    return event("Delete", physical_id=name, ArtifactRemovalPolicy="DESTROY")


def a_delete_by_an_invented_id(world: World) -> Json:
    world.sagemaker.seconds = 5_000
    world.serve(event(), until=lambda: bool(world.sagemaker.running()))
    return event("Delete", physical_id=INVENTED, ArtifactRemovalPolicy="DESTROY")


def a_serving_archive(_world: World) -> Json:
    return archive_event()


def an_update_of_a_script(world: World) -> Json:
    first = world.serve(archive_event())["PhysicalResourceId"]
    return archive_event("Update", physical_id=first, fingerprint="b" * 64)


def an_archive_that_is_destroyed(world: World) -> Json:
    name = world.serve(archive_event())["PhysicalResourceId"]
    return archive_event("Delete", physical_id=name, ArtifactRemovalPolicy="DESTROY")


def a_script_of_its_own(_world: World) -> Json:
    return archive_event(Layout="submit-directory")


def a_large_model(world: World) -> Json:
    world.s3.put(SOURCE, b"1" * 2_000)
    return event()


def a_measurement(_world: World) -> Json:
    return recommendation_event(Tags=[{"Key": "a", "Value": "b"}])


def a_measurement_whose_role_is_young(world: World) -> Json:
    world.sagemaker.young_roles = 1
    return recommendation_event()


def an_update_that_measures(world: World) -> Json:
    first = world.serve(recommendation_event())["PhysicalResourceId"]
    return recommendation_event("Update", physical_id=first, JobType="Advanced")


def an_update_that_chooses_anew(world: World) -> Json:
    first = world.serve(recommendation_event())["PhysicalResourceId"]
    rule = {"Objective": "CostPerHour"}
    return recommendation_event("Update", physical_id=first, Selection=rule)


def a_delete_of_what_measures(world: World) -> Json:
    world.sagemaker.seconds = 5_000
    world.serve(recommendation_event(), until=lambda: bool(world.sagemaker.running()))
    (name,) = world.sagemaker.recommender.jobs
    return recommendation_event("Delete", physical_id=name)


def a_measurement_that_is_destroyed(world: World) -> Json:
    name = world.serve(recommendation_event())["PhysicalResourceId"]
    return recommendation_event("Delete", physical_id=name, ArtifactRemovalPolicy="DESTROY")


def a_look_up(world: World) -> Json:
    world.sagemaker.packages = [package(1)]
    return approved_event()


def another_look_up(world: World) -> Json:
    world.sagemaker.packages = [package(1)]
    first = world.serve(approved_event())["PhysicalResourceId"]
    world.sagemaker.packages.append(package(2))
    return approved_event("Update", physical_id=first, Revision="2")


def a_look_up_that_goes(world: World) -> Json:
    world.sagemaker.packages = [package(1)]
    name = world.serve(approved_event())["PhysicalResourceId"]
    return approved_event("Delete", physical_id=name)


SCENARIOS = [
    a_look_up,
    another_look_up,
    a_look_up_that_goes,
    a_measurement,
    a_measurement_whose_role_is_young,
    an_update_that_measures,
    an_update_that_chooses_anew,
    a_delete_of_what_measures,
    a_measurement_that_is_destroyed,
    a_create,
    an_update_that_compiles,
    an_update_of_tags,
    a_rollback,
    a_failing_create,
    a_create_whose_role_is_young,
    a_delete_of_what_runs,
    a_delete_that_destroys,
    a_delete_by_an_invented_id,
    a_serving_archive,
    an_update_of_a_script,
    an_archive_that_is_destroyed,
    a_script_of_its_own,
    a_large_model,
]


def outcome(scenario: Scenario, trouble: Callable[[World], None]) -> tuple[object, int]:
    """Return what a request comes to under some trouble, and how many calls that took."""
    world = World()
    request = scenario(world)
    jobs_before = len(world.sagemaker.created)
    world.calls.made.clear()
    trouble(world)
    answer = world.serve(request)
    calls = len(world.calls.made)
    while world.tick():
        pass
    assert not world.sagemaker.running()
    assert world.s3.uploads == {}
    all_jobs = {**world.sagemaker.jobs, **world.sagemaker.recommender.jobs}
    jobs = {name: (job["status"], job["tags"]) for name, job in all_jobs.items()}
    made = len(world.sagemaker.created) - jobs_before
    said = (answer["Status"], answer["Reason"].split(" Job neo-", maxsplit=1)[0])
    return (said, sorted(map(str, jobs.values())), len(world.s3.under("neo-")), made), calls


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_death_before_any_call_changes_nothing(scenario: Scenario) -> None:
    expected, calls = outcome(scenario, lambda _: None)
    assert calls > 2
    for number in range(calls):

        def die(world: World, number: int = number) -> None:
            world.calls.dies_after = number

        assert outcome(scenario, die)[0] == expected, f"a death before call {number}"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_reply_that_is_lost_changes_nothing(scenario: Scenario) -> None:
    world = World()
    request = scenario(world)
    world.calls.made.clear()
    world.serve(request)
    operations = {name for name, _ in world.calls.made}
    expected, _ = outcome(scenario, lambda _: None)
    for operation in operations:

        def lose(world: World, operation: str = operation) -> None:
            world.calls.lost[operation] = 1

        assert outcome(scenario, lose)[0] == expected, f"the reply of {operation} was lost"
