"""What is taken for granted of Neo's compilation jobs."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from neo_constructs.catalog.framework import Framework
from neo_constructs.catalog.images import image_uri
from neo_constructs.catalog.target import TargetDevice
from neo_constructs.findings.errors import ValidationError
from neo_constructs.verification.answers import Answer, compared, differs, held, unknown
from neo_constructs.verification.compilations import (
    FAMILIES,
    Compilation,
    compiled,
    completed,
    describe,
    ended,
    shown,
    start,
)
from neo_constructs.verification.kit import CannotSayError, Kit, OutOfTimeError
from neo_constructs.verification.probe import Probe
from neo_constructs.verification.refusals import evidence_of, is_about_rights, judged

# Each family for the processor, and other hardware where that has an image of its own.
IMAGES: Final = (
    *((family, "ml_c5") for family in FAMILIES),
    ("ONNX", "ml_g4dn"),
    ("PYTORCH", "ml_g4dn"),
    ("PYTORCH", "ml_p3"),
    ("TENSORFLOW", "ml_g4dn"),
    ("MXNET", "ml_g4dn"),
)
_MAX_NAME: Final = 4_096


def reported_images(kit: Kit) -> Answer:
    """Compile 10 pairs of framework and target, and read their images (A-NEO-01)."""
    seen, wrong = dict[str, Any](), list[str]()

    def one(pair: tuple[str, str]) -> dict[str, Any]:
        try:
            return compiled(kit, *pair)
        except (ClientError, OutOfTimeError) as error:  # the others may say enough
            return {"CompilationJobStatus": "none", "FailureReason": str(error)}

    with ThreadPoolExecutor(len(IMAGES)) as pool:
        jobs = list(pool.map(one, IMAGES))
    for (family, target), job in zip(IMAGES, jobs, strict=True):
        expected = catalog_image(family, target, kit.region)
        seen[f"{family} {target}"] = {**shown(job), "catalog": expected}
        if job["CompilationJobStatus"] == "COMPLETED" and job.get("InferenceImage") != expected:
            wrong.append(f"{family} for {target}: {job.get('InferenceImage') or 'none'}")
    finished = [each for each in seen.values() if each.get("CompilationJobStatus") == "COMPLETED"]
    if wrong:
        return differs(f"Not reported, or not the catalog's: {'; '.join(wrong)}.", jobs=seen)
    if not finished:
        return unknown("No job has completed.", jobs=seen)
    return held(
        f"{len(finished)} of {len(IMAGES)} jobs have completed, and report the catalog's images.",
        jobs=seen,
    )


def catalog_image(family: str, target: str, region: str) -> str:
    """Return the catalog's image for a family of models; empty if it has none."""
    given = FAMILIES[family]
    found = Framework(given.framework, given.version)
    if given.version is None:
        defaults = {"ONNX": Framework.onnx, "MXNET": Framework.mxnet, "XGBOOST": Framework.xgboost}
        found = defaults[family]()
    try:
        return str(image_uri(found, TargetDevice(target), region))
    except ValidationError:
        return ""


def onnx_image(kit: Kit) -> Answer:
    """Read the image of an ONNX job (A-NEO-02)."""
    job = completed(kit, "ONNX")
    image = str(job.get("InferenceImage") or "")
    if not image:
        return unknown("The job reports no image.", **shown(job))
    is_right = image.endswith("sagemaker-neo-onnx:1.5.0-cpu-py3")
    return compared(is_right, f"The job reports {image}.", **shown(job))


def artifact(kit: Kit, family: str) -> list[tarfile.TarInfo]:
    """Return the members of what a family's model was compiled to."""
    place = urlsplit(completed(kit, family)["ModelArtifacts"]["S3ModelArtifacts"])
    body = kit.client("s3").get_object(Bucket=place.netloc, Key=place.path[1:])["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:*") as tar:
        return tar.getmembers()


def artifact_members(kit: Kit) -> Answer:
    """List the members of each framework's artifact (A-NEO-08)."""
    seen, odd = dict[str, list[str]](), list[str]()
    for family in FAMILIES:
        try:
            members = artifact(kit, family)
        except (CannotSayError, ClientError):
            continue
        seen[family] = [f"{m.name} ({m.type.decode()}, {m.size})" for m in members]
        folders = {m.name for m in members if m.issym() or m.islnk()}
        odd += [
            f"{family}: {m.name}"
            for m in members
            if "GNU.sparse.major" in m.pax_headers
            or len(m.name) > _MAX_NAME
            or any(m.name.startswith(f"{folder}/") for folder in folders)
        ]
    if odd:
        return differs(f"Members that no served archive can have: {', '.join(odd)}.", members=seen)
    if not seen:
        return unknown("No job has completed.")
    return held(f"The artifacts of {', '.join(seen)} are plain.", members=seen)


