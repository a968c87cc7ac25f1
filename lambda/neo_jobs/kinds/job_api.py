"""A kind of SageMaker job as data: the names of its API, and what differs in its life."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from neo_jobs.cloudformation import Request

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobApi:
    """How a kind of job is created, followed, stopped and removed.

    Parameters
    ----------
    resource_type
        ``Custom::...``
    noun
        As boto3 has it: ``compilation_job`` for ``create_compilation_job``.
    title, service
        The job in a sentence, and who reports its end.
    name_key, arn_key, status_key, summaries_key
        The fields of Create, Describe and List.
    log_group
        Where the service writes what it does.
    can_delete
        Whether the service removes the record of a job. Where it does not, that stays.
    stages_input
        Whether the model is copied to the job's own prefix before the job is made.
    immutable_fields
        Returns all that the result depends on, in a canonical form. Its hash is part of the job's
        name: what is not in it never starts a job, what is in it always does. Never change it for
        a kind that was released: old names must be found again.
    create_parameters
        Returns the parameters of Create but for the name and the tags, from the request, the URI
        of the job's copy of the model and the URI of its output folder.
    fields
        What a result has: the type of each value, by its name.
    result_fields
        Returns them from what a finished job's Describe says.
    artifact_field
        The one of them that names an object in S3, without which the job has not ended well.
        Empty if there is none.
    attributes
        Returns what ``Fn::GetAtt`` can read, but for the ARN.
    is_trusted
        Whether a result that only its record still tells of can be believed.
    hint
        Returns what to do about a reason of failure, or an empty string.
    """

    resource_type: str
    noun: str
    title: str
    service: str
    name_key: str
    arn_key: str
    status_key: str
    summaries_key: str
    log_group: str
    can_delete: bool
    stages_input: bool
    immutable_fields: Callable[[Mapping[str, Any]], dict[str, Any]]
    create_parameters: Callable[[Request, str, str], dict[str, Any]]
    fields: Mapping[str, type]
    result_fields: Callable[[Mapping[str, Any]], Fields]
    artifact_field: str
    attributes: Callable[[Request, Fields], dict[str, str]]
    is_trusted: Callable[[Request, Fields], bool]
    hint: Callable[[str], str]
