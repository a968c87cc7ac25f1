"""What is wrong with a recommendations job, before it is paid for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration

from neo_constructs.catalog.instance_types import has_local_storage
from neo_constructs.catalog.target import check_instance_type_name
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed
from neo_constructs.hosting.numbers import check_number
from neo_constructs.hosting.package_interface import IModelPackage
from neo_constructs.recommender.load_test import (
    EndpointInputConfiguration,
    StoppingConditions,
    TrafficPattern,
)
from neo_constructs.recommender.selection import RecommendationRule
from neo_constructs.registry.sample_payload import SamplePayload

# CloudFormation waits an hour for a custom resource; the engine stops a job after 55 minutes, and
# what is measured must be removed until then.
# Rests on A-REC-06.
MAX_JOB_SECONDS: Final = 2_700
_LEAST_JOB_SECONDS: Final = 300
MAX_CONFIGURATIONS: Final = 10  # botocore, EndpointInputConfigurations
DEFAULT, ADVANCED = "Default", "Advanced"
_MANY: Final = 10**9
_MAX_DESCRIPTION: Final = 128  # botocore, RecommendationJobDescription
# AWS developer guide, page inference-recommender-prerequisites: what a version must say of itself.
_NEEDED: Final = ("Domain", "Task", "Framework")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationsFacts:
    """All that a recommendations job is given, as far as there are rules for it."""

    package: IModelPackage
    instance_types: Sequence[str] | None
    configurations: Sequence[EndpointInputConfiguration]
    traffic: TrafficPattern | None
    stopping: StoppingConditions | None
    max_tests: int | None
    max_parallel: int | None
    job_duration: Duration
    payload: SamplePayload | None
    rule: RecommendationRule
    description: str | None = None
    has_volume_key: bool = False

    @property
    def job_type(self) -> str:
        """``Advanced`` for a load test of one's own, else ``Default``; as the SageMaker SDK has it.

        Source: sagemaker 2.257, inference_recommender_mixin.
        """
        own = (self.configurations, self.traffic, self.stopping, self.max_tests, self.max_parallel)
        return ADVANCED if any(own) else DEFAULT

    @property
    def candidates(self) -> tuple[str, ...]:
        """What may be recommended; empty if that is not known."""
        if self.configurations:
            types = [each.instance_type for each in self.configurations]
            return tuple(dict.fromkeys(each for each in types if each))
        if self.instance_types is not None:
            return tuple(dict.fromkeys(self.instance_types))
        named: Sequence[str] = self.package.contents.get("SupportedInstanceTypes") or ()
        target = self.package.target
        return tuple(named) or (target.instance_types if target else ())

    @property
    def has_default_candidates(self) -> bool:
        """Whether the candidates are all of the target's, and were not named."""
        return not self.configurations and self.instance_types is None

    @property
    def tests(self) -> int:
        """How many load tests it takes."""
        tests = (
            sum(each.tests for each in self.configurations)
            if self.configurations
            else len(self.candidates)
        )
        is_limited = self.max_tests is not None and not is_unresolved(self.max_tests)
        return min(tests, self.max_tests or tests) if is_limited else tests

    def check(self) -> list[Finding]:
        """Say what Inference Recommender would not take, or could not end in time."""
        return [
            *self._check_candidates(),
            *self._check_advanced(),
            *self._check_duration(),
            *self._check_package(),
            *self._check_description(),
            *(self.payload.check() if self.payload else ()),
            *self.rule.check("selection"),
            *check_number(self.max_tests, "max_number_of_tests", 1, _MANY),
            *check_number(self.max_parallel, "max_parallel_of_tests", 1, _MANY),
        ]

    def _check_candidates(self) -> Iterator[Finding]:
        if self.configurations and self.instance_types is not None:
            yield Finding(
                code="recommender-candidates",
                where="instance_types, endpoint_configurations",
                message="Both are given; each says what is measured.",
                fix="give instance_types alone, or endpoint_configurations for a load test of "
                "your own.",
            )
        if len(self.configurations) > MAX_CONFIGURATIONS:
            yield Finding(
                code="recommender-candidates",
                where="endpoint_configurations",
                message=f"{len(self.configurations)} are given. Allowed: {MAX_CONFIGURATIONS}.",
                fix="leave some out.",
            )
        if self.instance_types is not None and not self.instance_types:
            yield Finding(
                code="recommender-candidates",
                where="instance_types",
                message="It is empty.",
                fix="name one or more, or leave it out.",
            )
        serverless = [each for each in self.configurations if each.memory_size_in_mb is not None]
        if serverless and len(serverless) < len(self.configurations):
            yield Finding(
                code="recommender-candidates",
                where="endpoint_configurations",
                message="Serverless endpoints are measured beside instances, and only instances "
                "can be chosen then.",
                fix="measure them by a job of their own.",
            )
        for number, each in enumerate(self.configurations):
            yield from each.check(f"endpoint_configurations[{number}]")
        if any(map(is_unresolved, self.candidates)):
            yield Finding(
                code="known-at-synth",
                where="instance_types",
                message="An instance type is known only at deploy; what may be chosen must be "
                "known, so that a compiled model meets its own hardware.",
                fix="give the candidates as text.",
            )
        for instance_type in self.candidates:
            if not is_unresolved(instance_type):
                yield from self._check_type(instance_type)

    def _check_type(self, instance_type: str) -> list[Finding]:
        where = "endpoint_configurations" if self.configurations else "instance_types"
        target = self.package.target
        found = (
            target.check_instance_type(instance_type, where=where)
            if target
            else check_instance_type_name(instance_type, where=where)
        )
        if self.has_volume_key and has_local_storage(instance_type):
            found.append(
                Finding(
                    code="local-storage",
                    where="volume_encryption_key",
                    message=f"{instance_type!r} has storage of its own, which its hardware "
                    "encrypts; SageMaker takes no key for it.",
                    fix="leave out volume_encryption_key, or take a candidate without storage of "
                    "its own.",
                )
            )
        return found

    def _check_advanced(self) -> Iterator[Finding]:
        """Source: AWS developer guide, page inference-recommender-load-test."""
        parts = {
            "endpoint_configurations": self.configurations,
            "traffic_pattern": self.traffic,
            "stopping_conditions": self.stopping,
        }
        missing = [name for name, value in parts.items() if not value]
        if self.job_type == ADVANCED and missing:
            yield Finding(
                code="recommender-load-test",
                where=listed(missing),
                message="A load test of your own needs endpoint_configurations, traffic_pattern "
                "and stopping_conditions together.",
                fix="give them too, or leave all of them out to have the service choose the load.",
            )
        if self.traffic:
            yield from self.traffic.check("traffic_pattern")
        if self.stopping:
            yield from self.stopping.check("stopping_conditions")

    def _check_duration(self) -> Iterator[Finding]:
        given = self.job_duration
        if given.is_unresolved():
            yield Finding(
                code="known-at-synth",
                where="job_duration",
                message="It is known only at deploy, and decides whether the job can end in time.",
                fix="give a time that is known at synth.",
            )
            return
        seconds = float(given.to_seconds(integral=False))
        if not _LEAST_JOB_SECONDS <= seconds <= MAX_JOB_SECONDS or seconds != int(seconds):
            yield Finding(
                code="recommender-duration",
                where="job_duration",
                message=f"{seconds:g} seconds is given. Allowed: {_LEAST_JOB_SECONDS} to "
                f"{MAX_JOB_SECONDS:,}. CloudFormation waits an hour for a custom resource, and a "
                "job that is stopped then was paid for, and recommends nothing.",
                fix="measure fewer endpoint configurations, several at once, or for a shorter "
                "time; a longer load test is started outside of a stack.",
            )
            return
        traffic = self.traffic.seconds if self.traffic else None
        if traffic is None:
            return
        rounds = 1
        if self.max_parallel and not is_unresolved(self.max_parallel):
            rounds = math.ceil(self.tests / self.max_parallel)
        if rounds * traffic > seconds:
            yield Finding(
                code="recommender-duration",
                where="traffic_pattern",
                message=f"{self.tests} tests, {self.max_parallel or 'all'} at once, of "
                f"{traffic:g} seconds of traffic each take {rounds * traffic:g} seconds without "
                f"the start of a single endpoint. Allowed: job_duration, {seconds:g}.",
                fix="shorten the traffic, measure less, or more at once by max_parallel_of_tests.",
            )

    def _check_description(self) -> Iterator[Finding]:
        text = self.description or ""
        if not is_unresolved(text) and len(text) > _MAX_DESCRIPTION:
            yield Finding(
                code="recommender-description",
                where="description",
                message=f"It has {len(text)} characters. Allowed: {_MAX_DESCRIPTION}.",
                fix="shorten it.",
            )

    def _check_package(self) -> Iterator[Finding]:
        contents = self.package.contents
        if not contents:
            return
        missing = [name.lower() for name in _NEEDED if not contents.get(name)]
        if missing:
            yield Finding(
                code="recommender-package",
                where="model_package",
                message=f"{self.package.node.path} has no {listed(missing)}, which Inference "
                "Recommender asks for.",
                fix="give them to the ModelPackage; neo model-metadata lists what there is.",
            )
        if self.payload is None and not contents.get("SamplePayload"):
            yield Finding(
                code="recommender-payload",
                where="sample_payload",
                message="Neither the job nor the version has requests to measure with.",
                fix='give sample_payload=SamplePayload.from_asset("payloads").',
            )
