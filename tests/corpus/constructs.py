"""Constructs: what is said when they are put together, errors and warnings alike."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match

import neo_constructs as neo
from neo_constructs.findings.finding import Finding, Level
from tests.corpus.case import Case
from tests.templates.stacks import DIGITS, digits_endpoint, stack

Make = Callable[[cdk.Stack], object]
IRELAND = cdk.Environment(account="123456789012", region="eu-west-1")
_CODE = re.compile(r"\[([a-z-]+)\]\s*\[ack")


def built(
    about: str,
    title: str,
    make: Make,
    *says: str,
    errors: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
) -> Case:
    """Return a case about what a stack is made of."""

    def run(_folder: Path) -> list[Finding]:
        scope = stack(IRELAND)
        try:
            make(scope)
        except neo.ValidationError as error:
            # A construct's error names its path; a value's, raised before there is one, cannot.
            if "/" in error.subject and not error.subject.startswith(("Stack/", "Other/")):
                raise
            return list(error.findings)
        refused = [text for each in scope.node.find_all() for text in each.node.validate()]
        if refused:  # nothing is synthesized
            return [_parsed(text) for text in refused]
        found = Annotations.from_stack(scope).find_warning("*", Match.any_value())
        return [
            Finding(
                code=match[1], level=Level.WARNING, where=entry.id, message=str(entry.entry.data)
            )
            for entry in found
            if (match := _CODE.search(str(entry.entry.data)))
        ]

    return Case(about=about, title=title, run=run, errors=errors, warnings=warnings, says=says)


def _parsed(text: str) -> Finding:
    """Return the finding that a construct says when the app is synthesized."""
    where, _, rest = text.partition(": ")
    message, _, code = rest.rpartition(" [")
    return Finding(code=code.rstrip("]"), where=where, message=message)


def with_script_in_s3(
    key: str,
    framework: neo.Framework | None = None,
    version: str | None = "v1",
    **changes: Any,
) -> Make:
    """Return an endpoint whose script is in S3."""

    def make(scope: cdk.Stack) -> object:
        bucket = s3.Bucket.from_bucket_name(scope, "Scripts", "scripts")
        code = neo.InferenceCode.from_bucket(bucket, key, object_version=version)
        return in_s3(framework or PYTORCH, inference_code=code, **changes)(scope)

    return make


def bad(code: str, title: str, make: Make, *says: str) -> Case:
    return built(code, title, make, *says, errors=(code,))


def warned(code: str, title: str, make: Make, *says: str) -> Case:
    return built(code, title, make, *says, warnings=(code,))


def warned_at_synth(code: str, title: str, make: Make, *says: str) -> Case:
    """Return a case about what is only known when all constructs are there."""

    def run(_folder: Path) -> list[Finding]:
        scope = stack(IRELAND)
        make(scope)
        found = [text for each in scope.node.find_all() for text in each.node.validate()]
        return [
            Finding(code=match[1], where="tags", message=text)
            for text in found
            if (match := re.search(r"\[([a-z-]+)\]$", text))
        ]

    return Case(about=code, title=title, run=run, errors=(code,), says=says)


def endpoint(**changes: Any) -> Make:
    return lambda scope: digits_endpoint(scope, **changes)


def in_s3(framework: neo.Framework, **changes: Any) -> Make:
    """Return an endpoint of a pinned archive in S3."""

    def make(scope: cdk.Stack) -> object:
        bucket = s3.Bucket.from_bucket_name(scope, "Models", "models")
        given = neo.ModelData.from_bucket(bucket, "model.tar.gz", object_version="v1")
        return digits_endpoint(
            scope,
            **{"model_data": given, "framework": framework, "inference_code": None, **changes},
        )

    return make


def job(scope: cdk.Stack, **changes: Any) -> neo.CompilationJob:
    return neo.CompilationJob(
        scope,
        "Job",
        **{
            "model_data": neo.ModelData.from_asset(DIGITS / "digits.onnx"),
            "target": neo.TargetDevice.ML_C5,
            **changes,
        },
    )


def in_s3_at(key: str) -> Make:
    """Return an endpoint of an archive at a key."""

    def make(scope: cdk.Stack) -> object:
        bucket = s3.Bucket.from_bucket_name(scope, "Models", "models")
        given = neo.ModelData.from_bucket(bucket, key, object_version="v1")
        return job(scope, model_data=given, framework=neo.Framework.xgboost())

    return make


def _bucket_at(*, region: str, account: str | None = None) -> Make:
    def make(scope: cdk.Stack) -> object:
        bucket = s3.Bucket.from_bucket_attributes(
            scope, "Artifacts", bucket_name="artifacts", region=region, account=account
        )
        return job(scope, artifact_bucket=bucket)

    return make


def _source_at(account: str) -> Make:
    def make(scope: cdk.Stack) -> object:
        bucket = s3.Bucket.from_bucket_attributes(
            scope, "Models", bucket_name="models", account=account
        )
        given = neo.ModelData.from_bucket(bucket, "model.tar.gz", object_version="v1")
        return job(scope, model_data=given, framework=neo.Framework.xgboost())

    return make


def _config_elsewhere(scope: cdk.Stack) -> object:
    other = cdk.Stack(scope.node.root, "Other", env=IRELAND)  # type: ignore[arg-type] # the root is an App
    made = neo.Model(
        scope,
        "Model",
        compilation_job=job(scope),
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
    )
    variant = neo.InstanceVariant(model=made, instance_type="ml.c5.large")
    # What is wrong is found in the other stack, whose path is not this one's.
    return neo.EndpointConfig(other, "Config", production_variants=[variant])


def _needs_network(isolation: bool | None) -> Make:
    def make(scope: cdk.Stack) -> object:
        folder = Path(tempfile.mkdtemp())
        (folder / "inference.py").write_text((DIGITS / "pytorch/code/inference.py").read_text())
        (folder / "requirements.txt").write_text("numpy\n")
        bucket = s3.Bucket.from_bucket_name(scope, "Models", "models")
        given = neo.ModelData.from_bucket(bucket, "model.tar.gz", object_version="v1")
        return neo.Model(
            scope,
            "Model",
            compilation_job=job(scope, model_data=given, framework=PYTORCH),
            inference_code=neo.InferenceCode.from_asset(folder),
            enable_network_isolation=isolation,
        )

    return make


IMAGE_HERE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/x:1"


def served_from(scope: cdk.Stack, url: str, image: str) -> neo.Model:
    return neo.Model(
        scope,
        "Model",
        model_data_url=url,
        image=neo.InferenceImage.from_uri(image),
        artifact_bucket=s3.Bucket.from_bucket_name(scope, "Elsewhere", "elsewhere"),
    )


def model(**arguments: Any) -> Make:
    return lambda scope: neo.Model(scope, "Model", **arguments)


def own_model(scope: cdk.Stack, **changes: Any) -> neo.Model:
    """Return a model of an artifact of one's own."""
    values: dict[str, Any] = {
        "model_data_url": "s3://artifacts/model.tar.gz",
        "artifact_bucket": s3.Bucket.from_bucket_name(scope, "Artifacts", "artifacts"),
        "image": IMAGE,
        **changes,
    }
    return neo.Model(scope, "Model", **values)


