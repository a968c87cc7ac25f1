"""The edge of Custom::NeoCompilationJob: look at the world, and do what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from neo_jobs import reconcile as core
from neo_jobs import storage
from neo_jobs.cloudformation import Request
from neo_jobs.fence import DeleteOtherJobs, OtherJob, StopOtherJobs

Client: TypeAlias = Any

RESOURCE_TYPE = "Custom::NeoCompilationJob"
INPUT_KEY = "input/model.tar.gz"  # the API asks for this suffix; CDK assets lose it
RESULT_KEY = "result.json"


class CompilationJobs:
    """Compilation jobs of one account and region.

    Parameters
    ----------
    sagemaker, s3
        Clients; calls are made only when a method needs them.
    copier
        An S3 client that waits for a large copy.
    """

    def __init__(self, sagemaker: Client, s3: Client, copier: Client) -> None:
        self._sagemaker = sagemaker
        self._s3 = s3
        self._copier = copier

    @staticmethod
    def physical_id(request: Request) -> str:
        """Return the id to report when a request fails."""
        if request.type == "Delete":
            return request.physical_id or "none"
        return core.job_name(request)

    def next_action(self, request: Request, clock: core.Clock) -> core.Action:
        """Look, and decide."""
        if request.type == "Delete" and not core.is_ours(request):
            return core.reconcile(request, core.Observed(), clock)
        return core.reconcile(request, self._observe(request), clock)

    def perform(self, request: Request, action: core.Action) -> None:
        """Do the one thing that was decided."""
        name, bucket = core.job_name(request), _bucket(request)
        match action:
            case core.CopyInput():
                storage.copy(
                    self._copier,
                    source_uri=request.properties["InputConfig"]["S3Uri"],
                    version=request.properties.get("InputObjectVersion") or "",
                    bucket=bucket,
                    key=f"{name}/{INPUT_KEY}",
                )
            case core.CreateJob():
                self._sagemaker.create_compilation_job(**create_request(request))
            case core.StopJob():
                self.stop(name)
            case core.DeleteJob():
                self._sagemaker.delete_compilation_job(CompilationJobName=name)
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

    def others(self, request: Request) -> list[OtherJob]:
        """Return the resource's jobs, but for the one the request is about."""
        pages = self._sagemaker.get_paginator("list_compilation_jobs").paginate(
            NameContains=f"{request.resource_prefix}-"
        )
        own = core.job_name(request)
        return [
            OtherJob(job["CompilationJobName"], job["CompilationJobStatus"])
            for page in pages
            for job in page["CompilationJobSummaries"]
            # The filter finds the text anywhere in a name.
            if job["CompilationJobName"].startswith(f"{request.resource_prefix}-")
            and job["CompilationJobName"] != own
        ]

    def end_others(self, action: StopOtherJobs | DeleteOtherJobs) -> None:
        """Stop jobs, or remove the records of jobs that have ended."""
        for name in action.names:
            if isinstance(action, StopOtherJobs):
                self.stop(name)
            else:
                self._sagemaker.delete_compilation_job(CompilationJobName=name)

    def abandon(self, request: Request) -> None:
        """Leave nothing running when a request is given up."""
        if request.type != "Delete":
            self.stop(core.job_name(request))

    def _observe(self, request: Request) -> core.Observed:
        name, bucket = core.job_name(request), _bucket(request)
        job = self._describe(name)
        if job and job.status not in core.TERMINAL:
            return core.Observed(job=job)
        if request.type == "Delete":
            return core.Observed(job=job) if job else self._observe_leftovers(request)
        has_input = storage.head(self._s3, bucket, f"{name}/{INPUT_KEY}") is not None
        if job is None:
            result = self._result(request, bucket)
            return core.Observed(has_input=has_input, result=result)
        return core.Observed(
            job=job,
            has_input=has_input,
            has_artifact=self._exists(job.artifact),
            has_record=storage.head(self._s3, bucket, f"{name}/{RESULT_KEY}") is not None,
        )

    def _observe_leftovers(self, request: Request) -> core.Observed:
        """Look for what a job whose record is gone has left in the bucket."""
        name, bucket = core.job_name(request), _bucket(request)
        destroys = request.properties.get("ArtifactRemovalPolicy") == "DESTROY"
        try:
            has_input = storage.head(self._s3, bucket, f"{name}/{INPUT_KEY}") is not None
            leftovers = destroys and any(storage.versions(self._s3, bucket, f"{name}/"))
        except ClientError as error:
            # The rights on a bucket go with the last job that uses it; what is kept needs none.
            if storage.error_code(error) == "AccessDenied" and not destroys:
                return core.Observed()
            raise
        return core.Observed(has_input=has_input, has_leftovers=leftovers)

    def _describe(self, name: str) -> core.Job | None:
        try:
            reply = self._sagemaker.describe_compilation_job(CompilationJobName=name)
        except ClientError as error:
            # The API documents the first; the service is known to answer with the second.
            code, message = storage.error_code(error), str(error)
            if code == "ResourceNotFound" or (
                code == "ValidationException" and "Could not find" in message
            ):
                return None
            raise
        return core.Job(
            status=reply["CompilationJobStatus"],
            reason=reply.get("FailureReason") or "",
            artifact=(reply.get("ModelArtifacts") or {}).get("S3ModelArtifacts") or "",
            image=reply.get("InferenceImage") or "",
            digest=(reply.get("ModelDigests") or {}).get("ArtifactDigest") or "",
            arn=reply.get("CompilationJobArn") or "",
        )

    def _result(self, request: Request, bucket: str) -> core.Result | None:
        """Return a finished compile of the same inputs; the one in use first, then the newest."""
        found = [
            (key == f"{request.physical_id}/{RESULT_KEY}", modified, key)
            for key, modified in storage.keys(self._s3, bucket, core.inputs_prefix(request))
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


def create_request(request: Request) -> dict[str, Any]:
    """Return the CreateCompilationJob call for a request, its numbers as numbers."""
    properties, name = request.properties, core.job_name(request)
    bucket = _bucket(request)
    model, output = properties["InputConfig"], properties["OutputConfig"]
    call: dict[str, Any] = {
        "CompilationJobName": name,
        "RoleArn": properties["RoleArn"],
        "InputConfig": {**_filled(model), "S3Uri": f"s3://{bucket}/{name}/{INPUT_KEY}"},
        "OutputConfig": {**_filled(output), "S3OutputLocation": f"s3://{bucket}/{name}/"},
        "StoppingCondition": {
            "MaxRuntimeInSeconds": int(properties["StoppingCondition"]["MaxRuntimeInSeconds"])
        },
    }
    for optional in ("VpcConfig", "Tags"):
        if properties.get(optional):
            call[optional] = properties[optional]
    return call


def _bucket(request: Request) -> str:
    return storage.split_uri(request.properties["OutputConfig"]["S3OutputLocation"])[0]


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}
