"""What a job is called, and where in the artifact bucket its things lie."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from neo_jobs.cloudformation import Request, digest
from neo_jobs.kinds.job_apis import api_of
from neo_jobs.properties import bucket_of

INPUT_FILE = "model.tar.gz"  # the API asks for this suffix; CDK assets lose it
_REST = re.compile(r"[a-z2-7]{10}-[a-z2-7]{8}")


def inputs_digest(request: Request) -> str:
    """Return the hash of the compile inputs that is part of the job's name."""
    return digest(api_of(request).immutable_fields(request.properties), 10)


def inputs_prefix(request: Request) -> str:
    """Return what the names of all jobs with this request's compile inputs start with."""
    return f"{request.resource_prefix}-{inputs_digest(request)}-"


def job_name(request: Request) -> str:
    """Return the name of the job a request is about: 53 characters, in lower case.

    A Delete is about the job it names; a Create or an Update about one of its own. Should
    CloudFormation delete an id the engine never reported, there is nothing of that name.
    """
    # Rests on A-CFN-03.
    if request.type == "Delete":
        return request.physical_id or ""
    attempt = f"/{request.attempt}" if request.attempt else ""
    return inputs_prefix(request) + digest(request.request_id + attempt, 8)


def owns_physical_id(request: Request) -> bool:
    """Whether the physical id of a request was given by this engine to this resource."""
    return (request.physical_id or "").startswith(f"{request.resource_prefix}-")


def is_job_name(request: Request, name: str) -> bool:
    """Whether this engine may have given a job or a folder its name, for this resource."""
    prefix = f"{request.resource_prefix}-"
    return name.startswith(prefix) and bool(_REST.fullmatch(name.removeprefix(prefix)))


# --- where things lie in the artifact bucket ------------------------------------------------
#
# Neo writes to ``<job name>/``. What the engine alone writes lies under ``<resource prefix>/``, so
# that the compile role can be kept out of it: neo_constructs/engine/names.py has the same patterns.


def output_folder(name: str) -> str:
    """Return the key prefix that Neo writes a job's artifact to."""
    return f"{name}/"


def input_key(request: Request, name: str) -> str:
    """Return the key of a job's copy of the model."""
    return f"{inputs_folder(request)}{_rest(request, name)}/{INPUT_FILE}"


def record_key(request: Request, name: str) -> str:
    """Return the key of the record of a finished job."""
    return f"{records_folder(request)}{_rest(request, name)}.json"


def inputs_folder(request: Request) -> str:
    """Return the key prefix of all copies of models of a resource."""
    return f"{request.resource_prefix}/input/"


def records_folder(request: Request) -> str:
    """Return the key prefix of all records of finished jobs of a resource."""
    return f"{request.resource_prefix}/results/"


def job_of_key(request: Request, key: str) -> str:
    """Return the name of the job that an object belongs to; empty if it belongs to none."""
    for folder in (inputs_folder(request), records_folder(request)):
        if key.startswith(folder):
            rest = key.removeprefix(folder).removesuffix(".json").partition("/")[0]
            name = f"{request.resource_prefix}-{rest}"
            break
    else:
        name = key.partition("/")[0]
    return name if is_job_name(request, name) else ""


def _rest(request: Request, name: str) -> str:
    return name.removeprefix(f"{request.resource_prefix}-")


def bucket(request: Request) -> str:
    """Return the artifact bucket; empty if the properties name none."""
    return bucket_of(request.properties.get("OutputConfig"), "S3OutputLocation")


def encryption_key(request: Request) -> str:
    """Return the key that everything written for the job is encrypted with; empty for none."""
    output = request.properties.get("OutputConfig")
    return str(output.get("KmsKeyId") or "") if isinstance(output, Mapping) else ""


def as_mapping(tags: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """Return a list of tags as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


def create_request(request: Request) -> dict[str, Any]:
    """Return the parameters of the job's Create call."""
    api, name = api_of(request), job_name(request)
    place = f"s3://{bucket(request)}"
    source, target = f"{place}/{input_key(request, name)}", f"{place}/{output_folder(name)}"
    tags = request.properties.get("Tags")
    return {
        api.name_key: name,
        **api.create_parameters(request, source, target),
        **({"Tags": tags} if tags else {}),
    }
