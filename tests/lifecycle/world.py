"""The engine among the fakes: events are delivered, executions run, virtual time goes by."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from neo_jobs.aws import S3_TRANSFER
from neo_jobs.cloudformation import Request, send
from neo_jobs.engine import Engine
from neo_jobs.transfer import Sizes

from neo_constructs.engine.limits import STEP_SECONDS, WORKER_SECONDS
from neo_constructs.engine.state_machine import definition
from tests.lifecycle.events import COMPILED, SOURCE, archive
from tests.lifecycle.fakes import (
    Calls,
    Client,
    Clock,
    FakeS3,
    FakeSageMaker,
    FakeStates,
    Killed,
    execution_arn,
)
from tests.lifecycle.states_language import Ended, Run, TaskFailed, execute

Json = dict[str, Any]

# How long after an execution was stopped its last task may still begin something.
STRAGGLER_SECONDS = {"Step": 140, "Work": 90, "Abort": 140}
SIZES = Sizes(whole_copy=1_000, copied_part=400, written_part=200, read_range=100)
REDELIVERIES = (60, 120)  # Lambda tries an asynchronous event again, twice


@dataclass
class Running:
    """An execution under way, and the payload of its next step."""

    wake: float
    run: Run | None = None
    payload: Json | None = None


@dataclass
class Mail:
    """An event on its way to the function."""

    due: float
    event: Json
    tries: int

    @property
    def request_id(self) -> str:
        """The id of the request that it is about."""
        request = self.event.get("requestPayload") or self.event.get("request") or self.event
        return str(request["RequestId"])


class World:
    """The engine, and all it talks to.

    Parameters
    ----------
    machine
        The state machine's definition. Default: the one that is synthesized.
    """

    def __init__(self, machine: Json | None = None) -> None:
        self.clock = Clock()
        self.calls = Calls()
        self.answers: list[Json] = []
        self.running: dict[str, Running] = {}
        self.ended: dict[str, Ended] = {}
        self.stragglers: list[tuple[float, Json]] = []
        self.mail: list[Mail] = []
        self.has_stragglers = False
        self.is_gone = False
        self.slow_deaths = 0  # so many steps take all of the function's time, and die
        self.task_faults: list[tuple[str, bool]] = []
        self.work_faults: list[tuple[str, bool]] = []
        self.visited: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()  # tasks that broke, by request
        self.in_step = ""  # the execution whose step is being taken
        self.is_working = False  # by the worker
        self.frozen = ""  # an execution that does not go on
        self.s3 = FakeS3(self.clock)
        self.sagemaker = FakeSageMaker(self.clock, self.s3)
        self.states = FakeStates(self.clock)
        self.answered_for: list[str] = []  # executions whose end was announced
        self.s3.put(SOURCE, archive({"inference.py": b"# the script"}))
        self.s3.put(COMPILED, archive({"compiled.so": b"code", "code/inference.py": b"# old"}))
        self._machine = machine or definition("function", "worker")
        s3 = Client("s3", self.s3, self.calls)
        clients = {
            "s3": s3,
            S3_TRANSFER: s3,
            "sagemaker": Client("sagemaker", self.sagemaker, self.calls),
            "stepfunctions": Client("stepfunctions", self.states, self.calls),
        }
        self.engine = Engine(
            client=clients.__getitem__,
            now=self.clock,
            sleep=self.clock.sleep,
            respond=partial(send, opener=self._put, sleep=self.clock.sleep),
            sizes=SIZES,
            executor=InTurn,
        )

    # --- CloudFormation's side ---------------------------------------------------------------

    def serve(self, event: Json, *, until: Callable[[], bool] | None = None) -> Json:
        """Deliver an event, run its execution to the end, and return the answer.

        Other executions that are under way run on meanwhile.
        """
        request = Request.parse(event)
        before = len(self.answers)
        self.deliver(event)
        while self._is_under_way(request) and not (until and until()):
            self.tick()
        mine = [a for a in self.answers[before:] if a["RequestId"] == request.request_id]
        return mine[0] if mine else {}

    def _is_under_way(self, request: Request) -> bool:
        waiting = {mail.request_id for mail in self.mail}
        return request.execution_name in self.running or request.request_id in waiting

    def deliver(self, event: Json, tries: int = 0) -> None:
        """Deliver an event: the function starts an execution, or answers that it cannot."""
        if self.is_gone:
            return
        mail = Mail(self.clock(), event, tries)
        self.calls.serving = mail.request_id
        try:
            self.engine.handle(copy.deepcopy(event))
        except (Exception, Killed):
            if tries < len(REDELIVERIES):
                self.mail.append(Mail(self.clock() + REDELIVERIES[tries], event, tries + 1))
            elif "RequestType" in event:
                # What the function fails three times goes to the destination.
                self.mail.append(Mail(self.clock(), {"requestPayload": event}, 0))
        for name in self.states.waiting:
            self._start(name)
        self.states.waiting.clear()

    def post_later(self, event: Json, seconds: float) -> None:
        """Deliver an event after a while."""
        self.mail.append(Mail(self.clock() + seconds, event, 0))

    def _put(self, put: Any, timeout: float) -> Any:
        """Take an answer, as CloudFormation's bucket does."""
        del timeout

        def take() -> Iterator[None]:
            assert len(put.data) <= 4096
            self.answers.append({**json.loads(put.data), "at": self.clock()})
            return iter(())

        self.calls.through("PutResponse", {}, take)
        return _Closing()

    # --- Step Functions' side ----------------------------------------------------------------

    def _start(self, name: str) -> None:
        given = self.states.all[name]["input"]
        running = Running(self.clock())
        running.run = execute(
            self._machine,
            given,
            call=partial(self._task, running),
            now=self.clock,
            started=self.clock.iso(),
            visited=self.visited,
        )
        self.running[name] = running

    def _task(self, running: Running, resource: str, payload: Json) -> Any:
        """Invoke the function for a task."""
        del resource
        try:
            return self._invoke(running, payload)
        except TaskFailed:
            self.broken[payload["State"]["Event"]["RequestId"]] += 1
            raise

    def _invoke(self, running: Running, payload: Json) -> Any:
        running.payload = copy.deepcopy(payload)
        if self.slow_deaths:
            self.slow_deaths -= 1
            if payload["Task"] == "Work":
                self.clock.sleep(min(WORKER_SECONDS, payload["State"]["WorkSeconds"]))
                raise TaskFailed("States.Timeout", "the machine waits no longer")
            self.clock.sleep(STEP_SECONDS)
            raise TaskFailed("Sandbox.Timedout", "Task timed out after 150.00 seconds")
        faults = self.work_faults if payload["Task"] == "Work" else self.task_faults
        fault, is_before = faults.pop(0) if faults else ("", False)
        if fault and is_before:
            raise TaskFailed(fault, "the service could not invoke the function")
        self.calls.serving = payload["State"]["Event"]["RequestId"]
        self.is_working = payload["Task"] == "Work"
        try:
            made = self.engine.handle(payload)
        except Exception as error:
            cause = {"errorMessage": str(error), "errorType": type(error).__name__}
            raise TaskFailed(type(error).__name__, json.dumps(cause)) from error
        except Killed:
            cause = {"errorMessage": "Task timed out after 150.00 seconds"}
            raise TaskFailed("Sandbox.Timedout", json.dumps(cause)) from None
        if fault:
            raise TaskFailed(fault, "the service lost the function's reply")
        if not made["Done"]:
            running.payload = copy.deepcopy({**payload, "State": made})
        return made

    def remove_engine(self) -> None:
        """Delete the function and the machine: nothing goes on without them."""
        self.is_gone = True
        self.mail, self.stragglers = [], []
        self.running.clear()

    def tick(self) -> bool:
        """Go on to whatever comes next; False if nothing is under way."""
        self._abort_stopped()
        due: list[tuple[float, Callable[[], None]]] = [
            *((mail.due, partial(self._post, mail)) for mail in self.mail),
            *((late[0], partial(self._straggle, late)) for late in self.stragglers),
            *(
                (run.wake, partial(self._go_on, name))
                for name, run in self.running.items()
                if name != self.frozen
            ),
        ]
        if not due:
            return False
        when, act = min(due, key=lambda item: item[0])
        self.clock.now = max(self.clock.now, when)
        act()
        return True

    def _post(self, mail: Mail) -> None:
        self.mail.remove(mail)
        self.deliver(mail.event, mail.tries)

    def _straggle(self, straggler: tuple[float, Json]) -> None:
        self.stragglers.remove(straggler)
        self.calls.serving = "(a straggler)"
        self.states.is_blind = True
        try:
            self.engine.handle(straggler[1])
        except (Exception, Killed):
            return
        finally:
            self.states.is_blind = False

    def _go_on(self, name: str) -> None:
        running = self.running[name]
        assert running.run
        self.in_step = name
        try:
            running.wake = self.clock() + next(running.run)
        except StopIteration as stop:
            if name not in self.running:
                return  # it was stopped as it took its last step
            self.ended[name] = stop.value
            self.states.end(name, stop.value.status)
            del self.running[name]
            self._announce(name)

    def _announce(self, name: str) -> None:
        """Tell that an execution has ended, as EventBridge does for those that did not succeed."""
        execution = self.states.all[name]
        if execution["status"] != "SUCCEEDED" and name not in self.answered_for:
            self.answered_for.append(name)
            event = {
                "detail": {"executionArn": execution_arn(name), "status": execution["status"]},
                "request": execution["input"].get("Event") or {"RequestId": "by hand"},
            }
            self.mail.append(Mail(self.clock() + 1, event, 0))

    def _abort_stopped(self) -> None:
        """Drop what has been stopped; its last step may still act, as on AWS."""
        for name in [n for n in self.running if self.states.all[n]["status"] != "RUNNING"]:
            aborted = self.running.pop(name)
            self._announce(name)
            if self.has_stragglers and aborted.payload:
                late = STRAGGLER_SECONDS[aborted.payload["Task"]]
                self.stragglers.append((self.clock() + late, aborted.payload))


class InTurn(Executor):
    """Does at once what it is given: calls come in the same order every time."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _Closing:
    """What urlopen returns, as far as it is used."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None
