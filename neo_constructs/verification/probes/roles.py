"""What is taken for granted of roles: who assumes them, and which rights they need."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from botocore.exceptions import ClientError

from neo_constructs.verification.answers import Answer, compared, differs, held, unknown
from neo_constructs.verification.compilations import (
    FAMILIES,
    completed,
    ended,
    shown,
    start,
)
from neo_constructs.verification.kit import CannotSayError, Kit
from neo_constructs.verification.probe import Probe
from neo_constructs.verification.refusals import evidence_of, is_about_rights, judged
from neo_constructs.verification.sessions import Statement, make_role, trust_of

SAGEMAKER: Final = {"Service": "sagemaker.amazonaws.com"}
# Texts of a role that is new, as lambda/neo_jobs/errors.py knows them.
NEW_ROLE: Final = ("assumerole", "assume role", "accessdenied", "access denied", "not authorized")


def statements_of(kit: Kit, role_arn: str) -> list[Statement]:
    """Return all inline statements of a role."""
    iam, name = kit.client("iam"), role_arn.rsplit("/", 1)[-1]
    found: list[Statement] = []
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        found += document["Statement"]
    if not found:
        raise CannotSayError(f"The role {name} has no inline policy.")
    return found


def trust(kit: Kit, source: str) -> str:
    """Return a trust policy for SageMaker, on behalf of some ARN of this account."""
    arn = f"arn:aws:sagemaker:{kit.region}:{kit.account}:{source}"
    return trust_of(
        SAGEMAKER,
        {
            "StringEquals": {"aws:SourceAccount": kit.account},
            "ArnLike": {"aws:SourceArn": arn},
        },
    )


def _job_as(kit: Kit, role: str) -> dict[str, Any]:
    """Return how a job of a role ended, or how it was refused."""
    try:
        name = start(kit, FAMILIES["ONNX"], role=role)
    except ClientError as error:
        if judged(error) != "ValidationException":
            raise
        refused = evidence_of(error)
        return {"CompilationJobStatus": "REFUSED", "FailureReason": refused["text"], **refused}
    return shown(ended(kit, name))


def source_arns(kit: Kit) -> Answer:
    """Compile by roles whose trust limits aws:SourceArn in three ways (A-IAM-01)."""
    rights = statements_of(kit, kit.output("CompileRole"))
    # Whether a role whose trust names it can compile.
    forms = {"compilation-job/*": True, "*": True, "model/*": False}
    completed(kit, "ONNX")  # else nothing that fails says anything
    arns = {form: make_role(kit, trust(kit, form), rights)[1] for form in forms}
    _settle(kit)
    with ThreadPoolExecutor(len(forms)) as pool:
        jobs = dict(zip(forms, pool.map(lambda form: _job_as(kit, arns[form]), forms), strict=True))
    said = ", ".join(f"{form}: {job['CompilationJobStatus']}" for form, job in jobs.items())
    others = [
        form
        for form, job in jobs.items()
        if job["CompilationJobStatus"] != "COMPLETED"
        and not is_about_rights(str(job.get("FailureReason", "")))
    ]
    if others:
        return unknown(f"Failed for a reason other than the role: {', '.join(others)}.", jobs=jobs)
    is_right = all(
        (jobs[f]["CompilationJobStatus"] == "COMPLETED") is may for f, may in forms.items()
    )
    return compared(is_right, f"By the form of aws:SourceArn in the trust: {said}.", jobs=jobs)


def _settle(kit: Kit) -> None:
    """Give new roles the time that they take to be known: as much as A-IAM-06 says."""
    kit.sleep(90)


def new_role(kit: Kit) -> Answer:
    """Compile by a role that was made in the same second (A-IAM-02)."""
    completed(kit, "ONNX")
    rights = statements_of(kit, kit.output("CompileRole"))
    job = _job_as(kit, make_role(kit, trust(kit, "compilation-job/*"), rights)[1])
    status, reason = job["CompilationJobStatus"], str(job.get("FailureReason", ""))
    said = f"A job by a role of this second: {status}. {reason}"
    if status == "COMPLETED":
        return held(said, **job)
    return compared(any(text in reason.lower() for text in NEW_ROLE), said, **job)


def without_logs(kit: Kit) -> Answer:
    """Compile by a role that may write neither logs nor metrics (A-IAM-05)."""
    completed(kit, "ONNX")
    rights = [
        each
        for each in statements_of(kit, kit.output("CompileRole"))
        if not any(a.startswith(("logs:", "cloudwatch:")) for a in _actions(each))
    ]
    arn = make_role(kit, trust(kit, "compilation-job/*"), rights)[1]
    _settle(kit)
    job = _job_as(kit, arn)
    status = job["CompilationJobStatus"]
    said = f"A job whose role may write neither logs nor metrics: {status}. "
    if status == "COMPLETED":
        return differs(f"{said}The sandbox lets it fail.", **job)
    reason = str(job.get("FailureReason", ""))
    if not is_about_rights(reason) and "log" not in reason.lower():
        return unknown(f"{said}{reason}", **job)
    return held(f"{said}{reason}", **job)


def _actions(statement: Statement) -> list[str]:
    found = statement["Action"]
    return [found] if isinstance(found, str) else list(found)


def _each_taken_away(statements: list[Statement]) -> Iterator[tuple[str, list[Statement]]]:
    """Yield the statements without one action of S3 in turn, and its name."""
    for action in sorted({a for each in statements for a in _actions(each) if a.startswith("s3:")}):
        left = []
        for each in statements:
            kept = [a for a in _actions(each) if a != action]
            left += [{**each, "Action": kept}] if kept else []
        yield action, left


def one_right_too_few(kit: Kit) -> Answer:
    """Compile by roles that lack one right of the compile role each (A-IAM-11)."""
    completed(kit, "ONNX")
    rights = statements_of(kit, kit.output("CompileRole"))
    roles = {
        action: make_role(kit, trust(kit, "compilation-job/*"), left)[1]
        for action, left in _each_taken_away(rights)
    }
    if not roles:
        return unknown("The role has no right on S3.")
    _settle(kit)
    with ThreadPoolExecutor(len(roles)) as pool:
        jobs = dict(
            zip(roles, pool.map(lambda action: _job_as(kit, roles[action]), roles), strict=True)
        )
    # It is needed only where a job is stopped while it writes.
    not_missed = [
        action
        for action, job in jobs.items()
        if job["CompilationJobStatus"] == "COMPLETED" and action != "s3:AbortMultipartUpload"
    ]
    said = f"Jobs that completed without a right: {', '.join(not_missed) or 'none'}."
    others = {
        action: str(job["FailureReason"])
        for action, job in jobs.items()
        if job.get("FailureReason") and not is_about_rights(str(job["FailureReason"]))
    }
    if others and not not_missed:
        return unknown(f"Failed for something else: {', '.join(others)}.", jobs=jobs)
    return compared(not not_missed, said, jobs=jobs)


_MINUTES: Final = 30.0

PROBES: Final = (
    Probe(
        id="A-IAM-01",
        does="Compiles by roles whose trust limits aws:SourceArn to jobs, to anything, to models.",
        run=source_arns,
        minutes=_MINUTES,
    ),
    Probe(
        id="A-IAM-02",
        does="Compiles by a role that was made in the same second.",
        run=new_role,
        minutes=_MINUTES,
    ),
    Probe(
        id="A-IAM-05",
        does="Compiles by a role that may write neither logs nor metrics.",
        run=without_logs,
        minutes=_MINUTES,
    ),
    Probe(
        id="A-IAM-11",
        does="Compiles by roles that lack one right of the compile role each.",
        run=one_right_too_few,
        minutes=_MINUTES,
    ),
)
