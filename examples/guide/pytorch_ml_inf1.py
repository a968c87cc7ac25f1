"""PyTorch on Inferentia, whose compiler is another one: shapes are fixed."""

from pathlib import Path

import aws_cdk as cdk

import neo_constructs as neo

HERE = Path(__file__).parent

app = cdk.App()
stack = cdk.Stack(app, "PytorchInf1")

neo.CompiledEndpoint(
    stack,
    "Vision",
    model_data=neo.ModelData.from_s3_uri("s3://my-models/resnet/1/model.tar.gz"),
    framework=neo.Framework.pytorch("1.9"),
    data_input_config={"input0": [1, 3, 224, 224]},
    target=neo.TargetDevice.ML_INF1,
    inference_code=neo.InferenceCode.from_asset(HERE / "code/inferentia"),
    instance_type="ml.inf1.xlarge",
)

app.synth()
