"""Requests of one resource that overtake each other."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from neo_jobs import executions, uploads
from neo_jobs.actions import StepContext, Wait
from neo_jobs.cloudformation import Request
from neo_jobs.kinds import older_jobs

from tests.lifecycle.events import INVENTED, PREFIX, event, signed
from tests.lifecycle.fakes import Json, refused
from tests.lifecycle.helpers import record_key
from tests.lifecycle.world import World


def compiling(world: World, **changes: str) -> Json:
    """Deliver a Create, and return it when its job runs."""
    world.sagemaker.seconds = 2_000
    create = event(**changes)
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    assert world.running
    return create


def test_a_delete_by_an_invented_id_ends_what_runs(world: World) -> None:
    """A sibling has failed: CloudFormation rolls back while the job is compiling."""
    compiling(world)
    answer = world.serve(event("Delete", physical_id=INVENTED))
    assert answer["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs
    assert not world.running
    assert len(world.calls.of("StopExecution")) == 1


def test_a_delete_that_comes_while_the_model_is_copied(world: World) -> None:
    create = event()
    world.serve(create, until=lambda: bool(world.calls.of("CopyObject")))
    assert not world.sagemaker.jobs
    assert world.serve(event("Delete", physical_id=INVENTED))["Status"] == "SUCCESS"
    while world.tick():
        pass
    assert not world.sagemaker.jobs


def test_a_step_that_outlives_its_execution_leaves_no_job(world: World) -> None:
    world.has_stragglers = True
    create = event()
    world.serve(create, until=lambda: bool(world.calls.of("CopyObject")))
    for running in world.running.values():
        running.wake += 3  # its next step begins when it is stopped
    answer = world.serve(event("Delete", physical_id=INVENTED))
    assert answer["Status"] == "SUCCESS"
    assert len(world.calls.of("CreateCompilationJob")) == 1, "the straggler has started a job"
    assert not world.sagemaker.jobs


def test_a_cancelled_update_gives_way_to_the_next(world: World) -> None:
    first = world.serve(event())["PhysicalResourceId"]
    world.sagemaker.seconds = 2_000
    update = event("Update", physical_id=first, InputFingerprint="0" * 64)
    world.serve(update, until=lambda: bool(world.sagemaker.running()))
    back = world.serve(event("Update", physical_id=first))
    assert back["PhysicalResourceId"] == first
    assert list(world.sagemaker.jobs) == [first]
    assert not world.running


def test_an_execution_that_has_just_answered_is_left_to_end(world: World) -> None:
    create = event()
    world.serve(create, until=lambda: bool(world.answers))
    assert world.running, "the answer is given, the execution not over"
    name = world.answers[0]["PhysicalResourceId"]
    assert world.serve(event("Delete", physical_id=name))["Status"] == "SUCCESS"
    assert not world.calls.of("StopExecution")


def test_an_old_event_that_arrives_after_a_newer_one_creates_nothing(world: World) -> None:
    now = world.clock()
    late = signed(event(), now)
    delete = signed(event("Delete", physical_id=INVENTED), now + 60)
    world.clock.sleep(61)
    assert world.serve(delete)["Status"] == "SUCCESS"
    world.clock.sleep(60)
    answer = world.serve(late)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("Superseded")
    assert not world.calls.of("CreateCompilationJob")


def test_a_new_event_is_not_held_up_by_an_old_one_that_came_late(world: World) -> None:
    now = world.clock()
    delete = signed(event("Delete", physical_id=INVENTED), now + 60)
    world.clock.sleep(70)
    compiling_late = signed(event(), now)
    world.sagemaker.seconds = 2_000
    world.serve(compiling_late, until=lambda: bool(world.sagemaker.running()))
    assert world.serve(delete)["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs


def test_an_execution_started_by_hand_is_ended_like_any_other(world: World) -> None:
    create = compiling(world)
    (execution,) = world.states.all.values()
    execution["input"] = {"by": "hand"}
    assert create
    assert world.serve(event("Delete", physical_id=INVENTED))["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs


def test_other_resources_are_let_alone(world: World) -> None:
    compiling(world)
    other = {**event(), "LogicalResourceId": "Other"}
    world.sagemaker.seconds = 60
    assert world.serve(other)["Status"] == "SUCCESS"
    assert not world.calls.of("StopExecution")
    assert len(world.sagemaker.jobs) == 2


def test_a_failed_jobs_record_goes_with_the_next_request(world: World) -> None:
    first = world.serve(event())["PhysicalResourceId"]
    world.sagemaker.outcome = "FAILED"
    update = event("Update", physical_id=first, InputFingerprint="0" * 64)
    assert world.serve(update)["Status"] == "FAILED"
    assert len(world.sagemaker.jobs) == 2
    world.serve(event("Update", physical_id=first))
    assert list(world.sagemaker.jobs) == [first]


def test_a_job_that_will_not_stop_is_answered_for(world: World) -> None:
    compiling(world)
    world.sagemaker.ignores_stops = True
    world.sagemaker.seconds = 100_000
    begin = world.clock()
    answer = world.serve(event("Delete", physical_id=INVENTED))
    assert answer["Status"] == "FAILED"
    assert "could not be ended in time" in answer["Reason"]
    assert world.clock() - begin < 3_500


@pytest.mark.parametrize(("policy", "is_kept"), [("RETAIN", True), ("DESTROY", False)])
def test_a_job_that_completed_and_was_never_reported(
    world: World, policy: str, is_kept: bool
) -> None:
    """Its create was given up in the moment between the compile's end and the record of it."""
    world.serve(
        event(ArtifactRemovalPolicy=policy), until=lambda: bool(world.calls.of("DeleteObject"))
    )
    (name,) = world.sagemaker.jobs
    assert not world.answers
    for running in world.running.values():
        running.wake += 3  # the machine is slow to go on
    delete = event("Delete", physical_id=INVENTED, ArtifactRemovalPolicy=policy)
    assert world.serve(delete)["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs
    assert bool(world.s3.under(name)) is is_kept


@pytest.mark.parametrize("physical_id", [INVENTED, "neo-0a1b2c3d445566778899-vvqxud65-x"])
def test_a_job_whose_result_is_on_record_is_never_touched(world: World, physical_id: str) -> None:
    """Nobody can tell whether CloudFormation has heard of it: something may serve it."""
    name = world.serve(event(ArtifactRemovalPolicy="DESTROY"))["PhysicalResourceId"]
    delete = event("Delete", physical_id=physical_id, ArtifactRemovalPolicy="DESTROY")
    assert world.serve(delete)["Status"] == "SUCCESS"
    assert list(world.sagemaker.jobs) == [name]
    assert len(world.s3.under(PREFIX)) == 2


def test_the_files_of_what_lives_are_kept_although_its_result_was_deleted_by_hand(
    world: World,
) -> None:
    """A former id is deleted while another lives."""
    old = world.serve(event(ArtifactRemovalPolicy="DESTROY"))["PhysicalResourceId"]
    update = event(
        "Update", physical_id=old, InputFingerprint="0" * 64, ArtifactRemovalPolicy="DESTROY"
    )
    new = world.serve(update)["PhysicalResourceId"]
    del world.s3.objects["artifacts", record_key(new)]
    delete = event("Delete", physical_id=old, ArtifactRemovalPolicy="DESTROY")
    assert world.serve(delete)["Status"] == "SUCCESS"
    assert world.s3.under("neo-") == [f"{new}/model-ml_c5.tar.gz"]


@pytest.mark.parametrize("later", [0, 1, None])
def test_two_ids_of_one_resource_are_deleted_side_by_side(world: World, later: int | None) -> None:
    first = world.serve(event())["PhysicalResourceId"]
    update = event("Update", physical_id=first, InputFingerprint="0" * 64)
    second = world.serve(update)["PhysicalResourceId"]
    deletes = [event("Delete", physical_id=name) for name in (first, second)]
    if later is not None:
        now = world.clock()
        deletes = [signed(d, now + later * n) for n, d in enumerate(deletes)]
    for delete in deletes:
        world.deliver(delete)
    while world.tick():
        pass
    answers = {a["RequestId"]: a["Status"] for a in world.answers}
    assert [answers[d["RequestId"]] for d in deletes] == ["SUCCESS", "SUCCESS"]
    assert not world.sagemaker.jobs


def test_a_late_create_without_a_signed_time_gives_way_to_a_delete(world: World) -> None:
    compiling(world)
    delete = event("Delete", physical_id=INVENTED)
    world.serve(delete, until=lambda: len(world.calls.of("StopExecution")) == 1)
    assert world.serve(event())["Reason"].startswith("Superseded")
    while world.tick():
        pass
    assert [a["Status"] for a in world.answers if a["RequestId"] == delete["RequestId"]] == [
        "SUCCESS"
    ]
    assert not world.sagemaker.jobs


def test_a_newer_request_is_looked_for_once_more_before_a_job_is_made(world: World) -> None:
    """The first list of executions was behind."""
    create = signed(event(), world.clock())
    world.states.is_blind = True
    world.serve(create, until=lambda: bool(world.calls.of("CopyObject")))
    world.states.is_blind = False
    world.clock.sleep(1)
    world.deliver(signed(event("Delete", physical_id=INVENTED), world.clock()))
    world.states.all[next(iter(world.states.all))]["status"] = "RUNNING"
    while world.tick():
        pass
    assert not world.sagemaker.created


def test_the_model_that_was_copied_for_an_update_that_was_given_up_goes(world: World) -> None:
    first = world.serve(event())["PhysicalResourceId"]
    update = event("Update", physical_id=first, InputFingerprint="0" * 64)
    world.serve(update, until=lambda: len(world.calls.of("CopyObject")) == 2)
    assert [key for key in world.s3.under("neo-") if "/input/" in key]
    assert world.serve(event("Update", physical_id=first))["PhysicalResourceId"] == first
    assert world.s3.under("neo-") == [f"{first}/model-ml_c5.tar.gz", record_key(first)]


def test_an_execution_that_ends_before_it_is_stopped_is_no_fault(world: World) -> None:
    compiling(world)
    ended = refused("StopExecution", "ValidationException", "Execution is not running")
    world.calls.faults["StopExecution"] = [ended]
    assert world.serve(event("Delete", physical_id=INVENTED))["Status"] == "SUCCESS"
    assert not world.sagemaker.jobs


def test_an_execution_that_may_not_be_stopped_gives_way_by_itself(world: World) -> None:
    compiling(world)
    denied = refused("StopExecution", "AccessDeniedException", "no policy allows it")
    world.calls.faults["StopExecution"] = [denied] * 100
    assert world.serve(event("Delete", physical_id=INVENTED))["Status"] == "SUCCESS"
    while world.tick():
        pass
    assert not world.sagemaker.jobs


def test_the_steps_wait_for_the_last_one_of_a_stopped_execution(world: World) -> None:
    compiling(world)
    begin = world.clock()
    world.serve(event("Delete", physical_id=INVENTED))
    assert 160 <= world.clock() - begin < 250


def test_two_requests_of_the_same_second(world: World) -> None:
    """The time that is signed has no fractions; of two, a Delete is the later one."""
    now = world.clock()
    delete = signed(event("Delete", physical_id=INVENTED), now)
    assert world.serve(delete)["Status"] == "SUCCESS"
    assert world.serve(signed(event(), now))["Reason"].startswith("Superseded")
    assert not world.sagemaker.created


@pytest.mark.parametrize("is_signed", [True, False])
@pytest.mark.parametrize("kind", ["Update", "Delete"])
def test_of_two_requests_that_nothing_tells_apart_one_is_served(
    world: World, kind: str, is_signed: bool
) -> None:
    """Both stop each other unless both come to the same answer about who is the later one."""
    first = world.serve(event())["PhysicalResourceId"]
    now = world.clock()
    world.sagemaker.seconds = 60
    twice = [event(kind, physical_id=first, InputFingerprint=f"{n}" * 64) for n in (1, 2)]
    for each in twice:
        world.deliver(signed(each, now) if is_signed else each)
    while world.tick():
        pass
    mine = {each["RequestId"] for each in twice}
    answers = [a for a in world.answers if a["RequestId"] in mine]
    assert [a["Status"] for a in answers].count("SUCCESS") == 1
    assert not world.sagemaker.running()


def test_the_order_of_two_requests_is_the_same_from_both_sides() -> None:
    def request(number: int, kind: str, second: float | None) -> Request:
        made = event(kind, physical_id=INVENTED)
        made["RequestId"] = f"request-{number}"
        return Request.parse(made if second is None else signed(made, second))

    whens = [(second, began) for second in (1_000, 1_001, None) for began in (1_002.0, 1_003.5)]
    sides = [
        (request(number, kind, second), began)
        for number, (kind, (second, began)) in enumerate(
            itertools.product(("Create", "Update", "Delete"), whens * 2)
        )
    ]
    for (one, began_one), (two, began_two) in itertools.combinations(sides, 2):
        if (one.signed is None) != (two.signed is None):
            continue  # CloudFormation signs all of a stack's, or none
        verdicts = [
            executions.is_superseded(
                mine, [executions.Execution("arn", "RUNNING", began, request=other)], mine_began
            )
            for mine, mine_began, other, began in (
                (one, began_one, two, began_two),
                (two, began_two, one, began_one),
            )
        ]
        assert sorted(verdicts) == [False, True], (one, two)


def test_a_list_that_is_behind_leaves_no_job(world: World) -> None:
    """The Delete does not see what runs; what runs sees the Delete, and gives way."""
    world.states.lag = 8
    world.sagemaker.describe_lag, world.sagemaker.list_lag = 3, 8
    world.sagemaker.seconds = 2_000
    create = signed(event(), world.clock())
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    world.clock.sleep(1)
    delete = signed(event("Delete", physical_id=INVENTED), world.clock())
    assert world.serve(delete)["Status"] == "SUCCESS"
    while world.tick():
        pass
    assert not world.sagemaker.jobs
    assert world.s3.under(PREFIX) == []


def test_an_older_execution_that_succeeded_is_not_waited_for() -> None:
    clock = StepContext(now=1_000, deadline=4_000)
    ended = executions.Execution("arn", "SUCCEEDED", began=900, ended=999)
    assert executions.wait_for_stragglers([ended], clock) is None
    for status in ("ABORTED", "FAILED", "TIMED_OUT"):
        assert executions.wait_for_stragglers([replace(ended, status=status)], clock), status


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
def test_a_former_bucket_that_stumbles_is_looked_at_again(code: str) -> None:
    def act() -> bool:
        raise refused("ListMultipartUploads", code)

    with pytest.raises(ClientError, match=code):
        uploads.while_allowed(act)


def test_nothing_is_begun_while_executions_cannot_be_listed(world: World) -> None:
    """A newer request could have come; but what runs is seen to its end."""
    create = event()
    world.serve(create, until=lambda: bool(world.calls.of("CopyObject")))
    throttled = [refused("ListExecutions", "ThrottlingException")] * 20
    world.calls.faults["ListExecutions"] = throttled
    world.serve(create, until=lambda: not world.calls.faults["ListExecutions"])
    assert not world.calls.of("CreateCompilationJob")
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    world.calls.faults["ListExecutions"] = [
        refused("ListExecutions", "ThrottlingException") for _ in range(10_000)
    ]
    assert world.serve(create)["Status"] == "SUCCESS"


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_a_late_request_stops_its_job_though_executions_cannot_be_listed(
    world: World, code: str
) -> None:
    world.sagemaker.seconds = 1_000_000
    create = event()
    world.serve(create, until=lambda: bool(world.sagemaker.running()))
    world.calls.faults["ListExecutions"] = [refused("ListExecutions", code) for _ in range(10_000)]
    assert world.serve(create)["Status"] == "FAILED"
    assert [job["status"] for job in world.sagemaker.jobs.values()] == ["STOPPING"]


def test_uploads_in_its_own_bucket_that_may_not_be_seen_fail_a_request(world: World) -> None:
    first = world.serve(event())["PhysicalResourceId"]
    denied = refused("ListMultipartUploads", "AccessDenied", "no right to look")
    world.calls.faults["ListMultipartUploads"] = [denied] * 100
    answer = world.serve(event("Update", physical_id=first, InputFingerprint="0" * 64))
    assert answer["Status"] == "FAILED"
    assert "no right to look" in answer["Reason"]


@pytest.mark.parametrize("status", ["STARTING", "INPROGRESS", "NOVELTY"])
def test_a_job_of_an_older_request_is_stopped_whatever_it_does(status: str) -> None:
    assert older_jobs.active_jobs([older_jobs.OtherJob("a", status)]) == ("a",)


@pytest.mark.parametrize("status", ["STOPPING", "STOPPED", "FAILED", "COMPLETED"])
def test_a_job_that_ends_is_not_stopped(status: str) -> None:
    assert older_jobs.active_jobs([older_jobs.OtherJob("a", status)]) == ()


def test_executions_of_long_ago_are_not_looked_at(world: World) -> None:
    compiling(world)
    assert world.serve(event("Delete", physical_id=INVENTED))["Status"] == "SUCCESS"
    world.clock.sleep(5_000)
    world.calls.made.clear()
    world.sagemaker.seconds = 60
    assert world.serve(event())["Status"] == "SUCCESS"
    assert not world.calls.of("DescribeExecution")


def test_the_last_step_is_waited_for_once() -> None:
    """Whatever the function's clock says: the machine has waited, and its clock counts."""
    aborted = executions.Execution("arn", "ABORTED", began=900, ended=1_000)
    clock = StepContext(now=1_000, deadline=4_000)
    assert executions.wait_for_stragglers([aborted], clock) == Wait(
        160, "the last step of an older request may still run", settles=1_160
    )
    assert executions.wait_for_stragglers([aborted], replace(clock, settled=1_160)) is None
    assert executions.wait_for_stragglers([aborted], replace(clock, now=1_160)) is None


def test_the_last_step_of_each_is_waited_for() -> None:
    """One that is found stopped after the first was waited for may still act, too."""
    first = executions.Execution("first", "ABORTED", began=900, ended=1_000)
    second = executions.Execution("second", "ABORTED", began=950, ended=1_100)
    clock = StepContext(now=1_165, deadline=4_000, settled=1_160)
    assert executions.wait_for_stragglers([first], clock) is None
    assert executions.wait_for_stragglers([first, second], clock) == Wait(
        95, "the last step of an older request may still run", settles=1_260
    )
