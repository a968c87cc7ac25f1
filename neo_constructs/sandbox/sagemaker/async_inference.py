"""Answer requests later: what comes in and goes out lies in S3."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from neo_constructs.local.container import Reply
from neo_constructs.sandbox.sagemaker.platform import AssumedRole, split_uri

Invoke: TypeAlias = Callable[[bytes], Reply]


@dataclass(frozen=True, slots=True)
class Ticket:
    """What InvokeEndpointAsync answers at once.

    Parameters
    ----------
    inference_id
        The request's.
    output, failure
        Where the answer will be, or why there is none.
    """

    inference_id: str
    output: str
    failure: str


def ticket(config: Mapping[str, Any], inference_id: str, endpoint: str) -> Ticket:
    """Return where a request's answer will be, by an AsyncInferenceConfig."""
    output = config["OutputConfig"]
    place = str(output.get("S3OutputPath", "")).rstrip("/")
    failures = str(output.get("S3FailurePath") or f"{place}/{endpoint}/failures").rstrip("/")
    return Ticket(
        inference_id, f"{place}/{inference_id}.out", f"{failures}/{inference_id}-error.out"
    )


def answer_later(
    config: Mapping[str, Any],
    asked: Ticket,
    *,
    role: AssumedRole,
    source: str,
    invoke: Invoke,
    endpoint: str,
) -> threading.Thread:
    """Answer a request in the background: read it, ask the container, write, and tell topics.

    Parameters
    ----------
    config, asked
        The endpoint's AsyncInferenceConfig, and what was answered at once.
    role
        The model's: all is done with its rights.
    source
        The ``s3://`` URI of the request.
    invoke
        Asks the container.
    endpoint
        Its name, for what topics are told.
    """

    def work() -> None:
        began = time.time()
        try:
            bucket, key = split_uri(source)
            body = role("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
            reply = invoke(body)
            reason = reply.body.decode(errors="replace") if reply.status >= 400 else ""
        except Exception as error:  # whatever it is, it is written where the client looks
            reply, reason = Reply(500, "text/plain", str(error).encode()), str(error)
        place = asked.failure if reason else asked.output
        bucket, key = split_uri(place)
        wanted = config["OutputConfig"].get("KmsKeyId")
        role("s3").put_object(
            Bucket=bucket,
            Key=key,
            Body=reply.body,
            ContentType=reply.content_type or "text/plain",
            **({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": wanted} if wanted else {}),
        )
        _tell(config, asked, role, _Outcome(source, endpoint, reply, reason, began))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a request: the answer, and why there is none, if so."""

    source: str
    endpoint: str
    reply: Reply
    reason: str
    received: float


def _tell(config: Mapping[str, Any], asked: Ticket, role: AssumedRole, outcome: _Outcome) -> None:
    """Tell the topic of success or failure. Source of the fields: page async-inference-invoke."""
    told = config["OutputConfig"].get("NotificationConfig") or {}
    reason = outcome.reason
    topic = told.get("ErrorTopic" if reason else "SuccessTopic")
    if not topic:
        return
    kind = "ERROR" if reason else "SUCCESS"
    answer: dict[str, Any] = {"outputLocation": asked.failure if reason else asked.output}
    if f"{kind}_NOTIFICATION_TOPIC" in (told.get("IncludeInferenceResponseIn") or []):
        answer["responseBody"] = {
            "content": base64.b64encode(outcome.reply.body).decode(),
            "contentType": outcome.reply.content_type,
            "encoding": "BASE64",
        }
    message = {
        "awsRegion": topic.split(":")[3],
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "receivedTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(outcome.received)),
        "invocationStatus": "Failed" if reason else "Completed",
        "requestParameters": {
            "endpointName": outcome.endpoint,
            "inputLocation": outcome.source,
        },
        "responseParameters": answer,
        "inferenceId": asked.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
        **({"failureReason": reason} if reason else {}),
    }
    role("sns").publish(TopicArn=topic, Message=json.dumps(message))
