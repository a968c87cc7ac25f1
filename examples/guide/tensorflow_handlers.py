"""TensorFlow, with the handlers that stand before and after TensorFlow Serving."""

from pathlib import Path

import aws_cdk as cdk

import neo_constructs as neo

HERE = Path(__file__).parent

app = cdk.App()
stack = cdk.Stack(app, "Tensorflow")

neo.CompiledEndpoint(
    stack,
    "Vision",
    model_data=neo.ModelData.from_s3_uri("s3://my-models/mobilenet/1/model.tar.gz"),
    framework=neo.Framework.tensorflow("1.15"),
    data_input_config={"input_1": [1, 224, 224, 3]},
    target=neo.TargetDevice.ML_C5,
    inference_code=neo.InferenceCode.from_asset(HERE / "code/tensorflow"),
    instance_type="ml.c5.large",
)

app.synth()
