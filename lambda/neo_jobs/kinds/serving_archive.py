"""Custom::NeoServingArchive: bring a script to where the serving container looks for it.

Either into the archive that is served, beside the compiled model, or into an archive of its own
for the containers that take one by SAGEMAKER_SUBMIT_DIRECTORY. Each is written to a key that is
never written twice: an endpoint that serves from an older archive keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from neo_jobs import actions, archive_writer, s3_objects
from neo_jobs.aws import Aws
from neo_jobs.cloudformation import Request, digest
from neo_jobs.effects import DeletePrefixes, Effect, Write, apply
from neo_jobs.errors import error_code
from neo_jobs.properties import (
    bucket_of,
    deletes_artifacts,
    may_ignore_bucket_error,
    name_what_stays,
)
from neo_jobs.transfer import Transfer
from neo_jobs.uploads import abort_older

Client: TypeAlias = Any

RESOURCE_TYPE = "Custom::NeoServingArchive"
MODEL_KEY = "model.tar.gz"
# Rests on A-NEO-03.
SCRIPT_KEY = "sourcedir.tar.gz"
# Rests on A-NEO-06.
CODE_DIRECTORY = "/opt/ml/model/code"


# --- what is asked for ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArchiveSpec:
    """What a request's properties ask for.

    Parameters
    ----------
    bucket
        The artifact bucket.
    model_url
        The compiled artifact.
    script_uri, script_version
        The script's archive.
    is_inside
        Whether the script goes into the served archive.
    content
        What the result depends on: a part of its key.
    """

    bucket: str
    model_url: str
    script_uri: str
    script_version: str
    is_inside: bool
    content: str

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> ArchiveSpec:
        """Read properties."""
        script, model_url = properties["Script"], properties["ModelDataUrl"]
        version = script.get("ObjectVersion") or ""
        is_inside = properties.get("Layout") == "code"
        script_content: Any = script.get("Fingerprint") or [script["S3Uri"], version]
        # What is checked as the archive is written: another of it, another archive.
        checked = [properties["EntryPoint"], properties.get("NetworkIsolation")]
        content = [model_url if is_inside else "", script_content, checked]
        return cls(
            bucket=s3_objects.split_uri(properties["OutputLocation"])[0],
            model_url=model_url,
            script_uri=script["S3Uri"],
            script_version=version,
            is_inside=is_inside,
            content=digest(content, 10),
        )

    @property
    def file(self) -> str:
        """The archive's name in its folder."""
        return MODEL_KEY if self.is_inside else SCRIPT_KEY

    def attributes(self, folder: str) -> dict[str, str]:
        """Return what Fn::GetAtt can read of an archive in a folder."""
        url = f"s3://{self.bucket}/{folder}/{self.file}"
        if self.is_inside:
            return {"ModelDataUrl": url, "SubmitDirectory": CODE_DIRECTORY}
        return {"ModelDataUrl": self.model_url, "SubmitDirectory": url}


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a decision rests on.

    Parameters
    ----------
    folder
        Where an archive of the same content lies; empty if there is none.
    has_leftovers
        Whether there is something that the request destroys.
    """

    folder: str = ""
    has_leftovers: bool = False


def decide(request: Request, seen: Seen, context: actions.StepContext) -> actions.Action:
    """Return the next action for a serving archive."""
    if request.type == "Delete":
        if seen.has_leftovers:
            return actions.DestroyArtifacts()
        return actions.Succeed(request.physical_id or "none", {})
    if seen.folder:
        return actions.Succeed(
            seen.folder, ArchiveSpec.of(request.properties).attributes(seen.folder)
        )
    if context.is_past_deadline:
        cause = f": {context.why}" if context.why else ""
        return actions.Fail(f"The serving archive could not be written in time{cause}.")
    return actions.WriteArchive()


def archive_prefix(request: Request) -> str:
    """Return what the keys of all archives of a resource start with."""
    return f"{request.resource_prefix}/serving/"


def own_folder(request: Request) -> str:
    """Return the folder that a request writes to, and no other."""
    content = ArchiveSpec.of(request.properties).content
    return f"{archive_prefix(request)}{content}-{digest(request.request_id, 8)}"


def destroy_prefix(request: Request) -> str:
    """Return the prefix of what a Delete destroys; empty if nothing."""
    is_ours = (request.physical_id or "").startswith(archive_prefix(request))
    return f"{request.physical_id}/" if is_ours and deletes_artifacts(request) else ""


# Rests on A-CFN-05.
def unacknowledged_folders(request: Request, older: Sequence[Request]) -> tuple[str, ...]:
    """Return the folders of Creates that were given up before CloudFormation had their id.

    Only a Delete by an id that CloudFormation invented knows that: what other requests have
    completed may be what CloudFormation has the id of.
    """
    is_ours = (request.physical_id or "").startswith(archive_prefix(request))
    if request.type != "Delete" or is_ours or not deletes_artifacts(request):
        return ()
    return tuple(own_folder(other) for other in older if other.type == "Create")


# --- the edge -------------------------------------------------------------------------------


class ServingArchives:
    """Serving archives of one account and region.

    Parameters
    ----------
    aws
        Clients; calls are made only when a method needs them.
    transfer
        Writes what takes longer.
    """

    def __init__(self, aws: Aws, transfer: Transfer) -> None:
        self._aws = aws
        self._transfer = transfer

    @property
    def _s3(self) -> Client:
        return self._aws.client("s3")

    @staticmethod
    def physical_id(request: Request) -> str:
        """Return the id to report when a request fails."""
        if request.type == "Delete":
            return request.physical_id or "none"
        return own_folder(request)

    @staticmethod
    def decide(request: Request, seen: Seen, context: actions.StepContext) -> actions.Action:
        """Return the next action."""
        return decide(request, seen, context)

    def withdrawn(self, request: Request) -> Request | None:
        """Abort a request that was overtaken, and return the Delete of what it has made.

        None if there is nothing to delete.

        A Create's archive only: what an Update has completed may be what the newer one serves.
        """
        self.abandon(request)
        if request.type != "Create":
            return None
        return replace(request, type="Delete", physical_id=own_folder(request))

    def perform(self, request: Request, action: actions.Action) -> None:
        """Do the one thing that was decided."""
        apply(effects_of(request, action), self._aws, self._transfer)

    def stop_older(self, request: Request, older: Sequence[Request]) -> actions.Wait | None:
        """Abort what older requests of the resource are writing; None if that is done."""
        found = abort_older(
            self._s3, request, older, bucket_of=_bucket, prefix=archive_prefix(request)
        )
        return actions.Wait(1, "older uploads are being aborted") if found else None

    def remove_older(
        self, request: Request, older: Sequence[Request], context: actions.StepContext
    ) -> actions.Wait | None:
        """Remove what older requests have left; None if that is done.

        What they have completed stays where CloudFormation may have its id.
        """
        for folder in unacknowledged_folders(request, older):
            if self._has_any(_bucket(request), f"{folder}/", context):
                doomed = DeletePrefixes(_bucket(request), (f"{folder}/",))
                apply([doomed], self._aws, self._transfer)
                return actions.Wait(
                    context.soon(), "archives that were not reported are being removed"
                )
        return None

    def abandon(self, request: Request) -> None:
        """Leave nothing half-written when a request is given up."""
        if request.type != "Delete":
            s3_objects.abort_uploads(self._s3, _bucket(request), own_folder(request))

    def _has_any(self, bucket: str, prefix: str, context: actions.StepContext) -> bool:
        found = s3_objects.versions(self._s3, bucket, prefix)
        return any(not context.keeps(each["Key"]) for each in found)

    def observe(self, request: Request, context: actions.StepContext) -> Seen:
        """Look for an archive of the same content, or for what a Delete destroys."""
        if request.type != "Delete":
            return Seen(folder=self._find(request))
        prefix, bucket = destroy_prefix(request), _bucket(request)
        try:
            found = bool(prefix and bucket) and self._has_any(bucket, prefix, context)
        except ClientError as error:
            if not may_ignore_bucket_error(request, error_code(error)):
                raise
            name_what_stays(request, error, prefix, context.kept)
            return Seen()
        return Seen(has_leftovers=found)

    def _find(self, request: Request) -> str:
        """Return the folder of an archive with the same content; the one in use first.

        A Create takes none but its own: what is there may be kept for something else.
        """
        wanted = ArchiveSpec.of(request.properties)
        is_new = request.type == "Create"
        prefix = own_folder(request) if is_new else f"{archive_prefix(request)}{wanted.content}-"
        found = [
            # Rests on A-CFN-04.
            (key == f"{request.physical_id}/{wanted.file}", modified, key)
            for key, modified in s3_objects.keys(self._s3, wanted.bucket, prefix)
            if key.endswith(f"/{wanted.file}")
        ]
        return max(found)[2].removesuffix(f"/{wanted.file}") if found else ""


def effects_of(request: Request, action: actions.Action) -> list[Effect]:
    """Return what an action does to the world."""
    match action:
        case actions.WriteArchive():
            return [Write(partial(_write, request))]
        case actions.DestroyArtifacts():
            return [DeletePrefixes(_bucket(request), (destroy_prefix(request),))]
    return []


def _write(request: Request, transfer: Transfer) -> None:
    wanted, properties = ArchiveSpec.of(request.properties), request.properties
    key = f"{own_folder(request)}/{wanted.file}"
    script = transfer.find(wanted.script_uri, wanted.script_version)
    model = transfer.find(wanted.model_url, "") if wanted.is_inside else None
    key_id = str(properties.get("KmsKeyId") or "")
    with transfer.upload(wanted.bucket, key, key_id=key_id) as upload:
        archive_writer.write_archive(
            upload,
            script=archive_writer.Script(
                entry_point=properties["EntryPoint"],
                takes_one_script=not wanted.is_inside,
                may_install=properties.get("NetworkIsolation") != "true",
            ),
            open_script=lambda: transfer.open(script),
            open_model=(lambda: transfer.open(model)) if model else None,
            go_on=transfer.go_on,
        )


def _bucket(request: Request) -> str:
    """Return the artifact bucket; empty if the properties name none."""
    return bucket_of(request.properties, "OutputLocation")
