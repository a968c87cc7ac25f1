"""Random lives of one resource, as CloudFormation leads them, and what must hold at the end.

The model of CloudFormation sends a request, waits for its answer or gives up on it, rolls back,
cleans up, and delivers events twice; SageMaker and S3 fail now and then; steps outlive their
executions. Both models of a failed update are followed: that CloudFormation keeps the old
physical id, and that it keeps the one reported last.
"""

from __future__ import annotations

import datetime
import os
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from neo_jobs.cloudformation import Request
from neo_jobs.reconcile import inputs_prefix

from tests.lifecycle.fakes import BUCKET, PREFIX, Json, World, event, refused

FAULTS = {
    "DescribeCompilationJob": ("ThrottlingException", "InternalServerException"),
    "CreateCompilationJob": ("ThrottlingException", "ResourceLimitExceeded", "ResourceInUse"),
    "StopCompilationJob": ("ThrottlingException",),
    "DeleteCompilationJob": ("ThrottlingException",),
    "ListCompilationJobs": ("ThrottlingException",),
    "ListExecutions": ("ThrottlingException",),
    "StopExecution": ("ThrottlingException",),
    "CopyObject": ("SlowDown", "InternalError", "503"),
    "PutObject": ("SlowDown", "InternalError"),
    "HeadObject": ("SlowDown", "500"),
    "DeleteObject": ("SlowDown",),
}
INVENTED = "Stack-Job-1ABCDEF"
totals: Counter[str] = Counter()


