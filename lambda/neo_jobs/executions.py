"""The executions of one resource, in the order of their requests: the newest wins.

CloudFormation sends a new request for a resource while an older one is still being served: when
a deploy is cancelled, or rolled back after a sibling failed. It then deletes by an id that the
engine may never have given. So each request, before it acts, stops the older executions of its
resource and their jobs, waits until what they were doing is done, and removes what they have left.
Lists of executions may be behind: so each step also looks for a newer request, and gives way.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from neo_jobs.actions import IAM_SECONDS, StepContext, Wait
from neo_jobs.cloudformation import Request
from neo_jobs.errors import code_of, error_code, is_transient
from neo_jobs.state import STATE_VERSION

Client: TypeAlias = Any

MACHINE_SECONDS = 4_500  # how long an execution can last: neo_constructs/engine/limits.py
START_WINDOW_SECONDS = 60  # how long Step Functions may be out of reach before Lambda tries again
SETTLE_SECONDS = 2  # an execution that has just given its answer ends by itself
# How long a step can run after its execution was stopped. A worker runs longer: its uploads are
# aborted from outside, and what it has written is dropped at its end (TransferGuard.end).
# Rests on A-CFN-15.
STRAGGLER_SECONDS = 160
# How long a list of executions may lack one that has begun. Step Functions promises no time.
# Rests on A-CFN-07.
LISTING_SECONDS = 20
SUPERSEDED = "Superseded: CloudFormation has sent a newer request for this resource."
STOP_CAUSE = "A newer request for the same resource has come."


@dataclass(frozen=True, slots=True)
class Execution:
    """Another execution of the same resource.

    Parameters
    ----------
    arn
        What to stop.
    status
        As Step Functions names it.
    began, ended
        Seconds since the epoch; None if it runs.
    request
        What it serves; None for one that was started by hand.
    """

    arn: str
    status: str
    began: float
    ended: float | None = None
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class StopExecutions:
    """Stop older executions."""

    arns: tuple[str, ...]


def concerns(execution: Execution, request: Request) -> bool:
    """Whether an execution and a request stand in each other's way.

    Two Deletes of two ids that a resource has had do not: each is for itself.
    """
    other = execution.request
    return other is None or not (
        other.type == request.type == "Delete" and other.physical_id != request.physical_id
    )


# Rests on A-CFN-19.
def is_superseded(request: Request, executions: Sequence[Execution], began: float) -> bool:
    """Whether CloudFormation has sent another request later.

    Each request computes the same order, so only the older one gives way.

    Parameters
    ----------
    request
        The one that asks.
    executions
        The others that concern it.
    began
        When its own execution began, in seconds since the epoch.
    """
    return any(_is_later(each, each.request, request, began) for each in executions)


def _is_later(execution: Execution, other: Request | None, request: Request, began: float) -> bool:
    if other is None:
        return False
    theirs, ours = (execution.began, other.request_id), (began, request.request_id)
    # Rests on A-CFN-16.
    if other.signed is not None and request.signed is not None:
        # Seconds only. Of one second, a Delete is the last that CloudFormation sends.
        return (other.signed, other.type == "Delete", *theirs) > (
            request.signed,
            request.type == "Delete",
            *ours,
        )
    # An execution that has ended does not tell the order. CloudFormation sends no Create while a
    # Delete or an Update of the resource is pending: a Create beside one was held up on its way.
    is_running = execution.status == "RUNNING"
    # Rests on A-CFN-14.
    return is_running and (other.type != "Create", *theirs) > (request.type != "Create", *ours)


def stop_executions(
    executions: Sequence[Execution], context: StepContext
) -> StopExecutions | Wait | None:
    """Return what to do about the older executions; None if nothing."""
    running = tuple(e.arn for e in executions if e.status == "RUNNING")
    if running and context.polls == 0:
        return Wait(SETTLE_SECONDS, "an older request of this resource is being ended")
    return StopExecutions(running) if running else None


# Rests on A-CFN-05.
def wait_for_listing(request: Request, context: StepContext) -> Wait | None:
    """Return how long to look for the Create that CloudFormation has given up; None for no longer.

    CloudFormation deletes by an id of its own making only where it got no answer to a Create. That
    may have begun in the same second: a Delete that answered before it is listed would let the
    stack, and the engine with it, be gone while the Create makes its job.
    """
    is_known = (request.physical_id or "").startswith(request.resource_prefix)
    if request.type != "Delete" or is_known:
        return None
    until = context.started + LISTING_SECONDS
    left = math.ceil(until - context.now)
    if left <= 0 or until <= context.settled:
        return None
    return Wait(left, "the Create that was given up may not be listed yet", settles=until)


# Rests on A-CFN-13.
def wait_for_stragglers(executions: Sequence[Execution], context: StepContext) -> Wait | None:
    """Return how long the last step of an execution that was stopped may still act."""
    stopped = [
        e.ended + STRAGGLER_SECONDS for e in executions if e.ended and e.status != "SUCCEEDED"
    ]
    quiet = max(stopped, default=context.now)
    left = math.ceil(quiet - context.now)
    if left <= 0 or quiet <= context.settled:
        return None
    return Wait(left, "the last step of an older request may still run", settles=quiet)


class Executions:
    """The executions of a stack's state machine.

    Parameters
    ----------
    states
        Returns a client for Step Functions.
    now, sleep
        The clock.
    grace_seconds
        How long a right may be on its way after it was granted.
    """

    def __init__(
        self,
        states: Callable[[], Client],
        *,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        grace_seconds: float,
    ) -> None:
        self._client = states
        self._now = now
        self._sleep = sleep
        self._grace_seconds = grace_seconds

    @property
    def _states(self) -> Client:
        return self._client()

    def start(self, request: Request, event: Mapping[str, Any]) -> None:
        """Start the execution that serves a request; a duplicate of its event starts no other.

        Raises
        ------
        ClientError, BotoCoreError
            If Step Functions refuses, or is out of reach for longer than Lambda should wait.
        """
        arn = request.properties["StateMachineArn"]
        began = self._now()
        while True:
            try:
                self._states.start_execution(
                    stateMachineArn=arn,
                    name=request.execution_name,
                    input=json.dumps({"Version": STATE_VERSION, "Event": event}),
                )
            except (ClientError, BotoCoreError) as error:
                code = code_of(error)
                if code == "ExecutionAlreadyExists":
                    return  # a duplicate of an event that is being served
                patience = START_WINDOW_SECONDS if is_transient(code) else 0.0
                # Rests on A-IAM-06.
                if code == "AccessDeniedException":
                    patience = self._grace_seconds
                if self._now() >= began + patience:
                    raise
            else:
                return
            self._sleep(IAM_SECONDS)

    def others(self, request: Request) -> list[Execution]:
        """Return the resource's other executions that matter to a request.

        Those that run or were ended before they could answer, and those that may be newer.
        """
        machine = request.properties["StateMachineArn"]
        found = []
        pages = self._states.get_paginator("list_executions").paginate(stateMachineArn=machine)
        for listed in (e for page in pages for e in page["executions"]):
            execution = Execution(
                listed["executionArn"],
                listed["status"],
                listed["startDate"].timestamp(),
                listed["stopDate"].timestamp() if "stopDate" in listed else None,
            )
            # Rests on A-CFN-06.
            if execution.began < self._now() - MACHINE_SECONDS:
                break  # the newest come first, and none runs longer
            name = listed["name"]
            is_other = name.startswith(request.execution_prefix) and name != request.execution_name
            # Rests on A-CFN-16.
            may_be_newer = request.signed is not None and execution.began >= request.signed
            if is_other and (may_be_newer or execution.status != "SUCCEEDED"):
                text = self._states.describe_execution(executionArn=execution.arn)["input"]
                other = replace(execution, request=request_of_execution(text))
                if concerns(other, request):
                    found.append(other)
        return found

    def stop(self, arns: Sequence[str]) -> None:
        """Stop executions; one that has ended meanwhile is left as it is."""
        for arn in arns:
            try:
                self._states.stop_execution(executionArn=arn, cause=STOP_CAUSE)
            except ClientError as error:
                # Rests on A-IAM-03.
                if error_code(error) != "ValidationException":
                    raise

    def describe(self, arn: str) -> Mapping[str, Any]:
        """Return what Step Functions says of an execution."""
        found: Mapping[str, Any] = self._states.describe_execution(executionArn=arn)
        return found


def request_of_execution(execution_input: str) -> Request | None:
    """Return the request an execution serves; None for one that was started by hand."""
    try:
        return Request.parse(json.loads(execution_input)["Event"])
    except (ValueError, KeyError, TypeError):
        return None
