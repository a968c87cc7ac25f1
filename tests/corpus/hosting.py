"""Endpoints with all that they can have: how they move, scale, keep and answer later."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

import neo_constructs as neo
from neo_constructs.findings.finding import Finding
from tests.corpus.case import Case, findings_of
from tests.corpus.constructs import IMAGE, IRELAND, Make, bad, built, own_model, warned
from tests.templates.stacks import DIGITS, digits_endpoint

MINUTES = cdk.Duration.minutes
C5, G4DN, INF1 = "ml.c5.large", "ml.g4dn.xlarge", "ml.inf1.xlarge"


def bucket(scope: cdk.Stack, name: str = "data") -> s3.IBucket:
    return s3.Bucket.from_bucket_name(scope, f"Bucket{name}", name)


def variant(scope: cdk.Stack, **changes: Any) -> neo.InstanceVariant:
    """Return a variant of an imported model, of which nothing is known."""
    name = str(changes.get("variant_name", "AllTraffic"))
    model = changes.pop("model", None) or neo.Model.from_model_name(scope, f"Model{name}", "digits")
    return neo.InstanceVariant(**{"model": model, "instance_type": C5, **changes})


def instances(**changes: Any) -> Make:
    """Return a configuration with one variant on instances."""

    def make(scope: cdk.Stack) -> object:
        return neo.EndpointConfig(scope, "Config", production_variants=[variant(scope, **changes)])

    return make


def config(*types: str, shadows: tuple[str, ...] = (), containers: int = 1, **changes: Any) -> Make:
    """Return a configuration with variants on instances of these types."""

    def make(scope: cdk.Stack) -> object:
        image = neo.ContainerDefinition(image=IMAGE)
        model = (
            neo.Model(scope, "Model", containers=[image] * containers) if containers > 1 else None
        )
        return neo.EndpointConfig(
            scope,
            "Config",
            production_variants=[
                variant(scope, model=model, instance_type=kind, variant_name=f"v{number}")
                for number, kind in enumerate(types)
            ],
            shadow_production_variants=[
                variant(scope, model=model, instance_type=kind, variant_name=f"s{number}")
                for number, kind in enumerate(shadows)
            ],
            **{name: of(scope) for name, of in changes.items()},
        )

    return make


def capture(**changes: Any) -> Any:
    return lambda scope: neo.DataCaptureConfig(**{"bucket": bucket(scope), **changes})


def later(*, topic: bool = False, **changes: Any) -> Any:
    def make(scope: cdk.Stack) -> neo.AsyncInferenceConfig:
        told = sns.Topic(scope, "Topic") if topic else None
        return neo.AsyncInferenceConfig(
            **{"bucket": bucket(scope), "success_topic": told, **changes}
        )

    return make


def served(**changes: Any) -> Make:
    """Return a configuration of a model whose role is known."""

    def make(scope: cdk.Stack) -> object:
        return neo.EndpointConfig(
            scope,
            "Config",
            production_variants=[variant(scope, model=own_model(scope))],
            **{name: of(scope) for name, of in changes.items()},
        )

    return make


def serverless(**changes: Any) -> Make:
    def make(scope: cdk.Stack) -> object:
        model = changes.pop("model", None)
        given = model(scope) if model else neo.Model.from_model_name(scope, "Model", "digits")
        return neo.EndpointConfig(
            scope,
            "Config",
            production_variants=[neo.ServerlessVariant(model=given)],
            **{name: of(scope) for name, of in changes.items()},
        )

    return make


def in_vpc(scope: cdk.Stack) -> neo.Model:
    return own_model(scope, vpc=ec2.Vpc(scope, "Vpc"), enable_network_isolation=False)


def pipeline(scope: cdk.Stack) -> neo.Model:
    two = [neo.ContainerDefinition(image=IMAGE)] * 2
    return neo.Model(scope, "Model", containers=two, enable_network_isolation=False)


def endpoint(
    *variants: dict[str, Any],
    is_serverless: bool = False,
    is_async: bool = False,
    alarms: int = 0,
    scaled: tuple[str, int] | None = None,
    concurrency: int | None = None,
    provisioned: int = 0,
    by_backlog: bool = False,
    schedule: dict[str, int] | None = None,
    **changes: Any,
) -> Make:
    """Return an endpoint with all that it is given."""

    def make(scope: cdk.Stack) -> object:
        model = neo.Model.from_model_attributes(
            scope,
            "Model",
            model_name="digits",
            role=cdk.aws_iam.Role.from_role_name(scope, "Role", "digits"),
        )
        given: list[Any] = [variant(scope, model=model, **each) for each in variants or [{}]]
        if is_serverless:
            given = [neo.ServerlessVariant(model=model, provisioned_concurrency=concurrency)]
        made = neo.Endpoint(
            scope,
            "Endpoint",
            endpoint_config=neo.EndpointConfig(
                scope,
                "Config",
                production_variants=given,
                async_inference_config=later()(scope) if is_async else None,
            ),
            **changes,
        )
        for number in range(alarms):
            arn = f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a{number}"
            made.add_rollback_alarm(cloudwatch.Alarm.from_alarm_arn(scope, f"Alarm{number}", arn))
        if provisioned:
            made.variant().auto_scale_provisioned_concurrency(max_capacity=provisioned)
        if by_backlog or schedule is not None:
            count = made.variant().auto_scale_instance_count(max_capacity=2)
        if by_backlog:
            count.scale_on_backlog(requests_per_instance=5)
        if schedule is not None:
            nightly = scaling.Schedule.cron(hour="20", minute="0")
            count.scale_on_schedule("Night", schedule=nightly, **schedule)
        if scaled:
            name, least = scaled
            made.variant(name).auto_scale_instance_count(min_capacity=least, max_capacity=4)
        return made

    return make


def rolls_back(name: str | None) -> Make:
    """Return an endpoint that goes back by an alarm on its own metrics."""

    def make(scope: cdk.Stack) -> object:
        made = digits_endpoint(
            scope, endpoint_name=name, deployment_config=canary(wait=MINUTES(5))
        ).endpoint
        alarm = (
            made.variant()
            .metric_invocation_5xx_errors()
            .create_alarm(scope, "Alarm", threshold=1, evaluation_periods=1)
        )
        made.add_rollback_alarm(alarm)
        return made

    return make


def canary(size: int = 10, **changes: Any) -> neo.DeploymentConfig:
    return neo.DeploymentConfig.canary(neo.CapacitySize.percent(size), **changes)


def rolling(size: int = 10) -> neo.DeploymentConfig:
    return neo.DeploymentConfig.rolling(neo.CapacitySize.percent(size))


def containers(*several: neo.ContainerDefinition, **changes: Any) -> Make:
    return lambda scope: neo.Model(scope, "Model", containers=list(several), **changes)


def container(**changes: Any) -> neo.ContainerDefinition:
    return neo.ContainerDefinition(image=IMAGE, **changes)


def unpacked(url: str) -> Make:
    return lambda scope: own_model(scope, model_data_url=url, uncompressed_model_data=True)


def model_in_vpc(*, vpc: bool, number: int = 1, **changes: Any) -> Make:
    def make(scope: cdk.Stack) -> object:
        network = ec2.Vpc(scope, "Vpc")
        made = [
            ec2.SecurityGroup.from_security_group_id(scope, f"Group{n}", f"sg-{n}")
            for n in range(number)
        ]
        groups = {"security_groups": made} if changes.pop("groups", True) else {}
        return own_model(scope, vpc=network if vpc else None, **groups, **changes)

    return make


def dockerfile(file: str) -> Case:
    """Return a case about an image that is built."""

    def attempt() -> list[Finding]:
        folder = Path(tempfile.mkdtemp())
        (folder / "Dockerfile").write_text("FROM scratch\n")
        neo.InferenceImage.from_asset(folder, file=file)
        return []

    is_there = file == "Dockerfile"
    return Case(
        about="dockerfile-missing",
        title=file,
        run=lambda _folder: findings_of(attempt),
        errors=() if is_there else ("dockerfile-missing",),
        says=() if is_there else ("Other",),
    )


def compiled(**changes: Any) -> Make:
    """Return an endpoint of the digits, whose target is said otherwise."""

    def make(scope: cdk.Stack) -> object:
        return neo.CompiledEndpoint(
            scope,
            "Digits",
            model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
            inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
            **changes,
        )

    return make


def target(**changes: Any) -> neo.CompiledVariant:
    return neo.CompiledVariant(**{"target": neo.TargetDevice.ML_C5, "instance_type": C5, **changes})


def options(twice: bool = False, late: bool = False, **changes: Any) -> Make:
    """Return an engine that is operated in some way."""

    def make(scope: cdk.Stack) -> object:
        if late:
            digits_endpoint(scope)
        for _ in range(2 if twice else 1):
            neo.JobEngineOptions(**changes).apply(scope)
        return scope

    return make


def artifact_bucket(**changes: Any) -> Make:
    return lambda scope: neo.ArtifactBucket(scope, "Artifacts", **changes)


def expiring(**changes: Any) -> Make:
    return artifact_bucket(lifecycle_rules=[s3.LifecycleRule(**changes)])


def moved_to(storage_class: s3.StorageClass) -> Make:
    transition = s3.Transition(storage_class=storage_class, transition_after=cdk.Duration.days(90))
    return expiring(transitions=[transition])


def imported_from(arn: str) -> Make:
    """Return a configuration of a model that an ARN names."""

    def make(scope: cdk.Stack) -> object:
        model = neo.Model.from_model_arn(scope, "Theirs", arn)
        return neo.EndpointConfig(
            scope, "Config", production_variants=[variant(scope, model=model)]
        )

    return make


def endpoint_of(arn: str) -> Make:
    """Return an endpoint of a configuration that an ARN names."""

    def make(scope: cdk.Stack) -> object:
        config = neo.EndpointConfig.from_endpoint_config_arn(scope, "Theirs", arn)
        return neo.Endpoint(scope, "Endpoint", endpoint_config=config)

    return make


def _config_elsewhere(scope: cdk.Stack) -> object:
    other = cdk.Stack(cdk.App.of(scope), "Other", env=IRELAND)
    config = neo.EndpointConfig(scope, "Config", production_variants=[variant(scope)])
    return neo.Endpoint(other, "Endpoint", endpoint_config=config)


def on(kind: str) -> Make:
    """Return a model of an x86 image on instances of a type."""

    def make(scope: cdk.Stack) -> object:
        given = variant(scope, model=own_model(scope), instance_type=kind)
        return neo.EndpointConfig(scope, "Config", production_variants=[given])

    return make


ARN = "arn:aws:sagemaker:{}:123456789012:{}/x"


def _scaled_twice(scope: cdk.Stack) -> object:
    made = digits_endpoint(scope).variant()
    made.auto_scale_instance_count(max_capacity=2)
    return made.auto_scale_instance_count(max_capacity=3)


def _rate_of_parameter(scope: cdk.Stack) -> object:
    rate = cdk.CfnParameter(scope, "Rate", type="Number").value_as_number
    count = digits_endpoint(scope).variant().auto_scale_instance_count(max_capacity=2)
    return count.scale_on_invocations(max_requests_per_second=rate)


def _two_targets(second: neo.TargetDevice) -> Make:
    """Return a pipeline of two jobs, the second for a target."""

    def make(scope: cdk.Stack) -> object:
        data = neo.ModelData.from_asset(DIGITS / "digits.onnx")
        return neo.Model(
            scope,
            "Model",
            containers=[
                neo.ContainerDefinition(
                    compilation_job=neo.CompilationJob(
                        scope, f"Job{number}", model_data=data, target=target
                    ),
                    inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
                )
                for number, target in enumerate((neo.TargetDevice.ML_C5, second))
            ],
        )

    return make


def _composite(scope: cdk.Stack) -> object:
    made = digits_endpoint(scope, deployment_config=canary()).endpoint
    alarm = cloudwatch.Alarm.from_alarm_arn(
        scope, "Alarm", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"
    )
    rule = cloudwatch.AlarmRule.from_alarm(alarm, cloudwatch.AlarmState.ALARM)
    made.add_rollback_alarm(cloudwatch.CompositeAlarm(scope, "Both", alarm_rule=rule))
    return made


def files(scope: cdk.Stack) -> neo.Model:
    return own_model(
        scope,
        model_data_url="s3://artifacts/model/",
        uncompressed_model_data=True,
        enable_network_isolation=False,
    )


def group(scope: cdk.Stack, **changes: Any) -> neo.IModelPackageGroup:
    return neo.ModelPackageGroup(scope, "Versions", **changes)


def version(**changes: Any) -> Make:
    """Return a version of an artifact of one's own."""

    def make(scope: cdk.Stack) -> object:
        own = neo.ContainerDefinition(
            image=IMAGE,
            model_data_url="s3://artifacts/model.tar.gz",
            artifact_bucket=bucket(scope, "artifacts"),
        )
        arguments = {"container": own, "model_package_group": None, **changes}
        arguments["model_package_group"] = arguments["model_package_group"] or group(scope)
        return neo.ModelPackage(scope, "Version", **arguments)

    return make


