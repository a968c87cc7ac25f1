"""An inference recommendations job: no record to delete, no copy of a model, no artifact."""

from __future__ import annotations

import json
from typing import Any

import pytest
from neo_jobs.state import Progress, UnknownStateError

from tests.lifecycle.events import BUCKET, PACKAGE, PREFIX, recommendation_event
from tests.lifecycle.fakes import Json
from tests.lifecycle.helpers import record_key
from tests.lifecycle.world import World

CONTENTS = {"Image": "image:1", "ModelDataUrl": "s3://models/1.tar.gz"}
NEXT = PACKAGE.replace("/1", "/2")


def measured(world: World, **changes: Any) -> str:
    """Return the physical id of a Create that succeeds."""
    answer = world.serve(recommendation_event(**changes))
    assert answer["Status"] == "SUCCESS", answer
    return str(answer["PhysicalResourceId"])


def package(arn: str) -> Json:
    return {"ModelPackageVersionArn": arn, "JobDurationInSeconds": "2700"}


def test_it_is_created_followed_and_recorded(world: World) -> None:
    answer = world.serve(recommendation_event(ModelContents=CONTENTS))
    assert answer["Status"] == "SUCCESS", answer
    (name,) = world.sagemaker.recommender.jobs
    data = answer["Data"]
    assert answer["PhysicalResourceId"] == name
    assert (data["InstanceType"], data["InitialInstanceCount"]) == ("ml.c5.xlarge", "1")
    assert (data["CostPerInference"], data["ModelLatency"]) == ("2e-06", "20")
    assert json.loads(data["Environment"]) == {"OMP_NUM_THREADS": "2"}
    assert (data["Image"], data["ModelDataUrl"]) == ("image:1", "s3://models/1.tar.gz")
    assert data["CpuUtilization"] == "", "it was not measured"
    assert data["RecordUrl"] == f"s3://{BUCKET}/{record_key(name)}"
    assert data["JobArn"].endswith(name)
    (key,) = world.s3.under(PREFIX)
    assert key == record_key(name), "nothing was copied, and nothing else is kept"
    record = json.loads(world.s3.objects[BUCKET, key][0])
    types = [each["EndpointConfiguration"]["InstanceType"] for each in record["Recommendations"]]
    assert sorted(types) == ["ml.c5.large", "ml.c5.xlarge"]
    assert record["Recommendations"][0]["InvocationStartTime"] == "2027-01-15T08:05:00+00:00"
    assert world.calls.of("CopyObject") == []


@pytest.mark.parametrize("key", ["alias/key", ""])
def test_what_it_may_compile_goes_to_the_jobs_own_folder(world: World, key: str) -> None:
    output = {"S3OutputLocation": f"s3://{BUCKET}/", **({"KmsKeyId": key} if key else {})}
    name = measured(world, MayCompile="true", OutputConfig=output)
    (sent,) = world.calls.of("CreateInferenceRecommendationsJob")
    assert sent["OutputConfig"] == {
        "CompiledOutputConfig": {"S3OutputUri": f"s3://{BUCKET}/{name}/"},
        **({"KmsKeyId": key} if key else {}),
    }


def test_a_job_that_writes_nothing_needs_no_key(world: World) -> None:
    output = {"S3OutputLocation": f"s3://{BUCKET}/", "KmsKeyId": "alias/key"}
    measured(world, OutputConfig=output)
    (sent,) = world.calls.of("CreateInferenceRecommendationsJob")
    assert "OutputConfig" not in sent
    assert set(world.s3.keys.values()) == {"alias/key"}, "the record is under it"