def variants(*several: dict[str, Any]) -> Make:
    """Return a configuration with variants of that model."""

    def make(scope: cdk.Stack) -> object:
        served = own_model(scope)
        values = {"model": served, "instance_type": "ml.c5.large"}
        made = [neo.InstanceVariant(**{**values, **changes}) for changes in several]
        return neo.EndpointConfig(scope, "Config", production_variants=made)

    return make


def variant(**changes: Any) -> Make:
    """Return a configuration with one variant of that model."""
    return variants(changes)


def serverless(*, is_isolated: bool = False, beside: int = 0, **changes: Any) -> Make:
    """Return a configuration with a serverless variant."""

    def make(scope: cdk.Stack) -> object:
        served = own_model(scope, enable_network_isolation=is_isolated)
        config = neo.EndpointConfig(scope, "Config")
        config.add_production_variant(neo.ServerlessVariant(model=served, **changes))
        for number in range(beside):
            other = neo.InstanceVariant(
                model=served, instance_type="ml.c5.large", variant_name=f"v{number}"
            )
            config.add_production_variant(other)
        return config

    return make


def scaled(least: int, most: int, requests: float = 10, factor: float = 0.5) -> Make:
    """Return a variant that scales."""

    def make(scope: cdk.Stack) -> object:
        endpoint = neo.Endpoint.from_endpoint_name(scope, "Endpoint", "digits")
        count = endpoint.variant().auto_scale_instance_count(min_capacity=least, max_capacity=most)
        return count.scale_on_invocations(max_requests_per_second=requests, safety_factor=factor)

    return make


