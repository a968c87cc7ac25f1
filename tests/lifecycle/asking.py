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