def artifact_name(kit: Kit) -> Answer:
    """Read the names of the artifacts (A-NEO-11)."""
    names = {}
    for family in FAMILIES:
        try:
            uri = str(completed(kit, family)["ModelArtifacts"]["S3ModelArtifacts"])
        except (CannotSayError, ClientError):
            continue
        names[family] = uri.rsplit("/", 1)[-1]
    if not names:
        return unknown("No job has completed.")
    is_right = set(names.values()) == {"digits-ml_c5.tar.gz"}
    return compared(is_right, f"Named: {json.dumps(names)}.", names=names)


def newer_opset(kit: Kit) -> Answer:
    """Compile an ONNX file that says opset 13 (A-NEO-12)."""
    model = _with_opset((FAMILIES["ONNX"].archive()), 13)
    wanted = Compilation(
        framework="ONNX", shapes=FAMILIES["ONNX"].shapes, files={"digits.onnx": model}
    )
    completed(kit, "ONNX")  # else nothing that fails says anything
    job = ended(kit, start(kit, wanted))
    if is_about_rights(str(job.get("FailureReason", ""))):
        return unknown(f"The job failed for its role: {job['FailureReason']}", **shown(job))
    said = f"Opset 13: {job['CompilationJobStatus']}. {job.get('FailureReason', '')}"
    return compared(job["CompilationJobStatus"] == "FAILED", said, **shown(job))


