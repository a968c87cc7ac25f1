"""A kind of job unlike compiling: no record to delete, no copy of a model, no artifact.

Its API is that of inference recommendations jobs, and the calls are held to botocore's model. That
the engine serves it shows what a new kind takes: one value.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from neo_jobs import kinds
from neo_jobs.cloudformation import Request
from neo_jobs.kinds import job_apis
from neo_jobs.kinds.job_api import Fields, JobApi
from neo_jobs.kinds.sagemaker_job import SageMakerJobs
from neo_jobs.state import Progress, UnknownStateError

from tests.lifecycle.events import BUCKET, PREFIX, request_event
from tests.lifecycle.fakes import Json, refused
from tests.lifecycle.rights import MACHINE
from tests.lifecycle.world import World

TYPE = "Custom::NeoInferenceRecommendationsJob"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:inference-recommendations-job"
PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/digits/1"


def recommended(reply: Mapping[str, Any]) -> Fields:
    return {"Recommendations": json.dumps(reply.get("InferenceRecommendations") or [])}


def create_parameters(request: Request, _source: str, _target: str) -> dict[str, Any]:
    given = request.properties
    return {
        "JobType": "Default",
        "RoleArn": given["RoleArn"],
        "InputConfig": {"ModelPackageVersionArn": given["ModelPackageVersionArn"]},
    }


RECOMMENDATION = JobApi(
    resource_type=TYPE,
    noun="inference_recommendations_job",
    title="inference recommendations job",
    service="Inference Recommender",
    name_key="JobName",
    arn_key="JobArn",
    status_key="Status",
    summaries_key="InferenceRecommendationsJobs",
    log_group="/aws/sagemaker/InferenceRecommendationsJobs",
    can_delete=False,
    stages_input=False,
    immutable_fields=lambda properties: {"package": properties["ModelPackageVersionArn"]},
    create_parameters=create_parameters,
    fields=frozenset({"Recommendations"}),
    result_fields=recommended,
    artifact_field="",
    attributes=lambda _request, found: dict(found),
    is_trusted=lambda _request, _found: True,
    hint=lambda _reason: "",
)


class Recommender:
    """Inference recommendations jobs that end after some minutes."""

    def __init__(self, world: World) -> None:
        self._clock = world.clock
        self.jobs: dict[str, Json] = {}

    def create_inference_recommendations_job(self, **parameters: Any) -> Json:
        self.jobs[parameters["JobName"]] = {"since": self._clock(), "Status": "IN_PROGRESS"}
        return {}

    def describe_inference_recommendations_job(self, *, JobName: str) -> Json:
        if JobName not in self.jobs:
            raise refused("DescribeInferenceRecommendationsJob", "ResourceNotFound")
        job = self._at_rest(JobName)
        best = [{"Metrics": {"CostPerHour": 0.1}}] if job["Status"] == "COMPLETED" else []
        return {
            "JobName": JobName,
            "JobArn": f"{ARN}/{JobName}",
            "Status": job["Status"],
            "CreationTime": datetime.datetime.fromtimestamp(job["since"], datetime.UTC),
            "InferenceRecommendations": best,
        }

    def list_inference_recommendations_jobs(self, *, NameContains: str) -> Iterator[Json]:
        yield {
            "InferenceRecommendationsJobs": [
                {"JobName": name, "Status": self._at_rest(name)["Status"]}
                for name in self.jobs
                if NameContains in name
            ]
        }

    def stop_inference_recommendations_job(self, *, JobName: str) -> Json:
        self.jobs[JobName]["Status"] = "STOPPED"
        return {}

    def _at_rest(self, name: str) -> Json:
        job = self.jobs[name]
        if job["Status"] == "IN_PROGRESS" and self._clock() >= job["since"] + 600:
            job["Status"] = "COMPLETED"
        return job


@pytest.fixture
def recommender(world: World, monkeypatch: pytest.MonkeyPatch) -> Recommender:
    monkeypatch.setitem(job_apis.JOB_APIS, TYPE, RECOMMENDATION)
    monkeypatch.setitem(kinds.KINDS, TYPE, SageMakerJobs)
    made = Recommender(world)
    for name in dir(made):
        if "inference_recommendations_job" in name:
            setattr(world.sagemaker, name, getattr(made, name))
    return made


def asked(kind: str = "Create", *, physical_id: str | None = None, package: str = PACKAGE) -> Json:
    properties = {
        "StateMachineArn": MACHINE,
        "PropertiesVersion": "1",
        "ModelPackageVersionArn": package,
        "OutputConfig": {"S3OutputLocation": f"s3://{BUCKET}/"},
        "RoleArn": "arn:aws:iam::123456789012:role/recommend",
    }
    return request_event(kind, TYPE, "Recommendation", properties, physical_id)


def test_it_is_created_followed_and_recorded(world: World, recommender: Recommender) -> None:
    answer = world.serve(asked())
    assert answer["Status"] == "SUCCESS", answer
    (name,) = recommender.jobs
    assert answer["PhysicalResourceId"] == name
    assert json.loads(answer["Data"]["Recommendations"]) == [{"Metrics": {"CostPerHour": 0.1}}]
    assert answer["Data"]["JobArn"].endswith(name)
    (record,) = world.s3.under(PREFIX)
    assert record.endswith(".json"), "nothing was copied, and nothing else is kept"
    assert world.calls.of("CopyObject") == []


def test_an_update_with_the_same_inputs_measures_nothing(
    world: World, recommender: Recommender
) -> None:
    first = world.serve(asked())["PhysicalResourceId"]
    again = world.serve(asked("Update", physical_id=first))
    assert (again["Status"], again["PhysicalResourceId"]) == ("SUCCESS", first)
    assert len(recommender.jobs) == 1


def test_a_delete_stops_it_and_leaves_the_services_record(
    world: World, recommender: Recommender
) -> None:
    create = asked()
    world.serve(create, until=lambda: bool(recommender.jobs))
    (name,) = recommender.jobs
    answer = world.serve(asked("Delete", physical_id=name))
    assert answer["Status"] == "SUCCESS", answer
    assert recommender.jobs[name]["Status"] == "STOPPED"
    made = {operation for operation, _ in world.calls.made}
    assert "DeleteInferenceRecommendationsJob" not in made


def test_a_rollback_during_the_job_leaves_nothing_running(
    world: World, recommender: Recommender
) -> None:
    first = world.serve(asked())["PhysicalResourceId"]
    world.serve(
        asked("Update", physical_id=first, package=f"{PACKAGE}1"),
        until=lambda: len(recommender.jobs) == 2,
    )
    back = world.serve(asked("Update", physical_id=first))
    assert (back["Status"], back["PhysicalResourceId"]) == ("SUCCESS", first)
    assert {job["Status"] for job in recommender.jobs.values()} == {"COMPLETED", "STOPPED"}


def test_a_state_that_only_newer_engines_read_is_refused() -> None:
    with pytest.raises(UnknownStateError, match="version 2 or later"):
        Progress.of({"ReadableFrom": 2})
