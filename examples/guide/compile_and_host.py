"""Compile in one stack, host in another: what is compiled goes over by Parameter Store."""

from pathlib import Path

import aws_cdk as cdk

import neo_constructs as neo

DIGITS = Path(__file__).parent.parent / "digits"

app = cdk.App()
compiling = cdk.Stack(app, "Compiling")
hosting = cdk.Stack(app, "Hosting")

job = neo.CompilationJob(
    compiling,
    "Job",
    model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
    target=neo.TargetDevice.ML_C5,
)

neo.CompiledEndpoint(
    hosting,
    "Digits",
    compilation_job=job,
    inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
    instance_type="ml.c5.large",
)

app.synth()
