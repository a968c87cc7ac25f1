"""Every way to host a compiled model, a stack each: what tests look at, and what you may copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

import neo_constructs as neo

DIGITS = Path(__file__).parent.parent / "digits"
DATA = "my-data-bucket"
C5 = "ml.c5.large"


def job(stack: cdk.Stack, target: neo.TargetDevice = neo.TargetDevice.ML_C5) -> neo.CompilationJob:
    """Compile the digits."""
    return neo.CompilationJob(
        stack,
        "Job",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=target,
    )


def model(stack: cdk.Stack) -> neo.Model:
    """Make a model of the compiled digits."""
    code = neo.InferenceCode.from_asset(DIGITS / "code")
    return neo.Model(stack, "Model", compilation_job=job(stack), inference_code=code)


def data_bucket(stack: cdk.Stack) -> s3.IBucket:
    """Return a bucket that is there already."""
    return s3.Bucket.from_bucket_name(stack, "Data", DATA)


def private_topic(stack: cdk.Stack, name: str) -> sns.Topic:
    """Make a topic under a key of its own: CloudWatch cannot tell one under AWS's key."""
    key = kms.Key(stack, f"{name}Key", enable_key_rotation=True)
    return sns.Topic(stack, name, master_key=key, enforce_ssl=True)


def compiled(stack: cdk.Stack) -> neo.CompiledEndpoint:
    """One construct: a model, compiled and served on instances."""
    return neo.CompiledEndpoint(
        stack,
        "Digits",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        instance_type=C5,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
    )


def two_targets(stack: cdk.Stack) -> None:
    """One model compiled for two targets, which share the requests nine to one."""
    neo.CompiledEndpoint(
        stack,
        "Digits",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
        targets=[
            neo.CompiledVariant(
                target=neo.TargetDevice.ML_C5, instance_type=C5, initial_variant_weight=9
            ),
            neo.CompiledVariant(target=neo.TargetDevice.ML_M5, instance_type="ml.m5.large"),
        ],
    )


def scaled(stack: cdk.Stack) -> None:
    """Instances that follow the requests and the clock; an update leaves their number."""
    digits = compiled(stack)
    count = digits.variant().auto_scale_instance_count(min_capacity=1, max_capacity=4)
    count.scale_on_invocations(max_requests_per_second=20)
    count.scale_on_schedule(
        "Evening", schedule=scaling.Schedule.cron(hour="20", minute="0"), max_capacity=2
    )


def guarded(stack: cdk.Stack) -> None:
    """An update that moves a tenth of the requests first, and goes back by alarms."""
    topic = private_topic(stack, "Operators")
    # To publish, and to use the topic's key.
    topic.grant_publish(iam.ServicePrincipal("cloudwatch.amazonaws.com"))
    digits = neo.CompiledEndpoint(
        stack,
        "Digits",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        instance_type=C5,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
        endpoint_name="digits",  # an alarm can then be on the endpoint's own metrics
        deployment_config=neo.DeploymentConfig.canary(
            neo.CapacitySize.percent(10),
            wait=cdk.Duration.minutes(10),
            termination_wait=cdk.Duration.minutes(5),
        ),
    )
    alarms = neo.EndpointAlarms(
        stack,
        "Alarms",
        variant=digits.variant(),
        max_model_latency=cdk.Duration.millis(200),
        topics=[topic],
    )
    for alarm in alarms.alarms:
        digits.endpoint.add_rollback_alarm(alarm)
    neo.EndpointDashboard(stack, "Dashboard", endpoint=digits.endpoint)


def rolling(stack: cdk.Stack) -> None:
    """An update of a batch of instances after the other, which needs no second fleet."""
    neo.CompiledEndpoint(
        stack,
        "Digits",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        instance_type=C5,
        initial_instance_count=4,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
        deployment_config=neo.DeploymentConfig.rolling(neo.CapacitySize.percent(25)),
    )


def asynchronous(stack: cdk.Stack) -> None:
    """An endpoint that answers later, by way of S3, and has no instance while nothing waits."""
    topic = private_topic(stack, "Failures")
    digits = neo.CompiledEndpoint(
        stack,
        "Digits",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        instance_type=C5,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
        async_inference_config=neo.AsyncInferenceConfig(
            bucket=data_bucket(stack), error_topic=topic, include_response_in_topics=True
        ),
    )
    count = digits.variant().auto_scale_instance_count(min_capacity=0, max_capacity=3)
    count.scale_on_backlog(requests_per_instance=5)


