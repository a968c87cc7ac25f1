"""One card for each endpoint of an assembly: what serves, on what, from where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from neo_constructs.review.assembly import Json, StackTemplate, as_list, as_mapping, branches
from neo_constructs.review.values import Assembly, Key, whole_number

COMPILATION: Final = "Custom::NeoCompilationJob"
ARCHIVE: Final = "Custom::NeoServingArchive"
RECOMMENDATION: Final = "Custom::NeoInferenceRecommendationsJob"
APPROVED: Final = "Custom::NeoApprovedModelPackage"
ENDPOINT: Final = "AWS::SageMaker::Endpoint"
CONFIG: Final = "AWS::SageMaker::EndpointConfig"
MODEL: Final = "AWS::SageMaker::Model"
PACKAGE: Final = "AWS::SageMaker::ModelPackage"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerCard:
    """A container of a model: what it runs, and where that comes from."""

    image: str
    image_is_known: bool
    framework: str
    target: str
    model: str
    script: str
    compile_limit: str
    data_input: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantCard:
    """A variant of an endpoint: its model, and the instances it runs on."""

    name: str
    is_shadow: bool
    hardware: str
    instances: int | None
    instance_type: str
    weight: str
    timeouts: str
    network: str
    containers: tuple[ContainerCard, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointCard:
    """An endpoint: its name, how it is updated, and its variants."""

    path: str
    account: str
    region: str
    name: str
    deployment: str
    asynchronous: str
    capture: str
    scaling: tuple[str, ...]
    variants: tuple[VariantCard, ...]


def endpoint_cards(assembly: Assembly) -> tuple[EndpointCard, ...]:
    """Return a card for each endpoint, in the order of their paths."""
    return tuple(_card(assembly, key, found) for key, found in assembly.resources(ENDPOINT))


def _card(assembly: Assembly, key: Key, endpoint: Json) -> EndpointCard:
    stack, given = assembly.stacks[key.stack], as_mapping(endpoint.get("Properties"))
    config_key = assembly.first(stack, given.get("EndpointConfigName"), CONFIG)
    config = as_mapping(assembly.resource(config_key).get("Properties")) if config_key else {}
    at = assembly.stacks[config_key.stack] if config_key else stack
    name = assembly.text(stack, given["EndpointName"]) if "EndpointName" in given else ""
    return EndpointCard(
        path=assembly.title(key),
        account=stack.account or "the account of the deploy",
        region=stack.region or "the region of the deploy",
        name=name or "made by CloudFormation",
        deployment=deployment(given.get("DeploymentConfig")),
        asynchronous=assembly.text(at, _at(config, "AsyncInferenceConfig", "OutputConfig")),
        capture=_capture(assembly, at, config.get("DataCaptureConfig")),
        scaling=tuple(_scaling(assembly, key)),
        variants=tuple(variants(assembly, at, config)),
    )


def variants(assembly: Assembly, stack: StackTemplate, config: Json) -> Iterator[VariantCard]:
    """Yield the variants of an endpoint configuration."""
    for kind in ("ProductionVariants", "ShadowProductionVariants"):
        for given in branches(config.get(kind)):
            if isinstance(given, dict) and "Ref" not in given:
                yield _variant(assembly, stack, given, is_shadow=kind.startswith("Shadow"))


def _variant(
    assembly: Assembly, stack: StackTemplate, given: Json, *, is_shadow: bool
) -> VariantCard:
    model_key = assembly.first(stack, given.get("ModelName"), MODEL)
    model = (as_mapping(assembly.resource(model_key).get("Properties"))) if model_key else {}
    at = assembly.stacks[model_key.stack] if model_key else stack
    containers = [model.get("PrimaryContainer"), *as_list(model.get("Containers"))]
    instance_type = _instance_type(assembly, stack, given.get("InstanceType"))
    return VariantCard(
        name=assembly.text(stack, given.get("VariantName") or "AllTraffic"),
        is_shadow=is_shadow,
        hardware=_hardware(assembly, stack, given, instance_type),
        instances=whole_number(given.get("InitialInstanceCount")),
        instance_type=instance_type,
        weight=assembly.text(stack, given.get("InitialVariantWeight", 1)),
        timeouts=_timeouts(assembly, stack, given),
        network=_network(assembly, at, model) if model else "",
        containers=tuple(
            _container(assembly, at, each) for each in containers if isinstance(each, dict)
        )
        or (_elsewhere(assembly, stack, given),),
    )


def _elsewhere(assembly: Assembly, stack: StackTemplate, given: Json) -> ContainerCard:
    """Return the card of a model that is not in this assembly."""
    name = given.get("ModelName")
    return ContainerCard(
        image="of a model outside this assembly" if name else "none: the variant names no model",
        image_is_known=False,
        framework="",
        target="",
        model=f"the model {assembly.text(stack, name)}" if name else "",
        script="",
        compile_limit="",
        data_input="",
    )


def _container(assembly: Assembly, stack: StackTemplate, given: Json) -> ContainerCard:
    data = given.get("ModelDataUrl") or _at(given, "ModelDataSource", "S3DataSource", "S3Uri")
    environment = as_mapping(given.get("Environment"))
    archive = assembly.first(stack, data, ARCHIVE) or assembly.first(stack, environment, ARCHIVE)
    archived = (as_mapping(assembly.resource(archive).get("Properties"))) if archive else {}
    at = assembly.stacks[archive.stack] if archive else stack
    package = given.get("ModelPackageName")
    job_key = _job(assembly, stack, given, at, archived)
    job = (as_mapping(assembly.resource(job_key).get("Properties"))) if job_key else {}
    job_at = assembly.stacks[job_key.stack] if job_key else stack
    expected = job.get("ExpectedInferenceImage")
    from_job = job_key is not None and assembly.first(stack, given.get("Image"), COMPILATION)
    image = assembly.text(job_at, expected) if from_job and expected else ""
    source = _at(job, "InputConfig", "S3Uri")
    model = (
        _kind_of_place(assembly.text(job_at, source), str(job.get("InputFingerprint") or ""))
        if source
        else _kind_of_place(assembly.text(stack, data), "")
        if data
        else ""
    )
    if package is not None:
        model = f"the registered version {assembly.text(stack, package)}"
        image = "the version's own"
    script = as_mapping(archived.get("Script"))
    return ContainerCard(
        image=image or assembly.text(stack, given.get("Image") or "") or "not stated",
        image_is_known=bool(image) and bool(from_job),
        framework=_framework(job),
        target=_target(assembly, job_at, job),
        model=model,
        script=_script(assembly, at, archived, script, environment),
        compile_limit=str(_at(job, "StoppingCondition", "MaxRuntimeInSeconds") or ""),
        data_input=str(_at(job, "InputConfig", "DataInputConfig") or ""),
    )


def _job(
    assembly: Assembly, stack: StackTemplate, given: Json, at: StackTemplate, archived: Json
) -> Key | None:
    """Return the compilation job that a container's model or image comes from."""
    return (
        assembly.first(stack, [given.get("ModelDataUrl"), given.get("Image")], COMPILATION)
        or assembly.first(stack, given.get("ModelDataSource"), COMPILATION)
        or assembly.first(at, archived.get("ModelDataUrl"), COMPILATION)
    )


