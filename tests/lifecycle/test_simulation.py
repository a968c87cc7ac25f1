"""Random lives of a stack, as CloudFormation leads them, and what must hold after every step.

The templates and their policies are synthesized, the state machine is the one they define. Calls
are refused, lose their replies, or kill the function; SageMaker fails jobs or takes for ever;
people stop jobs and delete records; events come late and twice; steps outlive their executions.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from neo_jobs.cloudformation import Request as Event
from neo_jobs.kinds.job_apis import JOB_APIS
from neo_jobs.kinds.job_names import job_name
from neo_jobs.kinds.serving_archive import own_folder

from tests.lifecycle.cloudformation import CloudFormation, Request
from tests.lifecycle.events import BUCKET, PREFIX, count_from_zero, unpacked
from tests.lifecycle.fakes import TERMINAL, refused
from tests.lifecycle.helpers import record_key
from tests.lifecycle.rights import needs
from tests.lifecycle.templates import ArchiveSpec, deployed, script_body, script_key, source
from tests.lifecycle.world import World

TRANSIENT_ERRORS = ("ThrottlingException", "InternalServerException", "503")
OFTEN = (
    "CreateCompilationJob",
    "CopyObject",
    "StopCompilationJob",
    "CreateInferenceRecommendationsJob",
    "StopInferenceRecommendationsJob",
    "UploadPart",
    "UploadPartCopy",
    "CompleteMultipartUpload",
)  # where faults matter most
CREATE_ERRORS = (
    *TRANSIENT_ERRORS,
    "ResourceLimitExceeded",
    "ResourceInUse",
    "AccessDeniedException",
)
OPERATIONS = {
    "DescribeCompilationJob": TRANSIENT_ERRORS,
    "CreateCompilationJob": CREATE_ERRORS,
    "DescribeInferenceRecommendationsJob": TRANSIENT_ERRORS,
    "CreateInferenceRecommendationsJob": CREATE_ERRORS,
    "StopInferenceRecommendationsJob": TRANSIENT_ERRORS,
    "ListInferenceRecommendationsJobs": TRANSIENT_ERRORS,
    "StopCompilationJob": TRANSIENT_ERRORS,
    "DeleteCompilationJob": TRANSIENT_ERRORS,
    "ListCompilationJobs": TRANSIENT_ERRORS,
    "AddTags": TRANSIENT_ERRORS,
    "ListTags": TRANSIENT_ERRORS,
    "DeleteTags": TRANSIENT_ERRORS,
    "StartExecution": (*TRANSIENT_ERRORS, "AccessDeniedException"),
    "ListExecutions": TRANSIENT_ERRORS,
    "DescribeExecution": TRANSIENT_ERRORS,
    "StopExecution": TRANSIENT_ERRORS,
    "CopyObject": ("SlowDown", "InternalError", "PreconditionFailed", "AccessDenied"),
    "PutObject": ("SlowDown", "InternalError"),
    "HeadObject": ("SlowDown", "500"),
    "GetObject": ("SlowDown", "InternalError"),
    "DeleteObject": ("SlowDown",),
    "DeleteObjects": ("SlowDown",),
    "ListObjectsV2": ("SlowDown",),
    "ListObjectVersions": ("SlowDown",),
    "CreateMultipartUpload": ("SlowDown", "AccessDenied"),
    "UploadPart": ("SlowDown", "InternalError"),
    "UploadPartCopy": ("SlowDown", "PreconditionFailed"),
    "CompleteMultipartUpload": ("SlowDown", "InternalError"),
    "AbortMultipartUpload": ("SlowDown",),
    "ListMultipartUploads": ("SlowDown",),
    "PutResponse": ("500",),
}
TASK_FAULTS = ("Lambda.TooManyRequestsException", "Lambda.ServiceException", "States.Timeout")
HOUR = 3_600
IS_SHORT = "NEO_SIMULATED_LIVES" not in os.environ
BOOM = "ClientError: boom"
MEASUREMENT = "Custom::NeoInferenceRecommendationsJob"
IMAGE = "802834080501.dkr.ecr.eu-west-1.amazonaws.com/xgboost-neo:another"
PATHS = (
    "faults",
    "duplicates",
    "given up",
    "failed answers",
    "rollbacks",
    "given up after three faults",
    "measurements",
)
totals: Counter[str] = Counter()


class Lifecycle(RuleBasedStateMachine):
    """One stack, from its first deploy to its end."""

    @initialize(
        keeps_reported=st.booleans(),
        stragglers=st.booleans(),
        destroys=st.booleans(),
        says_could_not_find=st.booleans(),
        describe_lag=st.sampled_from([0, 0, 3]),
        jobs_lag=st.sampled_from([0, 0, 8]),
        executions_lag=st.sampled_from([0, 0, 5, 8]),
    )
    def begin(
        self,
        *,
        keeps_reported: bool,
        stragglers: bool,
        destroys: bool,
        says_could_not_find: bool,
        describe_lag: float,
        jobs_lag: float,
        executions_lag: float,
    ) -> None:
        count_from_zero()  # the same choices lead to the same life
        machine = deployed(ArchiveSpec((("A", 1),))).machine
        self.world = world = World(machine)
        world.has_stragglers = stragglers
        world.sagemaker.reason = BOOM
        world.sagemaker.image = IMAGE
        # Lists, and what Describe says, may be behind.
        world.sagemaker.describe_lag, world.sagemaker.list_lag = describe_lag, jobs_lag
        world.states.lag = executions_lag
        if says_could_not_find:
            world.sagemaker.missing = ("ValidationException", "Could not find compilation job")
        for job, models in (("A", (1, 2)), ("B", (1,))):
            for model in models:
                world.s3.put(source(job, model), body(source(job, model)))
        self.destroys = destroys
        self.stack = CloudFormation(world, keeps_reported=keeps_reported, check=self.check_answer)
        self.has_bad_luck = self.has_slow_jobs = False
        self.has_young_role = False
        self.removed: set[str] = set()
        self.reported: set[tuple[str, str]] = set()
        for version in (1, 2):
            world.s3.put(f"s3://models/{script_key(version)}", script_body(version))

    # --- what people do ------------------------------------------------------------------------

    @precondition(lambda self: self.stack.is_idle)
    @rule(
        first=st.integers(0, 2),
        second=st.integers(0, 1),
        script=st.integers(0, 2),
        measured=st.integers(0, 2),
        tag=st.sampled_from(["", "new"]),
    )
    def deploy(self, first: int, second: int, script: int, measured: int, tag: str) -> None:
        jobs = tuple((name, model) for name, model in (("A", first), ("B", second)) if model)
        if measured and IS_SHORT:
            script = 0  # every template takes its time to synthesize
        if jobs or script or measured:
            self.stack.deploy(deployed_as(jobs, script, measured, tag, self.destroys))

    @precondition(lambda self: self.stack.is_idle and self.stack.live)
    @rule()
    def destroy(self) -> None:
        self.stack.destroy()

    @precondition(lambda self: self.stack.may_cancel and self.stack.pending)
    @rule()
    def cancel(self) -> None:
        totals["given up"] += len(self.stack.pending)
        self.stack.cancel()

    @rule(data=st.data(), is_deleted=st.booleans())
    def meddle(self, data: Any, is_deleted: bool) -> None:
        """Someone stops a job, or deletes the record of one that has ended."""
        neo = self.world.sagemaker
        # Nobody can delete the record of a measurement.
        of_people = neo.jobs if is_deleted else {**neo.jobs, **neo.recommender.jobs}
        chosen = [n for n, j in of_people.items() if (j["status"] in TERMINAL) == is_deleted]
        if chosen:
            name = data.draw(st.sampled_from(sorted(chosen)))
            totals["meddled"] += 1
            if is_deleted:
                del neo.jobs[name]
                self.removed.add(name)
            else:
                of_people[name].update(status="STOPPING", since=self.world.clock())
                self.has_bad_luck = True
            neo.past.note()
            neo.recommender.past.note()

    # --- what happens --------------------------------------------------------------------------

    @rule(times=st.integers(1, 12))
    def go_on(self, times: int) -> None:
        for _ in range(times):
            self.world.tick()
            self.stack.take_answers()

    @rule()
    def go_on_to_the_end(self) -> None:
        self.go_on(400)

    @precondition(lambda self: self.stack.sent)
    @rule(number=st.integers(0, 5))
    def deliver_again(self, number: int) -> None:
        self.stack.deliver_again(number)
        totals["duplicates"] += 1

    @rule(data=st.data())
    def trouble(self, data: Any) -> None:
        kinds = (
            self.delay,
            self.refuse,
            self.lose_reply,
            self.kill,
            self.break_task,
            self.take_long,
        )
        data.draw(st.sampled_from(kinds))(data)

    def delay(self, data: Any) -> None:
        """The next events are late."""
        self.stack.delay = data.draw(st.sampled_from([20, 100, 170]))

    def refuse(self, data: Any) -> None:
        operation = data.draw(st.sampled_from([*sorted(OPERATIONS), *OFTEN * 5]))
        error: Exception = refused(operation, data.draw(st.sampled_from(OPERATIONS[operation])))
        if operation == "PutResponse":
            error = OSError("no route to host")
        self.world.calls.faults[operation] = [error] * data.draw(st.integers(1, 3))

    def lose_reply(self, data: Any) -> None:
        self.world.calls.lost[data.draw(st.sampled_from(sorted(OPERATIONS)))] = 1

    def kill(self, data: Any) -> None:
        """The function dies before one of its next calls."""
        self.world.calls.dies_after = data.draw(st.integers(0, 12))

    def break_task(self, data: Any) -> None:
        name, is_before = data.draw(st.sampled_from(TASK_FAULTS)), data.draw(st.booleans())
        times = data.draw(st.sampled_from([1, 2, 3, 6, 8]))
        self.world.task_faults = [(name, is_before)] * times

    def take_long(self, data: Any) -> None:
        """Steps use up the function's time, and die: not near the deadline, where the hour goes."""
        times = data.draw(st.integers(1, 4))
        if all(self.world.clock() - r.sent < 2_000 for r in self.stack.pending):
            self.world.slow_deaths = times

    @rule(
        outcome=st.sampled_from(["COMPLETED", "COMPLETED", "COMPLETED", "FAILED", "STOPPED"]),
        seconds=st.sampled_from([0, 60, 900, 100_000]),
        young=st.booleans(),
        ignores_stops=st.sampled_from([False, False, False, True]),
        leaves_artifact=st.sampled_from([True, True, True, False]),
    )
    def change_neo(
        self,
        outcome: str,
        seconds: float,
        young: bool,
        ignores_stops: bool,
        leaves_artifact: bool,
    ) -> None:
        neo = self.world.sagemaker
        neo.outcome, neo.seconds = outcome, seconds
        if young and not self.has_young_role:
            self.has_young_role, neo.young_roles = True, 1
        neo.ignores_stops, neo.leaves_artifact = ignores_stops, leaves_artifact
        is_good = outcome == "COMPLETED" and leaves_artifact
        self.has_bad_luck = self.has_bad_luck or not is_good
        self.has_slow_jobs = self.has_slow_jobs or seconds > 2_000 or ignores_stops

    # --- what must hold ------------------------------------------------------------------------

    def check_answer(self, request: Request) -> None:
        totals["requests"] += 1
        luck = (self.has_bad_luck, self.has_slow_jobs)
        check_answer(self.world, self.stack, request, luck)
        assert request.answer
        if request.answer["Status"] == "SUCCESS" and request.kind != "Delete":
            self.reported.add((request.resource.type, request.answer["PhysicalResourceId"]))
        elif request.answer["Status"] == "SUCCESS":
            # Its result may serve again; its record is gone.
            self.removed.add(request.answer["PhysicalResourceId"])

    @invariant()
    def nobody_waits_longer_than_an_hour(self) -> None:
        totals["steps"] += 1
        if hasattr(self, "world"):
            for request in self.stack.pending:
                assert self.world.clock() - request.sent < HOUR, "CloudFormation waits in the dark"

    @invariant()
    def nothing_is_compiled_needlessly(self) -> None:
        if not hasattr(self, "world"):
            return
        # A record that someone removes before it was read tells the engine nothing.
        created = [n for n in self.world.sagemaker.created if n not in self.removed]
        assert len(created) == len(set(created)), "a name was used twice"
        # A Create takes no result of a former resource: that was kept for something else.
        first = {
            _id_of(Event.parse(request.event, attempt))
            for request in self.stack.sent
            for attempt in (0, 1)
            if request.kind == "Create"
        }
        assert set(self.world.sagemaker.needless) <= first, "there was a result already"

    @invariant()
    def a_rollback_comes_back_to_what_was(self) -> None:
        """It compiles nothing, and what is live is what was live before."""
        if not hasattr(self, "world"):
            return
        for before, after in self.stack.rolled_back:
            was = {name: live.physical_id for name, live in before.items()}
            assert {name: live.physical_id for name, live in after.items()} == was
            totals["rollbacks"] += 1
        self.stack.rolled_back.clear()

    @invariant()
    def no_call_goes_too_far(self) -> None:
        if not hasattr(self, "world"):
            return
        calls = self.world.calls
        # What was given up may meet a policy that is taken back already: it comes to nothing.
        awaited = {request.event["RequestId"] for request in self.stack.pending}
        denied = [what for whom, what in calls.denied if whom in awaited]
        assert denied == [], "a right was not in force"
        for operation, parameters in calls.made:
            check_place(operation, parameters)
        calls.made.clear()
        totals["faults"] += calls.met
        calls.met = 0

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world, stack = self.world, self.stack
        for _ in range(20_000):
            if not world.tick() and stack.is_idle:
                break
            stack.take_answers()
            if not stack.may_cancel:
                # A rollback that compiles again can only end when Neo works again.
                world.sagemaker.outcome, world.sagemaker.seconds = "COMPLETED", 60
                world.sagemaker.ignores_stops, world.sagemaker.leaves_artifact = False, True
            self.nobody_waits_longer_than_an_hour()
        else:
            raise AssertionError("it does not come to rest")
        self.nothing_is_compiled_needlessly()
        self.no_call_goes_too_far()
        self.a_rollback_comes_back_to_what_was()
        self.nothing_is_left()
        totals["lives"] += 1

    def nothing_is_left(self) -> None:
        """At rest: no job runs, nothing live lacks its artifact, no input lies about."""
        world, live = self.world, self.stack.live
        running = {
            name: (world.sagemaker.jobs.get(name) or world.sagemaker.recommender.jobs[name])
            for name in world.sagemaker.running()
        }
        assert running == {}, "a job runs that nobody asks for"
        for resource in live.values():
            assert has_artifact(world, resource.type, resource.physical_id)
        for kind, name in self.reported if not self.destroys else ():
            assert has_artifact(world, kind, name), "what is to be kept is gone"
        names = {r.physical_id for r in live.values() if r.type == "Custom::NeoCompilationJob"}
        jobs = world.sagemaker.jobs
        # The record of a job whose role was too young goes with the next request.
        left = {name for name, job in jobs.items() if "AssumeRole" not in job["reason"]}
        assert left - self.unacknowledged_folders() <= names, "a record that nobody asks for"
        assert names <= set(jobs) | self.removed, "the record of what lives is gone"
        assert not [k for k in world.s3.under(PREFIX) if "/input/" in k]
        assert world.s3.uploads == {}, "an upload is left unfinished"
        if not live and self.destroys:
            there = {_owner(key) for key in world.s3.under(PREFIX)}
            assert there <= self.unacknowledged_folders(), "what was to be destroyed is there"

    def unacknowledged_folders(self) -> set[str]:
        """Return the jobs and archives that were done after CloudFormation had turned away.

        The engine cannot tell them from what lives, and leaves them: docs/decisions.md.
        """
        taken = {r.event["RequestId"] for r in self.stack.sent if r.answer}
        events = [r.event for r in self.stack.sent if r.kind != "Delete"]
        failed = {r.event["RequestId"] for r in self.stack.sent if _has_failed(r)}
        unacknowledged_folders = [
            e for e in events if e["RequestId"] not in taken or e["RequestId"] in failed
        ]
        return {
            name
            for event in unacknowledged_folders
            for attempt in (0, 1)
            for name in [_id_of(Event.parse(event, attempt))]
        }


