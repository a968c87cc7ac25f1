"""What is wrong with an endpoint as a whole: its configuration, how it moves, how it scales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from neo_constructs.catalog.instance_types import is_accelerated, is_burstable, is_inferentia1
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.finding import Finding, Level
from neo_constructs.findings.wording import listed, suggestion
from neo_constructs.hosting.deployment import (
    ALL_AT_ONCE,
    INSTANCE_COUNT,
    MAX_ALARMS,
    PERCENT,
    ROLLING,
    DeploymentConfig,
)
from neo_constructs.hosting.instance_type_choice import InstanceTypeChoice, possible_types
from neo_constructs.hosting.variants import InstanceVariant, ServerlessVariant, Variant

_DEPLOYMENT: Final = "deployment_config"


@dataclass(frozen=True, slots=True)
class Scaled:
    """A variant that scales.

    Parameters
    ----------
    variant_name
        Which.
    min_capacity, max_capacity
        How few at least, and how many at most.
    is_provisioned_concurrency
        Whether what scales is a serverless variant's provisioned concurrency.
    by_backlog
        Whether it scales by the requests that wait.
    """

    variant_name: str
    min_capacity: float
    max_capacity: float
    is_provisioned_concurrency: bool = False
    by_backlog: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeEndpoint:
    """All of an endpoint, once all is there.

    Parameters
    ----------
    variants, shadow
        What answers requests, and what gets copies; None if that is not known.
    is_async
        Whether it answers later.
    deployment
        How it moves to a new configuration.
    alarms
        How many alarms make an update go back.
    scaled
        What scales.
    """

    variants: Sequence[Variant] | None
    shadow: Sequence[Variant] = ()
    is_async: bool = False
    deployment: DeploymentConfig | None = None
    alarms: int = 0
    scaled: Sequence[Scaled] = ()

    def check(self) -> list[Finding]:
        """Say everything that is wrong, and what is doubtful."""
        return [
            *self._check_scaling(),
            *self._check_alarms(),
            *self._check_exclusions(),
            *self._check_quota(),
        ]

    def _check_scaling(self) -> Iterator[Finding]:
        names = {each.variant_name: each for each in self.variants or ()}
        for each in self.scaled:
            is_known = self.variants is not None and not is_unresolved(each.variant_name)
            where = f"scaling of {each.variant_name!r}"
            if is_known and each.variant_name not in names:
                yield Finding(
                    code="variant-unknown",
                    where=where,
                    message=f"The endpoint has no such variant. Allowed: {listed(names)}.",
                    fix=suggestion(each.variant_name, list(names)) or "name one of its variants.",
                )
                continue
            yield from self._check_capacity(each, where)
            yield from self._check_backlog(each, where)
            if variant := names.get(each.variant_name):
                yield from _check_scales(each, variant, where)

    def _check_capacity(self, scaled: Scaled, where: str) -> Iterator[Finding]:
        """Source: AWS developer guide, page async-inference-autoscale."""
        may_be_zero = self.is_async or self.variants is None
        if is_unresolved(scaled.min_capacity) or scaled.min_capacity > 0 or may_be_zero:
            return
        yield Finding(
            code="scaling-to-zero",
            where=where,
            message="min_capacity is 0. Allowed: from 1; only an asynchronous endpoint has times "
            "without an instance.",
            fix="give min_capacity=1, an async_inference_config, or a ServerlessVariant.",
        )

    def _check_backlog(self, scaled: Scaled, where: str) -> Iterator[Finding]:
        if not scaled.by_backlog or self.is_async or self.variants is None:
            return
        yield Finding(
            code="scaling-kind",
            where=where,
            message="It scales by the requests that wait, and none wait at an endpoint that "
            "answers at once.",
            fix="scale by requests, or give an async_inference_config.",
        )

    def _check_alarms(self) -> Iterator[Finding]:
        if self.alarms > MAX_ALARMS:
            yield Finding(
                code="rollback-alarms",
                where="rollback_alarms",
                message=f"{self.alarms} are given. Allowed: up to {MAX_ALARMS}.",
                fix="leave out those that watch the same thing.",
            )

    def _check_exclusions(self) -> Iterator[Finding]:
        """Source: AWS developer guide, page deployment-guardrails-exclusions."""
        asked = self.deployment
        if asked is None:
            return
        variants = self.variants or ()
        for each in variants:
            reason = _excludes_guardrails(each)
            if reason and (asked.strategy != ALL_AT_ONCE or self.alarms):
                yield Finding(
                    code="deployment-excluded",
                    level=Level.WARNING,
                    where=_DEPLOYMENT,
                    message=f"The variant {each.variant_name!r} is {reason}: SageMaker moves such "
                    "an endpoint all at once, and watches no alarm.",
                    fix="leave it out, so that nobody counts on it.",
                )
        yield from self._check_batch(asked, variants)
        if asked.strategy == ROLLING and len(variants) > 1:
            yield Finding(
                code="deployment-rolling",
                where=_DEPLOYMENT,
                message=f"A rolling update is asked for, and there are {len(variants)} variants. "
                "Allowed: one.",
                fix="take DeploymentConfig.canary or linear.",
            )

    def _check_batch(
        self, asked: DeploymentConfig, variants: Sequence[Variant]
    ) -> Iterator[Finding]:
        """Say if a step in instances is another part of the fleet than a strategy takes."""
        counts = [e.initial_instance_count for e in variants if isinstance(e, InstanceVariant)]
        if asked.step is None or asked.step.type != INSTANCE_COUNT or not counts:
            return
        if is_unresolved(asked.step.value) or any(is_unresolved(each) for each in counts):
            return
        least, most = PERCENT[asked.strategy]
        percent = 100 * asked.step.value / sum(counts)
        if not least <= percent <= most:
            yield Finding(
                code="deployment-step",
                where=f"{_DEPLOYMENT}, step",
                message=f"{asked.step.value} of {sum(counts)} instances are {percent:.0f} %. "
                f"Allowed: {least} to {most} %.",
                fix="give another number of instances, or take DeploymentConfig.all_at_once.",
            )

    # Rests on A-NEO-17.
    def _check_quota(self) -> Iterator[Finding]:
        """Say that an update needs twice as many instances of a kind that quotas are low for."""
        if self.deployment and self.deployment.strategy == ROLLING:
            return
        variants = self.variants or ()
        other = ", or give DeploymentConfig.rolling" if len(variants) == 1 else ""
        for each in [*variants, *self.shadow]:
            if not isinstance(each, InstanceVariant):
                continue
            kinds = list(filter(is_accelerated, possible_types(each.instance_type)))
            if kinds:
                count = each.initial_instance_count
                twice = "twice as many" if is_unresolved(count) else str(2 * count)
                yield Finding(
                    code="quota-doubles",
                    level=Level.WARNING,
                    where=f"variant {each.variant_name!r}",
                    message=f"An update starts the new fleet beside the old one: it needs {twice} "
                    f"of {listed(map(repr, kinds))}, whose quotas are low by default.",
                    fix=f"ask Service Quotas for that many{other}.",
                )


def _check_scales(scaled: Scaled, variant: Variant, where: str) -> Iterator[Finding]:
    """Say if a variant is of a kind that does not scale so."""
    if scaled.is_provisioned_concurrency != isinstance(variant, ServerlessVariant):
        kind = "on instances" if scaled.is_provisioned_concurrency else "serverless"
        yield Finding(
            code="scaling-kind",
            where=where,
            message=f"The variant is {kind}.",
            fix="scale instances by auto_scale_instance_count, and the provisioned concurrency of "
            "a serverless variant by auto_scale_provisioned_concurrency.",
        )
    elif isinstance(variant, ServerlessVariant):
        if variant.provisioned_concurrency is None:
            yield Finding(
                code="scaling-kind",
                where=where,
                message="The variant has no provisioned concurrency that could change.",
                fix="give the ServerlessVariant provisioned_concurrency.",
            )
        yield from _check_concurrency(scaled, variant, where)
    elif kinds := list(filter(is_burstable, possible_types(variant.instance_type))):
        yield Finding(
            code="scaling-burstable",
            where=where,
            message=f"{kinds[0]!r} lives on credits; SageMaker does not scale such instances.",
            fix="take an instance type of another family, such as ml.c5.large.",
        )
    # Rests on A-HOST-08.
    elif _may_change(variant.instance_type):
        yield Finding(
            code="scaling-choice",
            level=Level.WARNING,
            where=where,
            message="The instance type is chosen at deploy. SageMaker refuses another one for a "
            "variant that scales, so that a deploy which chooses anew fails.",
            fix="name one candidate, or take the scaling away before a new model is measured.",
        )


# Rests on A-HOST-08.
def _may_change(instance_type: str) -> bool:
    """Whether a later deploy may choose another instance type."""
    is_choice = isinstance(instance_type, InstanceTypeChoice)
    return is_choice and len(possible_types(instance_type)) != 1


def _check_concurrency(scaled: Scaled, variant: ServerlessVariant, where: str) -> Iterator[Finding]:
    """Say if more would be provisioned than the variant answers at once."""
    most, limit = scaled.max_capacity, variant.max_concurrency
    if is_unresolved(most) or is_unresolved(limit) or most <= limit:
        return
    yield Finding(
        code="serverless-concurrency",
        where=where,
        message=f"max_capacity is {most}, more than the variant's max_concurrency, {limit}.",
        fix="give no more than max_concurrency.",
    )


def _excludes_guardrails(variant: Variant) -> str:
    if isinstance(variant, ServerlessVariant):
        return "serverless"
    is_old = any(map(is_inferentia1, possible_types(variant.instance_type)))
    return "on Inf1 instances" if is_old else ""