def captured(stack: cdk.Stack) -> None:
    """A tenth of all requests and answers, kept in S3."""
    neo.CompiledEndpoint(
        stack,
        "Digits",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        instance_type=C5,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
        data_capture_config=neo.DataCaptureConfig(
            bucket=data_bucket(stack),
            sampling_percentage=10,
            json_content_types=["application/json"],
        ),
    )


def serverless(stack: cdk.Stack) -> None:
    """A model that SageMaker starts when a request comes."""
    neo.CompiledEndpoint(
        stack,
        "Digits",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        memory_size_in_mb=2048,
        max_concurrency=10,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
    )


def shadowed(stack: cdk.Stack) -> None:
    """A second fleet that gets a copy of half of the requests; its answers go nowhere."""
    served = model(stack)
    config = neo.EndpointConfig(
        stack,
        "Config",
        production_variants=[neo.InstanceVariant(model=served, instance_type=C5)],
        shadow_production_variants=[
            neo.InstanceVariant(
                model=served, instance_type="ml.c5.xlarge", variant_name="Candidate"
            )
        ],
    )
    neo.Endpoint(stack, "Endpoint", endpoint_config=config)


def pipeline(stack: cdk.Stack) -> None:
    """Two containers, one after the other: the second gets what the first answers."""
    image = neo.InferenceImage.deep_learning_container("pytorch", "2.0")
    served = neo.Model(
        stack,
        "Model",
        containers=[
            neo.ContainerDefinition(
                image=image,
                model_data_url=f"s3://{DATA}/prepare/model.tar.gz",
                artifact_bucket=data_bucket(stack),
            ),
            neo.ContainerDefinition(
                compilation_job=job(stack),
                inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
            ),
        ],
    )
    config = neo.EndpointConfig(
        stack, "Config", production_variants=[neo.InstanceVariant(model=served, instance_type=C5)]
    )
    neo.Endpoint(stack, "Endpoint", endpoint_config=config)


def private(stack: cdk.Stack) -> None:
    """Containers and functions in a VPC, all encrypted by a key of one's own."""
    key = kms.Key(stack, "Key", enable_key_rotation=True)
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=["a", "b"],
        private_subnet_ids=["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        private_subnet_route_table_ids=["rtb-0123456789abcdef0", "rtb-0123456789abcdef1"],
    )
    neo.JobEngineOptions(
        log_retention=logs.RetentionDays.ONE_YEAR,
        log_encryption_key=key,
        vpc=vpc,
        reserved_concurrent_executions=10,
        state_machine_encryption_key=key,
        state_machine_log_level="ALL",
    ).apply(stack)
    neo.CompiledEndpoint(
        stack,
        "Digits",
        model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
        target=neo.TargetDevice.ML_C5,
        instance_type=C5,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
        artifact_bucket=neo.ArtifactBucket(
            stack,
            "Artifacts",
            encryption_key=key,
            server_access_logs_bucket=s3.Bucket(
                stack,
                "AccessLogs",
                enforce_ssl=True,
                block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
                object_ownership=s3.ObjectOwnership.OBJECT_WRITER,
            ),
        ),
        encryption_key=key,
        storage_encryption_key=key,
        vpc=vpc,
        volume_size_in_gb=50,
        model_data_download_timeout=cdk.Duration.minutes(10),
        container_startup_health_check_timeout=cdk.Duration.minutes(10),
    )


def unpacked(stack: cdk.Stack) -> None:
    """Files of a model in S3 that are not packed, in an image of one's own."""
    served = neo.Model(
        stack,
        "Model",
        model_data_url=f"s3://{DATA}/model/",
        uncompressed_model_data=True,
        artifact_bucket=data_bucket(stack),
        image=neo.InferenceImage.deep_learning_container("pytorch", "2.0"),
    )
    config = neo.EndpointConfig(
        stack, "Config", production_variants=[neo.InstanceVariant(model=served, instance_type=C5)]
    )
    neo.Endpoint(stack, "Endpoint", endpoint_config=config)


FEATURES: dict[str, Callable[[cdk.Stack], object]] = {
    "compiled": compiled,
    "two-targets": two_targets,
    "scaled": scaled,
    "guarded": guarded,
    "rolling": rolling,
    "asynchronous": asynchronous,
    "captured": captured,
    "serverless": serverless,
    "shadowed": shadowed,
    "pipeline": pipeline,
    "private": private,
    "unpacked": unpacked,
}


def main() -> None:
    """Make a stack of each."""
    app = cdk.App()
    for name, build in FEATURES.items():
        build(cdk.Stack(app, name))
    app.synth()


if __name__ == "__main__":
    main()
