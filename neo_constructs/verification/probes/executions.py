"""What is taken for granted of Step Functions, Lambda and EventBridge."""

from __future__ import annotations

import functools
import json
import time
from typing import Any, Final

from botocore.exceptions import ClientError

from neo_constructs.verification.answers import Answer, compared, differs
from neo_constructs.verification.kit import Kit, OutOfTimeError
from neo_constructs.verification.probe import Probe
from neo_constructs.verification.refusals import evidence_of, judged
from neo_constructs.verification.sessions import POLICY, assumed, make_role, trust_of

_BEHIND: Final = 8.0  # seconds that the simulation lets a list be behind
_GRACE: Final = 90.0
_EVENTS: Final = "events/"


def start(kit: Kit, of: str, seconds: int) -> str:
    """Return the ARN of a new execution that waits so long."""
    made = kit.client("stepfunctions").start_execution(
        stateMachineArn=kit.output("Machine"),
        name=kit.name(of),
        input=json.dumps({"seconds": seconds, "of": of}),
    )
    return str(made["executionArn"])


def ended(kit: Kit, arn: str) -> str:
    """Return how an execution has ended, as soon as it has."""
    states = kit.client("stepfunctions")

    def status() -> str | None:
        found = str(states.describe_execution(executionArn=arn)["status"])
        return None if found == "RUNNING" else found

    return kit.wait(status, seconds=120, what="The end of an execution", pause=1)


def stop_of_an_ended_one(kit: Kit) -> Answer:
    """Stop an execution that has ended (A-IAM-03)."""
    arn = start(kit, "ended", 1)
    ended(kit, arn)
    try:
        kit.client("stepfunctions").stop_execution(executionArn=arn)
    except ClientError as error:
        code = judged(error)
        said = f"StopExecution of an execution that has ended: {code}."
        return compared(code == "ValidationException", said, **evidence_of(error))
    return differs("StopExecution of an execution that has ended is accepted.")


def order_of_executions(kit: Kit) -> Answer:
    """Start three executions and read their list (A-CFN-06)."""
    wanted = []
    for number in range(3):
        wanted.append(start(kit, f"order-{number}", 1))
        time.sleep(1.1)  # dates of starts have a second's resolution in some clients
    found = kit.wait(
        lambda: _listed(kit, wanted), seconds=60, what="The list of three executions", pause=1
    )
    is_newest_first = found == wanted[::-1]
    said = f"ListExecutions gives the {'newest' if is_newest_first else 'oldest or any'} first."
    return compared(is_newest_first, said, started=wanted, listed=found)


def _listed(kit: Kit, wanted: list[str]) -> list[str] | None:
    """Return some executions in the order of their list, once all are in it."""
    found = [
        execution["executionArn"]
        for page in kit.client("stepfunctions")
        .get_paginator("list_executions")
        .paginate(stateMachineArn=kit.output("Machine"))
        for execution in page["executions"]
        if execution["executionArn"] in wanted
    ]
    return found if len(found) == len(wanted) else None


def lag_of_lists(kit: Kit) -> Answer:
    """Measure five times when a new execution is listed (A-CFN-07)."""
    lags = []
    for number in range(2 if kit.is_emulated else 5):
        wanted = [start(kit, f"lag-{number}", 1)]
        began = time.monotonic()
        look = functools.partial(_listed, kit, wanted)
        try:
            kit.wait(look, seconds=60, what="A new execution in its list", pause=0.2)
        except OutOfTimeError as error:
            return differs(str(error))
        lags.append(round(time.monotonic() - began, 2))
    said = f"A new execution is listed after {max(lags)} s at most, of {len(lags)} tries."
    return compared(max(lags) <= _BEHIND, said, seconds=lags)


def _event_with(kit: Kit, wanted: str) -> dict[str, Any] | None:
    """Return the event of the echo's that holds a text."""
    s3, bucket = kit.client("s3"), kit.output("Plain")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_EVENTS):
        for found in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
            if wanted in body.decode():
                return dict(json.loads(body))
    return None