def _owner(key: str) -> str:
    """Return the physical id of what a key belongs to."""
    parts = key.split("/")
    if parts[1] == "results":
        return f"{parts[0]}-{parts[2].removesuffix('.json')}"
    return "/".join(parts[:3]) if parts[1] == "serving" else parts[0]


def _id_of(event: Event) -> str:
    """Return the physical id that a request's own job or archive has."""
    return job_name(event) if event.resource_type in JOB_APIS else own_folder(event)


def _has_failed(request: Request) -> bool:
    return bool(request.answer and request.answer["Status"] == "FAILED")


def check_answer(
    world: World, stack: CloudFormation, request: Request, luck: tuple[bool, bool]
) -> None:
    """Check that the first answer to a request is a correct one."""
    answer = request.answer
    assert answer
    assert answer["at"] - request.sent < HOUR
    event = Event.parse(request.event)
    name = answer["PhysicalResourceId"]
    if answer["Status"] == "FAILED":
        check_reason(stack, request, *luck)
        jobs = {**world.sagemaker.jobs, **world.sagemaker.recommender.jobs}
        job = jobs.get(name, {"status": ""})
        can_stop = request.kind != "Delete" and not world.sagemaker.ignores_stops
        if can_stop and "Stopping the job failed too" not in answer["Reason"]:
            running = {"STARTING", "INPROGRESS", "PENDING", "IN_PROGRESS"}
            assert job["status"] not in running, "a failure leaves a job running"
    elif request.kind == "Delete":
        assert name not in world.sagemaker.jobs, "the record is there"
        assert name == request.resource.physical_id
    else:
        assert has_artifact(world, event.resource_type, name)
        if event.resource_type == "Custom::NeoCompilationJob":
            compiled, _ = world.s3.objects[BUCKET, f"{name}/model-ml_c5.tar.gz"]
            wanted = body(event.properties["InputConfig"]["S3Uri"])
            assert compiled == wanted, "a compile of another model"
            uri = f"s3://{BUCKET}/{name}/model-ml_c5.tar.gz"
            assert answer["Data"]["S3ModelArtifacts"] == uri
            assert answer["Data"]["InferenceImage"] == world.sagemaker.image
            check_tags(world, name, event)
        elif event.resource_type == MEASUREMENT:
            check_measurement(world, name, answer["Data"], event)
            check_tags(world, name, event)
        else:
            url = f"s3://{BUCKET}/{name}/model.tar.gz"
            assert answer["Data"]["ModelDataUrl"] == url
            check_archive(world, f"{name}/model.tar.gz", event)


