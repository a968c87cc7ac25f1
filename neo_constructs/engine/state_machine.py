"""The engine's state machine: step, wait, step, until an answer is given."""

from __future__ import annotations

from typing import Any, Final

from neo_constructs.engine.limits import MACHINE_SECONDS, STEP_SECONDS

_LAMBDA_FAULTS: Final = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException",
]


def definition(function_arn: str, worker_arn: str) -> dict[str, Any]:
    """Return the state machine: step, wait, step, until an answer is given.

    A step that broke is taken again: it looks first, so it does no harm. No Python exception is
    matched: its name is not the same everywhere. A step that needs more time is taken by the
    worker.
    """
    retry = {
        "ErrorEquals": _LAMBDA_FAULTS,
        "IntervalSeconds": 2,
        "MaxAttempts": 60,
        "BackoffRate": 2,
        "MaxDelaySeconds": 60,
    }
    # A step that used up its time would do so again, and CloudFormation's hour goes on.
    slow = {
        "ErrorEquals": ["States.Timeout", "Sandbox.Timedout"],
        "IntervalSeconds": 5,
        "MaxAttempts": 2,
        "BackoffRate": 2,
    }
    # Long enough for a machine role that is seconds old, and may not invoke the function yet.
    again = {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 5,
        "MaxAttempts": 5,
        "BackoffRate": 2,
        "MaxDelaySeconds": 30,
    }
    catch = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.Error", "Next": "Abort"}
    return {
        "Comment": "Serves one request of CloudFormation's; the function gives the answer.",
        "StartAt": "Step",
        "TimeoutSeconds": MACHINE_SECONDS,
        "States": {
            "Step": {
                "Type": "Task",
                "Resource": function_arn,
                "Parameters": {
                    "Task": "Step",
                    "StartedAt.$": "$$.Execution.StartTime",
                    "State.$": "$",
                },
                "TimeoutSeconds": STEP_SECONDS + 10,
                "Retry": [retry, slow, again],
                "Catch": [catch],
                "Next": "IsDone",
            },
            "IsDone": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.Done", "BooleanEquals": True, "Next": "Done"},
                    {"Variable": "$.Work", "BooleanEquals": True, "Next": "Work"},
                ],
                "Default": "Wait",
            },
            "Work": {
                "Type": "Task",
                "Resource": worker_arn,
                "Parameters": {
                    "Task": "Work",
                    "StartedAt.$": "$$.Execution.StartTime",
                    "State.$": "$",
                },
                # CloudFormation's hour goes on: near its end there is less time.
                "TimeoutSecondsPath": "$.WorkSeconds",
                # It ends itself in time. One that hangs is not tried again, one that breaks is.
                "Retry": [
                    {"ErrorEquals": ["States.Timeout"], "MaxAttempts": 0},
                    retry,
                    {**again, "MaxAttempts": 1},
                ],
                "Catch": [catch],
                "Next": "IsDone",
            },
            "Wait": {"Type": "Wait", "SecondsPath": "$.WaitSeconds", "Next": "Step"},
            "Abort": {
                "Type": "Task",
                "Resource": function_arn,
                "Parameters": {"Task": "Abort", "State.$": "$"},
                "TimeoutSeconds": STEP_SECONDS + 10,
                # The last to give an answer: it does not give up soon.
                "Retry": [retry, {**again, "MaxAttempts": 12, "MaxDelaySeconds": 60}],
                "Next": "Done",
            },
            "Done": {"Type": "Succeed"},
        },
    }
