"""Custom::NeoServingArchive: bring a script to where the serving container looks for it.

The containers that take a script by SAGEMAKER_SUBMIT_DIRECTORY want an archive whose key ends in
.tar.gz, which a CDK asset's does not. It is copied to a key that is never written twice.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from neo_jobs import reconcile as core
from neo_jobs import storage
from neo_jobs.cloudformation import Request, digest

Client: TypeAlias = Any

RESOURCE_TYPE = "Custom::NeoServingArchive"
SCRIPT_KEY = "sourcedir.tar.gz"


class ServingArchives:
    """Serving archives of one account and region.

    Parameters
    ----------
    s3
        A client; calls are made only when a method needs them.
    copier
        One that waits for a large copy.
    """

    def __init__(self, s3: Client, copier: Client) -> None:
        self._s3 = s3
        self._copier = copier

    @staticmethod
    def physical_id(request: Request) -> str:
        """Return the id to report when a request fails."""
        if request.type == "Delete":
            return request.physical_id or "none"
        return _own_prefix(request)

    def next_action(self, request: Request, clock: core.Clock) -> core.Action:
        """Look, and decide."""
        bucket, _ = _location(request)
        if request.type == "Delete":
            done = core.Succeed(request.physical_id or "none", {})
            is_ours = (request.physical_id or "").startswith(f"{request.resource_prefix}/serving/")
            if not is_ours or request.properties.get("ArtifactRemovalPolicy") != "DESTROY":
                return done
            return core.DestroyArtifacts() if self._has_leftovers(request, bucket) else done
        found = self._find(request, bucket)
        if found:
            return core.Succeed(found, _attributes(request, bucket, found))
        if clock.is_late:
            return core.Fail("The script could not be copied in time.")
        return core.CopyInput()

    def perform(self, request: Request, action: core.Action) -> None:
        """Do the one thing that was decided."""
        bucket, _ = _location(request)
        match action:
            case core.CopyInput():
                script = request.properties["Script"]
                storage.copy(
                    self._copier,
                    source_uri=script["S3Uri"],
                    version=script.get("ObjectVersion") or "",
                    bucket=bucket,
                    key=f"{_own_prefix(request)}/{SCRIPT_KEY}",
                )
            case core.DestroyArtifacts():
                storage.destroy(self._s3, bucket, f"{request.physical_id}/")

    def stop_older(self, request: Request) -> core.Wait | None:
        """Return None: nothing of this resource runs on its own."""
        del request
        return None

    def remove_older(self, request: Request) -> core.Wait | None:
        """Return None: what a request that was given up has copied serves the next."""
        del request
        return None

    def abandon(self, request: Request) -> None:
        """Nothing of this resource runs on its own."""

    def _has_leftovers(self, request: Request, bucket: str) -> bool:
        try:
            return any(storage.versions(self._s3, bucket, f"{request.physical_id}/"))
        except ClientError as error:
            if storage.error_code(error) == "NoSuchBucket":
                return False
            raise

    def _find(self, request: Request, bucket: str) -> str | None:
        """Return the prefix of a copy with the same content; the one in use first."""
        found = [
            (key == f"{request.physical_id}/{SCRIPT_KEY}", modified, key)
            for key, modified in storage.keys(self._s3, bucket, _content_prefix(request))
            if key.endswith(f"/{SCRIPT_KEY}")
        ]
        return max(found)[2].removesuffix(f"/{SCRIPT_KEY}") if found else None


def _location(request: Request) -> tuple[str, str]:
    return storage.split_uri(request.properties["OutputLocation"])


def _content_prefix(request: Request) -> str:
    script = request.properties["Script"]
    content = script.get("Fingerprint") or [script["S3Uri"], script.get("ObjectVersion") or ""]
    return f"{request.resource_prefix}/serving/{digest(content, 10)}-"


def _own_prefix(request: Request) -> str:
    return _content_prefix(request) + digest(request.request_id, 8)


def _attributes(request: Request, bucket: str, prefix: str) -> dict[str, str]:
    return {
        "ModelDataUrl": request.properties["ModelDataUrl"],
        "SubmitDirectory": f"s3://{bucket}/{prefix}/{SCRIPT_KEY}",
    }