def check_measurement(world: World, name: str, said: dict[str, Any], event: Event) -> None:
    """Check that an answer is what was measured of the version that was asked for."""
    job = world.sagemaker.recommender.jobs[name]
    wanted = event.properties["InputConfig"]["ModelPackageVersionArn"]
    assert job["status"] == "COMPLETED"
    assert job["InputConfig"]["ModelPackageVersionArn"] == wanted, "of another model"
    assert said["InstanceType"] == "ml.c5.xlarge"
    totals["measurements"] += 1


def body(uri: str) -> bytes:
    """Return what lies at a source."""
    # The second model is a large one.
    return f"the model of {uri}".encode() * (50 if "/2." in uri else 1)


def check_archive(world: World, key: str, event: Event) -> None:
    """Check that an archive has the compiled model and the script that was asked for."""
    bucket, _, script = event.properties["Script"]["S3Uri"].removeprefix("s3://").partition("/")
    (wanted,) = unpacked(world.s3.objects[bucket, script][0]).values()
    files = unpacked(world.s3.objects[BUCKET, key][0])
    assert files == {"code/inference.py": wanted, "compiled.so": b"code"}


def check_tags(world: World, name: str, event: Event) -> None:
    """Check that a job bears the tags of the template, unless its record is gone."""
    wanted = {tag["Key"]: tag["Value"] for tag in event.properties.get("Tags", [])}
    if job := world.sagemaker.jobs.get(name):
        assert job["tags"] == wanted
    if job := world.sagemaker.recommender.jobs.get(name):
        # Its record stays when its resource goes, with its tags, and may serve another again.
        former = {tag["Key"] for tag in event.old_properties.get("Tags", [])}
        assert wanted.items() <= job["tags"].items()
        assert not (former - set(wanted)) & set(job["tags"])


