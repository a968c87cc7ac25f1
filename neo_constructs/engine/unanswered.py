"""Let the worker answer for what no step answers, for which CloudFormation would wait an hour."""

from __future__ import annotations

from aws_cdk import CfnResource, aws_events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from neo_constructs.engine.asked_once import pseudo
from neo_constructs.engine.limits import EVENT_AGE_SECONDS


def hand_over_dropped_events(
    scope: Construct, function: lambda_.CfnFunction, worker: lambda_.CfnFunction
) -> CfnResource:
    """Hand over events that Lambda drops.

    It drops an event that it cannot deliver in time, or that the function fails three times.
    """
    return lambda_.CfnEventInvokeConfig(
        scope,
        "FunctionEvents",
        function_name=function.ref,
        qualifier="$LATEST",
        maximum_event_age_in_seconds=EVENT_AGE_SECONDS,
        destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
            # Rests on A-CFN-08.
            on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=worker.attr_arn)
        ),
    )


def hand_over_ended_executions(
    scope: Construct, machine: sfn.CfnStateMachine, worker: lambda_.CfnFunction
) -> CfnResource:
    """Hand over executions that fail at a limit of Step Functions, or are stopped by hand."""
    rule = aws_events.CfnRule(
        scope,
        "ExecutionEnds",
        description="Executions of the Neo job engine that end without an answer",
        event_pattern={
            "source": ["aws.states"],
            # Rests on A-CFN-09.
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {
                "stateMachineArn": [machine.ref],
                "status": ["ABORTED", "FAILED", "TIMED_OUT"],
            },
        },
        targets=[aws_events.CfnRule.TargetProperty(arn=worker.attr_arn, id="Worker")],
    )
    return lambda_.CfnPermission(
        scope,
        "ExecutionEndsPermission",
        action="lambda:InvokeFunction",
        function_name=worker.ref,
        principal="events.amazonaws.com",
        source_account=pseudo("ACCOUNT_ID"),
        source_arn=rule.attr_arn,
    )
