"""ONNX: framework and input shapes are read from the file."""

from pathlib import Path

import aws_cdk as cdk

import neo_constructs as neo

DIGITS = Path(__file__).parent.parent / "digits"

app = cdk.App()
stack = cdk.Stack(app, "Onnx")

neo.CompiledEndpoint(
    stack,
    "Digits",
    model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
    target=neo.TargetDevice.ML_C5,
    inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
    instance_type="ml.c5.large",
)

app.synth()