def serverless_for(target: neo.TargetDevice) -> Make:
    """Return a serverless variant of a model that is compiled for a target."""

    def make(scope: cdk.Stack) -> object:
        made = neo.Model.from_model_name(scope, "Model", "digits", target=target)
        return neo.EndpointConfig(
            scope, "Config", production_variants=[neo.ServerlessVariant(model=made)]
        )

    return make


def own_role(*, mutable: bool) -> Make:
    def make(scope: cdk.Stack) -> object:
        arn = "arn:aws:iam::123456789012:role/neo"
        return job(scope, role=iam.Role.from_role_arn(scope, "Own", arn, mutable=mutable))

    return make


def both(scope: cdk.Stack) -> object:
    bucket = s3.Bucket.from_bucket_name(scope, "Models", "models")
    archive = neo.ModelData.from_bucket(bucket, "model.tar.gz", object_version="v1")
    compiled = job(scope, model_data=archive, framework=XGBOOST)
    return neo.Model(
        scope,
        "Model",
        compilation_job=compiled,
        model_data_url="s3://models/model.tar.gz",
        artifact_bucket=bucket,
        image=IMAGE,
    )


def other_stack(region: str) -> Make:
    """Return a model in another stack than its compilation job."""

    def make(scope: cdk.Stack) -> object:
        env = cdk.Environment(account="123456789012", region=region)
        elsewhere = cdk.Stack(cdk.App.of(scope), "Other", env=env)
        return neo.Model(elsewhere, "Model", compilation_job=job(scope), inference_code=CODE)

    return make


def handed_over(policy: cdk.RemovalPolicy) -> Make:
    """Return a model in another stack than its compilation job, which keeps its artifact or not."""

    def make(scope: cdk.Stack) -> object:
        elsewhere = cdk.Stack(cdk.App.of(scope), "Other", env=IRELAND)
        compiled = job(scope, artifact_removal_policy=policy)
        return neo.Model(elsewhere, "Model", compilation_job=compiled, inference_code=CODE)

    return make


def nested(scope: cdk.Stack) -> object:
    """Return a model in a nested stack of its compilation job's."""
    inner = cdk.NestedStack(scope, "Inner")
    return neo.Model(inner, "Model", compilation_job=job(scope), inference_code=CODE)


def own_bucket(policy: cdk.RemovalPolicy) -> Make:
    def make(scope: cdk.Stack) -> object:
        bucket = s3.Bucket(scope, "Mine")
        return job(scope, artifact_bucket=bucket, artifact_removal_policy=policy)

    return make


a_number: Any = 1.10
TWO_SCRIPTS = Path(__file__).parent / "two_scripts"
CODE = neo.InferenceCode.from_asset(DIGITS / "code")
IMAGE = neo.InferenceImage.image_classification()
PYTORCH, XGBOOST = neo.Framework.pytorch("2.0"), neo.Framework.xgboost()
TENSORFLOW, SHAPES = neo.Framework.tensorflow("2.9"), {"input_1": [1, 224, 224, 3]}
TWO_NAMES = neo.InferenceCode.from_asset(TWO_SCRIPTS, entry_point="serve.py")
RETAIN, DESTROY = cdk.RemovalPolicy.RETAIN, cdk.RemovalPolicy.DESTROY
from_uri = neo.ModelData.from_s3_uri

