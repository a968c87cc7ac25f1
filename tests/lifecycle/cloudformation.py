"""A model of CloudFormation, as far as custom resources can tell it from the real one.

Policies change before the resources that depend on them, and are taken back before a rollback or
a clean-up deletes anything. Resources are made side by side; when one fails, the others are given
up, and those that never got an id are deleted by one that is made up. Both known accounts of a
failed update are followed: that the old physical id stays, and that the one reported last does.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.lifecycle.events import INVENTED, request_event, signed
from tests.lifecycle.rights import NO_POLICIES
from tests.lifecycle.templates import ArchiveSpec, Deployed, deployed
from tests.lifecycle.world import World

Json = dict[str, Any]


@dataclass(frozen=True)
class Live:
    """A custom resource that exists."""

    physical_id: str
    type: str
    properties: Json


@dataclass
class Request:
    """A request that was sent, and its first answer."""

    kind: str
    logical_id: str
    resource: Live
    former: Json = field(default_factory=dict)
    event: Json = field(default_factory=dict)
    sent: float = 0
    answer: Json | None = None


Process: TypeAlias = Generator[tuple[list[Request], bool], None, None]


class CloudFormation:
    """One stack.

    Parameters
    ----------
    world
        Where its events go.
    keeps_reported
        Whether a failed update leaves the id that was reported last, or the old one.
    check
        Called with each request that has got its first answer.
    """

    def __init__(
        self, world: World, *, keeps_reported: bool, check: Callable[[Request], None]
    ) -> None:
        self.world = world
        self._check = check
        self.keeps_reported = keeps_reported
        self.live: dict[str, Live] = {}
        self.current: Deployed | None = None
        self.pending: list[Request] = []
        self.sent: list[Request] = []
        self.rolled_back: list[tuple[dict[str, Live], dict[str, Live]]] = []  # before and after
        self.may_cancel = False
        self.delay = 0.0
        self._process: Process | None = None
        self._set_rights(None)

    @property
    def is_idle(self) -> bool:
        """Whether the stack is at rest."""
        return self._process is None

    def deploy(self, wanted: ArchiveSpec) -> None:
        """Create or update the stack."""
        self._process = self._deploy(deployed(wanted))
        self._proceed()

    def destroy(self) -> None:
        """Delete the stack."""
        self._process = self._destroy()
        self._proceed()

    def cancel(self) -> None:
        """Give up what is under way: someone cancels, or a sibling of another kind fails."""
        self.pending = []
        self._proceed()

    def deliver_again(self, number: int) -> None:
        """Deliver an event a second time, as asynchronous invocations may."""
        recent = [r for r in self.sent if self.world.clock() - r.sent < 180]
        if recent:
            self.world.deliver(recent[number % len(recent)].event)

    def take_answers(self) -> None:
        """Take the first answer to each pending request, and go on when there is none left."""
        for request in list(self.pending):
            mine = [a for a in self.world.answers if a["RequestId"] == request.event["RequestId"]]
            if mine:
                request.answer = mine[0]
                self.pending.remove(request)
                self._check(request)
                if mine[0]["Status"] == "FAILED" and self.may_cancel:
                    self.pending = []
        if self._process and not self.pending:
            self._proceed()

    # --- the course of things ----------------------------------------------------------------

    def _deploy(self, wanted: Deployed) -> Process:
        before, was = dict(self.live), self.current
        self._set_rights(wanted if wanted.resources else was, leaving=was)
        asked = []
        for name, (kind, properties) in wanted.resources.items():
            if name not in before:
                asked.append(Request("Create", name, Live("", kind, properties)))
            elif before[name].properties != properties:
                resource = Live(before[name].physical_id, kind, properties)
                asked.append(Request("Update", name, resource, before[name].properties))
        yield asked, True
        if any(not r.answer or r.answer["Status"] == "FAILED" for r in asked):
            yield from self._roll_back(asked, before, was, wanted)
            return
        self.current = wanted
        gone = [(name, live) for name, live in before.items() if name not in wanted.resources]
        self.live = {name: live for name, live in before.items() if name in wanted.resources}
        for request in asked:
            gone += self._replace(request)
        yield from self._clean_up(gone)
        self._set_rights(wanted)

    def _roll_back(
        self,
        asked: list[Request],
        before: dict[str, Live],
        was: Deployed | None,
        wanted: Deployed,
    ) -> Process:
        if was is not None:
            self._set_rights(was, leaving=wanted)
        updated = [r for r in asked if r.kind == "Update"]
        gone = [
            (r.logical_id, Live(_reported(r) or INVENTED, r.resource.type, r.resource.properties))
            for r in asked
            if r.kind == "Create"
        ]
        back = []
        for request in updated:
            old = before[request.logical_id]
            current = self._current_id(request, old)
            resource = Live(current, old.type, old.properties)
            former = request.resource.properties
            back.append(Request("Update", request.logical_id, resource, former))
        while back:
            yield back, False
            for request in (r for r in back if _succeeded(r)):
                gone += self._replace(request)
            # A rollback that fails is continued by the operator.
            back = [_again(r) for r in back if not _succeeded(r)]
        self.rolled_back.append((before, dict(self.live)))
        yield from self._clean_up(gone)
        self._set_rights(was)

    def _destroy(self) -> Process:
        gone, self.live = list(self.live.items()), {}
        yield from self._clean_up(gone)
        self.current = None
        self._set_rights(None)

    def _clean_up(self, gone: list[tuple[str, Live]]) -> Process:
        asked = [Request("Delete", name, live) for name, live in gone]
        while asked:
            yield asked, False
            asked = [
                Request("Delete", r.logical_id, r.resource) for r in asked if not _succeeded(r)
            ]

    def _replace(self, request: Request) -> list[tuple[str, Live]]:
        """Make what was answered live; return what it replaces."""
        assert request.answer
        name, new = request.logical_id, request.answer["PhysicalResourceId"]
        asked = request.resource
        self.live[name] = Live(new, asked.type, asked.properties)
        if request.kind == "Update" and new != asked.physical_id:
            return [(name, asked)]
        return []

    def _current_id(self, request: Request, old: Live) -> str:
        reported = _reported(request)
        if reported and (_succeeded(request) or self.keeps_reported):
            return reported
        return old.physical_id

    # --- sending ------------------------------------------------------------------------------

    def _proceed(self) -> None:
        assert self._process
        while not self.pending:
            try:
                asked, self.may_cancel = next(self._process)
            except StopIteration:
                self._process, self.may_cancel = None, False
                return
            self._send(asked)

    def _send(self, asked: list[Request]) -> None:
        if any(request.kind != "Delete" for request in asked):
            self.world.clock.sleep(1)
        for request in asked:
            name, resource = request.logical_id, request.resource
            now = self.world.clock()
            made = request_event(
                request.kind, resource.type, name, resource.properties, resource.physical_id or None
            )
            if request.kind == "Update":
                made["OldResourceProperties"] = request.former
            request.event = signed(made, now)
            request.sent = now
        self.pending = list(asked)
        self.sent += asked
        for request in asked:
            if self.delay:
                self.world.post_later(request.event, self.delay)
            else:
                self.world.deliver(request.event)
        self.delay = 0

    def _set_rights(self, template: Deployed | None, *, leaving: Deployed | None = None) -> None:
        has_engine = bool(template and template.resources)
        self.world.is_gone = False
        if not has_engine:
            self.world.remove_engine()
        engine = template.policies if template else NO_POLICIES
        compiling = template.compile_policies if template else NO_POLICIES
        if leaving:
            engine = engine.with_leaving(leaving.policies)
            compiling = compiling.with_leaving(leaving.compile_policies)
        self.world.calls.rights = engine.rights
        self.world.sagemaker.rights = compiling.rights


def _again(request: Request) -> Request:
    return Request(request.kind, request.logical_id, request.resource, request.former)


def _reported(request: Request) -> str:
    return str(request.answer["PhysicalResourceId"]) if request.answer else ""


def _succeeded(request: Request) -> bool:
    return bool(request.answer and request.answer["Status"] == "SUCCESS")
