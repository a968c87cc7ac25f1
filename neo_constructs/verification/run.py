"""A run: deploy, probe, remove; each step written down, so that an interrupted run can go on."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from neo_constructs.findings.errors import NeoConstructsError
from neo_constructs.sandbox import processes
from neo_constructs.verification.answers import Answer, Verdict, differs, unknown
from neo_constructs.verification.kit import (
    CannotSayError,
    Kit,
    Missing,
    OutOfTimeError,
    StoppedError,
)
from neo_constructs.verification.probe import Probe
from neo_constructs.verification.refusals import DENIED, QUOTAS, evidence_of, is_of_container
from neo_constructs.verification.stack_names import BASE, DEPLOYED, PREFIX, TAG

CDK: Final = ("npx", "--yes", "aws-cdk@2")  # the unpinned name is a broken publish
APP: Final = "neo_constructs.verification_stacks.app"
_DEPLOY_SECONDS: Final = 3_600.0
_WORKERS: Final = 12  # they wait for the most part


class NotOursError(NeoConstructsError):
    """Something has a name of the kit's, and the kit has not made it."""


@dataclass(frozen=True, slots=True)
class Result:
    """A probe's answer, and how long it took."""

    probe: Probe
    answer: Answer
    seconds: float


def left_stacks(kit: Kit) -> dict[str, str]:
    """Return the stacks that a run has left, each with the run's id.

    Raises
    ------
    NotOursError
        If a stack has a name of the kit's, and not its tag; or if they are of several runs.
    """
    owners = dict[str, str]()
    for page in kit.client("cloudformation").get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            name = stack["StackName"]
            if not name.startswith(PREFIX):
                continue
            tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
            if TAG not in tags:
                raise NotOursError(
                    f"The stack {name} has no tag {TAG}: it was not made by neo verify. Rename or "
                    "delete it, or take another account or region."
                )
            owners[name] = tags[TAG]
    if len(set(owners.values())) > 1:
        runs = ", ".join(sorted(set(owners.values())))
        raise NotOursError(f"There are stacks of several runs: {runs}.")
    return owners


def deploy(kit: Kit, stacks: Sequence[str], log: Path) -> dict[str, Missing]:
    """Deploy stacks by the CDK CLI, and return why those are missing that are.

    Parameters
    ----------
    kit
        Where.
    stacks
        Their names.
    log
        Takes what the command line prints.
    """
    for name in stacks:
        kit.note("stack", name)
    for wave in ([BASE] if BASE in stacks else [], [name for name in stacks if name != BASE]):
        if wave:
            _cdk_deploy(kit, wave, log)
    return {name: why for name in stacks if (why := _why_missing(kit, name))}


def _cdk_deploy(kit: Kit, stacks: Sequence[str], log: Path) -> None:
    app = shlex.join([sys.executable, "-m", APP])
    command = [*CDK, "deploy", *stacks, "--app", app, "--require-approval", "never"]
    command += ["--no-notices", "--progress", "events", "--concurrency", str(len(DEPLOYED))]
    command += ["-c", f"neo-verify:run={kit.ledger.run_id}"]
    # Of the stack itself, too: by this tag a run knows its own.
    command += ["--tags", f"{TAG}={kit.ledger.run_id}"]
    command += ["-c", f"neo-verify:stacks={','.join(stacks)}"]
    environment = {**os.environ, "CDK_DEFAULT_ACCOUNT": kit.account}
    environment |= {"CDK_DEFAULT_REGION": kit.region, "AWS_REGION": kit.region}
    log.parent.mkdir(parents=True, exist_ok=True)
    # What failed is seen by looking at the stacks: some may be there. Nothing of the command line
    # stays behind, however it ends: it would go on making stacks.
    with (
        tempfile.TemporaryDirectory() as folder,
        log.open("ab") as output,
        contextlib.suppress(processes.CommandTimeoutError),
    ):
        processes.run(
            [*command, "--output", folder],
            environment=environment,
            seconds=max(1.0, min(_DEPLOY_SECONDS, kit.until - time.monotonic())),
            output=output,
        )


