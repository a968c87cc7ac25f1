"""Let the emulator do as an assumption about AWS says, or otherwise: what proves ``neo verify``.

Each row of docs/assumptions.md has an id, and a probe that asks AWS. A probe is worth something if
it can say that AWS does otherwise: so an assumption can be made false here (``neo sandbox set
--otherwise ID``), and made true (``--as-assumed ID``) where the emulator does not care by itself.
Replies are changed on their way: nothing else of the sandbox knows of it.
"""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

Send: TypeAlias = Callable[..., tuple[Any, Any]]
Reply: TypeAlias = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the emulator, as far as a rule looks at it.

    Parameters
    ----------
    method, path, body
        As they came.
    operation
        Of the API: ``StopExecution``; of S3 the verb and what the query names: ``GET encryption``.
    """

    method: str
    path: str
    body: bytes
    operation: str

    def has(self, text: str) -> bool:
        """Whether path or body name something."""
        return text in self.path or text.encode() in self.body


@dataclass(frozen=True, slots=True)
class Rule:
    """What is changed.

    Parameters
    ----------
    operation
        Of which requests, as a pattern.
    change
        Returns the reply for a request and the emulator's reply.
    names
        What path or body must name. Default: anything.
    instead
        Whether the emulator is not asked at all. Default: False.
    """

    operation: str
    change: Callable[[Request, Reply], Reply]
    names: str = ""
    instead: bool = False

    def fits(self, request: Request) -> bool:
        """Whether a request is one of those."""
        return bool(re.fullmatch(self.operation, request.operation)) and request.has(self.names)


EMPTY: Final[Reply] = (200, {}, b"")


def rules_for(request: Request, switches: Mapping[str, bool]) -> list[Rule]:
    """Return the rules that are in force for a request.

    Parameters
    ----------
    request
        The request.
    switches
        Assumption's id to whether it is made true; what is not named is left to the emulator.
    """
    return [
        rule
        for name, is_true in switches.items()
        for rule in (AS_ASSUMED if is_true else OTHERWISE).get(name, ())
        if rule.fits(request)
    ]


def operation_of(method: str, headers: Mapping[str, str], body: bytes, query: str) -> str:
    """Return the operation that a request is for."""
    target = headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2]
    if body.startswith(b"Action=") or b"&Action=" in body:
        return parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
    if "uploads" in query or "uploadId" in query:
        part = "part" if "partNumber" in query else "upload" if "uploadId" in query else "uploads"
        copied = " copy" if "x-amz-copy-source" in headers else ""
        return f"{method} {part}{copied}"
    names = [name for name in ("encryption", "versions", "list-type") if name in query]
    return f"{method} {names[0]}" if names else method


# --- how replies are changed ---------------------------------------------------------------------


def _json(change: Callable[[Any], Any]) -> Callable[[Request, Reply], Reply]:
    """Return a change of a successful JSON reply."""

    def changed(_request: Request, reply: Reply) -> Reply:
        status, headers, body = reply
        if status >= 300:
            return reply
        found = change(json.loads(body or b"{}"))
        return status, _without_length(headers), json.dumps(found).encode()

    return changed


def _text(old: str, new: str) -> Callable[[Request, Reply], Reply]:
    """Return a change of each place where a reply has a text."""

    def changed(_request: Request, reply: Reply) -> Reply:
        status, headers, body = reply
        return status, _without_length(headers), body.replace(old.encode(), new.encode())

    return changed


def _fault(code: str, message: str, status: int = 400) -> Callable[[Request, Reply], Reply]:
    """Return a refusal in place of a reply, as services of JSON have it."""

    def changed(_request: Request, _reply: Reply) -> Reply:
        body = json.dumps({"__type": code, "message": message}).encode()
        return status, {"Content-Type": "application/x-amz-json-1.1"}, body

    return changed


def _xml_fault(code: str, status: int) -> Callable[[Request, Reply], Reply]:
    """Return a refusal in place of a reply, as S3 and CloudFormation have it."""

    def changed(request: Request, _reply: Reply) -> Reply:
        body = f"<Error><Code>{code}</Code><Message>as the switch says</Message></Error>"
        headers = {"Content-Type": "text/xml"}
        if request.body.startswith(b"Action=") or b"&Action=" in request.body:
            body = f"<ErrorResponse>{body}<RequestId>1</RequestId></ErrorResponse>"
        return status, headers, b"" if request.method == "HEAD" else body.encode()

    return changed


def _said(status: int, body: str, **headers: str) -> Callable[[Request, Reply], Reply]:
    def changed(_request: Request, _reply: Reply) -> Reply:
        return status, {"Content-Type": "application/xml", **headers}, body.encode()

    return changed


def _header(name: str, value: str) -> Callable[[Request, Reply], Reply]:
    def changed(_request: Request, reply: Reply) -> Reply:
        status, headers, body = reply
        return status, {**headers, name: value}, body

    return changed


def _waits(seconds: float) -> Callable[[Request, Reply], Reply]:
    def changed(_request: Request, reply: Reply) -> Reply:
        time.sleep(seconds)
        return reply

    return changed


def _without_length(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers without those that are about the body as it was."""
    gone = ("content-length", "x-amz-checksum-", "etag")
    return {name: value for name, value in headers.items() if not name.lower().startswith(gone)}