def dropped_event(kit: Kit) -> Answer:
    """Let a function fail that has a destination, and read what that gets (A-CFN-08)."""
    mark = kit.name("dropped")
    kit.client("lambda").invoke(
        FunctionName=kit.output("Fails"),
        InvocationType="Event",
        Payload=json.dumps({"mark": mark}).encode(),
    )
    found = kit.wait(
        lambda: _event_with(kit, mark), seconds=300, what="The event that a function has dropped"
    )
    is_right = found.get("requestPayload") == {"mark": mark}
    said = f"The destination gets {', '.join(sorted(found))}."
    return compared(is_right, said, event=found)


def announced_end(kit: Kit) -> Answer:
    """Stop an execution, and read the event and the description (A-CFN-09)."""
    arn = start(kit, "announced", 300)
    kit.client("stepfunctions").stop_execution(executionArn=arn, error="Stopped", cause="by hand")
    found = kit.wait(
        lambda: _event_with(kit, arn), seconds=300, what="The announcement of an execution's end"
    )
    described = kit.client("stepfunctions").describe_execution(executionArn=arn)
    detail = found.get("detail", {})
    is_right = (
        detail.get("executionArn") == arn
        and described["status"] == "ABORTED"
        and json.loads(described["input"])["of"] == "announced"
        and described.get("cause") == "by hand"
    )
    said = f"The event says {detail.get('status')}, the description {described['status']}."
    return compared(is_right, said, event=found, cause=described.get("cause"))


def new_rights(kit: Kit) -> Answer:
    """Give a role a right, and measure when that has effect (A-IAM-06)."""
    bucket = kit.output("Plain")
    caller = {"AWS": f"arn:aws:iam::{kit.account}:root"}
    name, arn = make_role(kit, trust_of(caller), [_may("s3:GetObject", f"{bucket}/none/*")])

    s3 = assumed(kit, arn).client("s3")
    document = {"Version": "2012-10-17", "Statement": [_may("s3:PutObject", f"{bucket}/new/*")]}
    kit.client("iam").put_role_policy(
        RoleName=name, PolicyName=POLICY, PolicyDocument=json.dumps(document)
    )
    began = time.monotonic()

    def written() -> bool | None:
        try:
            s3.put_object(Bucket=bucket, Key=f"new/{name}", Body=b"1")
        except ClientError as error:
            judged(error, may_be_denied=True)
            return None
        return True

    try:
        kit.wait(written, seconds=300, what="The effect of a new right", pause=1)
    except OutOfTimeError as error:
        return differs(str(error))
    seconds = time.monotonic() - began
    said = f"A right took effect {seconds:.0f} s after it was given."
    return compared(seconds <= _GRACE * kit.pace, said, seconds=round(seconds, 1))


def _may(action: str, place: str) -> dict[str, str]:
    return {"Effect": "Allow", "Action": action, "Resource": f"arn:aws:s3:::{place}"}


PROBES: Final = (
    Probe(
        id="A-IAM-03",
        does="Stops an execution that has ended.",
        run=stop_of_an_ended_one,
        minutes=2,
    ),
    Probe(
        id="A-CFN-06",
        does="Starts three executions and reads their list.",
        run=order_of_executions,
        minutes=2,
    ),
    Probe(
        id="A-CFN-07",
        does="Measures five times when a new execution is listed.",
        run=lag_of_lists,
        minutes=4,
    ),
    Probe(
        id="A-CFN-08",
        does="Lets a function fail that has a destination, and reads what that gets.",
        run=dropped_event,
        minutes=6,
    ),
    Probe(
        id="A-CFN-09",
        does="Stops an execution, and reads the event and the description.",
        run=announced_end,
        minutes=6,
    ),
    Probe(
        id="A-IAM-06",
        does="Gives a role a right, and measures when that has effect.",
        run=new_rights,
        minutes=8,
    ),
)
