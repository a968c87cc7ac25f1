"""The function's entry: an engine with boto3's clients."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from neo_jobs.aws import S3_TRANSFER, Client
from neo_jobs.engine import Engine
from neo_jobs.transfer import THREADS

logging.getLogger("neo_jobs").setLevel(logging.INFO)


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Serve one invocation of the function."""
    return _engine().handle(event)


@cache
def _engine() -> Engine:
    session = boto3.session.Session()
    # All attempts of a call fit into the function's timeout, and so do two of a whole copy.
    brief = Config(
        connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3}
    )
    patient = Config(
        connect_timeout=5,
        # Rests on A-S3-05.
        read_timeout=50,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=THREADS + 2,
    )

    def client(service: str) -> Client:
        name, config = ("s3", patient) if service == S3_TRANSFER else (service, brief)
        return session.client(name, config=config)

    return Engine(
        client=client,
        grace_seconds=float(os.environ.get("IAM_GRACE_SECONDS", "90")),
    )
