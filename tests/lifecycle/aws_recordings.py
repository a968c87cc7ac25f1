"""What ``neo verify`` has recorded of real AWS: read, and led through the simulated engine.

A file is ``<region>-<date>.recorded.json`` of the kit: CloudFormation's requests to an echo, by
scene, and the reasons of jobs that must fail. There is none until somebody has run it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lifecycle.events import event
from tests.lifecycle.fakes import Json
from tests.lifecycle.world import World

FOLDER = Path(__file__).parent / "recorded" / "aws"


@dataclass(frozen=True)
class Recording:
    """What one run has recorded.

    Parameters
    ----------
    requests
        Scene to CloudFormation's requests, in the order of their arrival.
    failed_jobs
        Case to how its job ended.
    """

    requests: dict[str, list[Json]]
    failed_jobs: dict[str, Json]


def load(file: Path) -> Recording:
    """Return a recording.

    Raises
    ------
    ValueError
        If it is none, or names an account or a URL that lets somebody in.
    """
    text = file.read_text()
    for secret in ("X-Amz-Signature", "X-Amz-Credential", "AKIA", "ASIA"):
        if secret in text:
            raise ValueError(f"{file.name} holds {secret}: it was not written by neo verify.")
    found = json.loads(text)
    if set(found) != {"requests", "failed_jobs"}:
        raise ValueError(f"{file.name} has {sorted(found)}.")
    return Recording(found["requests"], found["failed_jobs"])


def replay(requests: Sequence[Json]) -> World:
    """Serve a scene's requests with the engine, its own ids in place of the echo's.

    What the echo was told to do is done by the simulated Neo: to fail, or to take so long that
    nobody waits for it.
    """
    world, ids = World(), dict[str, str]()
    for request in requests:
        kind, told = request["RequestType"], request["ResourceProperties"]
        answers = told.get(f"On{kind}", "SUCCESS")
        world.sagemaker.outcome = "FAILED" if answers == "FAILED" else "COMPLETED"
        world.sagemaker.seconds = 2_000 if answers == "NONE" else 300
        given = request.get("PhysicalResourceId")
        # What of the echo's properties changes is one of the job's inputs.
        inputs = f"{told.get('Id', '')}{told.get('After', '')}".encode().hex()[:64]
        asked = event(
            kind,
            physical_id=ids.get(given, given) if given else None,
            InputFingerprint=inputs.ljust(64, "0"),
            ArtifactRemovalPolicy="DESTROY",
        )
        if answers == "NONE":
            world.serve(asked, until=lambda: bool(world.sagemaker.running()))
            continue
        answer = world.serve(asked)
        if kind != "Delete":
            ids[told.get("Id", "")] = answer["PhysicalResourceId"]
    return world
