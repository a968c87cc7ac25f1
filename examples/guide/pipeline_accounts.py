"""A pipeline that deploys to one account after the other: each compiles for itself.

SageMaker reads artifacts of its own account and region only, so that a stage has its own job. A
person approves between the two.
"""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import pipelines

import neo_constructs as neo

DIGITS = Path(__file__).parent.parent / "digits"


class Serving(cdk.Stage):
    """All that one account gets."""

    def __init__(self, scope: cdk.Stack, construct_id: str, env: cdk.Environment) -> None:
        super().__init__(scope, construct_id, env=env)
        neo.CompiledEndpoint(
            cdk.Stack(self, "Digits"),
            "Digits",
            model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
            target=neo.TargetDevice.ML_C5,
            inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
            instance_type="ml.c5.large",
        )


app = cdk.App()
stack = cdk.Stack(app, "Pipeline", env=cdk.Environment(account="111111111111", region="eu-west-1"))
source = pipelines.CodePipelineSource.connection(
    "team/digits",
    "main",
    connection_arn="arn:aws:codeconnections:eu-west-1:111111111111:connection/00000000-0000-4000-8000-000000000000",
)
pipeline = pipelines.CodePipeline(
    stack,
    "Pipeline",
    cross_account_keys=True,
    synth=pipelines.ShellStep(
        "Synth",
        input=source,
        commands=[
            "pip install -r requirements.txt",
            "npx --yes aws-cdk@2 synth",
            "neo review cdk.out",
        ],
    ),
)
pipeline.add_stage(
    Serving(stack, "Test", env=cdk.Environment(account="222222222222", region="eu-west-1"))
)
pipeline.add_stage(
    Serving(stack, "Prod", env=cdk.Environment(account="333333333333", region="eu-west-1")),
    pre=[pipelines.ManualApprovalStep("Approve")],
)

app.synth()
