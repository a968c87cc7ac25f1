"""What is measured, with which requests, for how long, and what is chosen of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

import neo_constructs as neo
from tests.corpus.constructs import IMAGE, Make, bad, built, warned
from tests.templates.stacks import DIGITS, digits_endpoint

MINUTES = cdk.Duration.minutes
C5, M5 = "ml.c5.large", "ml.m5.large"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/digits/1"
PAYLOAD = "s3://payloads/digits.tar.gz"


def version(scope: cdk.Stack, target: neo.TargetDevice | None = None) -> neo.IModelPackage:
    """Return a version that is registered already."""
    models = s3.Bucket.from_bucket_name(scope, "Models", "models")
    return neo.ModelPackage.from_model_package_arn(
        scope, "Version", ARN, artifact_bucket=models, image=IMAGE, target=target
    )


def registered(scope: cdk.Stack, **changes: Any) -> neo.IModelPackage:
    """Return a version that the stack registers."""
    models = s3.Bucket.from_bucket_name(scope, "Models", "models")
    given = {
        "domain": "COMPUTER_VISION",
        "task": "IMAGE_CLASSIFICATION",
        "framework": "PYTORCH",
        "framework_version": "2.0",
        "sample_payload": neo.SamplePayload.from_s3_uri(PAYLOAD),
        **changes,
    }
    return neo.ModelPackage(
        scope,
        "Version",
        model_package_group=neo.ModelPackageGroup(scope, "Versions"),
        container=neo.ContainerDefinition(
            image=IMAGE, model_data_url="s3://models/model.tar.gz", artifact_bucket=models
        ),
        **given,
    )


def measured(**changes: Any) -> Make:
    """Return a job that measures a version on two instance types."""

    def make(scope: cdk.Stack) -> neo.InferenceRecommendationsJob:
        given = {"instance_types": [C5, M5], **changes}
        target = given.pop("target", None)
        package = given.pop("package", lambda scope: version(scope, target))(scope)
        return neo.InferenceRecommendationsJob(
            scope, "Recommendation", model_package=package, **given
        )

    return make


def phases(minutes: float = 5, **changes: Any) -> neo.TrafficPattern:
    given = {"initial_number_of_users": 1, "spawn_rate": 1, "duration": MINUTES(minutes), **changes}
    return neo.TrafficPattern.phases([neo.TrafficPhase(**given)])


def on(*types: str, **changes: Any) -> list[neo.EndpointInputConfiguration]:
    return [neo.EndpointInputConfiguration(instance_type=each, **changes) for each in types]


def load_test(**changes: Any) -> Make:
    """Return a job with a load test of one's own."""
    return measured(
        **{
            "instance_types": None,
            "endpoint_configurations": on(C5),
            "traffic_pattern": phases(),
            "stopping_conditions": neo.StoppingConditions(max_invocations=300),
            **changes,
        }
    )


def stops(**changes: Any) -> Make:
    return load_test(stopping_conditions=neo.StoppingConditions(**changes))


def rule(**changes: Any) -> Make:
    return measured(selection=neo.RecommendationRule(**changes))


def served(target: neo.TargetDevice, **changes: Any) -> Make:
    """Return an endpoint on the instance type that a job chooses."""

    def make(scope: cdk.Stack) -> object:
        job: Any = measured(**changes)(scope)
        return digits_endpoint(scope, target=target, instance_type=job.instance_type)

    return make


def compiled(scope: cdk.Stack, **changes: Any) -> neo.CompiledEndpoint:
    job = neo.CompilationJob(
        scope,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
    )
    return neo.CompiledEndpoint(
        scope,
        "Endpoint",
        **{
            "compilation_job": job,
            "instance_type": C5,
            "inference_code": neo.InferenceCode.from_asset(DIGITS / "code"),
            **changes,
        },
    )


def scaled(*types: str) -> Make:
    """Return an endpoint that scales, on what a job chooses."""

    def make(scope: cdk.Stack) -> object:
        job: Any = measured(instance_types=list(types))(scope)
        scaling = neo.InstanceScaling(min_capacity=1, max_capacity=2, max_requests_per_second=10)
        return digits_endpoint(
            scope,
            target=neo.TargetDevice.ML_C5,
            instance_type=job.instance_type,
            scaling=scaling,
        )

    return make


def _hidden_payload() -> neo.SamplePayload:
    folder = Path(tempfile.mkdtemp())
    (folder / ".hidden").write_text("{}")
    (folder / "image.json").write_text("{}")
    return neo.SamplePayload.from_asset(folder)


def _large_payload() -> neo.SamplePayload:
    folder = Path(tempfile.mkdtemp())
    (folder / "image.bin").write_bytes(b"0" * (6 * 1024**2 + 1))
    return neo.SamplePayload.from_asset(folder / "image.bin")


def _elsewhere(scope: cdk.Stack) -> neo.IModelPackage:
    models = s3.Bucket.from_bucket_name(scope, "Models", "models")
    return neo.ModelPackage.from_model_package_arn(
        scope, "Version", ARN.replace("eu-west-1", "us-east-1"), artifact_bucket=models, image=IMAGE
    )


