"""The kinds of custom resources that the engine serves, by their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from neo_jobs.aws import Aws
from neo_jobs.cloudformation import Request
from neo_jobs.errors import PermanentError
from neo_jobs.kinds import approved_package, serving_archive
from neo_jobs.kinds.job_apis import JOB_APIS
from neo_jobs.kinds.kind import Kind
from neo_jobs.kinds.sagemaker_job import SageMakerJobs
from neo_jobs.transfer import Transfer

KINDS: Mapping[str, Callable[[Aws, Transfer], Kind]] = {
    **dict.fromkeys(JOB_APIS, SageMakerJobs),
    serving_archive.RESOURCE_TYPE: serving_archive.ServingArchives,
    approved_package.RESOURCE_TYPE: approved_package.ApprovedPackages,
}


def kind_of(request: Request, aws: Aws, transfer: Transfer) -> Kind:
    """Return what serves a request.

    Raises
    ------
    PermanentError
        If the engine does not know the resource's type.
    """
    if request.resource_type not in KINDS:
        raise PermanentError(f"The engine does not know {request.resource_type!r}.")
    return KINDS[request.resource_type](aws, transfer)
