"""MXNet: a symbol and its parameters, served by Neo's own runtime."""

from pathlib import Path

import aws_cdk as cdk

import neo_constructs as neo

HERE = Path(__file__).parent

app = cdk.App()
stack = cdk.Stack(app, "Mxnet")

neo.CompiledEndpoint(
    stack,
    "Vision",
    model_data=neo.ModelData.from_s3_uri("s3://my-models/gluon/1/model.tar.gz"),
    framework=neo.Framework.mxnet("1.8"),
    data_input_config={"data": [1, 3, 224, 224]},
    target=neo.TargetDevice.ML_C5,
    inference_code=neo.InferenceCode.from_asset(HERE / "code/mxnet"),
    instance_type="ml.c5.large",
)

app.synth()
