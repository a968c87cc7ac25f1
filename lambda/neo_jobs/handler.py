"""What invokes the engine: CloudFormation's requests, and the state machine's tasks.

A request only starts an execution; everything with an effect happens in a step of that. A step
looks, takes one action, and says when to look again. What may take longer is left to the worker,
which takes the same step with more time. The abort answers for a step that could not. What never
came to a step, or whose execution ended without an answer, is answered from outside.
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

from neo_jobs import compilation, fencing, s3_objects, serving_archive
from neo_jobs import reconcile as core
from neo_jobs.cloudformation import (
    DEADLINE_SECONDS,
    MAX_EVENT_BYTES,
    Request,
    fitted,
    redacted,
    response_body,
    send,
    without_secrets,
)
from neo_jobs.transfer import THREADS, Sizes, Transfer, WorkerRequiredError, threads

Client: TypeAlias = Any
State: TypeAlias = Mapping[str, Any]
Resource: TypeAlias = compilation.CompilationJobs | serving_archive.ServingArchives

STATE_VERSION = 1
MACHINE_SECONDS = 4_500  # how long an execution can last: engine/job_engine.py
HOUR_SECONDS = 3_600  # how long CloudFormation waits for an answer
S3_TRANSFER = "s3 for transfers"  # an S3 client that waits longer
# Seconds, inside the functions' own limits: a call that is under way may take another two minutes.
STEP_LIMIT, WORK_LIMIT = 130, 770
OPEN_SECONDS = 60  # how long Step Functions may be out of reach before Lambda tries again
ANSWER_SECONDS = 30  # between attempts to deliver an answer, of several tries each
WORKER_TASK_TIMEOUT = (
    910  # how long the machine waits for the worker, but not far into the last minutes
)
ABORT_RESERVE_SECONDS = 150
MAX_KEPT = 50  # places that S3 does not delete, kept in the state
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


_BEGINNINGS = core.CopyInput | core.CreateJob | core.WriteArchive


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an execution has come: what one step hands to the next.

    Parameters
    ----------
    is_fenced
        Whether older requests of the resource are out of the way.
    is_superseded
        Whether a newer request has come: this one only undoes what it has made.
    kept
        Keys and prefixes that S3 refuses to delete.
    lists_failed
        Whether executions could not be listed in this step: it begins nothing.
    """

    is_fenced: bool = False
    is_superseded: bool = False
    kept: tuple[str, ...] = ()
    lists_failed: bool = False

    @classmethod
    def of(cls, state: State) -> Progress:
        """Read a step's state."""
        return cls(
            bool(state.get("Fenced")), bool(state.get("Superseded")), tuple(state.get("Kept") or ())
        )


@dataclass(frozen=True)
class _Watch:
    """What a transfer asks as it goes.

    Parameters
    ----------
    now
        The clock.
    until
        When all must end.
    is_superseded
        Whether there is a newer request.
    """

    now: Callable[[], float]
    until: float
    is_superseded: Callable[[], bool]

    def go_on(self) -> None:
        if self.now() >= self.until:
            raise s3_objects.PermanentError(
                "It could not be moved in the time there was. Make the model or the script smaller."
            )

    def end(self) -> None:
        if self.is_superseded():
            raise s3_objects.PermanentError(fencing.SUPERSEDED)