def _group_elsewhere(region: str) -> Make:
    def make(scope: cdk.Stack) -> object:
        arn = ARN.format(region, "model-package-group")
        theirs = neo.ModelPackageGroup.from_model_package_group_arn(scope, "Theirs", arn)
        return version(model_package_group=theirs)(scope)

    return make


def _served_version(**changes: Any) -> Make:
    def make(scope: cdk.Stack) -> object:
        theirs = neo.ModelPackage.from_model_package_arn(
            scope, "Theirs", ARN.format("eu-west-1", "model-package"), image=IMAGE, **changes
        )
        return neo.Model(scope, "Model", model_package=theirs)

    return make


def _beside_version(scope: cdk.Stack) -> object:
    theirs = neo.ModelPackage.from_model_package_arn(
        scope, "Theirs", ARN.format("eu-west-1", "model-package")
    )
    return neo.Model(scope, "Model", model_package=theirs, image=IMAGE)


def _topic_of(region: str) -> Any:
    def make(scope: cdk.Stack) -> neo.AsyncInferenceConfig:
        arn = f"arn:aws:sns:{region}:123456789012:failed"
        topic = sns.Topic.from_topic_arn(scope, "Topic", arn)
        return neo.AsyncInferenceConfig(bucket=bucket(scope), error_topic=topic)

    return make