def check_reason(stack: CloudFormation, request: Request, bad_luck: bool, slow_jobs: bool) -> None:
    """Check that a request failed for a reason that is true."""
    assert request.answer
    reason, took = request.answer["Reason"], request.answer["at"] - request.sent
    sent_later = [
        r for r in stack.sent if r.logical_id == request.logical_id and r.sent > request.sent
    ]
    is_true = {
        "The job engine failed": stack.world.broken[request.event["RequestId"]] >= 3,
        "The job engine could not start": False,
        # The worker's time is not given twice.
        "the machine waits no longer": True,
        "Superseded": bool(sent_later),
        "no time left": slow_jobs and took >= 3_300,
        "in time": slow_jobs and took >= 3_200,
        "left no artifact": bad_luck,
        "(AccessDenied": took > 80,  # later than that, a right is not young
        "boom": bad_luck,
        "stopped outside": bad_luck,
        "AssumeRole": took > 180,  # later than that, the role is not young
    }
    known = [text for text in is_true if text in reason]
    assert known, f"a failure without a cause: {reason}"
    assert any(is_true[text] for text in known), f"not true: {reason}"
    totals["failed answers"] += 1
    totals["given up after three faults"] += "The job engine" in reason


def check_place(operation: str, parameters: dict[str, Any]) -> None:
    """Check that a call changes nothing but what bears the stack's prefix."""
    if operation == "PutResponse" or operation.startswith(("ListCompil", "ListInference")):
        return
    for need in needs(operation, parameters):
        is_reading = need.action.startswith(("s3:Get", "s3:List", "iam:", "states:"))
        assert is_reading or PREFIX in need.resource, f"{need} is out of place"