def test_numbers_are_sent_as_numbers(world: World) -> None:
    given = {
        **package(PACKAGE),
        "TrafficPattern": {
            "TrafficType": "PHASES",
            "Phases": [{"InitialNumberOfUsers": "1", "SpawnRate": "0", "DurationInSeconds": "120"}],
        },
        "ResourceLimit": {"MaxNumberOfTests": "4", "MaxParallelOfTests": "2"},
        "EndpointConfigurations": [
            {
                "InstanceType": "ml.c5.large",
                "EnvironmentParameterRanges": {
                    "CategoricalParameterRanges": [{"Name": "DurationInSeconds", "Value": ["1"]}]
                },
            },
            {"ServerlessConfig": {"MemorySizeInMB": "2048", "MaxConcurrency": "5"}},
        ],
    }
    stopping = {
        "MaxInvocations": "300",
        "ModelLatencyThresholds": [{"Percentile": "P95", "ValueInMilliseconds": "100"}],
    }
    measured(world, JobType="Advanced", InputConfig=given, StoppingConditions=stopping)
    (sent,) = world.calls.of("CreateInferenceRecommendationsJob")  # held to botocore's model
    assert sent["InputConfig"]["TrafficPattern"]["Phases"][0]["SpawnRate"] == 0
    assert sent["StoppingConditions"]["ModelLatencyThresholds"][0]["ValueInMilliseconds"] == 100
    ranges = sent["InputConfig"]["EndpointConfigurations"][0]["EnvironmentParameterRanges"]
    assert ranges["CategoricalParameterRanges"] == [{"Name": "DurationInSeconds", "Value": ["1"]}]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"RoleArn": "arn:aws:iam::123456789012:role/another"},
        {"Tags": [{"Key": "a", "Value": "b"}]},
        {"Selection": {"Objective": "CostPerHour"}},
        {"InputConfig": {**package(PACKAGE), "JobDurationInSeconds": "1800"}},
        {"CandidateInstanceTypes": ["ml.c5.large"]},
        {"PropertiesVersion": "1", "MayCompile": "true"},
    ],
)
def test_what_does_not_change_the_measurement_measures_nothing(world: World, changes: Json) -> None:
    first = measured(world)
    again = world.serve(recommendation_event("Update", physical_id=first, **changes))
    assert (again["Status"], again["PhysicalResourceId"]) == ("SUCCESS", first)
    assert len(world.sagemaker.recommender.jobs) == 1


def test_the_same_contents_registered_again_are_not_measured_again(world: World) -> None:
    first = measured(world, ModelContents=CONTENTS)
    again = world.serve(
        recommendation_event(
            "Update", physical_id=first, ModelContents=CONTENTS, InputConfig=package(NEXT)
        )
    )
    assert (again["Status"], again["PhysicalResourceId"]) == ("SUCCESS", first)
    assert len(world.sagemaker.recommender.jobs) == 1


def test_a_catalog_that_knows_more_types_measures_nothing(world: World) -> None:
    def types(*names: str) -> Json:
        container = {"ContainerConfig": {"SupportedInstanceTypes": list(names)}}
        return {"InputConfig": {**package(PACKAGE), **container}, "CandidatesAreOfTarget": "true"}

    first = measured(world, **types("ml.c5.large"))
    update = recommendation_event(
        "Update", physical_id=first, **types("ml.c5.large", "ml.c5.xlarge")
    )
    assert world.serve(update)["PhysicalResourceId"] == first


def test_the_versions_own_requests_do_not_matter_where_the_job_has_its_own(world: World) -> None:
    own = {"PayloadConfig": {"SamplePayloadUrl": "s3://payloads/1.tar.gz"}}

    def of(payload: str) -> Json:
        given = {**package(PACKAGE), "ContainerConfig": own}
        return {"InputConfig": given, "ModelContents": {**CONTENTS, "SamplePayload": payload}}

    first = measured(world, **of("a"))
    update = recommendation_event("Update", physical_id=first, **of("b"))
    assert world.serve(update)["PhysicalResourceId"] == first


def test_configurations_in_another_order_are_measured_once(world: World) -> None:
    types = [{"InstanceType": "ml.c5.large"}, {"InstanceType": "ml.c5.xlarge"}]

    def of(configurations: list[Json]) -> Json:
        return {"InputConfig": {**package(PACKAGE), "EndpointConfigurations": configurations}}

    first = measured(world, **of(types))
    update = recommendation_event("Update", physical_id=first, **of(types[::-1]))
    assert world.serve(update)["PhysicalResourceId"] == first


@pytest.mark.parametrize("status", ["DELETED", "COMPLETED"])
def test_a_record_outlives_what_the_service_still_says(world: World, status: str) -> None:
    """The service forgets what a job recommends that is old, or that someone has deleted."""
    name = measured(world)
    world.sagemaker.recommender.jobs[name]["status"] = status
    world.sagemaker.recommender.recommended = []
    again = world.serve(recommendation_event("Update", physical_id=name))
    assert (again["Status"], again["PhysicalResourceId"]) == ("SUCCESS", name)
    assert again["Data"]["InstanceType"] == "ml.c5.xlarge"
    assert b"ml.c5.large" in world.s3.objects[BUCKET, record_key(name)][0]