def _with_opset(archive: bytes, opset: int) -> bytes:
    """Return the archive's ONNX file with another opset, by its bytes: no library is needed."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = tar.extractfile(tar.getmembers()[0])
        data = member.read() if member else b""
    for before in range(1, 30):
        # OperatorSetIdProto of the default domain: its version alone, or after an empty name.
        for head in (b"\x42\x02\x10", b"\x42\x04\x0a\x00\x10"):
            old = head + bytes([before])
            if data.endswith(old) or data.count(old) == 1:
                return data.replace(old, head + bytes([opset]))
    raise CannotSayError("The opset of the model was not found.")


def missing_job(kit: Kit) -> Answer:
    """Describe a job that was never made (A-NEO-13)."""
    try:
        describe(kit, kit.name("never-made"))
    except ClientError as error:
        code, text = judged(error), error.response["Error"]["Message"]
        is_known = code == "ResourceNotFound" or (
            code == "ValidationException" and "could not find" in text.lower()
        )
        return compared(is_known, f"{code}: {text}", **evidence_of(error))
    return unknown("There is a job of that name.")


def stop_and_delete(kit: Kit) -> Answer:
    """Delete, stop, describe and list a job that runs (A-NEO-14)."""
    sagemaker, seen = kit.client("sagemaker"), dict[str, Any]()
    name = start(kit, FAMILIES["ONNX"])
    named = {"CompilationJobName": name}

    def refused(attempt: Any) -> str:
        try:
            attempt(**named)
        except ClientError as error:
            return judged(error)
        return "accepted"

    seen["delete while it runs"] = refused(sagemaker.delete_compilation_job)
    if seen["delete while it runs"] == "accepted":
        return differs("A job that runs can be deleted.", **seen)
    sagemaker.stop_compilation_job(**named)
    seen["after stop"] = describe(kit, name)["CompilationJobStatus"]
    seen["at the end"] = ended(kit, name)["CompilationJobStatus"]
    seen["stop of an ended one"] = refused(sagemaker.stop_compilation_job)
    sagemaker.delete_compilation_job(**named)
    seen["describe of a deleted one"] = refused(sagemaker.describe_compilation_job)

    def unlisted() -> bool | None:
        found = sagemaker.list_compilation_jobs(NameContains=name)["CompilationJobSummaries"]
        return None if found else True

    # Lists may be behind.
    with contextlib.suppress(OutOfTimeError):
        seen["unlisted"] = kit.wait(unlisted, seconds=60, what="The end of the list's entry")
    is_right = (
        seen["delete while it runs"] == "ValidationException"
        and seen["after stop"] in {"STOPPING", "STOPPED"}
        and seen["at the end"] == "STOPPED"
        and seen["stop of an ended one"] == "ValidationException"
        and seen["describe of a deleted one"] in {"ResourceNotFound", "ValidationException"}
        and "unlisted" in seen
    )
    return compared(is_right, f"Seen: {json.dumps(seen)}.", **seen)


def tags_of_a_job(kit: Kit) -> Answer:
    """Add, list and delete a tag of a job (A-IAM-04)."""
    sagemaker = kit.client("sagemaker")
    arn = completed(kit, "ONNX")["CompilationJobArn"]
    try:
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "neo-verify", "Value": "1"}])
        listed = {t["Key"] for t in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=["neo-verify"])
        after = {t["Key"] for t in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    except ClientError as error:
        if judged(error) in {"ValidationException", "ResourceNotFound"}:
            return differs(f"Tags of a job are refused: {error}", **evidence_of(error))
        raise
    is_right = "neo-verify" in listed and "neo-verify" not in after
    return compared(is_right, f"Listed {sorted(listed)}, then {sorted(after)}.", arn=arn)


def key_by_s3(kit: Kit) -> Answer:
    """Compile into a bucket with a key that the role may use by S3 only (A-CFN-11)."""
    # The role may use the key by way of S3 only.
    completed(kit, "ONNX")
    job = ended(kit, start(kit, FAMILIES["ONNX"], bucket="Keyed", key=kit.output("KeyArn")))
    status = job["CompilationJobStatus"]
    said = f"With a key that may be used by S3 only: {status}. {job.get('FailureReason', '')}"
    return compared(status == "COMPLETED", said, **shown(job))


def default_encryption(kit: Kit) -> Answer:
    """Look at the encryption of an artifact for which no key was named (A-CFN-12)."""
    job = completed(kit, "ONNX")
    place = urlsplit(job["ModelArtifacts"]["S3ModelArtifacts"])
    found = kit.client("s3").head_object(Bucket=place.netloc, Key=place.path[1:])
    seen = {k: found[k] for k in ("ServerSideEncryption", "SSEKMSKeyId") if k in found}
    return compared(
        "SSEKMSKeyId" not in seen or "alias/aws/s3" in json.dumps(_aliases(kit, seen)),
        f"Without KmsKeyId the artifact is encrypted so: {json.dumps(seen)}.",
        **seen,
    )


def _aliases(kit: Kit, seen: Mapping[str, str]) -> list[str]:
    """Return the aliases of the key that was used."""
    found = kit.client("kms").list_aliases(KeyId=seen["SSEKMSKeyId"])
    return [alias["AliasName"] for alias in found["Aliases"]]


_JOB: Final = 25.0

PROBES: Final = (
    Probe(
        id="A-NEO-01",
        does=f"Compiles {len(IMAGES)} pairs of framework and target, and reads their images.",
        run=reported_images,
        minutes=_JOB + 20,
    ),
    Probe(id="A-NEO-02", does="Reads the image of an ONNX job.", run=onnx_image, minutes=_JOB),
    Probe(
        id="A-NEO-08",
        does="Lists the members of each framework's artifact.",
        run=artifact_members,
        minutes=_JOB,
    ),
    Probe(
        id="A-NEO-11",
        does="Reads the names of the artifacts.",
        run=artifact_name,
        minutes=_JOB,
    ),
    Probe(
        id="A-NEO-12",
        does="Compiles an ONNX file that says opset 13.",
        run=newer_opset,
        minutes=_JOB,
    ),
    Probe(
        id="A-NEO-13",
        does="Describes a job that was never made.",
        run=missing_job,
        minutes=1,
    ),
    Probe(
        id="A-NEO-14",
        does="Deletes, stops, describes and lists a job that runs.",
        run=stop_and_delete,
        minutes=_JOB,
    ),
    Probe(
        id="A-IAM-04",
        does="Adds, lists and deletes a tag of a job.",
        run=tags_of_a_job,
        minutes=_JOB,
    ),
    Probe(
        id="A-CFN-11",
        does="Compiles into a bucket with a key that the role may use by S3 only.",
        run=key_by_s3,
        minutes=_JOB,
    ),
    Probe(
        id="A-CFN-12",
        does="Looks at the encryption of an artifact for which no key was named.",
        run=default_encryption,
        minutes=_JOB,
    ),
)
