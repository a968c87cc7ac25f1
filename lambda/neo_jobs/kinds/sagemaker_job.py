"""Jobs of SageMaker as custom resources: look at the world, and do what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from neo_jobs import actions, s3_objects, uploads
from neo_jobs.aws import Aws
from neo_jobs.cloudformation import Request
from neo_jobs.effects import (
    DeleteObjects,
    DeletePrefixes,
    Effect,
    apply,
)
from neo_jobs.errors import error_code
from neo_jobs.kinds import job_names, job_result, older_jobs
from neo_jobs.kinds import job_rules as rules
from neo_jobs.kinds.job_api import JobApi
from neo_jobs.kinds.job_apis import api_of
from neo_jobs.kinds.job_effects import delete_call, destroyed_prefixes, effects_of, stop_call
from neo_jobs.properties import deletes_artifacts, may_ignore_bucket_error, name_what_stays
from neo_jobs.transfer import Transfer

Client: TypeAlias = Any


class SageMakerJobs:
    """Jobs of SageMaker, of whichever kind a request is about, in one account and region.

    Parameters
    ----------
    aws
        Clients; calls are made only when a method needs them.
    transfer
        Copies what takes longer.
    """

    def __init__(self, aws: Aws, transfer: Transfer) -> None:
        self._aws = aws
        self._transfer = transfer

    @property
    def _sagemaker(self) -> Client:
        return self._aws.client("sagemaker")

    @property
    def _s3(self) -> Client:
        return self._aws.client("s3")

    @staticmethod
    def physical_id(request: Request) -> str:
        """Return the id to report when a request fails."""
        if request.type == "Delete":
            return request.physical_id or "none"
        return job_names.job_name(request)

    @staticmethod
    def decide(
        request: Request, seen: rules.Observed, context: actions.StepContext
    ) -> actions.Action:
        """Return the next action."""
        return rules.reconcile(request, seen, context)

    def withdrawn(self, request: Request) -> Request | None:
        """Return the Delete of what a request that was overtaken has made; None for nothing.

        What is on record may be what the newer request serves, and stays.
        """
        name = job_names.job_name(request)
        if request.type == "Delete" or self._has(job_names.bucket(request), request, name):
            return None
        return replace(request, type="Delete", physical_id=name)

    def perform(self, request: Request, action: actions.Action) -> None:
        """Do the one thing that was decided."""
        apply(effects_of(request, action), self._aws, self._transfer)

    def _stop(self, request: Request, name: str) -> None:
        apply([stop_call(request, name)], self._aws, self._transfer)

    def stop_older(self, request: Request, older: Sequence[Request]) -> actions.Wait | None:
        """Stop the jobs and copies of older requests; None if there are none to stop."""
        active = older_jobs.active_jobs(self._others(request))
        for name in active:
            self._stop(request, name)
        if active:
            return actions.Wait(
                older_jobs.STOPPING_SECONDS, "jobs of older requests are being stopped"
            )
        return self._abort_copies(request, older)

    def remove_older(
        self, request: Request, older: Sequence[Request], context: actions.StepContext
    ) -> actions.Wait | None:
        """Remove what older requests of the resource have left; None if that is done."""
        bucket, folders = job_names.bucket(request), self._leavings(request, context)
        action = older_jobs.fence_jobs(request, self._others(request), folders)
        made: list[Effect] = []
        match action:
            case older_jobs.DeleteOtherJobs(names):
                made += [delete_call(request, name) for name in names]
            case older_jobs.DiscardInputs(names):
                keys = tuple(job_names.input_key(request, name) for name in names)
                made.append(DeleteObjects(bucket, keys))
            case older_jobs.DestroyOutputs(names):
                made.append(DeletePrefixes(bucket, tuple(map(job_names.output_folder, names))))
            case None if not self._discard_in_former_buckets(request, older, context):
                return None
            case actions.Wait():
                return action
        apply(made, self._aws, self._transfer)
        return actions.Wait(context.soon(), "what older requests have left is being removed")

    def _discard_in_former_buckets(
        self, request: Request, older: Sequence[Request], context: actions.StepContext
    ) -> bool:
        """Remove the copies of models in buckets that are no longer used; say if there were any."""

        def discard(bucket: str) -> bool:
            found = [
                key
                for key, _ in s3_objects.keys(self._s3, bucket, job_names.inputs_folder(request))
                if not context.keeps(key)
            ]
            apply([DeleteObjects(bucket, tuple(found))], self._aws, self._transfer)
            return bool(found)

        buckets = uploads.former_buckets(request, older, job_names.bucket)
        found = [uploads.while_allowed(partial(discard, bucket)) for bucket in buckets]
        return any(found)

    def _abort_copies(self, request: Request, older: Sequence[Request]) -> actions.Wait | None:
        """Abort the copies that older requests are making."""
        found = uploads.abort_older(
            self._s3,
            request,
            older,
            bucket_of=job_names.bucket,
            prefix=job_names.inputs_folder(request),
        )
        return actions.Wait(1, "older copies are being aborted") if found else None

    # Rests on A-CFN-07.
    def _others(self, request: Request) -> list[older_jobs.OtherJob]:
        """Return the resource's jobs, but for the one the request is about."""
        api = api_of(request)
        pages = self._sagemaker.get_paginator(f"list_{api.noun}s").paginate(
            NameContains=f"{request.resource_prefix}-"
        )
        own = job_names.job_name(request)
        return [
            older_jobs.OtherJob(job[api.name_key], job[api.status_key])
            for page in pages
            for job in page[api.summaries_key]
            # The filter finds the text anywhere in a name.
            if job_names.is_job_name(request, job[api.name_key]) and job[api.name_key] != own
        ]

    def _leavings(
        self, request: Request, context: actions.StepContext
    ) -> list[older_jobs.JobFolder]:
        """Return what lies in the bucket of the resource's other jobs."""
        bucket, own = job_names.bucket(request), job_names.job_name(request)
        found: dict[str, set[str]] = {}
        if not bucket:
            return []
        try:
            for key, _ in s3_objects.keys(self._s3, bucket, request.resource_prefix):
                name = job_names.job_of_key(request, key)
                if name and name != own and not context.keeps(key):
                    found.setdefault(name, set()).add(key)
        except ClientError as error:
            if may_ignore_bucket_error(request, error_code(error)):
                return []
            raise
        return [
            older_jobs.JobFolder(
                name,
                has_input=job_names.input_key(request, name) in keys,
                has_result=job_names.record_key(request, name) in keys,
                has_output=any(key.startswith(job_names.output_folder(name)) for key in keys),
            )
            for name, keys in found.items()
        ]

    def abandon(self, request: Request) -> None:
        """Leave nothing running when a request is given up."""
        if request.type != "Delete":
            name = job_names.job_name(request)
            try:
                self._stop(request, name)
            finally:
                key = job_names.input_key(request, name)
                s3_objects.abort_uploads(self._s3, job_names.bucket(request), key)

    def observe(self, request: Request, context: actions.StepContext) -> rules.Observed:
        """Look at the job, and at what lies in its bucket."""
        # Rests on A-CFN-05.
        if request.type == "Delete" and not job_names.owns_physical_id(request):
            return rules.Observed()
        name, bucket = job_names.job_name(request), job_names.bucket(request)
        job = self._describe(request, name)
        if job and job.status not in job_result.TERMINAL:
            return rules.Observed(job=job)
        if request.type == "Delete":
            if job and api_of(request).can_delete:
                return rules.Observed(job=job)
            return replace(self._observe_leftovers(request, context), job=job)
        has_input = self._has_input(request)
        if job is None:
            result, is_damaged = self._result(request, bucket)
            tags = self._tags(result.arn) if result and _may_retag(request) else None
            return rules.Observed(
                has_input=has_input, result=result, is_record_damaged=is_damaged, tags=tags
            )
        return rules.Observed(
            job=job,
            has_input=has_input and not context.keeps(job_names.input_key(request, name)),
            has_artifact=self._has_artifact(api_of(request), job),
            has_record=self._has(bucket, request, name),
        )

    def _has(self, bucket: str, request: Request, name: str) -> bool:
        """Whether a job's result is on record."""
        key = job_names.record_key(request, name)
        return bool(bucket) and s3_objects.head(self._s3, bucket, key) is not None

    def _has_input(self, request: Request) -> bool:
        key = job_names.input_key(request, job_names.job_name(request))
        return s3_objects.head(self._s3, job_names.bucket(request), key) is not None

    def _observe_leftovers(self, request: Request, context: actions.StepContext) -> rules.Observed:
        """Look for what a job whose record is gone has left in the bucket."""
        name, bucket = job_names.job_name(request), job_names.bucket(request)
        if not bucket:
            return rules.Observed()
        try:
            key = job_names.input_key(request, name)
            has_input = not context.keeps(key) and self._has_input(request)
            leftovers = deletes_artifacts(request) and any(
                not context.keeps(found["Key"])
                for prefix in destroyed_prefixes(request, name)
                for found in s3_objects.versions(self._s3, bucket, prefix)
            )
        except ClientError as error:
            if not may_ignore_bucket_error(request, error_code(error)):
                raise
            name_what_stays(request, error, job_names.output_folder(name), context.kept)
            return rules.Observed()
        return rules.Observed(has_input=has_input, has_leftovers=leftovers)

    def _describe(self, request: Request, name: str) -> job_result.Job | None:
        api = api_of(request)
        describe = getattr(self._sagemaker, f"describe_{api.noun}")
        try:
            reply = describe(**{api.name_key: name})
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        return job_result.Job(
            status=reply[api.status_key],
            reason=reply.get("FailureReason") or "",
            arn=reply.get(api.arn_key) or "",
            fields=api.result_fields(reply),
            created=_seconds(reply.get("CreationTime")),
        )

    # Rests on A-IAM-04.
    def _tags(self, arn: str) -> dict[str, str] | None:
        """Return the tags on a job's record; None if someone has removed it."""
        try:
            pages = list(self._sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn))
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        return job_names.as_mapping([tag for page in pages for tag in page["Tags"]])

    def _result(self, request: Request, bucket: str) -> tuple[job_result.Result | None, bool]:
        """Return a finished compile of the same inputs, and whether its record is damaged.

        The one in use comes first, then the newest. A Create takes its own only: what a former
        resource of its name has left was kept for something else, which a Delete with DESTROY
        would take away.
        """
        api = api_of(request)
        own = job_names.record_key(request, job_names.job_name(request))
        folder = f"{job_names.records_folder(request)}{job_names.inputs_digest(request)}-"
        found = [
            # Rests on A-CFN-04.
            (name == request.physical_id, modified, key, name)
            for key, modified in s3_objects.keys(
                self._s3, bucket, own if request.type == "Create" else folder
            )
            if (name := job_names.job_of_key(request, key))
        ]
        for _, _, key, name in sorted(found, reverse=True):
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            recorded, job = job_result.Result.parse(api, body), self._describe(request, name)
            is_told = job and job.status == "COMPLETED" and any(job.fields.values())
            result = job_result.Result.of(name, job) if job and is_told else recorded
            if result is None or not _is_of_job(request, result, name):
                continue
            if (is_told or api.is_trusted(request, result.fields)) and self._has_artifact(
                api, result
            ):
                # Rests on A-REC-08.
                return result, result != recorded
        return None, False

    def _has_artifact(self, api: JobApi, of: job_result.Job | job_result.Result) -> bool:
        """Whether the artifact that a job or its record names is there, or none is to be."""
        if not api.artifact_field:
            return True
        bucket, key = s3_objects.split_uri(of.fields[api.artifact_field])
        return bool(key) and s3_objects.head(self._s3, bucket, key) is not None


def _is_of_job(request: Request, result: job_result.Result, name: str) -> bool:
    """Whether a record is about its job: others may be able to write to the bucket."""
    place = f"s3://{job_names.bucket(request)}/{job_names.output_folder(name)}"
    artifact = result.fields.get(api_of(request).artifact_field, place)
    is_its = result.job_name == name and artifact.startswith(place)
    return is_its and ".." not in artifact.split("/")


# Rests on A-NEO-13.
def _is_missing(error: ClientError) -> bool:
    """Whether there is no such job: the API documents one form, the service also uses another."""
    code = error_code(error)
    return code == "ResourceNotFound" or (
        code == "ValidationException" and "Could not find" in str(error)
    )


def _may_retag(request: Request) -> bool:
    """Whether tags are, or were, asked for."""
    return bool(request.properties.get("Tags") or request.old_properties.get("Tags"))


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