def test_a_right_that_lacks_late_in_a_run_is_not_paid_for_twice(world: World) -> None:
    world.sagemaker.outcome, world.sagemaker.seconds = "FAILED", 1_800
    world.sagemaker.reason = "ClientError: not authorized to perform: kms:CreateGrant"
    answer = world.serve(recommendation_event())
    assert answer["Status"] == "FAILED"
    assert "kms:CreateGrant" in answer["Reason"]
    assert len(world.sagemaker.recommender.jobs) == 1


def test_only_serverless_endpoints_were_measured(world: World) -> None:
    (best, _) = world.sagemaker.recommender.recommended
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 7}
    endpoint = {"EndpointName": "e", "VariantName": "v", "ServerlessConfig": serverless}
    world.sagemaker.recommender.recommended = [{**best, "EndpointConfiguration": endpoint}]
    answer = world.serve(recommendation_event(CandidateInstanceTypes=None))
    assert (answer["Data"]["MemorySizeInMB"], answer["Data"]["MaxConcurrency"]) == ("2048", "7")


@pytest.mark.parametrize(
    "changes",
    [
        {"InputConfig": package(NEXT)},
        {"PayloadFingerprint": "f" * 64},
        {"JobType": "Advanced"},
        {"ModelContents": CONTENTS},
    ],
)
def test_what_changes_the_measurement_measures_again(world: World, changes: Json) -> None:
    first = measured(world)
    again = world.serve(recommendation_event("Update", physical_id=first, **changes))
    assert again["Status"] == "SUCCESS"
    assert again["PhysicalResourceId"] != first
    assert len(world.sagemaker.recommender.jobs) == 2


def test_another_rule_chooses_among_what_was_measured(world: World) -> None:
    first = measured(world)
    rule = {"Objective": "CostPerInference", "AtMost": {"CostPerHour": "0.15"}}
    answer = world.serve(recommendation_event("Update", physical_id=first, Selection=rule))
    assert answer["Data"]["InstanceType"] == "ml.c5.large"
    assert answer["Data"]["MeetsLimits"] == "true"


def test_limits_that_nothing_keeps_do_not_throw_the_measurement_away(world: World) -> None:
    answer = world.serve(recommendation_event(Selection={"AtMost": {"ModelLatency": "1"}}))
    assert answer["Status"] == "SUCCESS"
    assert (answer["Data"]["InstanceType"], answer["Data"]["MeetsLimits"]) == (
        "ml.c5.xlarge",
        "false",
    )


def test_what_is_no_candidate_is_never_chosen(world: World) -> None:
    answer = world.serve(recommendation_event(CandidateInstanceTypes=["ml.c5.2xlarge"]))
    assert answer["Status"] == "FAILED"
    assert "none of the instance types that may be deployed (ml.c5.2xlarge)" in answer["Reason"]
    assert "it recommends ml.c5.large, ml.c5.xlarge" in answer["Reason"]


def test_a_delete_stops_it_and_leaves_the_services_record(world: World) -> None:
    create = recommendation_event()
    world.serve(create, until=lambda: bool(world.sagemaker.recommender.jobs))
    (name,) = world.sagemaker.recommender.jobs
    answer = world.serve(recommendation_event("Delete", physical_id=name))
    assert answer["Status"] == "SUCCESS", answer
    assert world.sagemaker.recommender.jobs[name]["status"] == "STOPPED"
    made = {operation for operation, _ in world.calls.made}
    assert "DeleteInferenceRecommendationsJob" not in made


@pytest.mark.parametrize("status", ["DELETED", "FAILED", "STOPPED"])
def test_a_delete_of_what_has_ended_is_done(world: World, status: str) -> None:
    name = measured(world)
    world.sagemaker.recommender.jobs[name]["status"] = status
    assert world.serve(recommendation_event("Delete", physical_id=name))["Status"] == "SUCCESS"


