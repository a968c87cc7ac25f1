"""The kinds of SageMaker jobs that the engine runs: a new kind is a line here."""

from __future__ import annotations

from collections.abc import Mapping

from neo_jobs.cloudformation import Request
from neo_jobs.kinds.compilation import COMPILATION
from neo_jobs.kinds.job_api import JobApi
from neo_jobs.kinds.recommendation import RECOMMENDATION

JOB_APIS: Mapping[str, JobApi] = {api.resource_type: api for api in (COMPILATION, RECOMMENDATION)}


def api_of(request: Request) -> JobApi:
    """Return the kind of job that a request is about."""
    return JOB_APIS[request.resource_type]
