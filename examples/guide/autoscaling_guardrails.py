"""Instances that follow the requests, and an update that goes back by itself."""

from pathlib import Path

import aws_cdk as cdk

import neo_constructs as neo

DIGITS = Path(__file__).parent.parent / "digits"

app = cdk.App()
stack = cdk.Stack(app, "Guarded")

digits = neo.CompiledEndpoint(
    stack,
    "Digits",
    model_data=neo.ModelData.from_asset(DIGITS / "digits.onnx"),
    target=neo.TargetDevice.ML_C5,
    inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
    instance_type="ml.c5.large",
    endpoint_name="digits",  # so that an alarm can be on the endpoint's own metrics
    deployment_config=neo.DeploymentConfig.canary(
        neo.CapacitySize.percent(10),
        wait=cdk.Duration.minutes(10),
        termination_wait=cdk.Duration.minutes(5),
    ),
)
count = digits.variant().auto_scale_instance_count(min_capacity=2, max_capacity=8)
count.scale_on_invocations(max_requests_per_second=20)

alarms = neo.EndpointAlarms(
    stack, "Alarms", variant=digits.variant(), max_model_latency=cdk.Duration.millis(200)
)
for alarm in alarms.alarms:
    digits.endpoint.add_rollback_alarm(alarm)

app.synth()
