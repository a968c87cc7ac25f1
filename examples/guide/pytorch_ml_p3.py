"""PyTorch on GPU instances: another target, and instances that have one."""

from pathlib import Path

import aws_cdk as cdk

import neo_constructs as neo

HERE = Path(__file__).parent

app = cdk.App()
stack = cdk.Stack(app, "PytorchP3")

neo.CompiledEndpoint(
    stack,
    "Vision",
    model_data=neo.ModelData.from_s3_uri("s3://my-models/resnet/1/model.tar.gz"),
    framework=neo.Framework.pytorch("2.0"),
    data_input_config={"input0": [1, 3, 224, 224]},
    target=neo.TargetDevice.ML_P3,
    inference_code=neo.InferenceCode.from_asset(HERE / "code/pytorch"),
    instance_type="ml.p3.2xlarge",
)

app.synth()
