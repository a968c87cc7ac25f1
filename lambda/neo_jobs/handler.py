"""The engine's four doors: CloudFormation's event, and the state machine's step, work and abort.

The first only starts an execution; everything with an effect happens in a step. A step looks,
takes one action, and says when to look again. What may take longer is left to the worker, which
takes the same step with more time. The abort answers for a step that could not.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, cached_property
from typing import Any, TypeAlias

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from neo_jobs import compilation, fence, serving_archive, storage
from neo_jobs import reconcile as core
from neo_jobs.cloudformation import (
    Request,
    redacted,
    response_body,
    send,
    without_secrets,
)
from neo_jobs.transfer import THREADS, NeedsWorker, Sizes, Transfer, threads

Client: TypeAlias = Any
State: TypeAlias = Mapping[str, Any]
Resource: TypeAlias = compilation.CompilationJobs | serving_archive.ServingArchives

STATE_VERSION = 1
MACHINE_SECONDS = 4_500  # how long an execution can last: engine/job_engine.py
MOVING = "s3 for transfers"  # an S3 client that waits longer
# Seconds, inside the functions' own limits: a call that is under way may take another two minutes.
STEP_LIMIT, WORK_LIMIT = 130, 770
# A newer request waits for longer than this, and then aborts what is being written: nothing may
# begin later.
BEGIN_SECONDS = 100
WORK_SECONDS = 910  # how long the machine waits for the worker, but not far into the last minutes
LAST_SECONDS = 150
_SIZES = Sizes()
log = logging.getLogger("neo_jobs")
log.setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much time an invocation has.

    Parameters
    ----------
    began
        When it began, in seconds since the epoch.
    seconds
        How long its transfers may take.
    is_worker
        Whether there is time for what may take long.
    """

    began: float = 0
    seconds: float = 0
    is_worker: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """Leave it to the worker."""


class _TooLate(Exception):
    """A newer request may already have looked for what this one would begin."""


@dataclass(frozen=True)
class _Watch:
    """What a transfer asks as it goes.

    Parameters
    ----------
    now
        The clock.
    begin_by, until
        When something may begin at the latest, and when all must end.
    is_superseded
        Whether there is a newer request.
    """

    now: Callable[[], float]
    begin_by: float
    until: float
    is_superseded: Callable[[], bool]

    def begin(self) -> None:
        if self.now() > self.begin_by:
            raise _TooLate

    def go_on(self) -> None:
        if self.now() >= self.until:
            raise storage.Refused(
                "It could not be moved in the time there was. Make the model or the script smaller."
            )

    def end(self) -> None:
        if self.is_superseded():
            raise storage.Refused(fence.SUPERSEDED)


