"""What an action on a SageMaker job does to the world, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neo_jobs import actions
from neo_jobs.cloudformation import Request
from neo_jobs.effects import Call, CopyObject, DeleteObjects, DeletePrefixes, Effect, PutJson
from neo_jobs.kinds import job_names
from neo_jobs.kinds.job_apis import api_of

# What Stop and Delete say of a job that has ended, or is gone. The API documents one form of what
# is not there, the service also uses another.
# Rests on A-NEO-14.
_ENDED: Mapping[str, str] = {"ValidationException": "", "ResourceNotFound": ""}
# Rests on A-NEO-13.
_GONE: Mapping[str, str] = {"ResourceNotFound": "", "ValidationException": "Could not find"}


def stop_call(request: Request, name: str) -> Call:
    """Return what stops a job; one that has ended meanwhile is left as it is."""
    api = api_of(request)
    return Call(f"stop_{api.noun}", {api.name_key: name}, _ENDED)


def delete_call(request: Request, name: str) -> Call:
    """Return what removes a job's record, if it is not gone already."""
    api = api_of(request)
    return Call(f"delete_{api.noun}", {api.name_key: name}, _GONE)


def effects_of(request: Request, action: actions.Action) -> list[Effect]:
    """Return what an action does to the world."""
    name, bucket = job_names.job_name(request), job_names.bucket(request)
    api, key_id = api_of(request), job_names.encryption_key(request)
    made: list[Effect] = []
    match action:
        case actions.CopyInput():
            version = request.properties.get("InputObjectVersion") or ""
            source = request.properties["InputConfig"]["S3Uri"]
            made = [CopyObject(source, version, bucket, job_names.input_key(request, name), key_id)]
        case actions.CreateJob():
            made = [Call(f"create_{api.noun}", job_names.create_request(request))]
        case actions.StopJob():
            made = [stop_call(request, name)]
        case actions.DeleteJob():
            made = [delete_call(request, name)]
        case actions.TagJob(arn, add, remove):
            made = _tag_calls(arn, add, remove)
        case actions.RecordResult(result):
            key = job_names.record_key(request, result.job_name)
            made = [PutJson(bucket, key, result.to_json(api), key_id)]
        case actions.DiscardInput():
            made = [DeleteObjects(bucket, (job_names.input_key(request, name),))]
        case actions.DestroyArtifacts():
            made = [DeletePrefixes(bucket, destroyed_prefixes(request, name))]
    return made


def _tag_calls(arn: str, add: Mapping[str, str], remove: Sequence[str]) -> list[Effect]:
    calls: list[Effect] = []
    if add:
        tags = [{"Key": key, "Value": value} for key, value in add.items()]
        # Rests on A-IAM-04.
        calls.append(Call("add_tags", {"ResourceArn": arn, "Tags": tags}))
    if remove:
        calls.append(Call("delete_tags", {"ResourceArn": arn, "TagKeys": list(remove)}))
    return calls


def destroyed_prefixes(request: Request, name: str) -> tuple[str, str]:
    """Return the key prefixes of what goes with a job whose artifact is to be destroyed.

    The record goes first: without it, nobody takes what is left for a result.
    """
    return job_names.record_key(request, name), job_names.output_folder(name)
