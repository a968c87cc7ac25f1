"""An endpoint that answers later, by way of S3, and has no instance while nothing waits."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3

import neo_constructs as neo

DIGITS = Path(__file__).parent.parent / "digits"

app = cdk.App()
stack = cdk.Stack(app, "Asynchronous")

answers = s3.Bucket(stack, "Answers", enforce_ssl=True)
digits = neo.CompiledEndpoint(
    stack,
    "Digits",
    model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
    target=neo.TargetDevice.ML_C5,
    inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
    instance_type="ml.c5.large",
    async_inference_config=neo.AsyncInferenceConfig(bucket=answers),
)
count = digits.variant().auto_scale_instance_count(min_capacity=0, max_capacity=3)
count.scale_on_backlog(requests_per_instance=5)

app.synth()