def _further_target(scope: cdk.Stack) -> object:
    variant = neo.CompiledVariant(target=neo.TargetDevice.ML_M5, instance_type=M5)
    return compiled(scope).add_target(variant)


def _number(scope: cdk.Stack) -> Any:
    return cdk.CfnParameter(scope, "Number", type="Number").value_as_number


CASES = [
    bad("instance-type-candidates", "not known", served(
        neo.TargetDevice.ML_C5, instance_types=None), "'ml_c5' alone", "ml.c5."),
    bad("instance-type-target", "a candidate of another family", served(
        neo.TargetDevice.ML_C5, instance_types=[C5, "ml.g4dn.xlarge"]), "'ml.g4dn.xlarge'"),
    built("instance-type-candidates", "of the family", served(
        neo.TargetDevice.ML_C5, instance_types=[C5])),
    bad("instance-type-target", "of a compiled version", measured(
        target=neo.TargetDevice.ML_C5), "'ml.m5.large'"),
    built("instance-type-target", "all of the version's", measured(
        target=neo.TargetDevice.ML_C5, instance_types=None)),
    bad("instance-type-unknown", "a candidate", measured(instance_types=["ml.c5.lrage"]),
        "'ml.c5.large'?"),
    bad("instance-type-unknown", "in a load test", load_test(
        endpoint_configurations=on("ml.c5.lrage")), "endpoint_configurations"),
    bad("known-at-synth", "a candidate", lambda scope: measured(
        instance_types=[cdk.CfnParameter(scope, "P").value_as_string])(scope), "only at deploy"),
    bad("recommender-candidates", "both", load_test(instance_types=[C5]), "Both are given"),
    bad("recommender-candidates", "none", measured(instance_types=[]), "empty"),
    bad("recommender-candidates", "eleven", load_test(
        endpoint_configurations=on(*[C5] * 11)), "11 are given"),
    bad("recommender-candidates", "on nothing", load_test(
        endpoint_configurations=[neo.EndpointInputConfiguration()]), "Exactly one"),
    built("recommender-candidates", "ten", load_test(endpoint_configurations=on(*[C5] * 10))),
    built("recommender-candidates", "serverless", load_test(
        endpoint_configurations=[neo.EndpointInputConfiguration(memory_size_in_mb=2048)])),
    bad("serverless-memory", "in a load test", load_test(
        endpoint_configurations=[neo.EndpointInputConfiguration(memory_size_in_mb=1000)]),
        "endpoint_configurations[0].memory_size_in_mb"),
    bad("serverless-concurrency", "in a load test", load_test(endpoint_configurations=[
        neo.EndpointInputConfiguration(memory_size_in_mb=1024, max_concurrency=500)]), "500"),
    bad("recommender-load-test", "no traffic", load_test(traffic_pattern=None), "traffic_pattern"),
    bad("recommender-load-test", "limits alone", measured(max_number_of_tests=2),
        "endpoint_configurations, traffic_pattern, stopping_conditions"),
    built("recommender-load-test", "all of it", load_test()),
    bad("recommender-traffic", "no phase", load_test(
        traffic_pattern=neo.TrafficPattern.phases([])), "no phase"),
    built("recommender-traffic", "stairs", load_test(traffic_pattern=neo.TrafficPattern.stairs(
        duration=MINUTES(2), number_of_steps=5, users_per_step=2))),
    bad("number-range", "four users", load_test(
        traffic_pattern=phases(initial_number_of_users=4)), "1 to 3"),
    bad("number-range", "a phase of a minute", load_test(traffic_pattern=phases(1)), "120"),
    bad("number-range", "stairs of four users", load_test(
        traffic_pattern=neo.TrafficPattern.stairs(
            duration=MINUTES(2), number_of_steps=5, users_per_step=4)), "1 to 3"),
    bad("number-range", "no tests", load_test(max_number_of_tests=-1), "max_number_of_tests"),
    bad("recommender-stopping", "no limit", stops(), "never have enough"),
    bad("recommender-stopping", "a word", stops(max_invocations=1, flat_invocations="End"),
        "Continue, Stop"),
    built("recommender-stopping", "a latency", stops(
        max_model_latency=cdk.Duration.millis(100), flat_invocations="Stop")),
    bad("number-range", "a part of a millisecond", stops(
        max_model_latency=cdk.Duration.millis(0)), "whole milliseconds"),
    bad("recommender-duration", "an hour", measured(job_duration=MINUTES(60)),
        "2,700", "CloudFormation waits an hour"),
    bad("recommender-duration", "a moment", measured(job_duration=MINUTES(1)), "60 seconds"),
    bad("recommender-duration", "more traffic than time", load_test(
        traffic_pattern=phases(20), job_duration=MINUTES(10)), "1200 seconds"),
    bad("recommender-duration", "one after the other", load_test(
        endpoint_configurations=on(*[C5] * 10), traffic_pattern=phases(5),
        max_parallel_of_tests=1), "3000 seconds"),
    built("recommender-duration", "several at once", load_test(
        endpoint_configurations=on(*[C5] * 10), traffic_pattern=phases(5),
        max_parallel_of_tests=5)),
    built("recommender-duration", "a few of the tests", load_test(
        endpoint_configurations=on(*[C5] * 10), traffic_pattern=phases(5),
        max_parallel_of_tests=1, max_number_of_tests=5)),
    bad("recommender-duration", "more steps than time", load_test(
        traffic_pattern=neo.TrafficPattern.stairs(
            duration=MINUTES(10), number_of_steps=6, users_per_step=2)), "3600 seconds"),
    bad("recommender-candidates", "serverless beside instances", load_test(
        endpoint_configurations=[
            *on(C5), neo.EndpointInputConfiguration(memory_size_in_mb=2048)]), "job of their own"),
    bad("local-storage", "a key of a measurement", lambda scope: measured(
        instance_types=["ml.g4dn.xlarge"], volume_encryption_key=kms.Key(scope, "Key"))(scope),
        "volume_encryption_key"),
    warned("scaling-choice", "two candidates", scaled(C5, "ml.c5.xlarge"), "chosen at deploy"),
    built("scaling-choice", "one candidate", scaled(C5)),
    bad("package-name", "the ARN of a group", lambda scope: neo.ModelPackage.from_model_package_arn(
        scope, "Version", ARN.replace("model-package/", "model-package-group/")), "of a version"),
    bad("resource-region", "a group", lambda scope: neo.ApprovedModelPackage(
        scope, "Newest", model_package_group=neo.ModelPackageGroup.from_model_package_group_arn(
            scope, "Versions", "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/a")),
        "us-east-1"),
    bad("payload-not-an-archive", "a bucket's placeholder", measured(
        sample_payload=neo.SamplePayload.from_s3_uri("s3://<bucket>/payload.tar.gz")), "<bucket>"),
    bad("payload-missing", "an empty path", lambda scope: neo.SamplePayload.from_asset(""), "empty"),
    bad("recommender-package", "no task", measured(
        package=lambda scope: registered(scope, task=None)), "has no task"),
    built("recommender-package", "all of it", measured(package=registered)),
    bad("recommender-payload", "none", measured(
        package=lambda scope: registered(scope, sample_payload=None)), "SamplePayload.from_asset"),
    built("recommender-payload", "of the job", measured(
        package=lambda scope: registered(scope, sample_payload=None),
        sample_payload=neo.SamplePayload.from_asset(DIGITS / "image.json"))),
    bad("payload-not-an-archive", "of a job", measured(
        sample_payload=neo.SamplePayload.from_s3_uri("s3://payloads/image.json")), ".tar.gz"),
    bad("payload-missing", "of a job", measured(
        sample_payload=neo.SamplePayload.from_asset("there/is/none")), "there/is/none"),
    bad("payload-hidden", "of a job", measured(sample_payload=_hidden_payload()), ".hidden"),
    bad("payload-size", "of a job", measured(sample_payload=_large_payload()), "6291456"),
    bad("recommender-environment", "six variables", load_test(endpoint_configurations=on(
        C5, environment_parameter_ranges={f"V{n}": ["1"] for n in range(6)})), "6 variables"),
    bad("recommender-environment", "four values", load_test(endpoint_configurations=on(
        C5, environment_parameter_ranges={"V": ["1", "2", "3", "4"]})), "'V'"),
    built("recommender-environment", "three values", load_test(endpoint_configurations=on(
        C5, environment_parameter_ranges={"V": ["1", "2", "3"]}))),
    bad("recommender-objective", "a slip", rule(objective="CostPerInferences"),
        "'CostPerInference'?"),
    built("recommender-objective", "known", rule(
        objective="ModelLatency", max_cost_per_hour=1.5, min_invocations=100)),
    bad("number-range", "a negative price", rule(max_cost_per_hour=-1.0), "0 to"),
    bad("known-at-synth", "a limit", lambda scope: rule(
        max_cost_per_hour=_number(scope))(scope), "max_cost_per_hour"),
    bad("recommender-description", "129 characters", measured(description="x" * 129), "129"),
    built("recommender-description", "128 characters", measured(description="x" * 128)),
    bad("resource-region", "a version", measured(package=_elsewhere),
        "us-east-1"),
    bad("resource-region", "a key of a job", lambda scope: measured(
        volume_encryption_key=kms.Key.from_key_arn(
            scope, "Key", "arn:aws:kms:us-east-1:123456789012:key/1"))(scope), "us-east-1"),
    bad("model-source", "neither a model nor a job", lambda scope: compiled(
        scope, compilation_job=None), "neither is given"),
    bad("model-source", "a target beside a job", lambda scope: compiled(
        scope, target=neo.TargetDevice.ML_C5), "target"),
    built("model-source", "a job", compiled),
    bad("model-source", "a further target of a job", _further_target, "another target"),
    bad("script-needed", "of a job that is there", lambda scope: compiled(
        scope, inference_code=None), "neo_preprocess"),
    bad("instance-type-target", "of a job that is there", lambda scope: compiled(
        scope, instance_type=M5), "'ml_c5'"),
]  # fmt: skip