def _framework(job: Json) -> str:
    given = as_mapping(job.get("InputConfig"))
    return f"{given.get('Framework', '')} {given.get('FrameworkVersion', '')}".strip()


def _target(assembly: Assembly, stack: StackTemplate, job: Json) -> str:
    output = as_mapping(job.get("OutputConfig"))
    options = output.get("CompilerOptions")
    target = assembly.text(stack, output.get("TargetDevice") or "")
    return f"{target}, options {assembly.text(stack, options)}" if options else target


def _script(
    assembly: Assembly, stack: StackTemplate, archived: Json, script: Json, environment: Json
) -> str:
    program = environment.get("SAGEMAKER_PROGRAM")
    entry = archived.get("EntryPoint") or program
    if not entry:
        return "none: the image's own"
    place = assembly.text(stack, script.get("S3Uri")) if script else ""
    layout = str(archived.get("Layout") or "")
    into = "in the served archive" if layout == "code" else "in an archive of its own"
    return f"{entry}, {into if layout else 'in the model data'}" + (
        f", from {_kind_of_place(place, str(script.get('Fingerprint') or ''))}" if place else ""
    )


def _kind_of_place(place: str, fingerprint: str) -> str:
    content = f" (content {fingerprint[:12]})" if fingerprint else ""
    is_asset = place.startswith("s3://cdk-")
    return f"{'the app, by way of the asset ' if is_asset else ''}{place}{content}"


def _instance_type(assembly: Assembly, stack: StackTemplate, given: Any) -> str:
    key = assembly.first(stack, given, RECOMMENDATION)
    if key is None:
        return assembly.text(stack, given) if given is not None else ""
    job = as_mapping(assembly.resource(key).get("Properties"))
    candidates = ", ".join(map(str, as_list(job.get("CandidateInstanceTypes"))))
    return f"chosen by {assembly.title(key)}" + (f" among {candidates}" if candidates else "")


