"""One model compiled for two targets, which share the requests nine to one."""

from pathlib import Path

import aws_cdk as cdk

import neo_constructs as neo

DIGITS = Path(__file__).parent.parent / "digits"

app = cdk.App()
stack = cdk.Stack(app, "TwoTargets")

neo.CompiledEndpoint(
    stack,
    "Digits",
    model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
    inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
    targets=[
        neo.CompiledVariant(
            target=neo.TargetDevice.ML_C5,
            instance_type="ml.c5.large",
            initial_variant_weight=9,
        ),
        neo.CompiledVariant(target=neo.TargetDevice.ML_M5, instance_type="ml.m5.large"),
    ],
)

app.synth()