GUARDED: dict[str, Any] = {"deployment_config": canary()}

CASES = [
    bad("number-range", "half a minute", instances(model_data_download_timeout=cdk.Duration.seconds(30)),
        "30 seconds", "60 to 3600"),
    bad("number-range", "two hours", instances(
        container_startup_health_check_timeout=cdk.Duration.hours(2)), "7200 seconds"),
    bad("number-range", "a volume", instances(volume_size_in_gb=1000), "1000 GB", "1 to 512"),
    bad("number-range", "a sample", served(data_capture_config=capture(sampling_percentage=101)),
        "101 percent"),
    bad("number-range", "requests at once", served(async_inference_config=later(
        max_concurrent_invocations_per_instance=0)), "1 to 1000"),
    bad("number-range", "a canary", endpoint(deployment_config=canary(60)), "60 percent", "1 to 50"),
    bad("number-range", "a batch", endpoint(deployment_config=rolling(4)), "5 to 50"),
    bad("number-range", "waiting for two hours", endpoint(deployment_config=canary(
        wait=cdk.Duration.hours(2))), "7200"),
    built("number-range", "the limits", instances(
        model_data_download_timeout=MINUTES(60), volume_size_in_gb=512,
        container_startup_health_check_timeout=MINUTES(1))),
    bad("model-other-stack", "another region's", imported_from(ARN.format("us-east-1", "model")),
        "123456789012/us-east-1", "123456789012/eu-west-1"),
    built("model-other-stack", "this region's", imported_from(ARN.format("eu-west-1", "model"))),
    bad("config-other-stack", "another region's",
        endpoint_of(ARN.format("us-east-1", "endpoint-config")), "us-east-1", "eu-west-1"),
    bad("config-other-stack", "another stack's", _config_elsewhere, "Other"),
    built("config-other-stack", "this region's",
          endpoint_of(ARN.format("eu-west-1", "endpoint-config"))),
    bad("instance-type-architecture", "ARM", on("ml.c7g.large"), "x86"),
    built("instance-type-architecture", "x86", on("ml.c6i.large")),
    bad("execution-mode", "of a container", containers(container(mode="Multi")), "MultiModel"),
    bad("deployment-parts", "a step at once", endpoint(deployment_config=neo.DeploymentConfig(
        strategy="ALL_AT_ONCE", step=neo.CapacitySize.percent(10))), "has none"),
    bad("deployment-parts", "no step", endpoint(deployment_config=neo.DeploymentConfig(
        strategy="ROLLING")), "needs it"),
    bad("deployment-parts", "a word", endpoint(deployment_config=neo.DeploymentConfig(
        strategy="CANERY")), "'CANARY'?"),
    bad("deployment-parts", "a size", endpoint(deployment_config=neo.DeploymentConfig.canary(
        neo.CapacitySize("PERCENT", 10))), "CAPACITY_PERCENT"),
    bad("deployment-parts", "a wait after rolling", endpoint(
        deployment_config=neo.DeploymentConfig(
            strategy="ROLLING", step=neo.CapacitySize.percent(10), termination_wait=MINUTES(5))),
        "termination_wait"),
    built("deployment-parts", "each its own", endpoint(deployment_config=rolling())),
    bad("number-range", "a way back", endpoint(deployment_config=neo.DeploymentConfig.rolling(
        neo.CapacitySize.percent(10), rollback_batch=neo.CapacitySize.percent(900))), "900"),
    bad("scaling-twice", "one variant", _scaled_twice, "already"),
    built("scaling-twice", "two variants", endpoint(
        {"variant_name": "a"}, {"variant_name": "b"}, scaled=("a", 1))),
    bad("scaling-kind", "by what waits", endpoint(by_backlog=True), "answers at once"),
    bad("scaling-capacity", "a schedule of nothing", endpoint(schedule={}), "nothing would change"),
    bad("scaling-to-zero", "by the clock", endpoint(schedule={"min_capacity": 0}), "asynchronous"),
    bad("serverless-concurrency", "more than it answers", endpoint(
        is_serverless=True, concurrency=5, provisioned=50), "max_concurrency, 5"),
    bad("compilation-scope", "the same scope", lambda scope: digits_endpoint(
        scope, compilation_scope=scope), "'Digits'"),
    built("compilation-scope", "another stack", lambda scope: digits_endpoint(
        scope, compilation_scope=cdk.Stack(cdk.App.of(scope), "Other", env=IRELAND))),
    bad("container-targets", "two", _two_targets(neo.TargetDevice.ML_M5), "'ml_c5'", "'ml_m5'"),
    built("container-targets", "one", _two_targets(neo.TargetDevice.ML_C5)),
    bad("container-environment", "a digit first", containers(container(environment={"1a": "b"})),
        "'1a'"),
    built("container-environment", "letters", containers(container(environment={"a1": "b"}))),
    bad("container-hostname", "a blank", containers(container(container_hostname="a b")), "'a b'"),
    bad("execution-mode", "one container", lambda scope: own_model(
        scope, inference_execution_mode="Direct"), "one container"),
    bad("vpc-groups", "six", model_in_vpc(vpc=True, number=6), "up to 5"),
    built("vpc-groups", "five", model_in_vpc(vpc=True, number=5)),
    bad("key-alias", "imported", config(C5, data_capture_config=lambda scope: neo.DataCaptureConfig(
        bucket=bucket(scope), encryption_key=kms.Alias.from_alias_name(
            scope, "Alias", "alias/mine"))), "alias/mine"),
    built("key-alias", "made here", served(data_capture_config=lambda scope: neo.DataCaptureConfig(
        bucket=bucket(scope), encryption_key=kms.Alias(
            scope, "Alias", alias_name="alias/mine", target_key=kms.Key(scope, "Key"))))),
    bad("rollback-alarms", "composite", _composite, "composite"),
    bad("rollback-never-watched", "added later", endpoint(
        alarms=1, deployment_config=neo.DeploymentConfig.all_at_once()), "wait"),
    bad("variant-name-twice", "one target twice", compiled(targets=[
        target(), target(instance_type="ml.c5.xlarge")]), "'MlC5'"),
    bad("variant-hardware", "a volume of no instance", compiled(
        target=neo.TargetDevice.ML_C5, memory_size_in_mb=2048, volume_size_in_gb=50), "volume"),
    bad("variant-hardware", "a concurrency of instances", compiled(
        target=neo.TargetDevice.ML_C5, instance_type=C5, max_concurrency=7), "max_concurrency"),
    bad("serverless-feature", "files", serverless(model=files), "not packed"),
    bad("model-data-prefix", "files of several models", lambda scope: neo.Model(
        scope, "Model", containers=[neo.ContainerDefinition(
            image=IMAGE, model_data_url="s3://artifacts/m/", mode="MultiModel",
            uncompressed_model_data=True, artifact_bucket=bucket(scope, "artifacts"))]), "packed"),
    bad("capture-mode", "a content type", served(data_capture_config=capture(
        csv_content_types=["text/csv; charset=utf-8"])), "without parameters"),
    bad("known-at-synth", "a timeout in minutes", lambda scope: instances(
        model_data_download_timeout=MINUTES(
            cdk.CfnParameter(scope, "M", type="Number").value_as_number))(scope), "minutes"),
    bad("known-at-synth", "a rate", _rate_of_parameter, "another number"),
    bad("package-name", "an underscore", lambda scope: group(
        scope, model_package_group_name="a_b"), "'a_b'"),
    built("package-name", "a hyphen", lambda scope: group(scope, model_package_group_name="a-b")),
    bad("package-word", "a domain", version(domain="VISION"), "COMPUTER_VISION"),
    bad("package-word", "a task", version(task="IMAGE_CLASIFICATION"), "'IMAGE_CLASSIFICATION'?"),
    bad("package-word", "a status", version(model_approval_status="approved"), "Approved"),
    built("package-word", "known", version(domain="MACHINE_LEARNING", task="OTHER")),
    bad("package-group-region", "another", _group_elsewhere("us-east-1"), "us-east-1"),
    built("package-group-region", "the same", _group_elsewhere("eu-west-1")),
    bad("package-metadata", "51", version(customer_metadata_properties={
        str(n): "x" for n in range(51)}), "51"),
    built("package-metadata", "50", version(customer_metadata_properties={
        str(n): "x" for n in range(50)})),
    bad("framework-version-form", "of a version", version(framework_version="v2"), "'v2'"),
    bad("payload-not-an-archive", "of a version", version(
        sample_payload=neo.SamplePayload.from_s3_uri("s3://payloads/image.json")), ".tar.gz"),
    bad("data-input-config-length", "of a version", version(data_input_config={
        f"input{n}": [1, 3, 224, 224] for n in range(60)}), "1,024"),
    bad("instance-type-unknown", "of a version", version(
        supported_realtime_inference_instance_types=["ml.c5.lrage"]), "'ml.c5.large'?"),
    warned("package-artifact-unknown", "no bucket", _served_version(), "artifact_bucket"),
    built("package-artifact-unknown", "a bucket", lambda scope: _served_version(
        artifact_bucket=bucket(scope), artifact_prefix="a.tar.gz")(scope)),
    bad("model-source", "beside a version", _beside_version, "image"),
    bad("deployment-step", "all of two", endpoint({"initial_instance_count": 2},
        deployment_config=neo.DeploymentConfig.rolling(neo.CapacitySize.instances(2))), "100 %"),
    built("deployment-step", "one of two", endpoint({"initial_instance_count": 2},
          deployment_config=neo.DeploymentConfig.rolling(neo.CapacitySize.instances(1)))),
    bad("resource-region", "a topic", served(async_inference_config=_topic_of("us-east-1")),
        "'us-east-1'"),
    built("resource-region", "the same", served(async_inference_config=_topic_of("eu-west-1"))),
    bad("engine-options", "public subnets", lambda scope: options(vpc=ec2.Vpc(
        scope, "Vpc", nat_gateways=0, subnet_configuration=[ec2.SubnetConfiguration(
            name="open", subnet_type=ec2.SubnetType.PUBLIC)]))(scope), "Public"),
    bad("number-range", "a part of a second", endpoint(
        deployment_config=canary(wait=cdk.Duration.millis(1500))), "1.5 seconds"),
    bad("variant-choice", "a slip", instances(routing_strategy="LEAST_OUTSTANDING_REQUEST"),
        "'LEAST_OUTSTANDING_REQUESTS'?"),
    bad("variant-choice", "retained", endpoint(
        exclude_retained_variant_properties=["Weight"]), "DesiredWeight"),
    built("variant-choice", "at random", instances(routing_strategy="RANDOM")),
    bad("local-storage", "a key", config(G4DN, encryption_key=lambda s: kms.Key(s, "Key")), G4DN),
    bad("local-storage", "a letter d", config("ml.c5d.large",
        encryption_key=lambda s: kms.Key(s, "Key")), "hardware"),
    bad("local-storage", "a volume", instances(instance_type=G4DN, volume_size_in_gb=10), G4DN),
    built("local-storage", "a volume of its own", config(C5,
        encryption_key=lambda s: kms.Key(s, "Key"))),
    bad("serverless-feature", "kept", serverless(data_capture_config=capture()), "instances"),
    bad("serverless-feature", "a VPC", serverless(model=in_vpc), "VPC"),
    bad("serverless-feature", "a pipeline", serverless(model=pipeline), "several containers"),
    built("serverless-feature", "none", serverless()),
    bad("shadow-variants", "two", config(C5, shadows=(C5, C5)), "2 are given"),
    bad("shadow-variants", "beside two", config(C5, C5, shadows=(C5,)), "beside 2"),
    built("shadow-variants", "one beside one", config(C5, shadows=(C5,))),
    bad("shadow-excluded", "Inf1", config(C5, shadows=(INF1,)), "Inf1"),
    bad("shadow-excluded", "a pipeline", config(C5, shadows=(C5,), containers=2), "several"),
    built("shadow-excluded", "later", config(C5, shadows=(C5,), async_inference_config=later()),
          "asynchronous", errors=("shadow-excluded",)),
    built("shadow-excluded", "c5", config(C5, shadows=("ml.c5.xlarge",))),
    bad("variant-unknown", "a slip", endpoint(scaled=("AllTrafic", 1)), "'AllTraffic'?"),
    built("variant-unknown", "known", endpoint(scaled=("AllTraffic", 1))),
    bad("scaling-to-zero", "at once", endpoint(scaled=("AllTraffic", 0)), "asynchronous"),
    built("scaling-to-zero", "later", endpoint(scaled=("AllTraffic", 0), is_async=True)),
    bad("scaling-kind", "instances", endpoint(is_serverless=True, scaled=("AllTraffic", 1)),
        "serverless"),
    built("scaling-kind", "instances of instances", endpoint(scaled=("AllTraffic", 1))),
    bad("scaling-burstable", "t2", endpoint({"instance_type": "ml.t2.medium"},
        scaled=("AllTraffic", 1)), "ml.c5.large"),
    built("scaling-burstable", "that does not scale", endpoint({"instance_type": "ml.t2.medium"})),
    built("deployment-excluded", "Inf1", endpoint({"instance_type": INF1}, **GUARDED), "Inf1",
          warnings=("deployment-excluded", "quota-doubles")),
    warned("deployment-excluded", "serverless", endpoint(is_serverless=True, **GUARDED), "all at once"),
    built("deployment-excluded", "c5", endpoint(**GUARDED)),
    bad("deployment-rolling", "two variants", endpoint(
        {"variant_name": "a"}, {"variant_name": "b"}, deployment_config=rolling()), "2 variants"),
    built("deployment-rolling", "one", endpoint(deployment_config=rolling())),
    warned("quota-doubles", "a GPU", endpoint({"instance_type": G4DN, "initial_instance_count": 3}),
           "6 of 'ml.g4dn.xlarge'"),
    built("quota-doubles", "one by one", endpoint({"instance_type": G4DN},
          deployment_config=rolling())),
    bad("rollback-alarms", "eleven", endpoint(alarms=11, **GUARDED), "11"),
    built("rollback-alarms", "ten", endpoint(alarms=10, **GUARDED)),
    bad("rollback-never-watched", "no deployment", endpoint(alarms=1), "deployment_config"),
    bad("rollback-never-watched", "no wait", lambda scope: digits_endpoint(
        scope, deployment_config=neo.DeploymentConfig.all_at_once(
            rollback_alarms=[cloudwatch.Alarm.from_alarm_arn(
                scope, "A", "arn:aws:cloudwatch:eu-west-1:1:alarm:a")])), "wait"),
    built("rollback-never-watched", "watched", endpoint(alarms=1, **GUARDED)),
    bad("rollback-alarm-circle", "a name that is made", rolls_back(None), "endpoint_name"),
    built("rollback-alarm-circle", "a name of its own", rolls_back("digits")),
    bad("capture-mode", "a slip", served(data_capture_config=capture(capture_modes=["input"])),
        "Input"),
    built("capture-mode", "answers", served(data_capture_config=capture(capture_modes=["Output"]))),
    bad("async-topics", "none", served(async_inference_config=later(
        include_response_in_topics=True)), "success_topic"),
    built("async-topics", "one", served(async_inference_config=later(
        include_response_in_topics=True, topic=True))),
    bad("key-prefix", "a slash", served(data_capture_config=capture(prefix="/captured")), "'/captured'"),
    bad("key-prefix", "nothing", served(async_inference_config=later(prefix=""))),
    built("key-prefix", "a folder", served(data_capture_config=capture(prefix="captured/digits"))),
    bad("object-key", "a wildcard in a prefix", served(data_capture_config=capture(prefix="a*"))),
    warned("model-role-unknown", "an imported model", config(C5, data_capture_config=capture()),
           "s3:PutObject"),
    built("model-role-unknown", "with its role", endpoint(is_async=True)),
    bad("container-count", "sixteen", containers(*[container()] * 16), "16"),
    built("container-count", "fifteen", containers(*[container()] * 15)),
    bad("container-hostname", "twice", containers(*[container(container_hostname="a")] * 2), "'a'"),
    bad("container-hostname", "none", containers(
        container(container_hostname="a"), container(), inference_execution_mode="Direct")),
    built("container-hostname", "each", containers(
        container(container_hostname="a"), container(container_hostname="b"),
        inference_execution_mode="Direct")),
    bad("execution-mode", "a slip", containers(container(), inference_execution_mode="serial"), "Serial"),
    built("execution-mode", "serial", containers(container())),
    bad("model-source", "beside containers", containers(container(), environment={"a": "b"}),
        "environment"),
    bad("model-data-prefix", "no slash", unpacked("s3://artifacts/model"), "slash"),
    built("model-data-prefix", "a folder", unpacked("s3://artifacts/model/")),
    dockerfile("Other"),
    dockerfile("Dockerfile"),
    bad("vpc-missing", "groups alone", model_in_vpc(vpc=False), "security_groups"),
    built("vpc-missing", "both", model_in_vpc(vpc=True)),
    bad("vpc-outbound", "given groups", model_in_vpc(vpc=True, allow_all_outbound=False)),
    built("vpc-outbound", "a group that is made", model_in_vpc(
        vpc=True, groups=False, allow_all_outbound=False)),
    bad("target-missing", "none", compiled(), "neither"),
    bad("target-missing", "both", compiled(target=neo.TargetDevice.ML_C5, instance_type=C5,
        targets=[target()]), "both"),
    bad("target-missing", "beside several", compiled(instance_type=C5, targets=[target()]),
        "instance_type"),
    built("target-missing", "several", compiled(targets=[
        target(), target(target=neo.TargetDevice.ML_M5, instance_type="ml.m5.large")])),
    bad("variant-weight", "of a target", compiled(targets=[
        target(variant_name="a"), target(variant_name="b", initial_variant_weight=-1)]), "targets[1]"),
    bad("variant-hardware", "neither", compiled(target=neo.TargetDevice.ML_C5), "memory_size_in_mb"),
    bad("variant-hardware", "both", compiled(targets=[target(memory_size_in_mb=2048)]), "both"),
    built("variant-hardware", "serverless", compiled(
        target=neo.TargetDevice.ML_C5, memory_size_in_mb=2048)),
    bad("scaling-target", "by nothing", compiled(target=neo.TargetDevice.ML_C5, instance_type=C5,
        scaling=neo.InstanceScaling(max_capacity=2)), "max_requests_per_second"),
    bad("engine-options", "none at once", options(reserved_concurrent_executions=0), "from 1"),
    bad("engine-options", "a level", options(state_machine_log_level="DEBUG"), "ERROR"),
    bad("engine-options", "twice", options(twice=True), "already"),
    bad("engine-options", "late", options(late=True), "after the first job"),
    built("engine-options", "in time", options(reserved_concurrent_executions=1)),
    warned("artifact-bucket-loses", "destroyed", artifact_bucket(
        removal_policy=cdk.RemovalPolicy.DESTROY), "scale out"),
    warned("artifact-bucket-loses", "expired", expiring(expiration=cdk.Duration.days(90))),
    warned("artifact-bucket-loses", "frozen", moved_to(s3.StorageClass.GLACIER), "restored"),
    built("artifact-bucket-loses", "elsewhere", expiring(
        expiration=cdk.Duration.days(90), prefix="logs/")),
    built("artifact-bucket-loses", "at hand", moved_to(s3.StorageClass.INTELLIGENT_TIERING)),
]  # fmt: skip