def has_artifact(world: World, kind: str, name: str) -> bool:
    """Whether what a resource stands for is there."""
    if kind == MEASUREMENT:
        return (BUCKET, record_key(name)) in world.s3.objects
    file = "model-ml_c5.tar.gz" if kind == "Custom::NeoCompilationJob" else "model.tar.gz"
    return (BUCKET, f"{name}/{file}") in world.s3.objects


@functools.cache
def deployed_as(
    jobs: tuple[tuple[str, int], ...], script: int, measured: int, tag: str, destroys: bool
) -> ArchiveSpec:
    """Return the same value for the same deploy."""
    return ArchiveSpec(jobs, script, measured, tag, destroys)


def simulate(lives: int, *, derandomize: bool, steps: int = 40) -> None:
    """Lead so many random lives."""
    run_state_machine_as_test(
        Lifecycle,
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            suppress_health_check=list(HealthCheck),
            database=None,
            print_blob=False,
            report_multiple_bugs=False,
            phases=[p for p in Phase if p is not Phase.shrink or "NEO_SHRINK" in os.environ],
        ),
    )


def test_no_orphan_no_hang_no_needless_compile() -> None:
    lives = int(os.environ.get("NEO_SIMULATED_LIVES", "60"))
    for number in (lives, 2 * lives, 4 * lives):  # few lives may leave a path out by chance
        simulate(number, derandomize=IS_SHORT)
        if all(totals[path] for path in PATHS):
            break
    print(f"\nsimulated: {dict(totals)}, violations: 0")
    assert totals["lives"] >= lives
    assert all(totals[path] for path in PATHS), "a path that is to be simulated was not taken"
