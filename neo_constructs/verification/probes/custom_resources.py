"""What CloudFormation really sends to a custom resource, as the echo writes it down."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any, Final

from botocore.exceptions import ClientError

from neo_constructs.verification import ledger
from neo_constructs.verification.answers import Answer, compared, differs, held, unknown
from neo_constructs.verification.kit import CannotSayError, Kit, OutOfTimeError
from neo_constructs.verification.probe import Probe
from neo_constructs.verification.refusals import evidence_of, judged
from neo_constructs.verification.stack_names import PREFIX

Event = dict[str, Any]
_END: Final = 900.0
_TYPE: Final = "Custom::Echo"


def template(kit: Kit, *, policy: bool = False, timeout: int = 300, **told: str) -> str:
    """Return a template with one echo.

    Parameters
    ----------
    kit
        The run.
    policy
        Whether the echo depends on a policy. Default: False.
    timeout
        The resource's ServiceTimeout, in seconds. Default: 300.
    told
        How the echo answers: ``Id``, ``OnCreate="FAILED"``, ``After="30"``.
    """
    echo = {
        "Type": _TYPE,
        "Properties": {
            "ServiceToken": kit.output("Echo"),
            "ServiceTimeout": timeout,
            "Id": "echo-a",
            **told,
        },
    }
    # Something that stays, so that the stack is never empty.
    resources: dict[str, Any] = {"Kept": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}
    if policy:
        statement = {
            "Effect": "Deny",
            "Action": "s3:*",
            "Resource": "*",
            "Principal": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        document = {"Version": "2012-10-17", "Statement": [statement]}
        resources["Bucket"] = {"Type": "AWS::S3::Bucket"}
        resources["Policy"] = {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document},
        }
        echo["DependsOn"] = ["Policy"]
    if told.get("Id") != "":
        resources["Echo"] = echo
    return json.dumps({"Resources": resources})


class Scene:
    """A stack with an echo, and what was sent to it.

    Parameters
    ----------
    kit
        The run.
    of
        What it is for; part of the stack's name.
    """

    def __init__(self, kit: Kit, of: str) -> None:
        self.kit = kit
        self.name = kit.note(ledger.STACK, f"{PREFIX}Echo{of}{uuid.uuid4().hex[:8]}")
        self._cloudformation = kit.client("cloudformation")
        self._id = ""

    def create(self, body: str, *, wait: bool = True) -> str:
        """Create the stack, and return how that ended."""
        made = self._cloudformation.create_stack(
            StackName=self.name, TemplateBody=body, Tags=self.kit.tags
        )
        self._id = str(made["StackId"])
        return self.status() if wait else ""

    def update(self, body: str, *, wait: bool = True) -> str:
        """Update the stack, and return how that ended."""
        self._cloudformation.update_stack(StackName=self.name, TemplateBody=body)
        return self.status() if wait else ""

    def cancel(self) -> None:
        """Cancel the update that is under way."""
        self._cloudformation.cancel_update_stack(StackName=self.name)

    def delete(self) -> str:
        """Delete the stack, and return how that ended."""
        self._cloudformation.delete_stack(StackName=self._id)
        return self.status()

    def status(self) -> str:
        """Return how the stack ends what it does."""

        def rested() -> str | None:
            (found,) = self._cloudformation.describe_stacks(StackName=self._id)["Stacks"]
            status = str(found["StackStatus"])
            return None if status.endswith("_IN_PROGRESS") else status

        return self.kit.wait(rested, seconds=_END, what=f"The end of {self.name}", pause=3)

    def sent(self, kind: str = "") -> list[Event]:
        """Return the requests of a kind, in the order of their arrival."""
        s3, bucket = self.kit.client("s3"), self.kit.output("Plain")
        found = [
            json.loads(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
            for page in s3.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=f"echo/{self.name}/"
            )
            for item in page.get("Contents", [])
        ]
        return [event for event in found if kind in {"", event["RequestType"]}]

    def await_sent(self, kind: str, *, seconds: float = 300.0) -> list[Event]:
        """Return the requests of a kind as soon as there is one."""
        return self.kit.wait(
            lambda: self.sent(kind) or None,
            seconds=seconds,
            what=f"A {kind} of {self.name}",
            pause=2,
        )

    def require(self, kind: str) -> None:
        """See that the echo was called at all.

        Raises
        ------
        CannotSayError
            If it was not: for want of a right, perhaps.
        """
        if not self.sent(kind):
            raise CannotSayError(f"The echo of {self.name} was sent no {kind}.")

    def events(self) -> list[Event]:
        """Return the stack's events, the oldest first."""
        found = self._cloudformation.describe_stack_events(StackName=self._id)["StackEvents"]
        return list(reversed(found))


