"""What is taken for granted of Amazon S3."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from neo_constructs.verification import ledger
from neo_constructs.verification.answers import Answer, compared, differs, held, unknown
from neo_constructs.verification.kit import Kit
from neo_constructs.verification.policy import QUALIFIER
from neo_constructs.verification.probe import Probe
from neo_constructs.verification.refusals import evidence_of, judged
from neo_constructs.verification.sessions import Statement, session_with

MIB: Final = 1 << 20
_REFUSED_COPY: Final = frozenset({"InvalidArgument", "InvalidRequest", "NotImplemented"})
PART: Final = b"0" * (5 * MIB)  # S3's least, but for the last
_SECONDS: Final = 50
_LEAST_PACE: Final = 0.05  # what time limits are multiplied with in the sandbox


def aborted_upload(kit: Kit) -> Answer:
    """Abort an upload, then send a part and complete it (A-S3-01)."""
    s3, at = kit.client("s3"), {"Bucket": kit.output("Plain"), "Key": f"parts/{kit.name('a')}"}
    named = {**at, "UploadId": s3.create_multipart_upload(**at)["UploadId"]}
    part = s3.upload_part(**named, PartNumber=1, Body=b"1")
    s3.abort_multipart_upload(**named)
    taken = [{"ETag": part["ETag"], "PartNumber": 1}]
    codes = {}
    attempts: dict[str, Callable[[], object]] = {
        "UploadPart": lambda: s3.upload_part(**named, PartNumber=2, Body=b"2"),
        "CompleteMultipartUpload": lambda: s3.complete_multipart_upload(
            **named, MultipartUpload={"Parts": taken}
        ),
    }
    for what, attempt in attempts.items():
        try:
            attempt()
            codes[what] = "accepted"
        except ClientError as error:
            codes[what] = judged(error)
    return compared(
        set(codes.values()) == {"NoSuchUpload"},
        f"After AbortMultipartUpload: {json.dumps(codes)}.",
        codes=codes,
    )


def part_checksums(kit: Kit) -> Answer:
    """Complete an upload of a copied and a written part by their CRC32 (A-S3-02)."""
    s3, bucket = kit.client("s3"), kit.output("Plain")
    source = f"parts/{kit.name('source')}"
    s3.put_object(Bucket=bucket, Key=source, Body=PART)
    at = {"Bucket": bucket, "Key": f"parts/{kit.name('crc')}"}
    begun = s3.create_multipart_upload(**at, ChecksumAlgorithm="CRC32")
    named = {**at, "UploadId": begun["UploadId"]}
    copied = s3.upload_part_copy(
        **named, PartNumber=1, CopySource={"Bucket": bucket, "Key": source}
    )["CopyPartResult"]
    written = s3.upload_part(**named, PartNumber=2, Body=b"end", ChecksumAlgorithm="CRC32")
    parts = [
        {"PartNumber": number, "ETag": each["ETag"], "ChecksumCRC32": each["ChecksumCRC32"]}
        for number, each in ((1, copied), (2, written))
        if "ChecksumCRC32" in each
    ]
    if len(parts) < 2:
        return differs("A part has no CRC32.", copied=sorted(copied), written=sorted(written))
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    return held("The copied part has a CRC32, too, and both are taken.", parts=parts)


def refused_deletion(kit: Kit) -> Answer:
    """Delete an object as a role that may not (A-S3-03)."""
    bucket, key = kit.output("Plain"), f"kept/{kit.name('kept')}"
    kit.client("s3").put_object(Bucket=bucket, Key=key, Body=b"1")
    may = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]
    try:
        session_with(kit, may).client("s3").delete_object(Bucket=bucket, Key=key)
    except ClientError as error:
        known, code = (
            {"AccessDenied", "InvalidRequest", "MethodNotAllowed"},
            judged(error, may_be_denied=True),
        )
        said = f"A deletion without the right to is refused as {code}."
        return compared(code in known, said, **evidence_of(error))
    return differs("A deletion without the right to is allowed.")


def copies_between_regions(kit: Kit) -> Answer:
    """Copy an object, and a part, from a bucket in another region (A-S3-04)."""
    other = "us-west-2" if kit.region != "us-west-2" else "us-east-1"
    there, here = kit.client("s3", region=other), kit.client("s3")
    source = kit.note(ledger.BUCKET, kit.name("elsewhere"), region=other)
    where = {} if other == "us-east-1" else {"LocationConstraint": other}
    there.create_bucket(Bucket=source, **({"CreateBucketConfiguration": where} if where else {}))
    tag = there.put_object(Bucket=source, Key="a", Body=PART)["ETag"]
    origin, bucket = {"Bucket": source, "Key": "a"}, kit.output("Plain")
    key = f"copies/{kit.name('copy')}"
    at = {"Bucket": bucket, "Key": f"{key}.parts"}
    named = {**at, "UploadId": here.create_multipart_upload(**at)["UploadId"]}
    try:
        here.copy_object(Bucket=bucket, Key=key, CopySource=origin, CopySourceIfMatch=tag)
        here.upload_part_copy(**named, PartNumber=1, CopySource=origin, CopySourceIfMatch=tag)
    except ClientError as error:
        if judged(error) not in _REFUSED_COPY:
            raise
        return differs(f"A copy from {other} is refused: {error}", **evidence_of(error))
    finally:
        here.abort_multipart_upload(**named)
    try:
        here.copy_object(Bucket=bucket, Key=key, CopySource=origin, CopySourceIfMatch='"0"')
    except ClientError as error:
        code = judged(error)
        is_right = code == "PreconditionFailed"
        said = f"Copies from {other} arrive; one with another ETag is refused as {code}."
        return compared(is_right, said, **evidence_of(error))
    return differs(f"A copy from {other} ignores If-Match on its source.", region=other)


def part_times(kit: Kit) -> Answer:
    """Time the copy of a part of 64 MB (A-S3-05)."""
    s3, bucket = kit.client("s3"), kit.output("Plain")
    size = 64  # MB
    source = f"parts/{kit.name('large')}"
    s3.put_object(Bucket=bucket, Key=source, Body=b"0" * (size * 10**6))
    at = {"Bucket": bucket, "Key": f"parts/{kit.name('timed')}"}
    named = {**at, "UploadId": s3.create_multipart_upload(**at)["UploadId"]}
    began = time.monotonic()
    s3.upload_part_copy(**named, PartNumber=1, CopySource={"Bucket": bucket, "Key": source})
    seconds = time.monotonic() - began
    s3.abort_multipart_upload(**named)
    said = f"A part of {size} MB was copied in {seconds:.1f} s."
    most = _SECONDS * max(kit.pace, _LEAST_PACE)
    return compared(seconds <= most, said, megabytes=size, seconds=round(seconds, 2))


def default_key(kit: Kit) -> Answer:
    """Write, copy and upload into a bucket with a key, naming none (A-S3-06)."""
    s3, bucket, key_arn = kit.client("s3"), kit.output("Keyed"), kit.output("KeyArn")
    keys = {}
    for what, attempt in {
        "PutObject": _put,
        "CopyObject": _copy,
        "CreateMultipartUpload": _upload,
    }.items():
        name = f"keyed/{kit.name('object')}"
        attempt(kit, bucket, name)
        keys[what] = s3.head_object(Bucket=bucket, Key=name).get("SSEKMSKeyId", "none")
    is_right = all(used.endswith(key_arn.rsplit("/", 1)[-1]) for used in keys.values())
    return compared(is_right, f"Keys used: {json.dumps(keys)}.", keys=keys, of_the_bucket=key_arn)


def _put(kit: Kit, bucket: str, key: str) -> None:
    kit.client("s3").put_object(Bucket=bucket, Key=key, Body=b"1")


def _copy(kit: Kit, bucket: str, key: str) -> None:
    s3, plain = kit.client("s3"), kit.output("Plain")
    s3.put_object(Bucket=plain, Key=key, Body=b"1")
    s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": plain, "Key": key})


def _upload(kit: Kit, bucket: str, key: str) -> None:
    s3, at = kit.client("s3"), {"Bucket": bucket, "Key": key}
    named: dict[str, Any] = {**at, "UploadId": s3.create_multipart_upload(**at)["UploadId"]}
    part = s3.upload_part(**named, PartNumber=1, Body=b"1")
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    s3.complete_multipart_upload(**named, MultipartUpload=parts)


def missing_object(kit: Kit) -> Answer:
    """Ask for an object that is not there, as a role that may list a prefix (A-IAM-07)."""
    bucket = kit.output("Plain")
    may: list[Statement] = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/seen/*"},
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": f"arn:aws:s3:::{bucket}",
            "Condition": {"StringLike": {"s3:prefix": "seen/*"}},
        },
    ]
    s3 = session_with(kit, may).client("s3")
    s3.get_object(Bucket=bucket, Key="seen/control")  # the rights have effect
    try:
        s3.head_object(Bucket=bucket, Key="seen/none")
    except ClientError as error:
        judged(error, may_be_denied=True)
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        said = f"HeadObject of an object that is not there is {status}."
        return compared(status == 403, said, status=status, **evidence_of(error))
    return unknown("There is an object of that name.")


def rights_on_parts(kit: Kit) -> Answer:
    """Take away each right on multipart uploads in turn (A-IAM-08)."""
    bucket = kit.output("Plain")
    objects, whole = f"arn:aws:s3:::{bucket}/mine/*", f"arn:aws:s3:::{bucket}"
    needed = {
        "s3:PutObject": objects,
        "s3:AbortMultipartUpload": objects,
        "s3:ListBucketMultipartUploads": whole,
    }
    outcomes = {}
    for without in ("", *needed):
        may = [
            {"Effect": "Allow", "Action": action, "Resource": resource}
            for action, resource in needed.items()
            if action != without
        ]
        outcomes[without or "nothing"] = _tried(kit, may, bucket)
    expected = {
        "nothing": [],
        "s3:PutObject": ["CreateMultipartUpload"],
        "s3:AbortMultipartUpload": ["AbortMultipartUpload"],
        "s3:ListBucketMultipartUploads": ["ListMultipartUploads"],
    }
    said = f"Refused without: {json.dumps(outcomes)}."
    return compared(outcomes == expected, said, refused=outcomes, expected=expected)


def _tried(kit: Kit, may: list[dict[str, Any]], bucket: str) -> list[str]:
    """Return which operations on parts a session with some rights is refused."""
    s3, refused = session_with(kit, may).client("s3"), []
    at = {"Bucket": bucket, "Key": f"mine/{kit.name('parts')}"}
    try:
        named = {**at, "UploadId": s3.create_multipart_upload(**at)["UploadId"]}
        s3.upload_part(**named, PartNumber=1, Body=b"1")
        try:
            s3.abort_multipart_upload(**named)
        except ClientError as error:
            judged(error, may_be_denied=True)
            refused.append("AbortMultipartUpload")
    except ClientError as error:
        judged(error, may_be_denied=True)
        refused.append("CreateMultipartUpload")
    try:
        s3.list_multipart_uploads(Bucket=bucket, Prefix="mine/")
    except ClientError as error:
        judged(error, may_be_denied=True)
        refused.append("ListMultipartUploads")
    return refused


def staging_bucket(kit: Kit) -> Answer:
    """Look at the encryption of the CDK's staging bucket (A-IAM-10)."""
    name = f"cdk-{QUALIFIER}-assets-{kit.account}-{kit.region}"
    rules = kit.client("s3").get_bucket_encryption(Bucket=name)
    (rule,) = rules["ServerSideEncryptionConfiguration"]["Rules"]
    default = rule["ApplyServerSideEncryptionByDefault"]
    is_right = default["SSEAlgorithm"] == "AES256" or "KMSMasterKeyID" not in default
    return compared(is_right, f"Encrypted by {json.dumps(default)}.", bucket=name, default=default)