class Engine:
    """What the doors share.

    Parameters
    ----------
    client
        Makes a client for a service; each is made once, when first needed.
    now, sleep
        The clock.
    respond
        Sends an answer to CloudFormation.
    grace_seconds
        How long a right may be on its way after it was granted.
    sizes, executor
        How large objects are divided, and what moves their parts.
    """

    def __init__(
        self,
        *,
        client: Callable[[str], Client],
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        respond: Callable[[Request, bytes], None] = send,
        grace_seconds: float = 90,
        sizes: Sizes = _SIZES,
        executor: Callable[[], Executor] = threads,
    ) -> None:
        self._client = client
        self._now = now
        self._sleep = sleep
        self._respond = respond
        self._grace_seconds = grace_seconds
        self._sizes = sizes
        self._executor = executor

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Open the door an event asks for."""
        door = event.get("Door")
        if door == "step":
            # The machine of an older release has no worker: the step has to do.
            budget = Budget(self._now(), STEP_LIMIT, is_worker=not event.get("HasWorker"))
            return self.step(event["State"], event["StartedAt"], budget)
        if door == "work":
            budget = Budget(self._now(), WORK_LIMIT, is_worker=True)
            return self.step(event["State"], event["StartedAt"], budget)
        if door == "abort":
            return self.abort(event["State"])
        return self.open(event)

    def open(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Start the execution that will serve CloudFormation's request."""
        request = Request.parse(event)
        log.info("request %s", json.dumps(redacted(event)))
        try:
            self._start_execution(request, event)
        except Exception as error:
            _log_failure("the request could not be started")
            self._answer(request, core.Fail(f"The job engine could not start: {error}"))
        return {}

    def step(self, state: State, started_at: str, budget: Budget) -> dict[str, Any]:
        """Take one action for a request, and say whether and when to come back."""
        request = _request(state)
        started = _seconds(started_at)
        clock = core.Clock(
            now=self._now(),
            deadline=request.deadline(started),
            started=started,
            polls=int(state.get("Polls", 0)),
            missing=int(state.get("Missing", 0)),
            why=str(state.get("Why", "")),
            has_settled=bool(state.get("Settled")),
        )
        is_fenced, action = self._act(request, clock, budget, bool(state.get("Fenced")))
        log.info("%s %s: %s", request.type, request.logical_id, action)
        if isinstance(action, core.Succeed | core.Fail):
            self._answer(request, action)
        wait = action if isinstance(action, core.Wait) else core.Wait(core.SOON, "")
        if isinstance(action, core.StartOver):
            wait = core.Wait(action.seconds, action.why)
        return {
            "Version": STATE_VERSION,
            "Event": state["Event"],
            "Attempt": request.attempt + isinstance(action, core.StartOver),
            "Polls": clock.polls + 1,
            "Missing": clock.missing + wait.is_missing_artifact,
            "Why": wait.why,
            "Settled": clock.has_settled or wait.is_settling,
            "Fenced": is_fenced,
            "Done": isinstance(action, core.Succeed | core.Fail),
            "Work": isinstance(action, Work),
            "WorkSeconds": _seconds_for_work(clock),
            "WaitSeconds": wait.seconds,
        }

    def abort(self, state: State) -> dict[str, Any]:
        """Answer for a step that failed in a way it could not handle itself."""
        request = _request(state)
        log.error("a step failed: %s", without_secrets(str(state.get("Error"))))
        reason = f"The job engine failed: {_cause(state.get('Error') or {})}"
        reason += self._abandon(request)
        self._answer(request, core.Fail(reason))
        return {"Version": STATE_VERSION, "Done": True}

    def _act(
        self, request: Request, clock: core.Clock, budget: Budget, is_fenced: bool
    ) -> tuple[bool, core.Action | Work]:
        """Take one action; return whether older requests are out of the way, and what was done."""
        unknown = core.check_version(request)
        if unknown:
            return is_fenced, unknown
        try:
            resource = self._resource(request, budget, clock.deadline)
            if not is_fenced:
                before = self._fence(request, resource, clock)
                if before is not None:
                    return False, before
                is_fenced = True
            action = resource.next_action(request, clock)
            if isinstance(action, core.CopyInput | core.WriteArchive | core.CreateJob):
                if self._now() > budget.began + BEGIN_SECONDS:
                    raise _TooLate
                # A list of executions may be seconds behind: look once more before what costs.
                if self._is_superseded(request):
                    resource.withdraw(request)
                    return is_fenced, core.Fail(fence.SUPERSEDED)
            resource.perform(request, action)
        except NeedsWorker:
            return is_fenced, Work()
        except _TooLate:
            return is_fenced, core.Wait(core.SOON, "a look has taken too long")
        except (storage.Refused, ClientError, BotoCoreError) as error:
            action = self._met(error, clock)
            if isinstance(action, core.Fail):
                self._abandon(request)
        return is_fenced, action

    def _abandon(self, request: Request) -> str:
        """Leave nothing running when a request is given up; return why that failed, if it did."""
        try:
            self._resource(request).abandon(request)
        except Exception as error:  # whatever it is, CloudFormation must get its answer
            _log_failure("the job could not be stopped")
            return f". Stopping the job failed too: {error}"
        return ""

    def _met(self, error: Exception, clock: core.Clock) -> core.Wait | core.Fail:
        """Return what a call that was refused, or got no reply, means."""
        if isinstance(error, storage.Refused):
            return core.Fail(str(error))
        if isinstance(error, ClientError):
            fault = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            message = f"{error.operation_name}: {fault.get('Message', error)}"
            in_grace = clock.now < clock.started + self._grace_seconds
            code = "ServiceUnavailable" if status >= 500 else _code(error)
            return core.on_error(code, message, clock, in_grace=in_grace)
        return core.on_error(_code(error), str(error), clock, in_grace=False)

    def _fence(
        self, request: Request, resource: Resource, clock: core.Clock
    ) -> core.Wait | core.Fail | None:
        """End what older requests of the resource still do; None if that is done."""
        executions = self._other_executions(request)
        older = [e.request for e in executions if e.request]
        action = fence.fence_executions(request, executions, clock)
        if isinstance(action, core.Fail):
            return action
        if isinstance(action, fence.StopExecutions):
            self._stop_executions(action.arns)
            action = core.Wait(core.SOON, "older requests are being ended")
        action = (
            action
            or resource.stop_older(request, older)
            or fence.settle(request, executions, clock)
            or resource.remove_older(request, older)
        )
        if action and clock.is_late:
            return core.Fail("Older requests of this resource could not be ended in time.")
        return action

    def _stop_executions(self, arns: Sequence[str]) -> None:
        """Stop executions; one that has ended meanwhile is left as it is."""
        for arn in arns:
            try:
                self._states.stop_execution(
                    executionArn=arn, cause="A newer request for the same resource has come."
                )
            except ClientError as error:
                if storage.error_code(error) != "ValidationException":
                    raise

    def _other_executions(self, request: Request) -> list[fence.Execution]:
        """Return the resource's other executions that matter to a request.

        Those that run or were ended before they could answer, and those that may be newer.
        """
        machine = request.properties["StateMachineArn"]
        found = []
        pages = self._states.get_paginator("list_executions").paginate(stateMachineArn=machine)
        for listed in (e for page in pages for e in page["executions"]):
            execution = fence.Execution(
                listed["executionArn"],
                listed["status"],
                listed["startDate"].timestamp(),
                listed["stopDate"].timestamp() if "stopDate" in listed else None,
            )
            if execution.began < self._now() - MACHINE_SECONDS:
                break  # the newest come first, and none runs longer
            name = listed["name"]
            is_other = name.startswith(request.execution_prefix) and name != request.execution_name
            may_be_newer = request.signed is not None and execution.began >= request.signed
            if is_other and (may_be_newer or execution.status != "SUCCEEDED"):
                text = self._states.describe_execution(executionArn=execution.arn)["input"]
                found.append(replace(execution, request=_served(text)))
        return found

    def _answer(self, request: Request, action: core.Succeed | core.Fail) -> None:
        if isinstance(action, core.Succeed):
            body = response_body(
                request, status="SUCCESS", physical_id=action.physical_id, data=action.data
            )
        else:
            body = response_body(
                request,
                status="FAILED",
                physical_id=self._failed_id(request),
                reason=action.reason,
            )
        self._respond(request, body)

    def _failed_id(self, request: Request) -> str:
        """Return the id CloudFormation will send the Delete for: of what may have been made."""
        try:
            return self._resource(request).physical_id(request)
        except Exception:  # an event too odd to be named must still be answered
            _log_failure("no name for this request")
            return request.physical_id or f"failed-{request.request_id}"

    def _start_execution(self, request: Request, event: Mapping[str, Any]) -> None:
        arn = request.properties["StateMachineArn"]
        give_up = self._now() + self._grace_seconds
        while True:
            try:
                self._states.start_execution(
                    stateMachineArn=arn,
                    name=request.execution_name,
                    input=json.dumps({"Version": STATE_VERSION, "Event": event}),
                )
            except (ClientError, BotoCoreError) as error:
                code = _code(error)
                if code == "ExecutionAlreadyExists":
                    return  # a duplicate of an event that is being served
                is_passing = core.is_passing(code) or code == "AccessDeniedException"
                if not is_passing or self._now() >= give_up:
                    raise
            else:
                return
            self._sleep(core.IAM_SECONDS)

    def _resource(
        self, request: Request, budget: Budget | None = None, deadline: float = 0
    ) -> Resource:
        transfer = self._transfer(request, budget or Budget(), deadline)
        if request.resource_type == compilation.RESOURCE_TYPE:
            return compilation.CompilationJobs(self._sagemaker, self._s3, transfer)
        if request.resource_type == serving_archive.RESOURCE_TYPE:
            return serving_archive.ServingArchives(self._s3, transfer)
        raise storage.Refused(f"The engine does not know {request.resource_type!r}.")

    def _transfer(self, request: Request, budget: Budget, deadline: float) -> Transfer:
        watch = _Watch(
            now=self._now,
            begin_by=budget.began + BEGIN_SECONDS,
            until=min(budget.began + budget.seconds, deadline),
            is_superseded=lambda: self._is_superseded(request),
        )
        return Transfer(
            self._mover,
            watch=watch,
            is_worker=budget.is_worker,
            sizes=self._sizes,
            executor=self._executor,
        )

    def _is_superseded(self, request: Request) -> bool:
        return fence.is_superseded(request, self._other_executions(request))

    @cached_property
    def _sagemaker(self) -> Client:
        return self._client("sagemaker")

    @cached_property
    def _s3(self) -> Client:
        return self._client("s3")

    @cached_property
    def _mover(self) -> Client:
        return self._client(MOVING)

    @cached_property
    def _states(self) -> Client:
        return self._client("stepfunctions")


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Serve one invocation of the function."""
    return _engine().handle(event)


@cache
def _engine() -> Engine:
    session = boto3.session.Session()
    # All attempts of a call fit into the function's timeout, and so do two of a whole copy.
    brief = Config(
        connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3}
    )
    patient = Config(
        connect_timeout=5,
        read_timeout=50,
        retries={"mode": "standard", "total_max_attempts": 2},
        # A part's checksum would have to be announced with the upload, and handed in at its end.
        request_checksum_calculation="when_required",
        max_pool_connections=THREADS + 2,
    )

    def client(service: str) -> Client:
        name, config = ("s3", patient) if service == MOVING else (service, brief)
        return session.client(name, config=config)

    return Engine(
        client=client,
        grace_seconds=float(os.environ.get("IAM_GRACE_SECONDS", "90")),
    )


def _request(state: State) -> Request:
    return Request.parse(state["Event"], attempt=int(state.get("Attempt", 0)))


def _log_failure(what: str) -> None:
    """Log the exception that is being handled; a service may quote a request in its message."""
    log.error("%s: %s", what, without_secrets(traceback.format_exc()))


def _code(error: Exception) -> str:
    """Return the service's error code; what got no reply is a matter of the connection."""
    if isinstance(error, ClientError):
        return storage.error_code(error)
    is_passing = isinstance(error, BotoCoreError) and not isinstance(error, ParamValidationError)
    return "ConnectionError" if is_passing else type(error).__name__


def _served(execution_input: str) -> Request | None:
    """Return the request an execution serves; None for one that was started by hand."""
    try:
        return Request.parse(json.loads(execution_input)["Event"])
    except (ValueError, KeyError, TypeError):
        return None


def _seconds_for_work(clock: core.Clock) -> int:
    """Return how long the machine waits for the worker: CloudFormation's hour goes on."""
    left = math.ceil(clock.deadline - clock.now) + LAST_SECONDS
    return max(LAST_SECONDS, min(WORK_SECONDS, left))


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def _cause(error: Mapping[str, Any]) -> str:
    """Return what Step Functions caught, in a person's words."""
    cause = str(error.get("Cause") or "")
    try:
        message = json.loads(cause)["errorMessage"]
    except (ValueError, KeyError, TypeError):
        message = cause
    return f"{error.get('Error', 'unknown error')}: {message}" if message else str(error)
