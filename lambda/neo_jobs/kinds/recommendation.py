"""Custom::NeoInferenceRecommendationsJob: what such a job is, for the engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from neo_jobs.cloudformation import Request
from neo_jobs.errors import PermanentError
from neo_jobs.kinds.job_api import Fields, JobApi
from neo_jobs.kinds.recommendation_choice import Rule, instance_type, metric

# CloudFormation hands every scalar over as text. Source: botocore, the shapes below
# RecommendationJobInputConfig and RecommendationJobStoppingConditions.
_INTEGERS = frozenset(
    {
        "DurationInSeconds",
        "InitialNumberOfUsers",
        "JobDurationInSeconds",
        "MaxConcurrency",
        "MaxInvocations",
        "MaxNumberOfTests",
        "MaxParallelOfTests",
        "MemorySizeInMB",
        "NumberOfSteps",
        "ProvisionedConcurrency",
        "SpawnRate",
        "UsersPerStep",
        "ValueInMilliseconds",
    }
)
_METRICS = (
    "CostPerHour",
    "CostPerInference",
    "MaxInvocations",
    "ModelLatency",
    "CpuUtilization",
    "MemoryUtilization",
    "ModelSetupTime",
)
_HINTS = (
    ("assume", "the job's role must trust sagemaker.amazonaws.com, or is too new: try again"),
    ("not authorized", "give the job's role the action that is named, by role.add_to_policy"),
    ("payload", "check the sample payload: neo validate --payload payload.tar.gz"),
    ("limit", "ask Service Quotas for more instances of the candidates, or name fewer"),
    ("quota", "ask Service Quotas for more instances of the candidates, or name fewer"),
    (
        "ping health",
        "the container did not start: see the log groups /aws/sagemaker/Endpoints/sm-epc-*",
    ),
)


def immutable_fields(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that the measurements depend on, in a canonical form.

    Its hash is part of the job's name: what is not here (tags, role, network, keys, the longest
    duration, the rule that chooses) never starts a job. A version that was registered again with
    the same contents is the same model. Never change it: old names must be found again.
    """
    given = properties["InputConfig"]
    container = dict(given.get("ContainerConfig") or {})
    types = container.pop("SupportedInstanceTypes", None) or []
    # The family's types grow with the catalog, which is no reason to measure again.
    candidates = [] if properties.get("CandidatesAreOfTarget") == "true" else sorted(types)
    payload = dict(container.pop("PayloadConfig", None) or {})
    url = payload.pop("SamplePayloadUrl", "")
    contents = dict(properties.get("ModelContents") or {})
    if url:
        contents.pop("SamplePayload", None)  # the job's own requests are sent in its place
    return {
        "model": contents or given["ModelPackageVersionArn"],
        "type": properties["JobType"],
        "payload": [properties.get("PayloadFingerprint") or url, payload],
        "container": [container, candidates],
        "traffic": given.get("TrafficPattern") or {},
        "endpoints": sorted(given.get("EndpointConfigurations") or [], key=_canonical),
        "tests": (given.get("ResourceLimit") or {}).get("MaxNumberOfTests") or "",
        "stopping": properties.get("StoppingConditions") or {},
    }


def create_parameters(request: Request, _source: str, target: str) -> dict[str, Any]:
    """Return the parameters of CreateInferenceRecommendationsJob, its numbers as numbers."""
    given = request.properties
    output: dict[str, Any] = {}
    if given.get("MayCompile") == "true":  # else it writes nothing, and needs no key
        key = given["OutputConfig"].get("KmsKeyId")
        output = {
            "CompiledOutputConfig": {"S3OutputUri": target},
            **({"KmsKeyId": key} if key else {}),
        }
    return {
        "JobType": given["JobType"],
        "RoleArn": given["RoleArn"],
        "InputConfig": _typed(given["InputConfig"]),
        **({"JobDescription": given["JobDescription"]} if given.get("JobDescription") else {}),
        **(
            {"StoppingConditions": _typed(given["StoppingConditions"])}
            if given.get("StoppingConditions")
            else {}
        ),
        **({"OutputConfig": output} if output else {}),
    }