PROBES: Final = (
    Probe(
        id="A-S3-01",
        does="Aborts an upload, then sends a part and completes it.",
        run=aborted_upload,
        minutes=1,
    ),
    Probe(
        id="A-S3-02",
        does="Completes an upload of a copied and a written part by their CRC32.",
        run=part_checksums,
        minutes=1,
    ),
    Probe(
        id="A-S3-03",
        does="Deletes an object as a role that may not.",
        run=refused_deletion,
        minutes=2,
    ),
    Probe(
        id="A-S3-04",
        does="Copies an object, and a part, from a bucket in another region.",
        run=copies_between_regions,
        minutes=2,
        dollars=0.001,
    ),
    Probe(id="A-S3-05", does="Times the copy of a part of 64 MB.", run=part_times, minutes=3),
    Probe(
        id="A-S3-06",
        does="Writes, copies and uploads into a bucket with a key, naming none.",
        run=default_key,
        minutes=1,
    ),
    Probe(
        id="A-IAM-07",
        does="Asks for an object that is not there, as a role that may list a prefix.",
        run=missing_object,
        minutes=2,
    ),
    Probe(
        id="A-IAM-08",
        does="Takes away each right on multipart uploads in turn.",
        run=rights_on_parts,
        minutes=4,
    ),
    Probe(
        id="A-IAM-10",
        does="Looks at the encryption of the CDK's staging bucket.",
        run=staging_bucket,
        minutes=1,
    ),
)
