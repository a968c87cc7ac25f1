"""The CDK app of ``neo verify``: ``python -m neo_constructs.verification_stacks.app``.

The context ``neo-verify:run`` is the run's id, which goes into the tag of all that is made, and
``neo-verify:stacks`` names the stacks.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

import neo_constructs as neo
from neo_constructs.engine.artifact_access import compile_access
from neo_constructs.engine.permissions import compile_statements, service_principal
from neo_constructs.engine.statements import policy_document
from neo_constructs.verification import stack_names
from neo_constructs.verification.stack_names import (
    BASE,
    JOBS,
    MXNET,
    ONNX,
    PYTORCH,
    TENSORFLOW,
    XGBOOST,
)

HERE: Final = Path(__file__).parent
MODELS: Final = HERE / "models"
INSTANCE_TYPE: Final = "ml.c5.large"
_FAILS: Final = 'def handler(event, context):\n    raise ValueError("as told")\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A stack with one endpoint.

    Parameters
    ----------
    model
        Its file, or the folder of its files.
    settings
        What the compilation is told beside the model.
    scripts
        The folder of the script. Default: the container takes none.
    """

    model: str
    settings: dict[str, Any]
    scripts: str = ""


SERVED: Final = {
    ONNX: Served(model="digits.onnx", settings={}, scripts="onnx"),
    PYTORCH: Served(model="digits.pth", settings={}, scripts="pytorch"),
    TENSORFLOW: Served(model="digits.pb", settings={}, scripts="tensorflow"),
    MXNET: Served(
        model="mxnet",
        settings={"data_input_config": {"data": [1, 64]}},
        scripts="mxnet",
    ),
    XGBOOST: Served(model="digits.model", settings={}),
}


class BaseStack(cdk.Stack):
    """Buckets, an echo for CloudFormation's requests, and a state machine that waits."""

    def __init__(self, scope: Construct, construct_id: str, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        plain = self._bucket("Plain")
        key = kms.Key(
            self,
            "Key",
            removal_policy=cdk.RemovalPolicy.DESTROY,
            pending_window=cdk.Duration.days(7),  # KMS's shortest
        )
        keyed = self._bucket("Keyed", encryption=s3.BucketEncryption.KMS, encryption_key=key)
        echo = self._function("Echo", (HERE / "echo.py").read_text())
        echo.add_environment("BUCKET", plain.bucket_name)
        plain.grant_put(echo, "echo/*")
        plain.grant_put(echo, "events/*")
        fails = self._function(
            "Fails", _FAILS, retry_attempts=0, on_failure=destinations.LambdaDestination(echo)
        )
        machine = self._machine()
        compiles = self._compile_role(plain, keyed)
        events.Rule(
            self,
            "Ended",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail={"stateMachineArn": [machine.state_machine_arn], "status": ["ABORTED"]},
            ),
            targets=[targets.LambdaFunction(echo)],
        )
        for name, value in {
            "Plain": plain.bucket_name,
            "Keyed": keyed.bucket_name,
            "KeyArn": key.key_arn,
            "Echo": echo.function_arn,
            "Fails": fails.function_arn,
            "Machine": machine.state_machine_arn,
            "CompileRole": compiles.role_arn,
        }.items():
            cdk.CfnOutput(self, f"{name}Output", value=value)

    def _bucket(self, name: str, **settings: Any) -> s3.Bucket:
        return s3.Bucket(
            self,
            name,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            # It is emptied before its stack is deleted.
            removal_policy=cdk.RemovalPolicy.DESTROY,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(7),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
            **settings,
        )

    def _function(self, name: str, code: str, **settings: Any) -> lambda_.Function:
        return lambda_.Function(
            self,
            name,
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="index.handler",
            code=lambda_.Code.from_inline(code),
            timeout=cdk.Duration.minutes(5),
            **settings,
        )

    def _compile_role(self, *buckets: s3.Bucket) -> iam.Role:
        """Return a role with the rights that a stack's job engine gives its compile role."""
        rights = [*compile_statements()]
        for bucket in buckets:
            rights += compile_access(JOBS, bucket)
        return iam.Role(
            self,
            "CompileRole",
            assumed_by=service_principal("compilation-job/*"),
            inline_policies={"Rights": policy_document(rights)},
        )

    def _machine(self) -> sfn.StateMachine:
        waits = sfn.Wait(self, "Waits", time=sfn.WaitTime.seconds_path("$.seconds"))
        return sfn.StateMachine(
            self, "Machine", definition_body=sfn.DefinitionBody.from_chainable(waits)
        )


class ServedStack(cdk.Stack):
    """The digits, compiled and served, as this library does it."""

    def __init__(self, scope: Construct, construct_id: str, served: Served, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        code = HERE / "scripts" / served.scripts if served.scripts else None
        bucket = s3.Bucket(
            self,
            "Artifacts",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        endpoint = neo.CompiledEndpoint(
            self,
            "Endpoint",
            model_data=neo.ModelData.from_asset(MODELS / served.model),
            target=neo.TargetDevice.ML_C5,
            inference_code=neo.InferenceCode.from_asset(code) if code else None,
            instance_type=INSTANCE_TYPE,
            artifact_bucket=bucket,
            artifact_removal_policy=cdk.RemovalPolicy.DESTROY,
            **served.settings,
        )
        for name, value in {
            "EndpointName": endpoint.endpoint.endpoint_name,
            "ArtifactBucket": bucket.bucket_name,
        }.items():
            cdk.CfnOutput(self, f"{name}Output", value=value)


def build(run_id: str, names: tuple[str, ...], **settings: Any) -> cdk.App:
    """Return the app with the stacks of a run.

    Parameters
    ----------
    run_id
        The run's.
    names
        The stacks' names.
    settings
        Of the app, such as where it is written to.
    """
    app = cdk.App(**settings)
    environment = cdk.Environment(
        account=os.environ.get("CDK_DEFAULT_ACCOUNT"), region=os.environ.get("CDK_DEFAULT_REGION")
    )
    if BASE in names:
        BaseStack(app, BASE, env=environment)
    for name in names:
        if name in SERVED:
            ServedStack(app, name, SERVED[name], env=environment)
    cdk.Tags.of(app).add(stack_names.TAG, run_id)
    return app


def main() -> None:
    """Synthesize, as the CDK CLI asks."""
    context = cdk.App().node
    run_id = str(context.try_get_context("neo-verify:run") or "by-hand")
    names = str(context.try_get_context("neo-verify:stacks") or ",".join(stack_names.DEPLOYED))
    build(run_id, tuple(names.split(","))).synth()


if __name__ == "__main__":
    main()