class Lifecycle(RuleBasedStateMachine):
    """One resource of one stack."""

    @initialize(keeps_reported=st.booleans(), stragglers=st.booleans())
    def begin(self, keeps_reported: bool, stragglers: bool) -> None:
        self.world = World(has_stragglers=stragglers)
        self.keeps_reported = keeps_reported
        self.live: tuple[str, int] | None = None  # physical id and model
        self.pending: Json | None = None
        self.queue: list[Json] = []
        self.must_answer: set[str] = set()

    # --- what CloudFormation does ------------------------------------------------------------

    def send(self, kind: str, model: int, physical_id: str | None = None) -> None:
        """Send a request now, or after the ones that wait already."""
        made = event(kind, physical_id=physical_id, InputFingerprint=f"{model:064}")
        self.queue.append({**made, "model": model})
        self.next_request()

    def next_request(self) -> None:
        if self.pending is None and self.queue:
            self.pending = self.queue.pop(0)
            stamp = datetime.datetime.fromtimestamp(self.world.clock(), datetime.UTC)
            signed = f"{stamp:%Y%m%dT%H%M%SZ}"
            self.pending["ResponseURL"] = f"https://b.s3.amazonaws.com/x?X-Amz-Date={signed}"
            self.must_answer.add(self.pending["RequestId"])
            self.world.deliver(self.pending)
            totals["requests"] += 1

    @precondition(lambda self: self.live is None and self.pending is None)
    @rule(model=st.integers(0, 2))
    def create(self, model: int) -> None:
        self.send("Create", model)

    @precondition(lambda self: self.live is not None and self.pending is None)
    @rule(model=st.integers(0, 2))
    def update(self, model: int) -> None:
        assert self.live
        self.send("Update", model, self.live[0])

    @precondition(lambda self: self.live is not None and self.pending is None)
    @rule()
    def delete(self) -> None:
        assert self.live
        self.send("Delete", self.live[1], self.live[0])

    @precondition(lambda self: self.pending is not None)
    @rule()
    def deliver_again(self) -> None:
        assert self.pending
        self.world.deliver(self.pending)
        totals["duplicates"] += 1

    @precondition(lambda self: self.pending is not None)
    @rule()
    def give_up(self) -> None:
        """A sibling has failed, or the deploy is cancelled: roll back without the answer."""
        assert self.pending
        request, self.pending = self.pending, None
        self.must_answer.discard(request["RequestId"])
        totals["given up"] += 1
        self.world.clock.sleep(1)
        if request["RequestType"] == "Create":
            self.send("Delete", request["model"], INVENTED)
        elif request["RequestType"] == "Update":
            assert self.live
            self.send("Update", self.live[1], self.live[0])
        else:
            self.send("Delete", request["model"], request["PhysicalResourceId"])

    def take_answer(self) -> None:
        """Take the first answer to the pending request, as CloudFormation does."""
        if self.pending is None:
            return
        mine = [a for a in self.world.answers if a["RequestId"] == self.pending["RequestId"]]
        if not mine:
            return
        request, answer, self.pending = self.pending, mine[0], None
        self.must_answer.discard(request["RequestId"])
        handle = {"Create": self.created, "Update": self.updated, "Delete": self.deleted}
        handle[request["RequestType"]](request, answer)
        self.world.clock.sleep(1)
        self.next_request()

    def created(self, request: Json, answer: Json) -> None:
        if answer["Status"] == "SUCCESS":
            self.live = (answer["PhysicalResourceId"], request["model"])
        else:
            self.queue.append(
                {**event("Delete", physical_id=answer["PhysicalResourceId"]), "model": 0}
            )

    def updated(self, request: Json, answer: Json) -> None:
        assert self.live
        old, reported = self.live, answer["PhysicalResourceId"]
        if answer["Status"] == "SUCCESS":
            self.live = (reported, request["model"])
            if reported != old[0]:
                self.cleanup(old)
            return
        current = reported if self.keeps_reported else old[0]
        back = event("Update", physical_id=current, InputFingerprint=f"{old[1]:064}")
        self.queue.append({**back, "model": old[1]})
        if self.keeps_reported and reported != old[0]:
            self.cleanup((reported, request["model"]))

    def cleanup(self, gone: tuple[str, int]) -> None:
        made = event("Delete", physical_id=gone[0], InputFingerprint=f"{gone[1]:064}")
        self.queue.append({**made, "model": gone[1], "cleanup": True})

    def deleted(self, request: Json, answer: Json) -> None:
        if answer["Status"] == "SUCCESS" and not request.get("cleanup"):
            is_live = self.live and request["PhysicalResourceId"] in {self.live[0], INVENTED}
            if is_live or self.live is None:
                self.live = None

    # --- what the world does -----------------------------------------------------------------

    @rule(times=st.integers(1, 8))
    def go_on(self, times: int) -> None:
        for _ in range(times):
            self.world.tick()
            self.take_answer()

    @rule(operation=st.sampled_from(sorted(FAULTS)), data=st.data(), times=st.integers(1, 3))
    def fail(self, operation: str, data: Any, times: int) -> None:
        code = data.draw(st.sampled_from(FAULTS[operation]))
        self.world.calls.faults[operation] = [refused(operation, code)] * times
        totals["faults"] += times

    @rule(outcome=st.sampled_from(["COMPLETED", "COMPLETED", "FAILED", "STOPPED"]),
          seconds=st.sampled_from([0, 60, 900, 100_000]))  # fmt: skip
    def change_neo(self, outcome: str, seconds: int) -> None:
        self.world.sagemaker.outcome = outcome
        self.world.sagemaker.seconds = seconds

    # --- what must hold ----------------------------------------------------------------------

    @invariant()
    def nothing_is_compiled_needlessly(self) -> None:
        if not hasattr(self, "world"):
            return
        created = self.world.sagemaker.created
        # A name belongs to one request: twice the name is twice the compile for it.
        assert len(created) == len(set(created))
        assert self.world.sagemaker.needless == [], "there was a result already"
        assert all(name.startswith(f"{PREFIX}-") for name in created)
        totals["steps"] += 1

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        for _ in range(5_000):
            self.take_answer()
            if not self.world.tick() and self.pending is None and not self.queue:
                break
        else:
            raise AssertionError("it does not come to rest")
        assert not self.must_answer, "a request got no answer"
        assert self.world.sagemaker.running() == [], "a job runs that nobody asks for"
        if self.live:
            (name, model) = self.live
            inputs = Request.parse(event(InputFingerprint=f"{model:064}"))
            assert name.startswith(inputs_prefix(inputs)), "another model is live"
            assert (BUCKET, f"{name}/model-ml_c5.tar.gz") in self.world.s3.objects
            assert (BUCKET, f"{name}/input/model.tar.gz") not in self.world.s3.objects
        totals["lives"] += 1


def test_no_orphan_no_hang_no_needless_compile() -> None:
    examples = int(os.environ.get("NEO_SIMULATED_LIVES", "60"))
    run_state_machine_as_test(
        Lifecycle,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize="NEO_SIMULATED_LIVES" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"\nsimulated: {dict(totals)}, violations: 0")
    assert totals["lives"] >= examples
