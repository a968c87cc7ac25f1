"""What CloudFormation and Step Functions hand to the engine, kept per release.

An upgrade, or its rollback, changes the function's code under executions that are under way and
under resources that a former release has made. What is recorded here is replayed on today's code.

``make record`` writes the file of the present version. Those of shipped ones are never changed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.lifecycle.events import (
    BUCKET,
    INVENTED,
    approved_event,
    archive_event,
    event,
    package,
    recommendation_event,
)
from tests.lifecycle.fakes import Json
from tests.lifecycle.world import Running, World

FOLDER = Path(__file__).parent / "recorded"


class Recorder(World):
    """A world that writes down each request: its event, its steps' states, its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Json] = []

    def ask(self, given: Json, *, until: Callable[[], bool] | None = None) -> Json:
        """Serve a request, and keep all of it."""
        self.requests.append({"event": given, "states": []})
        answer = self.serve(given, until=until)
        self.requests[-1]["answer"] = {k: v for k, v in answer.items() if k != "at"}
        return answer

    def _task(self, running: Running, resource: str, payload: Json) -> Any:
        state = {k: v for k, v in payload["State"].items() if k != "Event"}
        of = payload["State"]["Event"]["RequestId"]
        (request,) = [r for r in self.requests if r["event"]["RequestId"] == of]
        request["states"].append(state)
        return super()._task(running, resource, payload)


def scenarios() -> dict[str, list[Json]]:
    """Return what is recorded: name to requests."""
    return {name: make() for name, make in _SCENARIOS.items()}


def _a_life() -> list[Json]:
    world = Recorder()
    first = world.ask(event())["PhysicalResourceId"]
    world.ask(event("Update", physical_id=first, ArtifactRemovalPolicy="DESTROY"))
    update = event("Update", physical_id=first, InputFingerprint="0" * 64)
    second = world.ask(update)["PhysicalResourceId"]
    world.ask(event("Delete", physical_id=first))
    world.ask(event("Delete", physical_id=second, ArtifactRemovalPolicy="DESTROY"))
    return world.requests


def _a_failed_create() -> list[Json]:
    world = Recorder()
    _failing(world)
    failed = world.ask(event())["PhysicalResourceId"]
    world.ask(event("Delete", physical_id=failed))
    return world.requests


def _a_rollback() -> list[Json]:
    world = Recorder()
    first = world.ask(event())["PhysicalResourceId"]
    _failing(world)
    failed = world.ask(event("Update", physical_id=first, InputFingerprint="0" * 64))
    world.ask(event("Update", physical_id=first))
    world.ask(event("Delete", physical_id=failed["PhysicalResourceId"]))
    return world.requests


def _an_unversioned_model() -> list[Json]:
    world = Recorder()
    changes: dict[str, Any] = {
        "InputFingerprint": None,
        "InputConfig": {
            "S3Uri": "s3://staging/0123.gz",
            "Framework": "PYTORCH",
            "FrameworkVersion": "2.0",
            "DataInputConfig": '{"input0":[1,3,224,224]}',
        },
        "OutputConfig": {
            "S3OutputLocation": f"s3://{BUCKET}/",
            "TargetDevice": "ml_inf1",
            "CompilerOptions": '"--verbose 1"',
            "KmsKeyId": "alias/key",
        },
        "Tags": [{"Key": "team", "Value": "vision"}],
    }
    first = world.ask(event(**changes))["PhysicalResourceId"]
    world.ask(event("Delete", physical_id=first, **changes))
    return world.requests


def _a_create_that_is_given_up() -> list[Json]:
    world = Recorder()
    world.sagemaker.seconds = 2_000
    world.ask(event(), until=lambda: bool(world.sagemaker.running()))
    world.ask(event("Delete", physical_id=INVENTED))
    return world.requests


def _a_serving_archive() -> list[Json]:
    world = Recorder()
    first = world.ask(archive_event())["PhysicalResourceId"]
    update = archive_event("Update", physical_id=first, fingerprint="b" * 64)
    second = world.ask(update)["PhysicalResourceId"]
    world.ask(archive_event("Delete", physical_id=first))
    world.ask(archive_event("Delete", physical_id=second, ArtifactRemovalPolicy="DESTROY"))
    return world.requests


def _a_measurement() -> list[Json]:
    world = Recorder()
    first = world.ask(recommendation_event())["PhysicalResourceId"]
    rule = {"Objective": "CostPerHour", "AtMost": {"ModelLatency": "50"}}
    world.ask(recommendation_event("Update", physical_id=first, Selection=rule))
    contents = {"Image": "image:1", "ModelDataUrl": "s3://models/1.tar.gz"}
    update = recommendation_event("Update", physical_id=first, ModelContents=contents)
    second = world.ask(update)["PhysicalResourceId"]
    world.ask(recommendation_event("Delete", physical_id=first))
    world.ask(recommendation_event("Delete", physical_id=second, ArtifactRemovalPolicy="DESTROY"))
    return world.requests


def _a_look_up() -> list[Json]:
    world = Recorder()
    world.sagemaker.packages = [package(1)]
    first = world.ask(approved_event())["PhysicalResourceId"]
    world.ask(approved_event("Update", physical_id=first, Revision="2"))
    world.ask(approved_event("Delete", physical_id=first))
    return world.requests


def _failing(world: World) -> None:
    world.sagemaker.outcome = "FAILED"
    world.sagemaker.reason = "ClientError: InputConfiguration: No pth file found"


_SCENARIOS: dict[str, Callable[[], list[Json]]] = {
    "a life": _a_life,
    "a failed create": _a_failed_create,
    "a rollback": _a_rollback,
    "an unversioned model": _an_unversioned_model,
    "a create that is given up": _a_create_that_is_given_up,
    "a serving archive": _a_serving_archive,
    "a measurement": _a_measurement,
    "a look-up": _a_look_up,
}


def write(version: str) -> Path:
    """Write the recording of a version."""
    file = FOLDER / f"{version}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(scenarios(), indent=1, sort_keys=True) + "\n")
    return file


if __name__ == "__main__":
    print(write(sys.argv[1]))
