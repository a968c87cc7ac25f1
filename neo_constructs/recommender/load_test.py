"""What a custom load test consists of: endpoint configurations, traffic, when it stops."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aws_cdk import Duration

from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed
from neo_constructs.hosting.numbers import check_number, check_seconds, seconds_of
from neo_constructs.hosting.variants import check_concurrency, check_memory
from neo_constructs.typed import check_fields, typed

# AWS developer guide, page inference-recommender-load-test; API reference, Phase and Stairs.
# Rests on A-REC-11.
_USERS: Final = (1, 3)
# Rests on A-REC-11.
_SPAWN_RATE: Final = (0, 3)
# Rests on A-REC-11.
_TRAFFIC_SECONDS: Final = (120, 3600)
# botocore, EnvironmentParameterRanges and CategoricalParameter
_MAX_VARIABLES, _MAX_VALUES, _MAX_NAME, _MAX_VALUE = 5, 3, 64, 128
_PERCENTILE: Final = "P95"  # API reference, ModelLatencyThreshold: in custom load tests, this one
FLAT_INVOCATIONS: Final = ("Continue", "Stop")  # botocore
_MANY: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointInputConfiguration:
    """An endpoint that is measured: on instances of a type, or serverless.

    Parameters
    ----------
    instance_type
        What serves it. Default: serverless inference, by ``memory_size_in_mb``.
    memory_size_in_mb, max_concurrency, provisioned_concurrency
        For serverless inference, as ``ServerlessVariant`` has them. Default: on instances, 5, none.
    environment_parameter_ranges
        Variables of the container, each with up to three values: every combination is measured by
        a test of its own. Up to five. Default: none.
    inference_specification_name
        Which of the version's specifications is measured. Default: the main one.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``check``.

    Examples
    --------
    >>> EndpointInputConfiguration(
    ...     instance_type="ml.c5.large",
    ...     environment_parameter_ranges={"OMP_NUM_THREADS": ["1", "2"]},
    ... ).tests
    2
    """

    instance_type: str | None = None
    memory_size_in_mb: int | None = None
    max_concurrency: int = 5
    provisioned_concurrency: int | None = None
    environment_parameter_ranges: Mapping[str, Sequence[str]] = field(default_factory=dict)
    inference_specification_name: str | None = None

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    @property
    def tests(self) -> int:
        """How many load tests it takes: one for each combination of variables."""
        return math.prod(len(values) for values in self.environment_parameter_ranges.values())

    def check(self, where: str) -> list[Finding]:
        """Say what Inference Recommender would not take."""
        found: list[Finding] = []
        if (self.instance_type is None) == (self.memory_size_in_mb is None):
            found.append(
                Finding(
                    code="recommender-candidates",
                    where=where,
                    message="Exactly one of instance_type and memory_size_in_mb says what serves "
                    "the model.",
                    fix="give instance_type for instances, memory_size_in_mb for serverless "
                    "inference.",
                )
            )
        if self.memory_size_in_mb is not None:
            found += check_memory(self.memory_size_in_mb, f"{where}.")
            found += check_concurrency(
                self.max_concurrency, self.provisioned_concurrency, f"{where}."
            )
        return [*found, *self._check_environment(where)]

    def _check_environment(self, where: str) -> list[Finding]:
        given = self.environment_parameter_ranges
        wrong = [
            name
            for name, values in given.items()
            if len(name) > _MAX_NAME
            or not 1 <= len(values) <= _MAX_VALUES
            or any(not is_unresolved(each) and len(each) > _MAX_VALUE for each in values)
        ]
        if not wrong and len(given) <= _MAX_VARIABLES:
            return []
        shown = listed(map(repr, wrong)) if wrong else f"{len(given)} variables"
        return [
            Finding(
                code="recommender-environment",
                where=f"{where}.environment_parameter_ranges",
                message=f"{shown} is given. Allowed: up to {_MAX_VARIABLES} variables, names of up "
                f"to {_MAX_NAME} characters, 1 to {_MAX_VALUES} values of up to {_MAX_VALUE} each.",
                fix="leave some out.",
            )
        ]

    def render(self) -> dict[str, Any]:
        """Return it as the API has it."""
        serverless = {
            "MemorySizeInMB": self.memory_size_in_mb,
            "MaxConcurrency": self.max_concurrency,
            "ProvisionedConcurrency": self.provisioned_concurrency,
        }
        ranges = [
            {"Name": name, "Value": list(values)}
            for name, values in self.environment_parameter_ranges.items()
        ]
        return {
            "InstanceType": self.instance_type,
            "ServerlessConfig": None if self.memory_size_in_mb is None else serverless,
            "InferenceSpecificationName": self.inference_specification_name,
            "EnvironmentParameterRanges": {"CategoricalParameterRanges": ranges}
            if ranges
            else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPhase:
    """A part of a load test, in which users are added at a steady rate.

    Parameters
    ----------
    initial_number_of_users
        1 to 3, at its beginning.
    spawn_rate
        How many are added every minute, 0 to 3.
    duration
        120 to 3,600 seconds.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``TrafficPattern``.

    Examples
    --------
    >>> phase = TrafficPhase(
    ...     initial_number_of_users=1, spawn_rate=1, duration=Duration.minutes(2)
    ... )
    >>> phase.spawn_rate
    1
    """

    initial_number_of_users: int
    spawn_rate: int
    duration: Duration

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    def check(self, where: str) -> list[Finding]:
        """Say what Inference Recommender would not take."""
        return [
            *check_number(
                self.initial_number_of_users, f"{where}.initial_number_of_users", *_USERS
            ),
            *check_number(self.spawn_rate, f"{where}.spawn_rate", *_SPAWN_RATE),
            *check_seconds(self.duration, f"{where}.duration", *_TRAFFIC_SECONDS),
        ]


@dataclass(frozen=True, slots=True)
class TrafficPattern:
    """The traffic of a custom load test: ``TrafficPattern.phases`` or ``TrafficPattern.stairs``.

    Parameters
    ----------
    phase_list
        The phases, in their order; empty for stairs.
    stairs_duration, number_of_steps, users_per_step
        Of stairs.

    Examples
    --------
    >>> TrafficPattern.stairs(
    ...     duration=Duration.minutes(2), number_of_steps=5, users_per_step=2
    ... ).seconds
    600.0
    """

    phase_list: Sequence[TrafficPhase] = ()
    stairs_duration: Duration | None = None
    number_of_steps: int = 0
    users_per_step: int = 0

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    @staticmethod
    @typed
    def phases(phases: Sequence[TrafficPhase]) -> TrafficPattern:
        """Return traffic in phases, one after the other."""
        return TrafficPattern(phase_list=phases)

    @staticmethod
    @typed
    def stairs(*, duration: Duration, number_of_steps: int, users_per_step: int) -> TrafficPattern:
        """Return traffic that grows in steps.

        Parameters
        ----------
        duration
            Of each step, 120 to 3,600 seconds (API reference, Stairs).
        number_of_steps
            How often users are added.
        users_per_step
            How many each time, 1 to 3.
        """
        return TrafficPattern(
            stairs_duration=duration, number_of_steps=number_of_steps, users_per_step=users_per_step
        )

    @property
    def traffic_type(self) -> str:
        """``PHASES`` or ``STAIRS``."""
        return "STAIRS" if self.stairs_duration else "PHASES"

    @property
    def seconds(self) -> float | None:
        """How long a load test has traffic; None if a part is known only at deploy."""
        parts = (
            [self.stairs_duration]
            if self.stairs_duration
            else [each.duration for each in self.phase_list]
        )
        if any(each.is_unresolved() for each in parts):
            return None
        times = self.number_of_steps if self.stairs_duration else 1
        return times * math.fsum(float(each.to_seconds(integral=False)) for each in parts)

    def check(self, where: str) -> list[Finding]:
        """Say what Inference Recommender would not take."""
        if self.stairs_duration:
            return [
                *check_seconds(self.stairs_duration, f"{where}.duration", *_TRAFFIC_SECONDS),
                *check_number(self.number_of_steps, f"{where}.number_of_steps", 1, _MANY),
                *check_number(self.users_per_step, f"{where}.users_per_step", *_USERS),
            ]
        if not self.phase_list:
            return [
                Finding(
                    code="recommender-traffic",
                    where=where,
                    message="It has no phase.",
                    fix="give TrafficPattern.phases one or more TrafficPhase.",
                )
            ]
        return [
            finding
            for number, phase in enumerate(self.phase_list)
            for finding in phase.check(f"{where}[{number}]")
        ]

    def render(self) -> dict[str, Any]:
        """Return it as the API has it."""
        if self.stairs_duration:
            return {
                "TrafficType": "STAIRS",
                "Stairs": {
                    "DurationInSeconds": seconds_of(self.stairs_duration),
                    "NumberOfSteps": self.number_of_steps,
                    "UsersPerStep": self.users_per_step,
                },
            }
        return {
            "TrafficType": "PHASES",
            "Phases": [
                {
                    "InitialNumberOfUsers": each.initial_number_of_users,
                    "SpawnRate": each.spawn_rate,
                    "DurationInSeconds": seconds_of(each.duration),
                }
                for each in self.phase_list
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingConditions:
    """When a load test has measured enough: whichever of these comes first.

    Parameters
    ----------
    max_invocations
        Requests in a minute. Default: no limit.
    max_model_latency
        Of 95 of 100 requests, in whole milliseconds. Default: no limit.
    flat_invocations
        ``Continue`` or ``Stop``: what to do once more users bring no more invocations. Default: the
        service's own.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``check``.

    Examples
    --------
    >>> enough = StoppingConditions(max_model_latency=Duration.millis(100))
    >>> enough.render()["ModelLatencyThresholds"]
    [{'Percentile': 'P95', 'ValueInMilliseconds': 100}]
    """

    max_invocations: int | None = None
    max_model_latency: Duration | None = None
    flat_invocations: str | None = None

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    def check(self, where: str) -> list[Finding]:
        """Say what Inference Recommender would not take."""
        found = check_number(self.max_invocations, f"{where}.max_invocations", 1, _MANY)
        if self.max_invocations is None and self.max_model_latency is None:
            found.append(
                Finding(
                    code="recommender-stopping",
                    where=where,
                    message="It has no limit, so that a load test would never have enough.",
                    fix="give max_invocations, max_model_latency or both.",
                )
            )
        word = self.flat_invocations
        if word is not None and not is_unresolved(word) and word not in FLAT_INVOCATIONS:
            found.append(
                Finding(
                    code="recommender-stopping",
                    where=f"{where}.flat_invocations",
                    message=f"{word!r} is given. Allowed: {listed(FLAT_INVOCATIONS)}.",
                    fix="take one of these, or leave it out.",
                )
            )
        return [*found, *check_milliseconds(self.max_model_latency, f"{where}.max_model_latency")]

    def render(self) -> dict[str, Any]:
        """Return it as the API has it."""
        latency = self.max_model_latency
        thresholds = [
            {
                "Percentile": _PERCENTILE,
                "ValueInMilliseconds": milliseconds_of(latency),
            }
        ]
        return {
            "MaxInvocations": self.max_invocations,
            "ModelLatencyThresholds": thresholds if latency else None,
            "FlatInvocations": self.flat_invocations,
        }


def milliseconds_of(value: Duration | None) -> int | None:
    """Return a time in milliseconds."""
    return None if value is None else int(value.to_milliseconds(integral=False))


def check_milliseconds(value: Duration | None, where: str) -> list[Finding]:
    """Say if a time is not one or more whole milliseconds, or not known; None is accepted."""
    if value is None:
        return []
    if value.is_unresolved():
        return [
            Finding(
                code="known-at-synth",
                where=where,
                message="It is known only at deploy.",
                fix="give it as a time that is known at synth.",
            )
        ]
    milliseconds = value.to_milliseconds(integral=False)
    if milliseconds >= 1 and milliseconds == int(milliseconds):
        return []
    return [
        Finding(
            code="number-range",
            where=where,
            message=f"{milliseconds:g} milliseconds is given. Allowed: whole milliseconds from 1.",
            fix="give it as Duration.millis.",
        )
    ]