@pytest.mark.parametrize("status", ["DELETING", "DELETED"])
def test_a_job_that_someone_removes_meanwhile_is_a_failure_at_once(
    world: World, status: str
) -> None:
    create = recommendation_event()
    world.serve(create, until=lambda: bool(world.sagemaker.recommender.jobs))
    (name,) = world.sagemaker.recommender.jobs
    world.sagemaker.recommender.jobs[name]["status"] = status
    began = world.clock()
    if status == "DELETED":
        while world.tick():
            pass
        assert world.answers[-1]["Status"] == "FAILED"
        assert world.clock() - began < 300
        return
    answer = world.serve(
        recommendation_event("Delete", physical_id=name),
        until=lambda: world.clock() > began + 60,
    )
    assert not answer, "it waits for the end"
    assert world.calls.of("StopInferenceRecommendationsJob") == []


def test_a_rollback_during_the_job_leaves_nothing_running(world: World) -> None:
    first = measured(world)
    world.serve(
        recommendation_event("Update", physical_id=first, InputConfig=package(NEXT)),
        until=lambda: len(world.sagemaker.recommender.jobs) == 2,
    )
    back = world.serve(recommendation_event("Update", physical_id=first))
    assert (back["Status"], back["PhysicalResourceId"]) == ("SUCCESS", first)
    states = {job["status"] for job in world.sagemaker.recommender.jobs.values()}
    assert states == {"COMPLETED", "STOPPED"}


@pytest.mark.parametrize(
    "damage",
    [
        b"{",
        b'{"JobName": 1, "JobArn": "a", "Recommendations": []}',
        b'{"JobName": "n", "JobArn": "a", "Recommendations": "x"}',
        b'{"JobName": "n", "JobArn": "a", "Recommendations": [1]}',
        b'{"JobName": "n", "JobArn": "a", "Recommendations": [{"EndpointConfiguration": 1}]}',
    ],
)
def test_a_damaged_record_is_written_again(world: World, damage: bytes) -> None:
    name = measured(world)
    world.s3.put(f"s3://{BUCKET}/{record_key(name)}", damage)
    again = world.serve(recommendation_event("Update", physical_id=name))
    assert (again["Status"], again["PhysicalResourceId"]) == ("SUCCESS", name)
    assert b"ml.c5.large" in world.s3.objects[BUCKET, record_key(name)][0]


@pytest.mark.parametrize(
    "recommendations",
    [
        "[1]",
        '[{"EndpointConfiguration": []}]',
        '[{"EndpointConfiguration": {}, "Metrics": 1}]',
        '[{"EndpointConfiguration": {}, "ModelConfiguration": {"EnvironmentParameters": [1]}}]',
    ],
)
def test_a_record_alone_is_believed_only_if_it_reads_as_one(
    world: World, recommendations: str
) -> None:
    """The service forgets the job, and someone has written to the bucket: it is measured again."""
    name = measured(world)
    world.sagemaker.recommender.jobs.clear()
    text = f'{{"JobName": "{name}", "JobArn": "a", "Recommendations": {recommendations}}}'
    world.s3.put(f"s3://{BUCKET}/{record_key(name)}", text.encode())
    again = world.serve(recommendation_event("Update", physical_id=name))
    assert again["Status"] == "SUCCESS"
    assert again["PhysicalResourceId"] != name


def test_a_record_alone_is_enough(world: World) -> None:
    name = measured(world)
    world.sagemaker.recommender.jobs.clear()
    again = world.serve(recommendation_event("Update", physical_id=name))
    assert (again["Status"], again["PhysicalResourceId"]) == ("SUCCESS", name)
    assert again["Data"]["InstanceType"] == "ml.c5.xlarge"


def test_a_failure_says_what_to_do(world: World) -> None:
    world.sagemaker.outcome = "FAILED"
    world.sagemaker.reason = "ClientError: the payload could not be read"
    answer = world.serve(recommendation_event())
    assert answer["Status"] == "FAILED"
    assert "Hint: check the sample payload" in answer["Reason"]
    assert "/aws/sagemaker/InferenceRecommendationsJobs" in answer["Reason"]


def test_a_state_that_only_newer_engines_read_is_refused() -> None:
    with pytest.raises(UnknownStateError, match="version 2 or later"):
        Progress.of({"ReadableFrom": 2})