def result_fields(reply: Mapping[str, Any]) -> Fields:
    """Return what DescribeInferenceRecommendationsJob recommends, in an order of its own."""
    plain = json.loads(
        json.dumps(reply.get("InferenceRecommendations") or [], default=_as_text),
        parse_constant=str,
    )
    # Rests on A-REC-08.
    return {"Recommendations": sorted(plain, key=_canonical)}


def attributes(request: Request, found: Fields) -> dict[str, str]:
    """Return what Fn::GetAtt can read: the chosen recommendation, every value as text.

    Raises
    ------
    PermanentError
        If the job recommends nothing that may be deployed.
    """
    rule = Rule.of(request.properties)
    chosen = rule.choose(found["Recommendations"])
    # Rests on A-REC-05.
    if chosen is None:
        others = sorted(filter(None, map(instance_type, found["Recommendations"])))
        raise PermanentError(
            "Inference Recommender recommends none of the instance types that may be deployed "
            f"({', '.join(sorted(rule.instance_types)) or 'any'}); it recommends "
            f"{', '.join(others) or 'nothing'}."
        )
    endpoint, model = chosen["EndpointConfiguration"], chosen.get("ModelConfiguration") or {}
    contents = request.properties.get("ModelContents") or {}
    is_as_registered = not (
        model.get("CompilationJobName") or model.get("InferenceSpecificationName")
    )
    serverless = endpoint.get("ServerlessConfig") or {}
    environment = {each["Key"]: each["Value"] for each in model.get("EnvironmentParameters") or ()}
    return {
        "InstanceType": instance_type(chosen),
        "InitialInstanceCount": str(endpoint.get("InitialInstanceCount") or 1),
        "MemorySizeInMB": str(serverless.get("MemorySizeInMB") or ""),
        "MaxConcurrency": str(serverless.get("MaxConcurrency") or ""),
        "Environment": json.dumps(environment, sort_keys=True),
        "Image": contents.get("Image", "") if is_as_registered else "",
        "ModelDataUrl": contents.get("ModelDataUrl", "") if is_as_registered else "",
        "CompilationJobName": model.get("CompilationJobName") or "",
        "InferenceSpecificationName": model.get("InferenceSpecificationName") or "",
        "RecommendationId": chosen.get("RecommendationId") or "",
        "MeetsLimits": str(rule.excess(chosen) == 0).lower(),
        **{name: _as_number(metric(chosen, name)) for name in _METRICS},
    }


def is_well_formed(_request: Request, found: Fields) -> bool:
    """Whether a record reads as recommendations: someone else may have written it."""
    return all(
        isinstance(each, dict)
        and all(
            isinstance(each.get(part) or {}, dict)
            for part in ("EndpointConfiguration", "ModelConfiguration", "Metrics")
        )
        and isinstance(each.get("EndpointConfiguration"), dict)
        and _is_environment((each.get("ModelConfiguration") or {}).get("EnvironmentParameters"))
        for each in found["Recommendations"]
    )


def hint(reason: str) -> str:
    """Return what to do about a failure, or an empty string."""
    return next((advice for text, advice in _HINTS if text in reason.lower()), "")


def _is_environment(given: Any) -> bool:
    return not given or (
        isinstance(given, list)
        and all(isinstance(each, dict) and {"Key", "Value"} <= set(each) for each in given)
    )


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _typed(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _typed(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return int(value) if name in _INTEGERS else value


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _as_number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


RECOMMENDATION = JobApi(
    resource_type="Custom::NeoInferenceRecommendationsJob",
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
    immutable_fields=immutable_fields,
    create_parameters=create_parameters,
    fields={"Recommendations": list},
    result_fields=result_fields,
    artifact_field="",
    attributes=attributes,
    is_trusted=is_well_formed,
    hint=hint,
)