def _job(status: str, reason: str = "", *, of: str = "") -> Callable[[Request, Reply], Reply]:
    """Return that every job that has ended has ended so, of those that name something."""

    def changed(job: dict[str, Any]) -> dict[str, Any]:
        has_ended = job.get("CompilationJobStatus") in {"COMPLETED", "FAILED"}
        if not has_ended or of not in json.dumps(job):
            return job
        return {**job, "CompilationJobStatus": status, "FailureReason": reason}

    return _json(changed)


def _called(**changes: Any) -> Callable[[Request, Reply], Reply]:
    """Return that an endpoint's script says to have been called otherwise; None leaves it out."""

    def changed(said: dict[str, Any]) -> dict[str, Any]:
        if "called" not in said:
            return said
        called = {**said.get("called", {}), **{k: v for k, v in changes.items() if k != "loaded"}}
        if "loaded" in changes:
            called["loaded"] = {**called.get("loaded", {}), **changes["loaded"]}
            called["loaded"] = {k: v for k, v in called["loaded"].items() if v is not None}
        return {**said, "called": called}

    return _json(changed)


def _scores_off(said: dict[str, Any]) -> dict[str, Any]:
    return {**said, "scores": [score + 0.25 for score in said.get("scores", ())]}


_NOT_STARTED: Final = "The primary container did not pass the ping health check: the switch."
_PIDS: Final = iter(range(10**9))


def _other_pid(said: dict[str, Any]) -> dict[str, Any]:
    return {**said, "called": {**said.get("called", {}), "pid": next(_PIDS)}}


def _images(found: dict[str, Any]) -> dict[str, Any]:
    image = found.get("InferenceImage")
    return {**found, "InferenceImage": f"{image}-other"} if image else found


def _young_left_out(found: dict[str, Any]) -> dict[str, Any]:
    now = time.time()
    young = [e for e in found.get("executions", ()) if now - _seconds(e["startDate"]) < _LAG]
    return {**found, "executions": [e for e in found.get("executions", ()) if e not in young]}


def _seconds(date: Any) -> float:
    return float(date) if isinstance(date, int | float) else 0.0


_LAG: Final = 10.0


def _reversed(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "executions": found.get("executions", [])[::-1]}


def _endpoint_failed(request: Request, reply: Reply) -> Reply:
    """Report an endpoint in service as failed at its health check."""
    return _json(
        lambda found: (
            {**found, "EndpointStatus": "Failed", "FailureReason": _NOT_STARTED}
            if found.get("EndpointStatus") == "InService"
            else found
        )
    )(request, reply)


def _quotas(value: float) -> Callable[[Request, Reply], Reply]:
    quotas = [
        {"QuotaName": name, "Value": value}
        for name in (
            "ml.c5.large for endpoint usage",
            "Number of instances across active endpoints",
        )
    ]

    def changed(_request: Request, _reply: Reply) -> Reply:
        return (
            200,
            {"Content-Type": "application/x-amz-json-1.1"},
            json.dumps({"Quotas": quotas}).encode(),
        )

    return changed


