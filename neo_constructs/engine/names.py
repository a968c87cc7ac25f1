"""How names and keys begin, which the engine's function works out in the same way."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

import jsii
from aws_cdk import CfnResource, Fn, IStableStringProducer, Lazy, Stack

from neo_constructs.engine.asked_once import pseudo, stack_of

# What lies where in an artifact bucket, after the stack's prefix and a hyphen. The hashes in names
# have a fixed length, which keeps the patterns apart: neo_jobs/kinds/job_names.py has the keys.
OUTPUTS: Final = "????????-??????????-????????/*"  # what Neo writes: a folder for each job
INPUTS: Final = "????????/input/*"
SERVING: Final = "????????/serving/*"


def name_prefix() -> str:
    """Return the prefix of all names, from the stack id: see neo_jobs.cloudformation."""
    uuid = Fn.select(2, Fn.split("/", pseudo("STACK_ID")))
    groups = Fn.split("-", uuid)
    return Fn.join("", ["neo-", Fn.select(0, groups), Fn.select(4, groups)])


def resource_prefix(prefix: str, resource: CfnResource) -> str:
    """Return what names and keys of all that a custom resource makes start with.

    The same as ``Request.resource_prefix`` of the Lambda, for the final logical id.

    Parameters
    ----------
    prefix
        The stack's.
    resource
        The custom resource.
    """
    stack = stack_of(resource)
    return Lazy.string(_ResourcePrefix(prefix, stack, resource.logical_id))


@jsii.implements(IStableStringProducer)
class _ResourcePrefix:
    """A prefix with the hash of a logical id, which is final at synth only."""

    def __init__(self, prefix: str, stack: Stack, logical_id: str) -> None:
        self._prefix, self._stack, self._logical_id = prefix, stack, logical_id

    def produce(self) -> str:
        return f"{self._prefix}-{digest(str(self._stack.resolve(self._logical_id)), 8)}"


def digest(text: str, length: int) -> str:
    """Return a short hash: the same as ``neo_jobs.cloudformation.digest``."""
    hashed = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(hashed).decode().lower()[:length]
