"""XGBoost: a saved booster, and a width instead of shapes."""

import aws_cdk as cdk

import neo_constructs as neo

app = cdk.App()
stack = cdk.Stack(app, "Xgboost")

neo.CompiledEndpoint(
    stack,
    "Churn",
    model_data=neo.ModelData.from_s3_uri("s3://my-models/churn/1/model.tar.gz"),
    framework=neo.Framework.xgboost(),
    target=neo.TargetDevice.ML_C5,
    instance_type="ml.c5.large",
)

app.synth()
