"""Serve one request of a custom resource: an execution for it, and its steps.

A request only starts an execution; everything with an effect happens in a step of that. A step
looks, takes one action, and says when to look again. What may take longer is left to the worker,
which takes the same step with more time. The abort answers for a step that could not. What never
came to a step, or whose execution ended without an answer, is answered from outside.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from neo_jobs.actions import (
    BEGINNINGS,
    FAULT_SECONDS,
    IAM_SECONDS,
    Action,
    Fail,
    RunInWorker,
    StepContext,
    Succeed,
    Wait,
)
from neo_jobs.aws import S3_TRANSFER, Aws, Client
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
from neo_jobs.errors import (
    NotDeletedError,
    PermanentError,
    WorkerRequiredError,
    classify,
    code_of,
    is_transient,
)
from neo_jobs.executions import (
    STOP_CAUSE,
    SUPERSEDED,
    Execution,
    Executions,
    StopExecutions,
    is_superseded,
    request_of_execution,
    stop_executions,
    wait_for_listing,
    wait_for_stragglers,
)
from neo_jobs.kinds import kind_of
from neo_jobs.kinds.kind import Kind
from neo_jobs.request_rules import check_version
from neo_jobs.state import ABORT_RESERVE_SECONDS, STATE_VERSION, Progress, State, written
from neo_jobs.time_budget import WORK_LIMIT, TimeBudget, TransferGuard
from neo_jobs.transfer import Sizes, Transfer, threads

HOUR_SECONDS = 3_600  # how long CloudFormation waits for an answer
ANSWER_SECONDS = 30  # between attempts to deliver an answer, of several tries each
MAX_KEPT = 50  # places that S3 does not delete, kept in the state
_SIZES = Sizes()
log = logging.getLogger("neo_jobs")


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
        self._aws = Aws(client)
        self._now = now
        self._respond = respond
        self._grace_seconds = grace_seconds
        self._sizes = sizes
        self._executor = executor
        self._executions = Executions(
            lambda: self._aws.client("stepfunctions"),
            now=now,
            sleep=sleep,
            grace_seconds=grace_seconds,
        )

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Serve one invocation: a task of the state machine, or a request."""
        match event:
            case {"Task": "Step", "State": state, "StartedAt": started}:
                return self.step(state, started, TimeBudget())
            case {"Task": "Work", "State": state, "StartedAt": started}:
                budget = TimeBudget(self._now() + WORK_LIMIT, is_worker=True)
                return self.step(state, started, budget)
            case {"Task": "Abort", "State": state}:
                return self.abort(state)
            # Rests on A-CFN-08.
            case {"requestPayload": dropped}:
                return self.open(dropped, is_last=True)
            # Rests on A-CFN-09.
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
                Fail(
                    f"The properties are larger than the job engine takes ({MAX_EVENT_BYTES:,} "
                    "bytes). Give a shorter DataInputConfig, CompilerOptions or list of tags."
                ),
            )
            return {}
        try:
            self._executions.start(request, taken)
        except Exception as error:
            _log_failure("the request could not be started")
            if is_transient(code_of(error)) and not is_last:
                raise
            self._answer(request, Fail(f"The job engine could not start: {error}"))
        return {}

    def step(self, state: State, started_at: str, budget: TimeBudget) -> dict[str, Any]:
        """Take one action for a request, and say whether and when to come back."""
        request, progress = _request(state), Progress.of(state)
        started = _seconds(started_at)
        context = progress.context(
            now=self._now(), deadline=request.deadline(started), started=started
        )
        progress, action = self._next(request, context, budget, progress)
        log.info("%s %s: %s", request.type, request.logical_id, action)
        is_at_end = context.now >= context.deadline + ABORT_RESERVE_SECONDS
        if is_at_end and not isinstance(action, Succeed | Fail):
            action = Fail(f"The request could not be brought to an end in time: {context.why}")
        if isinstance(action, Succeed | Fail):
            action = self._finish(request, action, context, progress)
        return written(state["Event"], request, progress, action, context)

    def abort(self, state: State) -> dict[str, Any]:
        """Answer for a step that failed in a way it could not handle itself."""
        request = _request(state)
        log.error("a step failed: %s", without_secrets(str(state.get("Error"))))
        reason = f"The job engine failed: {_cause(state.get('Error') or {})}"
        self._answer(request, self._given_up(request, Fail(reason)))
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
        # Rests on A-CFN-18.
        found = self._executions.describe(execution_arn)
        # Rests on A-CFN-09.
        if found["status"] == "RUNNING":
            raise RuntimeError(f"{execution_arn} is {status}, and described as RUNNING")
        request = request_of_execution(found["input"])
        is_ours = found.get("cause") == STOP_CAUSE
        if request and found["status"] != "SUCCEEDED" and not is_ours:
            why = found.get("cause") or found.get("error") or "no cause is given"
            reason = f"The job engine's execution ended as {found['status']}: {why}"
            self._answer(request, self._given_up(request, Fail(reason)))
        return {}

    def _next(
        self, request: Request, context: StepContext, budget: TimeBudget, progress: Progress
    ) -> tuple[Progress, Action]:
        """Fence, observe, decide, apply: one action, and how far the request is then."""
        unknown = check_version(request)
        if unknown:
            return progress, unknown
        try:
            kind = self._kind(request, budget, context)
            progress, before = self._take_turn(request, kind, context, progress)
            if before is not None:
                return progress, before
            action = kind.decide(request, kind.observe(request, context), context)
            if progress.lists_failed and isinstance(action, BEGINNINGS):
                action = Wait(FAULT_SECONDS, "executions cannot be listed")
            kind.perform(request, action)
        except WorkerRequiredError:
            return progress, RunInWorker()
        except NotDeletedError as error:
            return self._leave_behind(request, error, context, progress)
        except (PermanentError, ClientError, BotoCoreError) as error:
            return progress, classify(error, context, grace_seconds=self._grace_seconds)
        return progress, action

    def _take_turn(
        self, request: Request, kind: Kind, context: StepContext, progress: Progress
    ) -> tuple[Progress, Action | None]:
        """Order a request among the others of its kind.

        The action is what there is to do about them; None if the request may act for itself.
        """
        try:
            executions = self._executions.others(request)
        except ClientError as error:
            if not (progress.is_fenced and is_transient(code_of(error))):
                raise
            return replace(progress, lists_failed=True), None
        # Rests on A-CFN-07.
        if progress.is_superseded or is_superseded(request, executions, context.started):
            action = self._withdraw(request, kind, context)
            return replace(progress, is_superseded=True), action
        if progress.is_fenced:
            return progress, None
        before = self._fence(request, kind, executions, context)
        return replace(progress, is_fenced=before is None), before

    def _leave_behind(
        self,
        request: Request,
        error: NotDeletedError,
        context: StepContext,
        progress: Progress,
    ) -> tuple[Progress, Wait]:
        """Go on without what S3 refuses to delete: that is named, and no failure."""
        if context.now < context.started + self._grace_seconds:
            return progress, Wait(IAM_SECONDS, str(error))
        log.warning("left behind: %s", error)
        kept = tuple(dict.fromkeys((*progress.kept, *error.places)))
        if len(kept) > MAX_KEPT:
            kept = (request.resource_prefix,)
        return replace(progress, kept=kept), Wait(context.soon(), "S3 keeps something")

    # Rests on A-CFN-19.
    def _withdraw(self, request: Request, kind: Kind, context: StepContext) -> Action:
        """Undo what a request has made that a newer one has overtaken."""
        undoing = kind.withdrawn(request)
        if undoing is None:
            return Fail(SUPERSEDED)
        action = kind.decide(undoing, kind.observe(undoing, context), context)
        kind.perform(undoing, action)
        return Fail(SUPERSEDED) if isinstance(action, Succeed) else action

    def _finish(
        self,
        request: Request,
        action: Succeed | Fail,
        context: StepContext,
        progress: Progress,
    ) -> Action:
        """Give the answer; while CloudFormation cannot be reached, wait."""
        if isinstance(action, Fail):
            action = self._given_up(request, action)
        try:
            self._answer(request, action, kept=progress.kept)
        except OSError as error:
            if context.now >= context.deadline - DEADLINE_SECONDS + HOUR_SECONDS:
                raise
            return Wait(ANSWER_SECONDS, f"CloudFormation cannot be reached: {error}")
        return action

    def _given_up(self, request: Request, failure: Fail) -> Fail:
        """Leave nothing running of a request that fails; say so if that is not possible."""
        try:
            self._kind(request).abandon(request)
        except Exception as error:  # whatever it is, CloudFormation must get its answer
            _log_failure("the job could not be stopped")
            return Fail(f"{failure.reason}. Stopping the job failed too: {error}")
        return failure

    def _fence(
        self,
        request: Request,
        kind: Kind,
        executions: Sequence[Execution],
        context: StepContext,
    ) -> Wait | Fail | None:
        """End what older requests of the resource still do; None if that is done."""
        older = [e.request for e in executions if e.request]
        action = stop_executions(executions, context)
        if isinstance(action, StopExecutions):
            self._executions.stop(action.arns)
            action = Wait(context.soon(), "older requests are being ended")
        action = (
            action
            or wait_for_listing(request, context)
            or kind.stop_older(request, older)
            or wait_for_stragglers(executions, context)
            or kind.remove_older(request, older, context)
        )
        if action and context.is_past_deadline:
            return Fail("Older requests of this resource could not be ended in time.")
        return action

    def _answer(
        self, request: Request, action: Succeed | Fail, *, kept: Sequence[str] = ()
    ) -> None:
        left = f"S3 refuses to delete, and keeps: {', '.join(kept)}." if kept else ""
        if isinstance(action, Succeed):
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

    # Rests on A-CFN-03.
    def _physical_id_for_failure(self, request: Request) -> str:
        """Return the id CloudFormation will send the Delete for: of what may have been made."""
        try:
            return self._kind(request).physical_id(request)
        except Exception:  # an event too odd to be named must still be answered
            _log_failure("no name for this request")
            return request.physical_id or f"failed-{request.request_id}"

    def _kind(
        self,
        request: Request,
        budget: TimeBudget | None = None,
        context: StepContext | None = None,
    ) -> Kind:
        """Return what serves the resource's type, with the time there is."""
        transfer = self._transfer(
            request, budget or TimeBudget(), context or StepContext(now=0, deadline=0)
        )
        return kind_of(request, self._aws, transfer)

    def _transfer(self, request: Request, budget: TimeBudget, context: StepContext) -> Transfer:
        watch = TransferGuard(
            now=self._now,
            until=min(budget.until, context.deadline),
            is_superseded=lambda: is_superseded(
                request, self._executions.others(request), context.started
            ),
        )
        return Transfer(
            self._aws.client(S3_TRANSFER),
            watch=watch,
            is_worker=budget.is_worker,
            sizes=self._sizes,
            executor=self._executor,
        )


def _request(state: State) -> Request:
    return Request.parse(state["Event"], attempt=int(state.get("Attempt", 0)))


def _log_failure(what: str) -> None:
    """Log the exception that is being handled; a service may quote a request in its message."""
    log.error("%s: %s", what, without_secrets(traceback.format_exc()))


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
