"""The logs and metrics that SageMaker writes with the role of a job or a model.

What SageMaker does when a role lacks these rights is not documented. The sandbox refuses, so that
a policy without them is noticed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

COMPILATION_LOGS: Final = "/aws/sagemaker/CompilationJobs"
COMPILATION_METRICS: Final = "/aws/sagemaker/CompilationJobs"
ENDPOINT_LOGS: Final = "/aws/sagemaker/Endpoints"
ENDPOINT_METRICS: Final = "/aws/sagemaker/Endpoints"


# Rests on A-IAM-05.
def write_log(make_client: Callable[[str], Any], group: str, stream: str, *messages: str) -> None:
    """Write lines, in a group and a stream that are made when they are missing.

    Parameters
    ----------
    make_client
        Makes a client with the role's credentials.
    group, stream, messages
        What to write where.

    Raises
    ------
    ClientError
        If the role may not.
    """
    logs = make_client("logs")
    _unless_there(logs, logs.create_log_group, logGroupName=group)
    named = {"logGroupName": group, "logStreamName": stream}
    found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream)
    if stream not in {each["logStreamName"] for each in found["logStreams"]}:
        _unless_there(logs, logs.create_log_stream, **named)
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": message} for message in messages]
    logs.put_log_events(**named, logEvents=events)


def put_metric(make_client: Callable[[str], Any], namespace: str, name: str, value: float) -> None:
    """Publish one value.

    Raises
    ------
    ClientError
        If the role may not.
    """
    metric = {"MetricName": name, "Value": value}
    make_client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[metric])


def _unless_there(logs: Any, create: Callable[..., Any], **named: str) -> None:
    try:
        create(**named)
    except logs.exceptions.ResourceAlreadyExistsException:
        return