CASES = [
    bad("framework-missing", "files that say nothing",
        endpoint(model_data=neo.ModelData.from_asset(TWO_SCRIPTS)), "Framework.pytorch"),
    built("framework-missing", "read from the file", endpoint()),
    bad("framework-contradicts-model", "Keras, of an ONNX file",
        endpoint(framework=neo.Framework.keras()), "digits.onnx is ONNX"),
    bad("framework-contradicts-model", "PyTorch, of an ONNX file",
        endpoint(framework=PYTORCH), "digits.onnx is ONNX"),
    built("framework-contradicts-model", "the same", endpoint(framework=neo.Framework.onnx())),
    bad("data-input-config-contradicts-model", "another shape",
        endpoint(data_input_config={"pixels": [1, 1, 9, 9]}), "[1, 1, 8, 8]", "[1, 1, 9, 9]"),
    bad("data-input-config-contradicts-model", "a slip in a name",
        endpoint(data_input_config={"pixel": [1, 1, 8, 8]}), "Did you mean 'pixels'"),
    bad("data-input-config-contradicts-model", "one too many",
        endpoint(data_input_config={"pixels": [1, 1, 8, 8], "mask": [1]}), "no input 'mask'"),
    built("data-input-config-contradicts-model", "the same",
          endpoint(data_input_config={"pixels": [1, 1, 8, 8]})),
    bad("artifact-removal-policy", "a snapshot",
        endpoint(artifact_removal_policy=cdk.RemovalPolicy.SNAPSHOT), "RETAIN, DESTROY"),
    built("artifact-removal-policy", "destroyed", endpoint(artifact_removal_policy=DESTROY)),
    built("removal-policy", "of the artifact in a bucket of one's own", own_bucket(DESTROY)),
    built("removal-policy", "what a job does anyway",
          lambda scope: job(scope).apply_removal_policy(DESTROY)),
    warned_at_synth("tags", "a key of 129 characters",
                    lambda scope: job(scope).tags.set_tag("k" * 129, "v"), "129 characters"),
    built("tags", "a key of 128 characters",
          lambda scope: job(scope).tags.set_tag("k" * 128, "v" * 256)),
    bad("removal-policy", "of the job itself", lambda scope: job(scope).apply_removal_policy(RETAIN),
        "artifact_removal_policy"),
    built("removal-policy", "of the artifact", own_bucket(RETAIN)),
    warned("role-not-extended", "imported and fixed", own_role(mutable=False), "s3:PutObject"),
    built("role-not-extended", "imported", own_role(mutable=True)),
    bad("model-uri", "no scheme", lambda _s: from_uri("models/model.tar.gz"), "s3://bucket/key"),
    bad("model-uri", "no key", lambda _s: from_uri("s3://models")),
    bad("model-uri", "no bucket's name", lambda _s: from_uri("s3://My_Models/model.tar.gz")),
    bad("model-uri", "known only at deploy",
        lambda scope: from_uri(cdk.CfnParameter(scope, "Uri").value_as_string), "from_bucket"),
    bad("model-uri", "an object URL", lambda _s: from_uri("https://s3.amazonaws.com/b/m.tar.gz"),
        "S3 URI"),
    built("model-uri", "bucket and key", lambda _s: from_uri("s3://models/model.tar.gz")),
    bad("model-not-an-archive", "a bare file in S3",
        lambda scope: job(
            scope, framework=PYTORCH,
            model_data=neo.ModelData.from_bucket(
                s3.Bucket.from_bucket_name(scope, "B", "models"), "a.pth", object_version="1")),
        "'a.pth'"),
    built("model-not-an-archive", "an archive in S3", in_s3(PYTORCH)),
    warned("model-not-pinned", "no version",
           lambda scope: job(scope, framework=PYTORCH, model_data=from_uri("s3://models/m.tar.gz")),
           "object_version"),
    built("model-not-pinned", "a version", in_s3(PYTORCH)),
    bad("script-not-alone", "two scripts",
        endpoint(inference_code=neo.InferenceCode.from_asset(TWO_SCRIPTS)), "helper.py"),
    built("script-not-alone", "the script itself",
          endpoint(inference_code=neo.InferenceCode.from_asset(DIGITS / "code" / "inference.py"))),
    bad("script-not-taken", "for XGBoost", in_s3(XGBOOST, inference_code=CODE)),
    built("script-not-taken", "none for XGBoost", in_s3(XGBOOST)),
    bad("script-needed", "none for ONNX", endpoint(inference_code=None), "neo_preprocess"),
    built("script-needed", "one for ONNX", endpoint()),
    bad("script-without-job", "for an artifact of one's own",
        lambda scope: neo.Model(
            scope, "M", model_data_url="s3://models/m", image=IMAGE, inference_code=CODE,
            artifact_bucket=s3.Bucket.from_bucket_name(scope, "B", "models"))),
    built("script-without-job", "none for it", variant()),
    bad("script-name", "another name for TensorFlow", in_s3(TENSORFLOW, inference_code=TWO_NAMES, data_input_config=SHAPES),
        "inference.py only, not 'serve.py'"),
    built("script-name", "the name TensorFlow's container knows",
          with_script_in_s3("sourcedir.tar.gz", TENSORFLOW, data_input_config=SHAPES)),
    bad("script-not-an-archive", "a zip", with_script_in_s3("source.zip"), ".tar.gz"),
    built("script-not-an-archive", "what training leaves", with_script_in_s3("sourcedir.tar.gz")),
    warned("script-not-pinned", "the newest", with_script_in_s3("sourcedir.tar.gz", version=None)),
    built("script-not-pinned", "a version", with_script_in_s3("sourcedir.tar.gz")),
    bad("model-source", "neither", model(), "neither"),
    bad("model-source", "both", both, "both"),
    built("model-source", "an artifact", variant()),
    bad("model-image-missing", "an artifact alone",
        lambda scope: neo.Model(
            scope, "M", model_data_url="s3://models/m",
            artifact_bucket=s3.Bucket.from_bucket_name(scope, "B", "models")), "for_target"),
    built("model-image-missing", "with an image", variant()),
    bad("model-other-stack", "a job of another region", other_stack("us-east-1"), "us-east-1"),
    bad("model-other-stack", "a job outside of the nested stack", nested, "nested"),
    built("model-other-stack", "a job of another stack", other_stack("eu-west-1")),
    built("model-other-stack", "of the same",
          lambda s: neo.Model(s, "M", compilation_job=job(s), inference_code=CODE)),
    bad("artifact-bucket-missing", "nobody may read it",
        model(model_data_url="s3://models/m", image=IMAGE)),
    built("artifact-bucket-missing", "a bucket", variant()),
    bad("artifact-bucket-other", "another bucket",
        lambda scope: neo.Model(
            scope, "M", model_data_url="s3://models/m", image=IMAGE,
            artifact_bucket=s3.Bucket.from_bucket_name(scope, "B", "other")), "'other'"),
    built("artifact-bucket-other", "the same bucket", variant()),
    bad("variant-count", "none", lambda s: neo.EndpointConfig(s, "C", production_variants=[]), "0 "),
    bad("variant-count", "eleven", variants(*({"variant_name": f"v{n}"} for n in range(11))), "11 "),
    built("variant-count", "one", variant()),
    built("variant-count", "ten", variants(*({"variant_name": f"v{n}"} for n in range(10)))),
    bad("variant-name-twice", "two by default", variants({}, {}), "'AllTraffic'"),
    built("variant-name-twice", "two names", variants({"variant_name": "a"}, {"variant_name": "b"})),
    bad("variant-weights", "nobody answers", variant(initial_variant_weight=0), "weight 0"),
    built("variant-weights", "one answers",
          variants({"variant_name": "a", "initial_variant_weight": 0}, {"variant_name": "b"})),
    bad("serverless-target", "a GPU", serverless_for(neo.TargetDevice.ML_G4DN), "'ml_g4dn'"),
    built("serverless-target", "a CPU", serverless_for(neo.TargetDevice.ML_C5)),
    bad("serverless-isolation", "an island", serverless(is_isolated=True),
        "enable_network_isolation=False"),
    built("serverless-isolation", "none", serverless()),
    bad("serverless-memory", "1.5 GB", serverless(memory_size_in_mb=1536), "1024, 2048"),
    bad("serverless-memory", "8 GB", serverless(memory_size_in_mb=8192)),
    built("serverless-memory", "6 GB", serverless(memory_size_in_mb=6144)),
    bad("serverless-concurrency", "none", serverless(max_concurrency=0), "1 to 200"),
    bad("serverless-concurrency", "201", serverless(max_concurrency=201)),
    bad("serverless-concurrency", "more ready than allowed",
        serverless(max_concurrency=2, provisioned_concurrency=3), "max_concurrency, 2"),
    built("serverless-concurrency", "all ready",
          serverless(max_concurrency=200, provisioned_concurrency=200)),
    bad("scaling-capacity", "the wrong way round", scaled(4, 2), "4 to 2"),
    bad("scaling-capacity", "below zero", scaled(-1, 2), "from 0"),
    built("scaling-capacity", "one is enough", scaled(1, 1)),
    bad("scaling-target", "no requests", scaled(1, 2, requests=0), "above 0"),
    bad("scaling-target", "more than all", scaled(1, 2, factor=1.5), "at most 1"),
    built("scaling-target", "all", scaled(1, 2, factor=1)),
    bad("serverless-alone", "beside instances", serverless(beside=1), "'AllTraffic'"),
    built("serverless-alone", "alone", serverless()),
    bad("instance-count", "none", variant(initial_instance_count=0), "0 is given"),
    bad("wrong-type", "half an instance", variant(initial_instance_count=1.5), "whole number"),
    bad("wrong-type", "text for a number", variant(initial_instance_count="2"), "whole number"),
    bad("variant-name", "an underscore", variant(variant_name="all_traffic"), "'all_traffic'"),
    bad("variant-name", "64 characters", variant(variant_name="x" * 64)),
    built("variant-name", "63 characters", variant(variant_name="x" * 63)),
    bad("model-other-stack", "a configuration elsewhere", _config_elsewhere, "'Other'"),
    bad("artifact-bucket-region", "across an ocean", _bucket_at(region="us-east-1"),
        "'us-east-1'", "'eu-west-1'"),
    built("artifact-bucket-region", "at home", _bucket_at(region="eu-west-1")),
    warned("bucket-account", "artifacts of another account",
           _bucket_at(region="eu-west-1", account="210987654321"), "'210987654321'"),
    warned("bucket-account", "a model of another account", _source_at("210987654321"),
           "s3:GetObject", "arn:aws:s3:::models/model.tar.gz"),
    built("bucket-account", "a model of one's own", _source_at("123456789012")),
    bad("image-region", "of another region",
        lambda scope: served_from(
            scope, "s3://elsewhere/m.tar.gz", IMAGE_HERE.replace("eu-west-1", "us-east-1")),
        "'us-east-1'"),
    built("image-region", "of the region",
          lambda scope: served_from(scope, "s3://elsewhere/m.tar.gz", IMAGE_HERE)),
    bad("script-needs-network", "requirements.txt behind a wall", _needs_network(True),
        "requirements.txt"),
    bad("script-needs-network", "a script in S3 behind a wall",
        lambda scope: neo.Model(
            scope, "Model", compilation_job=job(scope), enable_network_isolation=True,
            inference_code=neo.InferenceCode.from_asset(DIGITS / "code")), "fetches its script"),
    built("script-needs-network", "requirements.txt", _needs_network(None)),
    bad("object-key", "a star in a key", in_s3_at("a*b.tar.gz"), "'a*b.tar.gz'"),
    bad("object-key", "a variable in a key", in_s3_at("${aws:username}.tar.gz")),
    bad("object-key", "a star in a script's key", with_script_in_s3("a?b.tar.gz")),
    bad("object-key", "a star in an artifact's key",
        lambda scope: served_from(scope, "s3://elsewhere/*/m.tar.gz", IMAGE_HERE)),
    built("object-key", "letters", in_s3_at("a-b_c/model.tar.gz")),
    built("instance-count", "one", variant(initial_instance_count=1)),
    bad("variant-weight", "less than none", variant(initial_variant_weight=-0.5), "-0.5"),
    built("variant-weight", "little", variant(initial_variant_weight=0.01)),
    bad("endpoint-name", "an underscore", endpoint(endpoint_name="a_b"), "'a_b'"),
    bad("endpoint-name", "a hyphen last", endpoint(endpoint_name="digits-")),
    bad("endpoint-name", "64 characters", endpoint(endpoint_name="x" * 64)),
    built("endpoint-name", "63 characters", endpoint(endpoint_name="x" * 63)),
    bad("handed-over-destroy", "destroyed", handed_over(cdk.RemovalPolicy.DESTROY), "RETAIN"),
    built("handed-over-destroy", "retained", handed_over(cdk.RemovalPolicy.RETAIN)),
    bad("instance-type-target", "at the endpoint", endpoint(instance_type="ml.m5.large"),
        "ml.c5.large"),
    built("instance-type-target", "an artifact says no target", variant(instance_type="ml.m5.large")),
    bad("instance-type-unknown", "a slip", variant(instance_type="ml.c5.lrage"), "'ml.c5.large'?"),
    bad("instance-type-unknown", "EC2's name", variant(instance_type="c5.large")),
    built("instance-type-unknown", "known", variant(instance_type="ml.c5.large")),
    bad("wrong-type", "text for a target", endpoint(target="ml_c5"), "TargetDevice.ML_C5"),
    bad("wrong-type", "text for a framework", endpoint(framework="onnx"), "Framework.pytorch"),
    bad("wrong-type", "a number for a version", lambda _s: neo.Framework.pytorch(a_number), "'1.1'"),
    bad("wrong-type", "a number for an instance type", endpoint(instance_type=7), "'7'"),
    built("wrong-type", "the right ones", endpoint(framework=neo.Framework.onnx())),
    bad("known-at-synth", "a target",
        lambda scope: digits_endpoint(
            scope, target=neo.TargetDevice(cdk.CfnParameter(scope, "T").value_as_string))),
    bad("known-at-synth", "minutes",
        lambda scope: digits_endpoint(
            scope, max_runtime=cdk.Duration.minutes(
                cdk.CfnParameter(scope, "M", type="Number").value_as_number)), "Duration.seconds"),
    built("known-at-synth", "seconds",
          lambda scope: digits_endpoint(
              scope, max_runtime=cdk.Duration.seconds(
                  cdk.CfnParameter(scope, "S", type="Number").value_as_number))),
    warned("pull-not-granted", "an image of another registry",
           endpoint(image=neo.InferenceImage.from_uri("docker.io/library/mine:1"))),
    warned("pull-not-granted", "half an ECR URI",
           endpoint(image=neo.InferenceImage.from_uri("123456789012.dkr.ecr/mine:1"))),
    built("pull-not-granted", "an image in ECR", endpoint(
        image=neo.InferenceImage.from_uri("123456789012.dkr.ecr.eu-west-1.amazonaws.com/mine:1"))),
    built("target-hardware", "at the endpoint",
          endpoint(target=neo.TargetDevice.ML_P3, instance_type="ml.p3.2xlarge"), "ml_g4dn",
          warnings=("target-hardware", "quota-doubles")),
    warned("target-unknown", "let through to the template",
           endpoint(target=neo.TargetDevice.of("ml_c7i"), instance_type="ml.c7i.large")),
    warned("framework-version", "let through to the template",
           in_s3(neo.Framework.of("pytorch", "2.4"))),
    warned("onnx-version", "let through to the template",
           endpoint(framework=neo.Framework.of("onnx", "1.7"),
                    model_data=neo.ModelData.from_asset(Path(__file__).parent / "opset13.onnx"))),
]  # fmt: skip

MANY = [
    built("max-runtime", "three faults of one job",
          endpoint(
              framework=neo.Framework.onnx(),
              data_input_config={"pixels": [1, 8, 8, 1]},
              max_runtime=cdk.Duration.hours(2),
              artifact_removal_policy=cdk.RemovalPolicy.SNAPSHOT,
          ),
          errors=("data-input-config-contradicts-model", "max-runtime", "artifact-removal-policy"),
          warnings=()),
    built("max-runtime", "one of the job, two of the endpoint",
          endpoint(max_runtime=cdk.Duration.hours(2), instance_type="ml.m5.large",
                   endpoint_name="a_b", initial_instance_count=0),
          errors=("max-runtime", "instance-type-target", "endpoint-name", "instance-count")),
    built("script-needed", "one of the model, one of the endpoint",
          endpoint(inference_code=None, endpoint_name="a_b"),
          errors=("script-needed", "endpoint-name")),
    built("instance-count", "three faults of one variant",
          variant(initial_instance_count=0, initial_variant_weight=-1),
          errors=("instance-count", "variant-weight")),
]  # fmt: skip