class Engine:
    """Serves the requests of a stack's custom resources.

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
        """Serve one invocation."""
        match event:
            case {"Task": "Step", "State": state, "StartedAt": started}:
                return self.step(state, started, Budget(self._now(), STEP_LIMIT))
            case {"Task": "Work", "State": state, "StartedAt": started}:
                return self.step(state, started, Budget(self._now(), WORK_LIMIT, is_worker=True))
            case {"Task": "Abort", "State": state}:
                return self.abort(state)
            case {"requestPayload": dropped}:
                return self.open(dropped, is_last=True)
            case {"detail": {"executionArn": arn, "status": status}}:
                return self.answer_for(arn, status)
        return self.open(event)

    def open(self, event: Mapping[str, Any], *, is_last: bool = False) -> dict[str, Any]:
        """Start the execution that will serve CloudFormation's request.

        Parameters
        ----------
        event
            As CloudFormation sends it.
        is_last
            Whether nobody delivers the event again if this fails.

        Raises
        ------
        ClientError, BotoCoreError
            If Step Functions is out of reach: Lambda delivers the event again.
        """
        request = Request.parse(event)
        log.info("request %s", json.dumps(redacted(event)))
        taken = fitted(event)
        if taken is None:
            self._answer(
                request,
                core.Fail(
                    f"The properties are larger than the job engine takes ({MAX_EVENT_BYTES:,} "
                    "bytes). Give a shorter DataInputConfig, CompilerOptions or list of tags."
                ),
            )
            return {}
        try:
            self._start_execution(request, taken)
        except Exception as error:
            _log_failure("the request could not be started")
            if core.is_transient(_code(error)) and not is_last:
                raise
            self._answer(request, core.Fail(f"The job engine could not start: {error}"))
        return {}

    def step(self, state: State, started_at: str, budget: Budget) -> dict[str, Any]:
        """Take one action for a request, and say whether and when to come back."""
        request = _request(state)
        started = _seconds(started_at)
        progress = Progress.of(state)
        clock = core.StepContext(
            now=self._now(),
            deadline=request.deadline(started),
            started=started,
            polls=int(state.get("Polls", 0)),
            missing=int(state.get("Missing", 0)),
            why=str(state.get("Why", "")),
            settled=float(state.get("Settled") or 0),
            kept=progress.kept,
        )
        progress, action = self._act(request, clock, budget, progress)
        log.info("%s %s: %s", request.type, request.logical_id, action)
        is_at_end = clock.now >= clock.deadline + ABORT_RESERVE_SECONDS
        if is_at_end and not isinstance(action, core.Succeed | core.Fail):
            action = core.Fail(f"The request could not be brought to an end in time: {clock.why}")
        if isinstance(action, core.Succeed | core.Fail):
            action = self._finish(request, action, clock, progress)
        wait = action if isinstance(action, core.Wait) else core.Wait(clock.soon(), "")
        if isinstance(action, core.RetryUnderNewName):
            wait = core.Wait(action.seconds, action.why)
        return {
            "Version": STATE_VERSION,
            "Event": state["Event"],
            "Attempt": request.attempt + isinstance(action, core.RetryUnderNewName),
            "Polls": clock.polls + 1,
            "Missing": clock.missing + wait.is_missing_artifact,
            "Why": wait.why,
            "Settled": max(clock.settled, wait.settles),
            "Fenced": progress.is_fenced,
            "Superseded": progress.is_superseded,
            "Kept": list(progress.kept),
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
        self._answer(request, self._given_up(request, core.Fail(reason)))
        return {"Version": STATE_VERSION, "Done": True}

    def answer_for(self, execution_arn: str, status: str) -> dict[str, Any]:
        """Answer for an execution that has ended without an answer.

        One that someone stopped, or that met a limit of Step Functions. What a newer request has
        stopped is not waited for any more.

        Raises
        ------
        RuntimeError
            If the description of the execution is behind: Lambda delivers the event again.
        """
        found = self._states.describe_execution(executionArn=execution_arn)
        if found["status"] == "RUNNING":
            raise RuntimeError(f"{execution_arn} is {status}, and described as RUNNING")
        request = _request_of_execution(found["input"])
        is_ours = found.get("cause") == fencing.STOP_CAUSE
        if request and found["status"] != "SUCCEEDED" and not is_ours:
            why = found.get("cause") or found.get("error") or "no cause is given"
            reason = f"The job engine's execution ended as {found['status']}: {why}"
            self._answer(request, self._given_up(request, core.Fail(reason)))
        return {}

    def _act(
        self, request: Request, clock: core.StepContext, budget: Budget, progress: Progress
    ) -> tuple[Progress, core.Action | Work]:
        """Take one action; return how far the request is, and what was done."""
        unknown = core.check_version(request)
        if unknown:
            return progress, unknown
        try:
            resource = self._resource(request, budget, clock)
            progress, before = self._take_turn(request, resource, clock, progress)
            if before is not None:
                return progress, before
            action = resource.next_action(request, clock)
            if progress.lists_failed and isinstance(action, _BEGINNINGS):
                action = core.Wait(core.FAULT_SECONDS, "executions cannot be listed")
            resource.perform(request, action)
        except WorkerRequiredError:
            return progress, Work()
        except s3_objects.NotDeletedError as error:
            return self._leave_behind(request, error, clock, progress)
        except (s3_objects.PermanentError, ClientError, BotoCoreError) as error:
            return progress, self._met(error, clock)
        return progress, action

    def _take_turn(
        self, request: Request, resource: Resource, clock: core.StepContext, progress: Progress
    ) -> tuple[Progress, core.Action | None]:
        """Order a request among the others of its resource.

        The action is what there is to do about them; None if the request may act for itself.
        """
        try:
            executions = self._other_executions(request)
        except ClientError as error:
            if not (progress.is_fenced and core.is_transient(_code(error))):
                raise
            return replace(progress, lists_failed=True), None
        if progress.is_superseded or fencing.is_superseded(request, executions, clock.started):
            action = self._withdraw(request, resource, clock)
            return replace(progress, is_superseded=True), action
        if progress.is_fenced:
            return progress, None
        before = self._fence(request, resource, executions, clock)
        return replace(progress, is_fenced=before is None), before

    def _leave_behind(
        self,
        request: Request,
        error: s3_objects.NotDeletedError,
        clock: core.StepContext,
        progress: Progress,
    ) -> tuple[Progress, core.Wait]:
        """Go on without what S3 refuses to delete: that is named, and no failure."""
        if clock.now < clock.started + self._grace_seconds:
            return progress, core.Wait(core.IAM_SECONDS, str(error))
        log.warning("left behind: %s", error)
        kept = tuple(dict.fromkeys((*progress.kept, *error.places)))
        if len(kept) > MAX_KEPT:
            kept = (request.resource_prefix,)
        return replace(progress, kept=kept), core.Wait(clock.soon(), "S3 keeps something")

    def _withdraw(
        self, request: Request, resource: Resource, clock: core.StepContext
    ) -> core.Action:
        """Undo what a request has made that a newer one has overtaken."""
        undoing = resource.withdrawn(request)
        if undoing is None:
            return core.Fail(fencing.SUPERSEDED)
        action = resource.next_action(undoing, clock)
        resource.perform(undoing, action)
        return core.Fail(fencing.SUPERSEDED) if isinstance(action, core.Succeed) else action

    def _finish(
        self,
        request: Request,
        action: core.Succeed | core.Fail,
        clock: core.StepContext,
        progress: Progress,
    ) -> core.Action:
        """Give the answer; while CloudFormation cannot be reached, wait."""
        if isinstance(action, core.Fail):
            action = self._given_up(request, action)
        try:
            self._answer(request, action, kept=progress.kept)
        except OSError as error:
            if clock.now >= clock.deadline - DEADLINE_SECONDS + HOUR_SECONDS:
                raise
            return core.Wait(ANSWER_SECONDS, f"CloudFormation cannot be reached: {error}")
        return action

    def _given_up(self, request: Request, failure: core.Fail) -> core.Fail:
        """Leave nothing running of a request that fails; say so if that is not possible."""
        try:
            self._resource(request).abandon(request)
        except Exception as error:  # whatever it is, CloudFormation must get its answer
            _log_failure("the job could not be stopped")
            return core.Fail(f"{failure.reason}. Stopping the job failed too: {error}")
        return failure

    def _met(self, error: Exception, clock: core.StepContext) -> core.Wait | core.Fail:
        """Return what a call that was refused, or got no reply, means."""
        if isinstance(error, s3_objects.PermanentError):
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
        self,
        request: Request,
        resource: Resource,
        executions: Sequence[fencing.Execution],
        clock: core.StepContext,
    ) -> core.Wait | core.Fail | None:
        """End what older requests of the resource still do; None if that is done."""
        older = [e.request for e in executions if e.request]
        action = fencing.stop_executions(executions, clock)
        if isinstance(action, fencing.StopExecutions):
            self._stop_executions(action.arns)
            action = core.Wait(clock.soon(), "older requests are being ended")
        action = (
            action
            or resource.stop_older(request, older)
            or fencing.wait_for_stragglers(executions, clock)
            or resource.remove_older(request, older, clock)
        )
        if action and clock.is_past_deadline:
            return core.Fail("Older requests of this resource could not be ended in time.")
        return action

    def _stop_executions(self, arns: Sequence[str]) -> None:
        """Stop executions; one that has ended meanwhile is left as it is."""
        for arn in arns:
            try:
                self._states.stop_execution(executionArn=arn, cause=fencing.STOP_CAUSE)
            except ClientError as error:
                if s3_objects.error_code(error) != "ValidationException":
                    raise

    def _other_executions(self, request: Request) -> list[fencing.Execution]:
        """Return the resource's other executions that matter to a request.

        Those that run or were ended before they could answer, and those that may be newer.
        """
        machine = request.properties["StateMachineArn"]
        found = []
        pages = self._states.get_paginator("list_executions").paginate(stateMachineArn=machine)
        for listed in (e for page in pages for e in page["executions"]):
            execution = fencing.Execution(
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
                other = replace(execution, request=_request_of_execution(text))
                if fencing.concerns(other, request):
                    found.append(other)
        return found

    def _answer(
        self, request: Request, action: core.Succeed | core.Fail, *, kept: Sequence[str] = ()
    ) -> None:
        left = f"S3 refuses to delete, and keeps: {', '.join(kept)}." if kept else ""
        if isinstance(action, core.Succeed):
            body = response_body(
                request,
                status="SUCCESS",
                physical_id=action.physical_id,
                reason=left,
                data=action.data,
            )
        else:
            body = response_body(
                request,
                status="FAILED",
                physical_id=self._physical_id_for_failure(request),
                reason=f"{action.reason} {left}".strip(),
            )
        self._respond(request, body)

    def _physical_id_for_failure(self, request: Request) -> str:
        """Return the id CloudFormation will send the Delete for: of what may have been made."""
        try:
            return self._resource(request).physical_id(request)
        except Exception:  # an event too odd to be named must still be answered
            _log_failure("no name for this request")
            return request.physical_id or f"failed-{request.request_id}"

    def _start_execution(self, request: Request, event: Mapping[str, Any]) -> None:
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
                code = _code(error)
                if code == "ExecutionAlreadyExists":
                    return  # a duplicate of an event that is being served
                patience = OPEN_SECONDS if core.is_transient(code) else 0.0
                if code == "AccessDeniedException":
                    patience = self._grace_seconds
                if self._now() >= began + patience:
                    raise
            else:
                return
            self._sleep(core.IAM_SECONDS)

    def _resource(
        self, request: Request, budget: Budget | None = None, clock: core.StepContext | None = None
    ) -> Resource:
        transfer = self._transfer(request, budget or Budget(), clock or core.StepContext(0, 0))
        if request.resource_type == compilation.RESOURCE_TYPE:
            return compilation.CompilationJobs(self._sagemaker, self._s3, transfer)
        if request.resource_type == serving_archive.RESOURCE_TYPE:
            return serving_archive.ServingArchives(self._s3, transfer)
        raise s3_objects.PermanentError(f"The engine does not know {request.resource_type!r}.")

    def _transfer(self, request: Request, budget: Budget, clock: core.StepContext) -> Transfer:
        watch = _Watch(
            now=self._now,
            until=min(budget.began + budget.seconds, clock.deadline),
            is_superseded=lambda: fencing.is_superseded(
                request, self._other_executions(request), clock.started
            ),
        )
        return Transfer(
            self._s3_transfer,
            watch=watch,
            is_worker=budget.is_worker,
            sizes=self._sizes,
            executor=self._executor,
        )

    @cached_property
    def _sagemaker(self) -> Client:
        return self._client("sagemaker")

    @cached_property
    def _s3(self) -> Client:
        return self._client("s3")

    @cached_property
    def _s3_transfer(self) -> Client:
        return self._client(S3_TRANSFER)

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
        max_pool_connections=THREADS + 2,
    )

    def client(service: str) -> Client:
        name, config = ("s3", patient) if service == S3_TRANSFER else (service, brief)
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
        return s3_objects.error_code(error)
    is_transient = isinstance(error, BotoCoreError) and not isinstance(error, ParamValidationError)
    return "ConnectionError" if is_transient else type(error).__name__


def _request_of_execution(execution_input: str) -> Request | None:
    """Return the request an execution serves; None for one that was started by hand."""
    try:
        return Request.parse(json.loads(execution_input)["Event"])
    except (ValueError, KeyError, TypeError):
        return None


def _seconds_for_work(clock: core.StepContext) -> int:
    """Return how long the machine waits for the worker: CloudFormation's hour goes on."""
    left = math.ceil(clock.deadline - clock.now) + ABORT_RESERVE_SECONDS
    return max(ABORT_RESERVE_SECONDS, min(WORKER_TASK_TIMEOUT, left))


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
