"""The function of the echo: it writes down what it is sent, and answers as it is told.

Its text is put into the template, so it needs nothing but Python and boto3.
"""

import json
import os
import time
import urllib.parse
import urllib.request

import boto3


def handler(event, context):
    """Serve CloudFormation's requests, or events of any other kind."""
    at = time.time()
    if "ResponseURL" not in event:
        write("events/", at, event)
        return
    url = event.pop("ResponseURL")
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    signed = {name: query[name][0] for name in ("X-Amz-Date", "X-Amz-Expires") if name in query}
    told = event["ResourceProperties"]
    of = event["StackId"].split("/")[1]
    write("echo/" + of + "/", at, dict(event, Signed=signed, At=at))
    answer = told.get("On" + event["RequestType"], "SUCCESS")
    time.sleep(float(told.get("After", "0")) if event["RequestType"] != "Delete" else 0)
    if answer == "NONE":
        return
    own = event.get("PhysicalResourceId", "echo-none")
    body = {
        "Status": answer,
        "Reason": "as told",
        "PhysicalResourceId": own if event["RequestType"] == "Delete" else told["Id"],
    }
    body.update((key, event[key]) for key in ("StackId", "RequestId", "LogicalResourceId"))
    sent = urllib.request.Request(url, json.dumps(body).encode(), method="PUT")
    sent.add_header("Content-Type", "")  # the URL is signed without one
    urllib.request.urlopen(sent, timeout=30)


def write(folder, at, event):
    """Write an event to the bucket."""
    key = f"{folder}{at:017.6f}.json"
    body = json.dumps(event, default=str).encode()
    boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key=key, Body=body)
