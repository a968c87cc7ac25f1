"""Effects as data, and the one function that performs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from neo_jobs import s3_objects
from neo_jobs.aws import Aws
from neo_jobs.errors import error_code
from neo_jobs.transfer import Transfer


@dataclass(frozen=True, slots=True)
class Call:
    """Call an operation of SageMaker.

    Parameters
    ----------
    operation, parameters
        As boto3 has them.
    tolerated
        The codes of errors that mean that it is done already, each with a text that must be in
        the error.
    """

    operation: str
    parameters: Mapping[str, Any]
    tolerated: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CopyObject:
    """Copy an object, however large."""

    source_uri: str
    version: str
    bucket: str
    key: str
    key_id: str


@dataclass(frozen=True, slots=True)
class PutJson:
    """Write a small object."""

    bucket: str
    key: str
    text: str
    key_id: str


@dataclass(frozen=True, slots=True)
class DeleteObjects:
    """Delete objects, the current version of each for good."""

    bucket: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeletePrefixes:
    """Delete all versions of all objects below prefixes, in their order."""

    bucket: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """Write one large object, by the worker: ``work`` says how, with what moves objects."""

    work: Callable[[Transfer], None]


Effect: TypeAlias = Call | CopyObject | PutJson | DeleteObjects | DeletePrefixes | Write


def apply(effects: Iterable[Effect], aws: Aws, transfer: Transfer) -> None:
    """Perform effects, one after the other."""
    for effect in effects:
        _apply(effect, aws, transfer)


def _apply(effect: Effect, aws: Aws, transfer: Transfer) -> None:
    match effect:
        case Call(operation, parameters, tolerated):
            _call(aws, operation, parameters, tolerated)
        case CopyObject(source_uri, version, bucket, key, key_id):
            transfer.copy(transfer.find(source_uri, version), bucket, key, key_id=key_id)
        case PutJson(bucket, key, text, key_id):
            aws.client("s3").put_object(
                Bucket=bucket,
                Key=key,
                Body=text.encode(),
                ContentType="application/json",
                **s3_objects.encryption(key_id),
            )
        case DeleteObjects(bucket, keys):
            s3 = aws.client("s3")
            s3_objects.do_all(partial(s3_objects.delete, s3, bucket, key) for key in keys)
        case DeletePrefixes(bucket, prefixes):
            s3 = aws.client("s3")
            s3_objects.do_all(partial(s3_objects.destroy, s3, bucket, each) for each in prefixes)
        case _:  # Write
            transfer.require_worker()
            effect.work(transfer)


def _call(
    aws: Aws, operation: str, parameters: Mapping[str, Any], tolerated: Mapping[str, str]
) -> None:
    try:
        getattr(aws.client("sagemaker"), operation)(**parameters)
    except ClientError as error:
        text = tolerated.get(error_code(error))
        if text is None or text not in str(error):
            raise
