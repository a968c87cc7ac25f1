"""Into a stack that has a bucket, a VPC and a key of its own."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

import neo_constructs as neo

DIGITS = Path(__file__).parent.parent / "digits"


class Shop(cdk.Stack):
    """What a team has already."""

    def __init__(self, scope: cdk.App, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        key = kms.Key(self, "Key", enable_key_rotation=True)
        vpc = ec2.Vpc(self, "Vpc", max_azs=2)
        bucket = s3.Bucket(self, "Artifacts", encryption_key=key, enforce_ssl=True, versioned=True)
        caller = lambda_.Function(
            self,
            "Caller",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="index.handler",
            code=lambda_.Code.from_inline("def handler(event, context): ..."),
        )

        # What is new:
        digits = neo.CompiledEndpoint(
            self,
            "Digits",
            model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
            target=neo.TargetDevice.ML_C5,
            inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
            instance_type="ml.c5.large",
            artifact_bucket=bucket,
            storage_encryption_key=key,
            vpc=vpc,
        )
        digits.endpoint.grant_invoke(caller)


app = cdk.App()
Shop(app, "Shop")
app.synth()