def _why_missing(kit: Kit, stack: str) -> Missing | None:
    """Return why a stack cannot be used; None if it can."""
    cloudformation = kit.client("cloudformation")
    try:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        return Missing(f"{stack} was not deployed: {error}")
    if found["StackStatus"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        return None
    events = cloudformation.describe_stack_events(StackName=found["StackId"])["StackEvents"]
    failed = [
        event
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED") and "ResourceStatusReason" in event
    ]
    reasons = [f"{e['LogicalResourceId']}: {e['ResourceStatusReason']}" for e in failed[:2]]
    is_containers = bool(
        failed
        and failed[0]["ResourceType"] == "AWS::SageMaker::Endpoint"
        and is_of_container(reasons[0])
    )
    said = "; ".join(reasons) or "no reason is given"
    return Missing(f"{stack} is {found['StackStatus']}: {said}", is_containers)


def probe_all(
    kit: Kit,
    probes: Iterable[Probe],
    missing: Mapping[str, Missing],
    *,
    minutes: float,
    told: Callable[[Result], None],
) -> list[Result]:
    """Run probes side by side, and return what they found, in their order.

    Parameters
    ----------
    kit
        What they work with.
    probes
        Those that are still to be run.
    missing
        Why stacks are not there, by name.
    minutes
        The time that is left for all; what has not answered then is unknown.
    told
        Is told of each answer.
    """
    kit.until, kit.missing = time.monotonic() + minutes * 60, missing
    chosen, lock = list(probes), threading.Lock()

    def one(probe: Probe) -> Result:
        began = time.monotonic()
        answer = _answer(kit, probe)
        result = Result(probe, answer, time.monotonic() - began)
        with lock:
            if not kit.stopped.is_set():
                kit.ledger.answered(probe.id, {**asdict(answer), "seconds": result.seconds})
                told(result)
        return result

    # The longest first: what begins last should be short.
    longest_first = sorted(chosen, key=lambda probe: -probe.minutes)
    with ThreadPoolExecutor(_WORKERS) as pool:
        futures = {probe.id: pool.submit(one, probe) for probe in longest_first}
        try:
            return [futures[probe.id].result() for probe in chosen]
        except BaseException:
            # What runs ends at its next wait; nothing new is made.
            kit.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _answer(kit: Kit, probe: Probe) -> Answer:
    for stack in probe.stacks:
        if stack in kit.missing:
            return _of_missing(probe, kit.missing[stack])
    if time.monotonic() > kit.until:
        return unknown("The time of the run was over before this was asked.")
    try:
        return probe.run(kit)
    except Exception as error:  # a probe that breaks says nothing of AWS
        return unknown(
            _why(error), **(evidence_of(error) if isinstance(error, ClientError) else {})
        )


def _of_missing(probe: Probe, missing: Missing) -> Answer:
    """Return an answer where a stack is not there: an endpoint that does not start is one, too."""
    if probe.is_of_start and missing.is_containers:
        return differs(f"The endpoint did not come into service. {missing.why}")
    return unknown(missing.why)


def _why(error: Exception) -> str:
    if isinstance(error, CannotSayError | OutOfTimeError | StoppedError):
        return str(error)
    if isinstance(error, ClientError):
        return _said_by(error)
    if isinstance(error, BotoCoreError):
        return f"{type(error).__name__}: {error}"
    return f"The probe itself failed: {error!r}"


def _said_by(error: ClientError) -> str:
    code = error.response["Error"]["Code"]
    if code in QUOTAS:
        return f"A quota of this account stands in the way: {error}"
    if code in DENIED:
        return f"The caller lacks a right: {error}. See: neo verify --policy"
    return f"A request of the probe was refused: {error}"


def former_results(
    kit: Kit, probes: Iterable[Probe], *, with_unknown: bool = False
) -> list[Result]:
    """Return what was found so far.

    Parameters
    ----------
    kit
        The run.
    probes
        Of which probes.
    with_unknown
        Whether an unknown counts. Default: False, it may be asked again.
    """
    known = kit.ledger.answers
    return [
        Result(
            probe,
            Answer(Verdict(found["verdict"]), found["said"], found["evidence"]),
            float(found["seconds"]),
        )
        for probe in probes
        if (found := known.get(probe.id)) and (with_unknown or found["verdict"] != Verdict.UNKNOWN)
    ]
