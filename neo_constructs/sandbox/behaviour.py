"""How the emulated SageMaker behaves: how long things take, and what fails. A file says it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

VARIABLE: Final = "NEO_SANDBOX_BEHAVIOUR"  # names the file, for the emulator and for COMMAND
_PREFIX: Final = "NEO_SANDBOX_"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How long jobs and endpoints take, and why they fail.

    Parameters
    ----------
    compile_seconds
        How long a compilation job takes. Default: 2.
    endpoint_seconds
        How long an endpoint takes at least to come into service. Default: 1.
    compile_fails
        The FailureReason of every compilation job. Default: empty, none fails.
    endpoint_fails
        The FailureReason of every endpoint that is created or updated. Default: empty.
    deployment_step_seconds
        How long each step of an update with a DeploymentConfig waits, whatever that says.
        Default: 0.5.
    recommendation_seconds
        How long an inference recommendations job takes after it has measured. Default: 1.
    recommendation_fails
        The FailureReason of every such job. Default: empty.
    assumptions
        What is assumed of AWS (docs/assumptions.md), by id: whether it is made true or false.
        Default: none, the emulator does what it does.
    """

    compile_seconds: float = 2.0
    endpoint_seconds: float = 1.0
    compile_fails: str = ""
    endpoint_fails: str = ""
    deployment_step_seconds: float = 0.5
    recommendation_seconds: float = 1.0
    recommendation_fails: str = ""
    assumptions: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Behaviour:
        """Return what variables say: ``NEO_SANDBOX_COMPILE_SECONDS``, and so on.

        Raises
        ------
        ValueError
            If a time is no number.
        """
        usual = cls()
        return cls(
            float(environment.get(f"{_PREFIX}COMPILE_SECONDS", usual.compile_seconds)),
            float(environment.get(f"{_PREFIX}ENDPOINT_SECONDS", usual.endpoint_seconds)),
            environment.get(f"{_PREFIX}COMPILE_FAILS", usual.compile_fails),
            environment.get(f"{_PREFIX}ENDPOINT_FAILS", usual.endpoint_fails),
            float(
                environment.get(f"{_PREFIX}DEPLOYMENT_STEP_SECONDS", usual.deployment_step_seconds)
            ),
            float(
                environment.get(f"{_PREFIX}RECOMMENDATION_SECONDS", usual.recommendation_seconds)
            ),
            environment.get(f"{_PREFIX}RECOMMENDATION_FAILS", usual.recommendation_fails),
            switches(
                environment.get(f"{_PREFIX}AS_ASSUMED", "").split(","),
                environment.get(f"{_PREFIX}OTHERWISE", "").split(","),
            ),
        )

    @classmethod
    def read(cls, file: Path) -> Behaviour:
        """Return what a file says."""
        return cls(**json.loads(file.read_text()))

    def write(self, file: Path) -> None:
        """Write it for the emulator. Jobs and endpoints that have begun are not changed."""
        new = file.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)))
        new.replace(file)


def switches(as_assumed: Iterable[str], otherwise: Iterable[str]) -> dict[str, bool]:
    """Return which assumptions are made true, and which false."""
    return {
        **{name.upper(): True for name in as_assumed if name},
        **{name.upper(): False for name in otherwise if name},
    }
