"""Upgrades and downgrades: what former releases have made is served by today's code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from neo_jobs.cloudformation import Request

from tests.lifecycle.events import PREFIX, event, package
from tests.lifecycle.fakes import Json
from tests.lifecycle.helpers import record_key
from tests.lifecycle.recording import FOLDER, scenarios
from tests.lifecycle.world import Running, World

RELEASES: tuple[str, ...] = ()  # that were published; ``make record`` keeps each
# What is written today is replayed too: the recording itself would otherwise break unnoticed.
RECORDED = {
    f"{version}: {name}": requests
    for version, scenes in [
        *((file.stem, json.loads(file.read_text())) for file in sorted(FOLDER.glob("*.json"))),
        ("today", json.loads(json.dumps(scenarios()))),
    ]
    for name, requests in scenes.items()
}


class Replaying(World):
    """A world in which the code changes under one execution, before one of its steps.

    That step gets the state that the former release has left; the world is as it is.
    """

    def __init__(self, request_id: str, step: int, recorded: Json) -> None:
        super().__init__()
        self.request_id = request_id
        self.step = step
        self.recorded = recorded

    def _task(self, running: Running, resource: str, payload: Json) -> Any:
        event = payload["State"]["Event"]
        if event["RequestId"] == self.request_id:
            if self.step == 0:
                payload = {**payload, "State": {**self.recorded, "Event": event}}
            self.step -= 1
        return super()._task(running, resource, payload)


def replay(world: World, requests: list[Json]) -> None:
    """Serve recorded requests, and compare the answers."""
    world.sagemaker.packages = [package(1)]
    for request in requests:
        expected = request["answer"]
        fails = expected.get("Status") == "FAILED"
        world.sagemaker.outcome = "FAILED" if fails else "COMPLETED"
        world.sagemaker.seconds = 300 if requests[0]["answer"] else 2_000
        if not expected:
            world.serve(request["event"], until=lambda: bool(world.sagemaker.running()))
            continue
        answer = world.serve(request["event"])
        for key in ("Status", "PhysicalResourceId", "LogicalResourceId", "Data"):
            assert answer[key] == expected[key]
    assert world.sagemaker.running() == []


def test_every_release_is_recorded() -> None:
    """Only what is published can be under way in someone's account when the code changes."""
    assert {file.stem for file in FOLDER.glob("*.json")} == set(RELEASES)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_events_get_the_recorded_answers(name: str) -> None:
    """Names too: a job that a former release has made is found, and not made again."""
    replay(World(), RECORDED[name])


@pytest.mark.parametrize(
    ("name", "number", "step"),
    [
        (name, number, step)
        for name, requests in RECORDED.items()
        for number, request in enumerate(requests)
        for step in sorted({*range(min(5, len(request["states"]))), len(request["states"]) - 1})
        if request["answer"]
    ],
)
def test_an_execution_goes_on_under_new_code(name: str, number: int, step: int) -> None:
    request = RECORDED[name][number]
    world = Replaying(request["event"]["RequestId"], step, request["states"][step])
    replay(world, RECORDED[name])


def test_states_of_a_newer_release_are_served() -> None:
    """A rollback of the engine: fields that are not known do no harm."""

    class Newer(World):
        def _task(self, running: Running, resource: str, payload: Json) -> Any:
            state = {**payload["State"], "Version": 99, "Novelty": {"a": [1]}}
            return super()._task(running, resource, {**payload, "State": state})

    assert Newer().serve(event())["Status"] == "SUCCESS"


NEWER: Json = {
    "PropertiesVersion": "2",
    "OutputConfig": None,
    "InputConfig": None,
    "Novelty": {"a": "1"},
}


def test_properties_of_a_newer_release_are_refused_with_the_reason() -> None:
    world = World()
    answer = world.serve(event(**NEWER))
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("The template has version 2 of the job engine's properties")
    assert not world.sagemaker.created


@pytest.mark.parametrize("is_running", [True, False])
def test_a_delete_with_properties_of_a_newer_release_still_deletes(is_running: bool) -> None:
    world = World()
    world.sagemaker.seconds = 2_000 if is_running else 60
    world.serve(event(), until=lambda: is_running and bool(world.sagemaker.running()))
    (name,) = world.sagemaker.jobs
    assert world.serve(event("Delete", physical_id=name, **NEWER))["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs


def test_names_never_change() -> None:
    """A name that changed would cost a compile on upgrade, and lose what is to be deleted."""
    world = World()
    name = world.serve(event())["PhysicalResourceId"]
    request = Request.parse(event())
    assert request.resource_prefix == f"{PREFIX}-vvqxud65"
    assert name.rsplit("-", 1)[0] == f"{PREFIX}-vvqxud65-3qnzi2f7k4"
    assert request.execution_name == f"vvqxud65-{request.request_id}"
    assert world.s3.under(PREFIX) == [f"{name}/model-ml_c5.tar.gz", record_key(name)]