def _row(width_refused: int) -> Callable[[Request, Reply], Reply]:
    """Answer rows of an XGBoost model, but for those of one width."""

    def changed(request: Request, _reply: Reply) -> Reply:
        if len(request.body.split(b",")) == width_refused:
            fault = {"Message": "the width of a row", "OriginalStatusCode": 400}
            headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "ModelError"}
            return 424, headers, json.dumps(fault).encode()
        return 200, {"Content-Type": "text/csv"}, b"1"

    return changed


def _with_crc(_request: Request, reply: Reply) -> Reply:
    status, headers, body = reply
    mark = b"</CopyPartResult>"
    # Of what the probe copies: S3's least part, of zeros in ASCII.
    crc = base64.b64encode(zlib.crc32(b"0" * (5 << 20)).to_bytes(4, "big")).decode()
    said = f"<ChecksumCRC32>{crc}</ChecksumCRC32>".encode()
    return status, _without_length(headers), body.replace(mark, said + mark)


def _odd_artifact(_request: Request, _reply: Reply) -> Reply:
    """Return an archive with a name that no served archive can have."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("n" * 5_000))
    return 200, {"Content-Type": "application/gzip"}, out.getvalue()


_PYTORCH, _TENSORFLOW, _XGBOOST = "NeoVerifyPytorch", "NeoVerifyTensorflow", "NeoVerifyXgboost"
_ONNX: Final = "NeoVerifyOnnx"
_INVOKE: Final = "POST"
_DESCRIBE: Final = "DescribeCompilationJob"
_KEY_HEADER: Final = "x-amz-server-side-encryption-aws-kms-key-id"
_COMPLETED: Final = "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
_OWN_ROLE: Final = ":role/neo-verify/"  # of those that probes make beside the stacks
_WITH_GRPC: Final = '{"called": {"has_grpc": true}}'
_OTHER_KEY: Final = "arn:aws:kms:us-east-1:0:key/other"
_TENSORFLOW_SAYS: Final = {"scores": [], "called": {"python": "3.8.10", "has_grpc": False}}


def _tensorflow(_request: Request, _reply: Reply) -> Reply:
    body = json.dumps(_TENSORFLOW_SAYS).encode()
    return 200, {"Content-Type": "application/json"}, body


# What the emulator does not do by itself, done as it is assumed.
AS_ASSUMED: Final[Mapping[str, tuple[Rule, ...]]] = {
    "A-CFN-01": (
        Rule("CreateStack", _xml_fault("ValidationError", 400), names="EchoTooLong", instead=True),
    ),
    "A-NEO-04": (Rule("DescribeEndpoint", _endpoint_failed, names="isolated"),),
    "A-NEO-07": (
        Rule(
            _INVOKE,
            _called(loaded={"files": ["compiled.pt"], "has_neo": True, "error": None}),
            names=_PYTORCH,
        ),
    ),
    "A-NEO-10": (
        Rule(_INVOKE, _called(python="3.8.10", loaded={"python": "3.8.10"}), names="NeoVerify"),
    ),
    "A-NEO-17": (Rule("List(AWSDefault)?ServiceQuotas", _quotas(4), instead=True),),
    "A-RUN-07": (Rule(_INVOKE, _row(80), names=_XGBOOST, instead=True),),
    "A-RUN-09": (Rule(_INVOKE, _tensorflow, names=_TENSORFLOW, instead=True),),
    "A-IAM-07": (Rule("HEAD", _xml_fault("Forbidden", 403), names="seen/none"),),
    "A-S3-02": (
        Rule("PUT part copy", _with_crc, names="-crc-"),
        Rule("POST upload", _said(200, _COMPLETED), names="-crc-", instead=True),
    ),
    "A-REV-02": (
        Rule(
            "DescribeStackEvents",
            _text("User Initiated", "Modifying service token is not allowed."),
            names="EchoToken",
        ),
        Rule("UpdateStack", _xml_fault("ValidationError", 400), names="EchoToken", instead=True),
    ),
    "A-REV-03": (
        Rule("UpdateStack", _xml_fault("ValidationError", 400), names="EchoMaker", instead=True),
    ),
}

# And otherwise. What the emulator does otherwise by itself is left to it.
OTHERWISE: Final[Mapping[str, tuple[Rule, ...]]] = {
    "A-NEO-01": (Rule(_DESCRIBE, _json(_images)),),
    "A-NEO-02": (Rule(_DESCRIBE, _json(_images)),),
    "A-NEO-03": (Rule(_INVOKE, _said(200, '{"scores": [1]}'), names=_ONNX),),
    "A-NEO-04": (),
    "A-NEO-05": (Rule(_INVOKE, _said(200, '{"scores": [1]}'), names=_PYTORCH),),
    "A-NEO-06": (Rule(_INVOKE, _text("SAGEMAKER_PROGRAM", "OTHER"), names=_PYTORCH),),
    "A-NEO-07": (Rule(_INVOKE, _called(loaded={"files": ["model.so"]}), names=_PYTORCH),),
    "A-NEO-08": (Rule("GET", _odd_artifact, names="digits-ml_c5"),),
    "A-NEO-09": (Rule(_INVOKE, _said(200, '{"scores": [1]}'), names=_PYTORCH),),
    "A-NEO-10": (Rule(_INVOKE, _called(python="2.7.1", loaded={"python": "2.7.1"})),),
    "A-NEO-11": (Rule(_DESCRIBE, _text("digits-ml_c5", "output")),),
    "A-NEO-13": (Rule(_DESCRIBE, _fault("JobIsUnknown", "no"), names="never-made"),),
    "A-NEO-14": (Rule("DeleteCompilationJob", _said(200, "{}"), instead=True),),
    "A-NEO-15": (Rule(_DESCRIBE, _job("FAILED", "InternalServerError: something")),),
    "A-NEO-17": (Rule("List(AWSDefault)?ServiceQuotas", _quotas(0), instead=True),),
    "A-RUN-01": (Rule(_INVOKE, _called(type="bytes"), names=_ONNX),),
    "A-RUN-02": (Rule(_INVOKE, _called(type="dict"), names=_PYTORCH),),
    "A-RUN-03": (Rule(_INVOKE, _called(modules=["other"]), names=_PYTORCH),),
    "A-RUN-05": (Rule(_INVOKE, _json(_other_pid), names=_ONNX),),
    "A-RUN-06": (Rule(_INVOKE, _called(accept="text/html"), names=_PYTORCH),),
    "A-RUN-07": (Rule(_INVOKE, _row(60), names=_XGBOOST, instead=True),),
    "A-RUN-08": (Rule(_INVOKE, _json(_scores_off), names=_ONNX),),
    "A-RUN-09": (Rule(_INVOKE, _said(200, _WITH_GRPC), names=_TENSORFLOW, instead=True),),
    "A-IAM-01": (Rule(_DESCRIBE, _job("FAILED", "ClientError: AssumeRole", of=_OWN_ROLE)),),
    "A-IAM-02": (Rule(_DESCRIBE, _job("FAILED", "InternalServerError: no", of=_OWN_ROLE)),),
    "A-IAM-03": (Rule("StopExecution", _fault("ExecutionDoesNotExist", "no")),),
    "A-IAM-04": (Rule("AddTags", _fault("ValidationException", "no tags of jobs"), instead=True),),
    "A-IAM-05": (Rule(_DESCRIBE, _job("COMPLETED")),),
    "A-IAM-06": (Rule("PUT", _waits(7), names="/new/"),),
    "A-IAM-07": (Rule("HEAD", _xml_fault("NotFound", 404), names="seen/none"),),
    "A-IAM-08": (Rule("POST uploads", _xml_fault("AccessDenied", 403), names="/mine/"),),
    "A-IAM-10": (
        Rule(
            "GET encryption",
            _said(
                200,
                "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
                "<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>"
                "</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
            ),
        ),
    ),
    "A-IAM-11": (Rule(_DESCRIBE, _job("COMPLETED")),),
    "A-S3-01": (Rule("PUT part", _said(200, "", ETag='"1"'), names="/parts/"),),
    "A-S3-04": (Rule("PUT", _xml_fault("InvalidArgument", 400), names="/copies/"),),
    "A-S3-05": (Rule("PUT part copy", _waits(4)),),
    "A-CFN-01": (Rule("DescribeStacks", _text("ROLLBACK_COMPLETE", "CREATE_COMPLETE")),),
    "A-CFN-06": (Rule("ListExecutions", _json(_reversed)),),
    "A-CFN-07": (Rule("ListExecutions", _json(_young_left_out)),),
    "A-CFN-08": (Rule("GET", _text("requestPayload", "payload"), names="/events/"),),
    "A-CFN-09": (Rule("GET", _text("executionArn", "execution"), names="/events/"),),
    "A-CFN-11": (Rule(_DESCRIBE, _job("FAILED", "ClientError: KMS.AccessDenied", of="KmsKeyId")),),
    "A-CFN-12": (Rule("HEAD", _header(_KEY_HEADER, _OTHER_KEY), names="digits-ml_c5"),),
    "A-HOST-01": (Rule("DescribeEndpoint", _endpoint_failed, names="serverless"),),
}


# What is read elsewhere: by the class below, ministack_hooks.py and sagemaker/judgement.py.
_ELSEWHERE: Final = frozenset(
    {
        "A-CFN-02", "A-CFN-03", "A-CFN-04", "A-CFN-05", "A-CFN-10", "A-CFN-16", "A-CFN-19",
        "A-NEO-12", "A-NEO-16", "A-S3-02", "A-S3-03", "A-S3-06", "A-REV-02", "A-REV-03",
    }
)  # fmt: skip
KNOWN: Final = frozenset({*AS_ASSUMED, *OTHERWISE, *_ELSEWHERE})


@dataclass(slots=True)
class CustomResourceSwitches:
    """What CloudFormation sends to custom resources, as it is assumed or otherwise.

    Parameters
    ----------
    switches
        Returns what is made true or false.
    """

    switches: Callable[[], Mapping[str, bool]]
    _signed: int = 0
    _reported: dict[str, str] = field(default_factory=dict)

    def signed(self, url: str) -> str:
        """Return a response URL, signed with a time if that is assumed."""
        told = self.switches()
        if not told.get("A-CFN-02"):
            return url
        self._signed += 1
        # In the order in which requests are sent, or against it.
        now = time.time() - (3_600 * self._signed if told.get("A-CFN-16") is False else 0)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        return f"{url}?X-Amz-Date={stamp}&X-Amz-Expires=7200"

    def answered(self, body: Mapping[str, Any]) -> None:
        """Take note of an answer, whose id counts also where it says that something failed."""
        key = f"{body.get('StackId')} {body.get('LogicalResourceId')}"
        self._reported[key] = str(body.get("PhysicalResourceId", ""))

    def sent(
        self, send: Callable[..., tuple[Any, Any]], *args: Any, **more: Any
    ) -> tuple[Any, Any]:
        """Send a request as the emulator does, and what CloudFormation sends after a failure."""
        kind, logical_id, _, stack_name, stack_id, _ = args
        told = self.switches()
        if kind == "Update" and told.get("A-CFN-04") is False:
            more["physical_id"] = "made-up"
        if kind == "Update" and told.get("A-CFN-19") is False and "After" not in args[2]:
            return more["physical_id"], {}
        try:
            found = send(*args, **more)
        except (RuntimeError, TimeoutError) as error:
            answered = isinstance(error, RuntimeError)
            is_followed = told.get("A-CFN-03" if answered else "A-CFN-05")
            if kind == "Create" and is_followed:
                reported = self._reported.get(f"{stack_id} {logical_id}", "")
                given = reported if answered else f"{stack_name}-{logical_id}-1A2B3C"
                send("Delete", *args[1:], physical_id=given)
            raise
        return found
