"""PyTorch on CPU instances, with a script of four functions."""

from pathlib import Path

import aws_cdk as cdk

import neo_constructs as neo

HERE = Path(__file__).parent

app = cdk.App()
stack = cdk.Stack(app, "PytorchC5")

neo.CompiledEndpoint(
    stack,
    "Vision",
    model_data=neo.ModelData.from_asset(HERE.parent / "digits/pytorch/model.pth"),
    framework=neo.Framework.pytorch("2.0"),
    data_input_config={"pixels": [1, 1, 8, 8]},
    target=neo.TargetDevice.ML_C5,
    inference_code=neo.InferenceCode.from_asset(HERE / "code/pytorch"),
    instance_type="ml.c5.xlarge",
)

app.synth()
