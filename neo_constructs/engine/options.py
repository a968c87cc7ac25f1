"""How a stack's job engine is operated: its logs, its network, its keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from neo_constructs.engine.asked_once import stack_of
from neo_constructs.engine.subnets import check_vpc, selected_subnets
from neo_constructs.engine.tokens import is_unresolved
from neo_constructs.findings.errors import raise_errors
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed
from neo_constructs.typed import check_fields, typed

_ID: Final = "NeoJobEngineOptions"
ENGINE_ID: Final = "NeoJobEngine"
LOG_LEVELS: Final = ("OFF", "ERROR", "FATAL", "ALL")  # Step Functions API reference


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEngineOptions:
    """How a stack's job engine is operated; it runs compilation jobs and serving archives.

    ``apply`` sets them for a stack, before its first job. A permissions boundary is the stack's
    own: ``Stack(..., permissions_boundary=...)``.

    Parameters
    ----------
    log_retention
        How long the functions' logs stay. Default: one month.
    log_encryption_key
        Encrypts these logs, and the state machine's. A key that the app makes is told to let
        CloudWatch Logs use it; an imported key's policy must do so already. Default: CloudWatch's
        own key.
    vpc
        Where the functions' network interfaces are. From there they must reach S3, SageMaker, Step
        Functions and Lambda: by a NAT gateway, or by VPC endpoints, S3's as a gateway. Default:
        in no VPC of yours.
    vpc_subnets
        Default: the VPC's private subnets.
    security_groups
        Default: one is made that lets everything out.
    reserved_concurrent_executions
        How many of each of the two functions may run at once. Default: what the account has left.
    state_machine_encryption_key
        Encrypts what executions hold: the requests, and their answers' presigned URLs. With a log
        level, the delivery of logs uses it too: a key that the app makes is told so, an imported
        key's policy must let delivery.logs.amazonaws.com decrypt. Default: Step Functions' own key.
    state_machine_log_level
        ``OFF``, ``ERROR``, ``FATAL`` or ``ALL``; what executions hold is never logged. Default:
        ``OFF``: the function logs every step.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``apply``.

    Examples
    --------
    >>> JobEngineOptions(log_retention=logs.RetentionDays.ONE_YEAR).apply(stack)  # doctest: +SKIP
    """

    log_retention: logs.RetentionDays = field(default=logs.RetentionDays.ONE_MONTH)
    log_encryption_key: kms.IKey | None = None
    vpc: ec2.IVpc | None = None
    vpc_subnets: ec2.SubnetSelection | None = None
    security_groups: Sequence[ec2.ISecurityGroup] = ()
    reserved_concurrent_executions: int | None = None
    state_machine_encryption_key: kms.IKey | None = None
    state_machine_log_level: str = "OFF"

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    @typed
    def apply(self, scope: Construct) -> None:
        """Set them for the stack that a construct is in.

        Parameters
        ----------
        scope
            The stack, or a construct in it.

        Raises
        ------
        ValidationError
            If the engine is there already, or they are set twice, or are not ones that Lambda and
            Step Functions take.
        """
        stack = stack_of(scope)
        raise_errors([*self.check(), *_check_time(stack)], subject=stack.node.path)
        _Chosen(stack, _ID, self)

    def check(self) -> list[Finding]:
        """Say what the services would not take."""
        found = []
        count = self.reserved_concurrent_executions
        if count is not None and not is_unresolved(count) and count < 1:
            found.append(
                Finding(
                    code="engine-options",
                    where="reserved_concurrent_executions",
                    message=f"{count} is given. Allowed: from 1; with 0 no request is answered.",
                    fix="leave it out to take what the account has left.",
                )
            )
        if self.state_machine_log_level not in LOG_LEVELS:
            found.append(
                Finding(
                    code="engine-options",
                    where="state_machine_log_level",
                    message=f"{self.state_machine_log_level!r} is given. "
                    f"Allowed: {listed(LOG_LEVELS)}.",
                    fix="leave it out: the function logs every step.",
                )
            )
        return [
            *found,
            *check_vpc(self.vpc, self.vpc_subnets, self.security_groups),
            *self._check_subnets(),
        ]

    def _check_subnets(self) -> list[Finding]:
        """Say if functions would be in public subnets, from which they reach nothing."""
        if self.vpc is None:
            return []
        chosen = set(selected_subnets(self.vpc, self.vpc_subnets).subnet_ids)
        public = {each.subnet_id for each in self.vpc.public_subnets}
        if not chosen & public:
            return []
        return [
            Finding(
                code="engine-options",
                where="vpc_subnets",
                message="Public subnets are among them: a function has no public address, and "
                "reaches nothing from there.",
                fix="give private subnets, with a NAT gateway or with VPC endpoints.",
            )
        ]


class _Chosen(Construct):
    """The options of a stack, kept in its tree."""

    def __init__(self, scope: Construct, construct_id: str, options: JobEngineOptions) -> None:
        super().__init__(scope, construct_id)
        self.options = options


def options_of(stack: Stack) -> JobEngineOptions:
    """Return the options of a stack; by default all are as they are."""
    found = stack.node.try_find_child(_ID)
    return found.options if isinstance(found, _Chosen) else JobEngineOptions()


def _check_time(stack: Stack) -> list[Finding]:
    taken = next((i for i in (ENGINE_ID, _ID) if stack.node.try_find_child(i)), None)
    if taken is None:
        return []
    what = "set already" if taken == _ID else "set after the first job"
    return [
        Finding(
            code="engine-options",
            where="JobEngineOptions.apply",
            message=f"The options of this stack's job engine are {what}.",
            fix="set them once, before the stack's first job or endpoint.",
        )
    ]
