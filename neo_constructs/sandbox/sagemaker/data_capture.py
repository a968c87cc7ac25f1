"""Keep a sample of requests and answers in S3, as an endpoint's DataCaptureConfig says."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from neo_constructs.local.container import Reply
from neo_constructs.sandbox.sagemaker.platform import AssumedRole, split_uri
from neo_constructs.sandbox.sagemaker.shares import Shares


class DataCapture:
    """What is kept of an endpoint's requests.

    Parameters
    ----------
    config
        As CreateEndpointConfig takes it.
    endpoint
        Its name, a part of the keys.
    """

    def __init__(self, config: Mapping[str, Any], endpoint: str) -> None:
        self._config, self._endpoint = config, endpoint
        percent = float(config["InitialSamplingPercentage"])
        self._turns = Shares({"kept": percent, "": 100 - percent})

    @classmethod
    def of(cls, configuration: Mapping[str, Any], endpoint: str) -> DataCapture | None:
        """Return what an endpoint configuration asks for; None for nothing."""
        config = configuration.get("DataCaptureConfig")
        return cls(config, endpoint) if config and config.get("EnableCapture", True) else None

    def keep(
        self, role: AssumedRole, variant: str, *, body: bytes, content_type: str, reply: Reply
    ) -> None:
        """Write one request and its answer, if it is their turn.

        Source of keys and lines: AWS developer guide, page model-monitor-data-capture-endpoint.
        """
        if self._turns.next() != "kept":
            return
        modes = {each["CaptureMode"] for each in self._config["CaptureOptions"]}
        data = {}
        if "Input" in modes or "InputAndOutput" in modes:
            data["endpointInput"] = self._side("INPUT", content_type, body)
        if "Output" in modes or "InputAndOutput" in modes:
            data["endpointOutput"] = self._side("OUTPUT", reply.content_type, reply.body)
        now, event = time.gmtime(), str(uuid.uuid4())
        line = {
            "captureData": data,
            "eventMetadata": {
                "eventId": event,
                "inferenceTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
            },
            "eventVersion": "0",
        }
        bucket, prefix = split_uri(self._config["DestinationS3Uri"])
        hour = time.strftime("%Y/%m/%d/%H", now)
        name = f"{time.strftime('%M-%S', now)}-000-{event}.jsonl"
        key = "/".join(filter(None, [prefix, self._endpoint, variant, hour, name]))
        encryption = _encryption(self._config.get("KmsKeyId"))
        role("s3").put_object(
            Bucket=bucket, Key=key, Body=json.dumps(line).encode() + b"\n", **encryption
        )

    def _side(self, mode: str, content_type: str, body: bytes) -> dict[str, str]:
        kind = content_type.partition(";")[0].strip().lower()
        header = self._config.get("CaptureContentTypeHeader") or {}
        encoding = next(
            (
                name
                for name, types in (("CSV", "CsvContentTypes"), ("JSON", "JsonContentTypes"))
                if kind in {each.lower() for each in header.get(types, [])}
            ),
            "BASE64",
        )
        is_text = encoding != "BASE64"
        text = body.decode(errors="replace") if is_text else base64.b64encode(body).decode()
        return {"observedContentType": kind, "mode": mode, "data": text, "encoding": encoding}


def _encryption(key: str | None) -> dict[str, str]:
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