def a_life(kit: Kit) -> list[Event]:
    """Return what is sent while a stack is made, fails to be updated, and is deleted."""

    def live() -> list[Event]:
        scene = Scene(kit, "Life")
        scene.create(template(kit))
        scene.update(template(kit, Id="echo-b", OnUpdate="FAILED"))
        scene.delete()
        found = scene.sent()
        if not any(event["RequestType"] == "Create" for event in found):
            raise CannotSayError("The echo was not called.")
        return found

    return kit.once("echo: a life", live)


def signed_times(kit: Kit) -> Answer:
    """Read the response URLs of a stack's create, update and delete (A-CFN-02)."""
    sent = a_life(kit)
    unsigned = [event["RequestType"] for event in sent if "X-Amz-Date" not in event["Signed"]]
    said = f"{len(sent) - len(unsigned)} of {len(sent)} response URLs have X-Amz-Date."
    return compared(not unsigned, said, events=sent)


def order_of_signatures(kit: Kit) -> Answer:
    """Compare the order of the signed times with that of arrival (A-CFN-16)."""
    sent = a_life(kit)
    dates = [event["Signed"].get("X-Amz-Date", "") for event in sent]
    if not all(dates):
        return unknown("Not every response URL is signed with a time.", dates=dates)
    said = f"Signed at {', '.join(dates)}, in the order of their arrival."
    return compared(dates == sorted(dates), said, events=sent)


def failed_create(kit: Kit) -> Answer:
    """Let a Create fail, and read the Delete (A-CFN-03)."""
    scene = Scene(kit, "FailedCreate")
    status = scene.create(template(kit, Id="echo-failed", OnCreate="FAILED"))
    scene.require("Create")
    deletes = scene.sent("Delete")
    if not deletes:
        return differs(f"The stack is {status}, and no Delete was sent.", events=scene.sent())
    given = deletes[0].get("PhysicalResourceId")
    said = f"Delete comes with {given!r}, where echo-failed was reported."
    return compared(given == "echo-failed", said, events=scene.sent())


def rollback(kit: Kit) -> Answer:
    """Let an Update fail, and read the Update of the rollback (A-CFN-04)."""
    sent = a_life(kit)
    updates = [event for event in sent if event["RequestType"] == "Update"]
    if not updates:
        raise CannotSayError("The echo was sent no Update.")
    if len(updates) < 2:
        return differs("A failed update is followed by no Update of the rollback.", events=sent)
    given = updates[1].get("PhysicalResourceId")
    said = f"The rollback comes with {given!r}: echo-a was old, echo-b reported last."
    return compared(given in {"echo-a", "echo-b"}, said, events=sent)


def delete_in_flight(kit: Kit) -> Answer:
    """Delete a stack whose Create is not answered (A-CFN-05)."""
    scene = Scene(kit, "InFlight")
    timeout = max(3, round(60 * kit.pace))
    scene.create(template(kit, timeout=timeout, OnCreate="NONE"), wait=False)
    (created, *_) = scene.await_sent("Create")
    status = scene.delete()
    try:
        deletes = scene.await_sent("Delete", seconds=2.0 * timeout)
    except OutOfTimeError:
        said = f"The stack is {status}; a Create that was not answered is followed by no Delete."
        return differs(said, events=scene.sent())
    given = deletes[0].get("PhysicalResourceId", "")
    said = f"Delete comes with {given!r}, which the resource never gave; the Create had none."
    return compared(
        given != "echo-a" and "PhysicalResourceId" not in created,
        said,
        events=scene.sent(),
    )


def cancelled_update(kit: Kit) -> Answer:
    """Cancel an update that is under way, and read what follows (A-CFN-19)."""
    scene = Scene(kit, "Cancelled")
    scene.create(template(kit))
    # The same id: that of another one would be a replacement, whose way back is a Delete.
    scene.update(template(kit, After=f"{60 * kit.pace:.0f}"), wait=False)
    (update, *_) = scene.await_sent("Update")
    scene.cancel()
    status = scene.status()
    updates = scene.sent("Update")
    if len(updates) < 2:
        said = (
            f"The stack is {status}; a cancelled update is followed by no Update of the rollback."
        )
        return differs(said, events=scene.sent())
    waited = updates[1]["At"] - update["At"]
    said = f"The Update of the rollback came {waited:.0f} s after the cancelled one."
    return held(said, seconds=waited, events=scene.sent())