def _hardware(assembly: Assembly, stack: StackTemplate, given: Json, instance_type: str) -> str:
    serverless = given.get("ServerlessConfig")
    if isinstance(serverless, dict):
        provisioned = serverless.get("ProvisionedConcurrency")
        return (
            f"serverless, {assembly.text(stack, serverless.get('MemorySizeInMB'))} MB, "
            f"at most {assembly.text(stack, serverless.get('MaxConcurrency'))} at once"
            + (f", {assembly.text(stack, provisioned)} kept ready" if provisioned else "")
        )
    count = assembly.text(stack, given.get("InitialInstanceCount", 1))
    return f"{count} x {instance_type}"


def _timeouts(assembly: Assembly, stack: StackTemplate, given: Json) -> str:
    names = {
        "ModelDataDownloadTimeoutInSeconds": "download of the model",
        "ContainerStartupHealthCheckTimeoutInSeconds": "first health check",
    }
    said = [
        f"{what} {assembly.text(stack, given[name])} s"
        for name, what in names.items()
        if name in given
    ]
    return ", ".join(said) or "the service's own"


def _network(assembly: Assembly, stack: StackTemplate, model: Json) -> str:
    vpc = model.get("VpcConfig")
    said = []
    if model.get("EnableNetworkIsolation") is True:
        said.append("isolated: the containers reach nothing")
    if isinstance(vpc, dict):
        subnets, groups = (
            assembly.text(stack, vpc.get(k)) for k in ("Subnets", "SecurityGroupIds")
        )
        said.append(f"in the subnets {subnets} with the security groups {groups}")
    return "; ".join(said) or "SageMaker's own network, with a way to the internet"


def deployment(given: Any) -> str:
    """Return how an update of an endpoint is carried out, from its DeploymentConfig."""
    if not isinstance(given, dict):
        return "blue/green, all at once"
    if "Fn::If" in given:
        chosen = as_list(given["Fn::If"])[1:]
        return " or ".join(dict.fromkeys(deployment(each) for each in chosen)) + ", by a condition"
    if "Ref" in given:
        return "blue/green, all at once"
    blue, rolling = given.get("BlueGreenUpdatePolicy"), given.get("RollingUpdatePolicy")
    alarms = as_list(as_mapping(given.get("AutoRollbackConfiguration")).get("Alarms"))
    back = f", goes back on {len(alarms)} alarm(s)" if alarms else ""
    if isinstance(rolling, dict):
        size = as_mapping(rolling.get("MaximumBatchSize"))
        unit = "instances" if size.get("Type") == "INSTANCE_COUNT" else "% of the fleet"
        wait = rolling.get("WaitIntervalInSeconds", 0)
        return f"rolling, {_number(size.get('Value'))} {unit} at a time, {wait} s between{back}"
    if isinstance(blue, dict):
        routing = as_mapping(blue.get("TrafficRoutingConfiguration"))
        kind = {"CANARY": "canary", "LINEAR": "linear"}.get(str(routing.get("Type")), "all at once")
        step = as_mapping(routing.get("CanarySize") or routing.get("LinearStepSize"))
        unit = "instances" if step.get("Type") == "INSTANCE_COUNT" else "%"
        part = f" by {_number(step.get('Value'))} {unit}" if step else ""
        wait = routing.get("WaitIntervalInSeconds", 0)
        waits = f", {wait} s of watching" if wait else ""
        return f"blue/green, {kind}{part}{waits}{back}"
    return f"blue/green, all at once{back}"


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int | str) else "a number that a deploy knows of"


def _capture(assembly: Assembly, stack: StackTemplate, given: Any) -> str:
    if not isinstance(given, dict) or given.get("EnableCapture") is False:
        return ""
    share = assembly.text(stack, given.get("InitialSamplingPercentage"))
    return f"{share} % to {assembly.text(stack, given.get('DestinationS3Uri'))}"


def _scaling(assembly: Assembly, endpoint: Key) -> Iterator[str]:
    for key, found in assembly.resources("AWS::ApplicationAutoScaling::ScalableTarget"):
        stack, given = assembly.stacks[key.stack], as_mapping(found.get("Properties"))
        named = assembly.sources(stack, given.get("ResourceId"))
        if endpoint in {source.key for source in named}:
            least, most = (
                assembly.text(stack, given.get(k)) for k in ("MinCapacity", "MaxCapacity")
            )
            variant = assembly.text(stack, given.get("ResourceId")).rpartition("/")[2]
            yield f"{variant}: {least} to {most}"


def _at(value: Any, *keys: str) -> Any:
    """Return what lies at a path of keys; an empty text if there is nothing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return "" if value is None else value
