"""The edge of Custom::NeoCompilationJob: look at the world, and do what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from neo_jobs import fence, storage
from neo_jobs import job_spec as spec
from neo_jobs import reconcile as core
from neo_jobs.cloudformation import Request
from neo_jobs.transfer import Transfer

Client: TypeAlias = Any

RESOURCE_TYPE = "Custom::NeoCompilationJob"
INPUT_KEY = spec.INPUT_KEY
RESULT_KEY = "result.json"


class CompilationJobs:
    """Compilation jobs of one account and region.

    Parameters
    ----------
    sagemaker, s3
        Clients; calls are made only when a method needs them.
    transfer
        Copies what takes longer.
    """

    def __init__(self, sagemaker: Client, s3: Client, transfer: Transfer) -> None:
        self._sagemaker = sagemaker
        self._s3 = s3
        self._transfer = transfer

    @staticmethod
    def physical_id(request: Request) -> str:
        """Return the id to report when a request fails."""
        if request.type == "Delete":
            return request.physical_id or "none"
        return spec.job_name(request)

    def next_action(self, request: Request, clock: core.Clock) -> core.Action:
        """Look, and decide."""
        if request.type == "Delete" and not spec.is_ours(request):
            return core.reconcile(request, core.Observed(), clock)
        return core.reconcile(request, self._observe(request), clock)

    def perform(self, request: Request, action: core.Action) -> None:
        """Do the one thing that was decided."""
        name, bucket = spec.job_name(request), spec.bucket(request)
        match action:
            case core.CopyInput():
                source = self._transfer.find(
                    request.properties["InputConfig"]["S3Uri"],
                    request.properties.get("InputObjectVersion") or "",
                )
                self._transfer.copy(source, bucket, f"{name}/{INPUT_KEY}")
            case core.CreateJob():
                self._sagemaker.create_compilation_job(**spec.create_request(request))
            case core.StopJob():
                self.stop(name)
            case core.DeleteJob():
                self._delete(name)
            case core.TagJob(arn, add, remove):
                self._tag(arn, add, remove)
            case core.RecordResult(result):
                self._s3.put_object(
                    Bucket=bucket,
                    Key=f"{name}/{RESULT_KEY}",
                    Body=result.to_json().encode(),
                    ContentType="application/json",
                )
            case core.DiscardInput():
                storage.delete(self._s3, bucket, f"{name}/{INPUT_KEY}")
            case core.DestroyArtifacts():
                storage.destroy(self._s3, bucket, f"{name}/")

    def stop(self, name: str) -> None:
        """Stop a job; one that has ended meanwhile is left as it is."""
        try:
            self._sagemaker.stop_compilation_job(CompilationJobName=name)
        except ClientError as error:
            if storage.error_code(error) not in {"ValidationException", "ResourceNotFound"}:
                raise

    def _delete(self, name: str) -> None:
        """Remove a record; one that is gone already, or by a try whose reply was lost, is gone."""
        try:
            self._sagemaker.delete_compilation_job(CompilationJobName=name)
        except ClientError as error:
            if not _is_missing(error):
                raise

    def stop_older(self, request: Request, older: Sequence[Request]) -> core.Wait | None:
        """Stop the jobs and copies of older requests; None if there are none to stop."""
        active = fence.active_jobs(self._others(request))
        for name in active:
            self.stop(name)
        if active:
            return core.Wait(fence.STOPPING_SECONDS, "jobs of older requests are being stopped")
        return self._abort_copies(request, older)

    def remove_older(self, request: Request, older: Sequence[Request]) -> core.Wait | None:
        """Remove what older requests of the resource have left; None if that is done."""
        del older
        action = fence.fence_jobs(request, self._others(request), self._folders(request))
        match action:
            case fence.DeleteOtherJobs(names):
                for name in names:
                    self._delete(name)
            case fence.DiscardInputs(names):
                for name in names:
                    storage.delete(self._s3, spec.bucket(request), f"{name}/{INPUT_KEY}")
            case fence.DestroyFolders(names):
                for name in names:
                    storage.destroy(self._s3, spec.bucket(request), f"{name}/")
            case _:
                return action
        return core.Wait(core.SOON, "what older requests have left is being removed")

    def withdraw(self, request: Request) -> None:
        """Leave nothing of a request that a newer one has overtaken; it has made no job."""
        bucket, key = spec.bucket(request), f"{spec.job_name(request)}/{INPUT_KEY}"
        storage.abort_uploads(self._s3, bucket, key)
        storage.delete(self._s3, bucket, key)

    def _abort_copies(self, request: Request, older: Sequence[Request]) -> core.Wait | None:
        """Abort the copies that older requests are making."""
        found = fence.abort_older(
            self._s3,
            request,
            older,
            bucket_of=spec.bucket,
            prefix=f"{request.resource_prefix}-",
        )
        return core.Wait(core.SOON, "older copies are being aborted") if found else None

    def _others(self, request: Request) -> list[fence.OtherJob]:
        """Return the resource's jobs, but for the one the request is about."""
        pages = self._sagemaker.get_paginator("list_compilation_jobs").paginate(
            NameContains=f"{request.resource_prefix}-"
        )
        own = spec.job_name(request)
        return [
            fence.OtherJob(job["CompilationJobName"], job["CompilationJobStatus"])
            for page in pages
            for job in page["CompilationJobSummaries"]
            # The filter finds the text anywhere in a name.
            if spec.is_job_name(request, job["CompilationJobName"])
            and job["CompilationJobName"] != own
        ]

    def _folders(self, request: Request) -> list[fence.Folder]:
        """Return what lies in the bucket of the resource's other jobs."""
        bucket, own = spec.bucket(request), spec.job_name(request)
        found: dict[str, set[str]] = {}
        if not bucket:
            return []
        try:
            for key, _ in storage.keys(self._s3, bucket, f"{request.resource_prefix}-"):
                name, _, rest = key.partition("/")
                found.setdefault(name, set()).add(rest)
        except ClientError as error:
            if spec.needs_no_bucket(request, storage.error_code(error)):
                return []
            raise
        return [
            fence.Folder(name, has_input=INPUT_KEY in keys, has_result=RESULT_KEY in keys)
            for name, keys in found.items()
            if spec.is_job_name(request, name) and name != own
        ]

    def abandon(self, request: Request) -> None:
        """Leave nothing running when a request is given up."""
        if request.type != "Delete":
            name = spec.job_name(request)
            try:
                self.stop(name)
            finally:
                storage.abort_uploads(self._s3, spec.bucket(request), f"{name}/{INPUT_KEY}")

    def _observe(self, request: Request) -> core.Observed:
        name, bucket = spec.job_name(request), spec.bucket(request)
        job = self._describe(name)
        if job and job.status not in core.TERMINAL:
            return core.Observed(job=job)
        if request.type == "Delete":
            return core.Observed(job=job) if job else self._observe_leftovers(request)
        has_input = storage.head(self._s3, bucket, f"{name}/{INPUT_KEY}") is not None
        if job is None:
            result = self._result(request, bucket)
            tags = self._tags(result.arn) if result and _may_retag(request) else None
            return core.Observed(has_input=has_input, result=result, tags=tags)
        return core.Observed(
            job=job,
            has_input=has_input,
            has_artifact=self._exists(job.artifact),
            has_record=storage.head(self._s3, bucket, f"{name}/{RESULT_KEY}") is not None,
        )

    def _observe_leftovers(self, request: Request) -> core.Observed:
        """Look for what a job whose record is gone has left in the bucket."""
        name, bucket = spec.job_name(request), spec.bucket(request)
        if not bucket:
            return core.Observed()
        destroys = spec.destroys(request)
        try:
            has_input = storage.head(self._s3, bucket, f"{name}/{INPUT_KEY}") is not None
            leftovers = destroys and any(storage.versions(self._s3, bucket, f"{name}/"))
        except ClientError as error:
            if spec.needs_no_bucket(request, storage.error_code(error)):
                return core.Observed()
            raise
        return core.Observed(has_input=has_input, has_leftovers=leftovers)

    def _describe(self, name: str) -> core.Job | None:
        try:
            reply = self._sagemaker.describe_compilation_job(CompilationJobName=name)
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        return core.Job(
            status=reply["CompilationJobStatus"],
            reason=reply.get("FailureReason") or "",
            artifact=(reply.get("ModelArtifacts") or {}).get("S3ModelArtifacts") or "",
            image=reply.get("InferenceImage") or "",
            digest=(reply.get("ModelDigests") or {}).get("ArtifactDigest") or "",
            arn=reply.get("CompilationJobArn") or "",
            spec=spec.identity(reply),
            created=_seconds(reply.get("CreationTime")),
        )

    def _tags(self, arn: str) -> dict[str, str] | None:
        """Return the tags on a job's record; None if someone has removed it."""
        try:
            pages = list(self._sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn))
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        return spec.as_mapping([tag for page in pages for tag in page["Tags"]])

    def _tag(self, arn: str, add: Mapping[str, str], remove: Sequence[str]) -> None:
        if add:
            tags = [{"Key": key, "Value": value} for key, value in add.items()]
            self._sagemaker.add_tags(ResourceArn=arn, Tags=tags)
        if remove:
            self._sagemaker.delete_tags(ResourceArn=arn, TagKeys=list(remove))

    def _result(self, request: Request, bucket: str) -> core.Result | None:
        """Return a finished compile of the same inputs; the one in use first, then the newest."""
        found = [
            (key == f"{request.physical_id}/{RESULT_KEY}", modified, key)
            for key, modified in storage.keys(self._s3, bucket, spec.inputs_prefix(request))
            if key.endswith(f"/{RESULT_KEY}")
        ]
        for _, _, key in sorted(found, reverse=True):
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            result = core.Result.parse(body)
            if self._exists(result.artifact):
                return result
        return None

    def _exists(self, uri: str) -> bool:
        bucket, key = storage.split_uri(uri)
        return bool(key) and storage.head(self._s3, bucket, key) is not None


def _is_missing(error: ClientError) -> bool:
    """Whether there is no such job: the API documents one form, the service also uses another."""
    code = storage.error_code(error)
    return code == "ResourceNotFound" or (
        code == "ValidationException" and "Could not find" in str(error)
    )


def _may_retag(request: Request) -> bool:
    """Whether tags are, or were, asked for."""
    return bool(request.properties.get("Tags") or request.old_properties.get("Tags"))


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
