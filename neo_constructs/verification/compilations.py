"""Compilation jobs of a run: their archives, their requests, and how they end."""

from __future__ import annotations

import io
import json
import tarfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from neo_constructs.verification import ledger
from neo_constructs.verification.kit import CannotSayError, Kit
from neo_constructs.verification.stack_names import JOBS

MODELS: Final = Path(__file__).parents[1] / "verification_stacks" / "models"
ENDED: Final = frozenset({"COMPLETED", "FAILED", "STOPPED"})
_SECONDS: Final = 1_500.0
_RUNTIME: Final = 900
_RESOURCE: Final = len(JOBS) + 9  # the part of a name that its inputs lie under


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """What is compiled, and for what.

    Parameters
    ----------
    model
        The file in ``verification_stacks/models``, or the folder of the files. Default: none.
    files
        What else is in the archive, by name. Default: nothing.
    raw
        The input itself, where it is no archive. Default: none.
    framework, version, target
        As CreateCompilationJob takes them.
    shapes
        ``DataInputConfig``, as JSON. Default: none.
    """

    framework: str
    target: str = "ml_c5"
    version: str | None = None
    shapes: str | None = None
    model: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    raw: bytes | None = None

    def archive(self) -> bytes:
        """Return the input."""
        if self.raw is not None:
            return self.raw
        members = dict(self.files)
        path = MODELS / self.model
        if self.model and path.is_dir():
            members |= {file.name: file.read_bytes() for file in sorted(path.iterdir())}
        elif self.model:
            members[path.name] = path.read_bytes()
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return out.getvalue()

    def input_config(self, uri: str) -> dict[str, Any]:
        """Return ``InputConfig``."""
        found: dict[str, Any] = {"S3Uri": uri, "Framework": self.framework}
        if self.version:
            found["FrameworkVersion"] = self.version
        if self.shapes:
            found["DataInputConfig"] = self.shapes
        return found


# The digits in each framework, as the served stacks have them.
FAMILIES: Final[Mapping[str, Compilation]] = {
    "ONNX": Compilation(
        framework="ONNX", model="digits.onnx", shapes=json.dumps({"pixels": [1, 1, 8, 8]})
    ),
    "PYTORCH": Compilation(
        framework="PYTORCH",
        version="2.0",
        model="digits.pth",
        shapes=json.dumps({"input0": [1, 1, 8, 8]}),
    ),
    "TENSORFLOW": Compilation(
        framework="TENSORFLOW",
        version="2.9",
        model="digits.pb",
        shapes=json.dumps({"pixels": [1, 64]}),
    ),
    "MXNET": Compilation(framework="MXNET", model="mxnet", shapes=json.dumps({"data": [1, 64]})),
    "XGBOOST": Compilation(
        framework="XGBOOST", model="digits.model", shapes=json.dumps({"input": [1, 64]})
    ),
}


def start(
    kit: Kit,
    wanted: Compilation,
    *,
    role: str = "",
    bucket: str = "Plain",
    key: str = "",
    suffix: str = ".tar.gz",
) -> str:
    """Begin a job and return its name.

    Parameters
    ----------
    kit
        The run.
    wanted
        What to compile.
    role
        Its role's ARN. Default: the one of the base stack.
    bucket
        The output of the base stack that names the bucket. Default: the plain one.
    key
        ``KmsKeyId`` of the output. Default: none.
    suffix
        What the input's key ends in. Default: ``.tar.gz``.
    """
    place, name = kit.output(bucket), new_name()
    source = f"{name[:_RESOURCE]}/input/digits{suffix}"
    kit.client("s3").put_object(Bucket=place, Key=source, Body=wanted.archive())
    output = {"TargetDevice": wanted.target, **({"KmsKeyId": key} if key else {})}
    inputs = wanted.input_config(f"s3://{place}/{source}")
    return _create(kit, name, bucket=place, inputs=inputs, outputs=output, role=role)


def start_request(kit: Kit, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> str:
    """Begin a job whose model is not there, so that it ends soon, and return its name.

    Parameters
    ----------
    kit
        The run.
    inputs, outputs
        ``InputConfig`` and ``OutputConfig``, without places.
    """
    place, name = kit.output("Plain"), new_name()
    source = {"S3Uri": f"s3://{place}/{name[:_RESOURCE]}/input/none.tar.gz"}
    return _create(kit, name, bucket=place, inputs={**source, **inputs}, outputs=outputs)


def new_name() -> str:
    """Return a job's name as the engine makes them: the rights of its compile role cover these."""
    digits = uuid.uuid4().hex
    return f"{JOBS}-{digits[:8]}-{digits[8:18]}-{digits[18:26]}"


def _create(
    kit: Kit,
    name: str,
    *,
    bucket: str,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    role: str = "",
) -> str:
    kit.note(ledger.JOB, name)
    kit.client("sagemaker").create_compilation_job(
        CompilationJobName=name,
        RoleArn=role or kit.output("CompileRole"),
        InputConfig=inputs,
        OutputConfig={"S3OutputLocation": f"s3://{bucket}/{name}/", **outputs},
        StoppingCondition={"MaxRuntimeInSeconds": _RUNTIME},
        Tags=kit.tags,
    )
    return name


def describe(kit: Kit, name: str) -> dict[str, Any]:
    """Return a job as it is described."""
    return dict(kit.client("sagemaker").describe_compilation_job(CompilationJobName=name))


def ended(kit: Kit, name: str, *, seconds: float = _SECONDS) -> dict[str, Any]:
    """Return a job as it is described once it has ended."""

    def look() -> dict[str, Any] | None:
        found = describe(kit, name)
        return found if found["CompilationJobStatus"] in ENDED else None

    return kit.wait(look, seconds=seconds, what=f"The end of the job {name}", pause=10)


def compiled(kit: Kit, family: str, target: str = "ml_c5") -> dict[str, Any]:
    """Return how the shared job of a framework's digits has ended, completed or failed."""

    def make() -> dict[str, Any]:
        wanted = FAMILIES[family]
        began = time.monotonic()
        name = start(kit, _for_target(wanted, target))
        return {**ended(kit, name), "Seconds": round(time.monotonic() - began)}

    return kit.once(f"job {family} {target}", make)


def completed(kit: Kit, family: str) -> dict[str, Any]:
    """Return the job that has compiled a family's model.

    Raises
    ------
    CannotSayError
        If it has failed.
    """
    job = compiled(kit, family)
    if job["CompilationJobStatus"] != "COMPLETED":
        raise CannotSayError(f"The {family} job has failed: {job.get('FailureReason')}")
    return job


def _for_target(wanted: Compilation, target: str) -> Compilation:
    return replace(wanted, target=target)


def shown(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a job as evidence."""
    kept = ("CompilationJobStatus", "FailureReason", "InferenceImage", "ModelArtifacts", "Seconds")
    return {key: job[key] for key in kept if job.get(key)}