def service_timeout(kit: Kit) -> Answer:
    """Leave a custom resource unanswered until its ServiceTimeout; ask for 3,601 s (A-CFN-01)."""
    scene, seconds = Scene(kit, "Timeout"), max(3, round(30 * kit.pace))
    began = time.monotonic()
    status = scene.create(template(kit, timeout=seconds, OnCreate="NONE"))
    waited = time.monotonic() - began
    scene.require("Create")
    is_kept = status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"} and waited < 10 * seconds + 60
    try:
        longer = Scene(kit, "TooLong").create(template(kit, timeout=3_601))
    except ClientError as error:
        longer = judged(error)
    is_refused = longer == "ValidationError" or longer.startswith("ROLLBACK")
    said = f"ServiceTimeout {seconds}: {status} after {waited:.0f} s; of 3,601: {longer}."
    failed = [e for e in scene.events() if e["ResourceStatus"] == "CREATE_FAILED"]
    texts = [event.get("ResourceStatusReason", "") for event in failed]
    evidence = {"seconds": round(waited), "texts": texts, "longer": longer}
    return compared(is_kept and is_refused, said, **evidence)


def order_of_removal(kit: Kit) -> Answer:
    """Remove a custom resource together with a policy that it depends on (A-CFN-10)."""
    scene = Scene(kit, "Removal")
    scene.create(template(kit, policy=True))
    scene.update(template(kit, Id=""))
    gone = [
        event["LogicalResourceId"]
        for event in scene.events()
        if event["ResourceStatus"] == "DELETE_COMPLETE"
    ]
    if not {"Echo", "Policy"} <= set(gone):
        return unknown(f"The events name only {', '.join(gone) or 'nothing'} as deleted.")
    is_first = gone.index("Echo") < gone.index("Policy")
    return compared(is_first, f"Deleted in this order: {', '.join(gone)}.", order=gone)


def changed_token(kit: Kit) -> Answer:
    """Give a custom resource another service token (A-REV-02)."""
    scene = Scene(kit, "Token")
    scene.create(template(kit))
    try:
        status = scene.update(template(kit, ServiceToken=kit.output("Fails"), ServiceTimeout="60"))
    except ClientError as error:
        is_refused = judged(error) == "ValidationError"
        said = f"Another service token is refused at once: {error}"
        return compared(is_refused, said, **evidence_of(error))
    texts = [e["ResourceStatusReason"] for e in scene.events() if "ResourceStatusReason" in e]
    refused = [text for text in texts if "service token" in text.lower()]
    said = f"The stack is {status}. {'; '.join(refused) or 'Nothing names the token.'}"
    return compared(bool(refused) and "ROLLBACK" in status, said, texts=texts)


def export_in_use(kit: Kit) -> Answer:
    """Change an export that another stack imports (A-REV-03)."""
    name = kit.name("export")
    handle = {"Kept": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}
    output = {"Out": {"Value": "1", "Export": {"Name": name}}}
    maker, user = Scene(kit, "Maker"), Scene(kit, "User")
    maker.create(json.dumps({"Resources": handle, "Outputs": output}))
    used = {"Used": {"Value": {"Fn::ImportValue": name}}}
    if user.create(json.dumps({"Resources": handle, "Outputs": used})) != "CREATE_COMPLETE":
        raise CannotSayError("The stack that imports the export was not made.")
    output["Out"]["Value"] = "2"
    try:
        status = maker.update(json.dumps({"Resources": handle, "Outputs": output}))
    except ClientError as error:
        is_refused = judged(error) == "ValidationError"
        said = f"A changed export is refused at once: {error}"
        return compared(is_refused, said, **evidence_of(error))
    finally:
        user.delete()
    return compared("ROLLBACK" in status, f"With a changed export in use the stack is {status}.")


PROBES: Final = (
    Probe(
        id="A-REV-02",
        does="Gives a custom resource another service token.",
        run=changed_token,
        minutes=8,
    ),
    Probe(
        id="A-REV-03",
        does="Changes an export that another stack imports.",
        run=export_in_use,
        minutes=8,
    ),
    Probe(
        id="A-CFN-01",
        does="Leaves a custom resource unanswered until its ServiceTimeout; asks for 3,601 s.",
        run=service_timeout,
        minutes=8,
    ),
    Probe(
        id="A-CFN-02",
        does="Reads the response URLs of a stack's create, update and delete.",
        run=signed_times,
        minutes=10,
    ),
    Probe(
        id="A-CFN-03",
        does="Lets a Create fail, and reads the Delete.",
        run=failed_create,
        minutes=8,
    ),
    Probe(
        id="A-CFN-04",
        does="Lets an Update fail, and reads the Update of the rollback.",
        run=rollback,
        minutes=10,
    ),
    Probe(
        id="A-CFN-05",
        does="Deletes a stack whose Create is not answered.",
        run=delete_in_flight,
        minutes=10,
    ),
    Probe(
        id="A-CFN-10",
        does="Removes a custom resource together with a policy that it depends on.",
        run=order_of_removal,
        minutes=8,
    ),
    Probe(
        id="A-CFN-16",
        does="Compares the order of the signed times with that of arrival.",
        run=order_of_signatures,
        minutes=10,
    ),
    Probe(
        id="A-CFN-19",
        does="Cancels an update that is under way, and reads what follows.",
        run=cancelled_update,
        minutes=10,
    ),
)
