"""How an endpoint moves to a new configuration, and what makes it go back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker

from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed, suggestion
from neo_constructs.hosting.numbers import check_number, check_seconds, seconds_of
from neo_constructs.typed import check_fields, typed

# botocore, TrafficRoutingConfig, BlueGreenUpdatePolicy, RollingUpdatePolicy and AlarmList.
_WAIT: Final = (0, 3600)
_EXECUTION: Final = (600, 28_800)
MAX_ALARMS: Final = 10
ALL_AT_ONCE: Final = "ALL_AT_ONCE"
CANARY: Final = "CANARY"
LINEAR: Final = "LINEAR"
ROLLING: Final = "ROLLING"
STRATEGIES: Final = (ALL_AT_ONCE, CANARY, LINEAR, ROLLING)
INSTANCE_COUNT: Final = "INSTANCE_COUNT"
_SIZES: Final = (INSTANCE_COUNT, "CAPACITY_PERCENT")  # botocore, CapacitySizeType
_WHERE: Final = "deployment_config"
# A step is watched for as long as this where nothing else is said.
STEP_WAIT_MINUTES: Final = 5
# API reference, TrafficRoutingConfig and RollingUpdatePolicy: the part of the fleet that one step
# may be, in percent.
PERCENT: Final = {ALL_AT_ONCE: (1, 100), CANARY: (1, 50), LINEAR: (10, 50), ROLLING: (5, 50)}

Rendered: TypeAlias = sagemaker.CfnEndpoint.DeploymentConfigProperty


@dataclass(frozen=True, slots=True)
class CapacitySize:
    """A part of a fleet: a number of instances, or a percentage.

    Examples
    --------
    >>> CapacitySize.percent(10)
    CapacitySize(type='CAPACITY_PERCENT', value=10)
    """

    type: str
    value: int

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    @classmethod
    @typed
    def percent(cls, value: int) -> CapacitySize:
        """Return a percentage of the fleet."""
        return cls("CAPACITY_PERCENT", value)

    @classmethod
    @typed
    def instances(cls, value: int) -> CapacitySize:
        """Return a number of instances."""
        return cls(INSTANCE_COUNT, value)

    def check(self, where: str, least: int, most: int) -> list[Finding]:
        """Say if a percentage is outside of limits, or a number of instances not from 1."""
        if self.type not in _SIZES:
            return [_unknown_word(where, self.type, _SIZES)]
        if self.type == INSTANCE_COUNT:
            return check_number(self.value, where, 1, 1_000_000, unit="instances")
        return check_number(self.value, where, least, most, unit="percent")

    def render(self) -> sagemaker.CfnEndpoint.CapacitySizeProperty:
        """Return it as CloudFormation has it."""
        return sagemaker.CfnEndpoint.CapacitySizeProperty(type=self.type, value=self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentConfig:
    """How an endpoint moves to a new configuration, and what makes it go back.

    Make one by ``all_at_once``, ``canary``, ``linear`` or ``rolling``. The first three start the
    whole new fleet beside the old one, so that an update needs twice the instances; a rolling
    update needs a batch more. While it waits, SageMaker watches the alarms, and goes back to the
    old fleet if one goes off. An alarm on the endpoint's own metrics needs an endpoint with a name
    of its own: the endpoint names the alarm, and the alarm the endpoint.

    Source: AWS developer guide, page deployment-guardrails.

    Parameters
    ----------
    strategy
        ``ALL_AT_ONCE``, ``CANARY``, ``LINEAR`` or ``ROLLING``.
    step
        The canary, the linear step, or the batch; None for all at once.
    wait
        How long the alarms are watched after each step, up to an hour. Default: not at all for
        ``ALL_AT_ONCE``, 5 minutes for the others.
    termination_wait
        How long the old fleet stays after the last step, up to an hour. Default: none.
    rollback_step
        The batch of a rolling update's way back. Default: all at once.
    maximum_execution_timeout
        How long the whole may take, 10 minutes to 8 hours. Default: SageMaker's.
    rollback_alarms
        Up to 10. Default: none.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``check``.

    Examples
    --------
    >>> DeploymentConfig.canary(CapacitySize.percent(10)).strategy
    'CANARY'
    """

    strategy: str
    step: CapacitySize | None = None
    wait: Duration | None = None
    termination_wait: Duration | None = None
    rollback_step: CapacitySize | None = None
    maximum_execution_timeout: Duration | None = None
    rollback_alarms: Sequence[cloudwatch.IAlarm] = ()

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    @classmethod
    @typed
    def all_at_once(
        cls,
        *,
        wait: Duration | None = None,
        termination_wait: Duration | None = None,
        maximum_execution_timeout: Duration | None = None,
        rollback_alarms: Sequence[cloudwatch.IAlarm] = (),
    ) -> DeploymentConfig:
        """Return a blue/green deployment that moves all requests at once.

        Parameters
        ----------
        wait
            How long the alarms are watched after that. Default: not at all.
        termination_wait, maximum_execution_timeout, rollback_alarms
            As the class's.
        """
        return cls(
            strategy=ALL_AT_ONCE,
            wait=wait,
            termination_wait=termination_wait,
            maximum_execution_timeout=maximum_execution_timeout,
            rollback_alarms=rollback_alarms,
        )

    @classmethod
    @typed
    def canary(
        cls,
        size: CapacitySize,
        *,
        wait: Duration | None = None,
        termination_wait: Duration | None = None,
        maximum_execution_timeout: Duration | None = None,
        rollback_alarms: Sequence[cloudwatch.IAlarm] = (),
    ) -> DeploymentConfig:
        """Return a blue/green deployment that moves a part of the requests, and then the rest.

        Parameters
        ----------
        size
            The part, up to half of the new fleet.
        wait
            How long the alarms are watched in between. Default: 5 minutes.
        termination_wait, maximum_execution_timeout, rollback_alarms
            As the class's.
        """
        return cls(
            strategy=CANARY,
            step=size,
            wait=wait,
            termination_wait=termination_wait,
            maximum_execution_timeout=maximum_execution_timeout,
            rollback_alarms=rollback_alarms,
        )

    @classmethod
    @typed
    def linear(
        cls,
        size: CapacitySize,
        *,
        wait: Duration | None = None,
        termination_wait: Duration | None = None,
        maximum_execution_timeout: Duration | None = None,
        rollback_alarms: Sequence[cloudwatch.IAlarm] = (),
    ) -> DeploymentConfig:
        """Return a blue/green deployment that moves the requests in equal steps.

        Parameters
        ----------
        size
            A step, 10 to 50 percent of the new fleet.
        wait
            How long the alarms are watched after each. Default: 5 minutes.
        termination_wait, maximum_execution_timeout, rollback_alarms
            As the class's.
        """
        return cls(
            strategy=LINEAR,
            step=size,
            wait=wait,
            termination_wait=termination_wait,
            maximum_execution_timeout=maximum_execution_timeout,
            rollback_alarms=rollback_alarms,
        )

    @classmethod
    @typed
    def rolling(
        cls,
        batch: CapacitySize,
        *,
        wait: Duration | None = None,
        rollback_batch: CapacitySize | None = None,
        maximum_execution_timeout: Duration | None = None,
        rollback_alarms: Sequence[cloudwatch.IAlarm] = (),
    ) -> DeploymentConfig:
        """Return a deployment that replaces a batch of instances after the other.

        It needs a batch more instances than the endpoint has, not twice as many.

        Parameters
        ----------
        batch
            5 to 50 percent of the fleet.
        wait
            How long the alarms are watched after each. Default: 5 minutes.
        rollback_batch
            The batch of the way back. Default: all at once.
        maximum_execution_timeout, rollback_alarms
            As the class's.
        """
        return cls(
            strategy=ROLLING,
            step=batch,
            wait=wait,
            rollback_step=rollback_batch,
            maximum_execution_timeout=maximum_execution_timeout,
            rollback_alarms=rollback_alarms,
        )

    @property
    def _wait(self) -> Duration:
        default = 0 if self.strategy == ALL_AT_ONCE else STEP_WAIT_MINUTES
        return self.wait or Duration.minutes(default)

    def check(self) -> list[Finding]:
        """Say what SageMaker would not take."""
        if self.strategy not in STRATEGIES:
            return [_unknown_word(f"{_WHERE}, strategy", self.strategy, STRATEGIES)]
        back = self.rollback_step
        return [
            *self._check_parts(),
            *(self.step.check(f"{_WHERE}, step", *PERCENT[self.strategy]) if self.step else ()),
            *(back.check(f"{_WHERE}, rollback_step", 1, 100) if back else ()),
            *check_seconds(self.wait, f"{_WHERE}, wait", *_WAIT),
            *check_seconds(self.termination_wait, f"{_WHERE}, termination_wait", *_WAIT),
            *check_seconds(
                self.maximum_execution_timeout, f"{_WHERE}, maximum_execution_timeout", *_EXECUTION
            ),
            *self._check_alarms(),
        ]

    def render(self, alarm_names: Sequence[str] = ()) -> Rendered:
        """Return it as CloudFormation has it.

        Parameters
        ----------
        alarm_names
            Of all alarms that make an update go back. Default: none.
        """
        made = sagemaker.CfnEndpoint
        alarms = [made.AlarmProperty(alarm_name=name) for name in alarm_names]
        rollback = made.AutoRollbackConfigProperty(alarms=alarms) if alarms else None
        wait, limit = seconds_of(self._wait), seconds_of(self.maximum_execution_timeout)
        assert wait is not None  # noqa: S101 - it has a default
        size = self.step.render() if self.step else None
        if self.strategy == ROLLING:
            assert size  # noqa: S101 - rolling() gives one
            back = self.rollback_step.render() if self.rollback_step else None
            return made.DeploymentConfigProperty(
                auto_rollback_configuration=rollback,
                rolling_update_policy=made.RollingUpdatePolicyProperty(
                    maximum_batch_size=size,
                    wait_interval_in_seconds=wait,
                    rollback_maximum_batch_size=back,
                    maximum_execution_timeout_in_seconds=limit,
                ),
            )
        return made.DeploymentConfigProperty(
            auto_rollback_configuration=rollback,
            blue_green_update_policy=made.BlueGreenUpdatePolicyProperty(
                traffic_routing_configuration=made.TrafficRoutingConfigProperty(
                    type=self.strategy,
                    canary_size=size if self.strategy == CANARY else None,
                    linear_step_size=size if self.strategy == LINEAR else None,
                    wait_interval_in_seconds=wait,
                ),
                termination_wait_in_seconds=seconds_of(self.termination_wait),
                maximum_execution_timeout_in_seconds=limit,
            ),
        )

    def _check_parts(self) -> list[Finding]:
        """Say if a part is missing, or belongs to another strategy."""
        at_once, rolls = self.strategy == ALL_AT_ONCE, self.strategy == ROLLING
        wrong = [
            (name, "needs it" if missing else "has none")
            for name, missing, is_wrong in (
                ("step", not at_once, at_once == (self.step is not None)),
                ("termination_wait", False, rolls and self.termination_wait is not None),
                ("rollback_step", False, not rolls and self.rollback_step is not None),
            )
            if is_wrong
        ]
        return [
            Finding(
                code="deployment-parts",
                where=f"{_WHERE}, {name}",
                message=f"A deployment {self.strategy} {why}.",
                fix="make it by DeploymentConfig.all_at_once, canary, linear or rolling.",
            )
            for name, why in wrong
        ]

    def _check_alarms(self) -> list[Finding]:
        return self.check_watching() if self.rollback_alarms else []

    def check_watching(self) -> list[Finding]:
        """Say if an update waits nowhere, so that no alarm is ever looked at."""
        if self._watches():
            return []
        return [
            Finding(
                code="rollback-never-watched",
                where=f"{_WHERE}, rollback_alarms",
                message="Alarms are given, but the update waits nowhere, and they are watched "
                "only while it waits.",
                fix="give a wait, or a termination_wait.",
            )
        ]

    def _watches(self) -> bool:
        times = [each for each in (self._wait, self.termination_wait) if each is not None]
        return any(each.is_unresolved() or each.to_seconds(integral=False) for each in times)


def _unknown_word(where: str, word: str, allowed: Sequence[str]) -> Finding:
    return Finding(
        code="deployment-parts",
        where=where,
        message=f"{word!r} is given. Allowed: {listed(allowed)}.",
        fix=suggestion(word, allowed) or "make it by DeploymentConfig.canary and its like.",
    )
