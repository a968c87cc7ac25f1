"""What the tests of a job's life ask again and again."""

from __future__ import annotations

import re
from typing import Any

from tests.lifecycle.events import PREFIX, event
from tests.lifecycle.fakes import Json
from tests.lifecycle.world import World

NAME = re.compile(rf"{PREFIX}-[a-z2-7]{{8}}-[a-z2-7]{{10}}-[a-z2-7]{{8}}")


def created(world: World, **changes: Any) -> Json:
    """Return the answer to a Create that succeeds."""
    answer = world.serve(event(**changes))
    assert answer["Status"] == "SUCCESS", answer
    return answer


def compiles(world: World) -> int:
    """Return how many jobs were asked for."""
    return len(world.calls.of("CreateCompilationJob"))


def record_key(name: str) -> str:
    """Return where the result of a job is on record."""
    return f"{name[:33]}/results/{name[34:]}.json"


def input_key(name: str) -> str:
    """Return where a job's copy of the model lies."""
    return f"{name[:33]}/input/{name[34:]}/model.tar.gz"
