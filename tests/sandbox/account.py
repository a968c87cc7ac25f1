"""An emulated account that templates are deployed to without a command line.

The CDK CLI takes seconds for what an API call does at once; what it adds is tested elsewhere.
"""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import tarfile
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import boto3
from botocore.exceptions import ClientError

from neo_constructs.sandbox.emulator import Sandbox
from neo_constructs.sandbox.environment import ACCOUNT, REGION

Json = dict[str, Any]

STAGING = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
MODELS = "models"
ENVIRONMENT = cdk.Environment(account=ACCOUNT, region=REGION)


def session_of(running: Sandbox) -> boto3.Session:
    """Return a session with the credentials of the sandbox's own run."""
    known = running.environment
    return boto3.Session(
        known["AWS_ACCESS_KEY_ID"], known["AWS_SECRET_ACCESS_KEY"], region_name=REGION
    )


class Account:
    """Clients of the emulated account, and what the tests do with them.

    Parameters
    ----------
    running
        The sandbox.
    """

    def __init__(self, running: Sandbox) -> None:
        self.environment = running.environment
        self._session = session_of(running)
        self._endpoint = running.endpoint
        self.s3 = self.client("s3")
        self.stacks = self.client("cloudformation")
        self.sagemaker = self.client("sagemaker")
        self.s3.create_bucket(Bucket=STAGING)
        self.arns: dict[str, str] = {}  # of stacks, also when they are gone
        self._published: set[str] = set()

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint)

    def put_model(self, bucket: str, key: str, *, name: str = "digits.onnx") -> str:
        """Put an archive with one file into a bucket, and return its version."""
        return self.put_archive(bucket, key, {name: key.encode()})

    def put_archive(self, bucket: str, key: str, files: Mapping[str, bytes]) -> str:
        """Put an archive into a bucket, which is made if need be, and return its version."""
        with contextlib.suppress(ClientError):
            self.s3.create_bucket(Bucket=bucket)
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        done = self.s3.put_object(Bucket=bucket, Key=key, Body=archive.getvalue())
        return str(done.get("VersionId") or "")

    # --- stacks --------------------------------------------------------------------------------

    def synthesize(self, build: Callable[[cdk.Stack], object], *, grace: int = 0) -> Json:
        """Return the template of a stack; its assets are put where it will look for them."""
        app = cdk.App(context={"neo_constructs:iam_grace_seconds": grace})
        stack = cdk.Stack(app, "Stack", env=ENVIRONMENT)
        build(stack)
        return self.synthesize_app(app)["Stack"]

    def synthesize_app(self, app: cdk.App) -> dict[str, Json]:
        """Return the templates of an app by stack; assets are put where they are looked for."""
        folder = Path(app.synth().directory)
        templates: dict[str, Json] = {}
        for file in folder.glob("*.template.json"):
            name = file.name.removesuffix(".template.json")
            self._publish(folder, json.loads((folder / f"{name}.assets.json").read_text()))
            found: Json = json.loads(file.read_text())
            found.pop("Rules", None)  # which ask for a bootstrapped account
            found.get("Parameters", {}).pop("BootstrapVersion", None)
            templates[name] = found
        return templates

    def _publish(self, folder: Path, manifest: Json) -> None:
        for file in manifest["files"].values():
            (place,) = file["destinations"].values()
            source, key = folder / file["source"]["path"], place["objectKey"]
            if key in self._published or source.suffix == ".json":
                continue
            is_folder = file["source"]["packaging"] == "zip"
            body = _zipped(source) if is_folder else source.read_bytes()
            self.s3.put_object(Bucket=STAGING, Key=key, Body=body)
            self._published.add(key)

    def create(self, name: str, template: Json) -> str:
        """Create a stack, and return how that ended."""
        key = f"{name}-{uuid.uuid4()}.template"
        self.s3.put_object(Bucket=STAGING, Key=key, Body=json.dumps(template).encode())
        made = self.stacks.create_stack(
            StackName=name,
            TemplateURL=f"{self._endpoint}/{STAGING}/{key}",
            Capabilities=["CAPABILITY_IAM"],
        )
        self.arns[name] = made["StackId"]
        return self.ended(name)

    def update(self, name: str, template: Json) -> str:
        """Update a stack, and return how that ended."""
        key = f"{name}-{uuid.uuid4()}.template"
        self.s3.put_object(Bucket=STAGING, Key=key, Body=json.dumps(template).encode())
        self.stacks.update_stack(
            StackName=name,
            TemplateURL=f"{self._endpoint}/{STAGING}/{key}",
            Capabilities=["CAPABILITY_IAM"],
        )
        return self.ended(name)

    def delete(self, name: str) -> str:
        """Delete a stack, and return how that ended."""
        arn = self.describe(name)["StackId"]
        self.stacks.delete_stack(StackName=name)
        return self.ended(arn)

    def describe(self, name: str) -> Json:
        (stack,) = self.stacks.describe_stacks(StackName=name)["Stacks"]
        return dict(stack)

    def ended(self, name: str) -> str:
        """Wait until a stack is at rest, and return its status."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            status = str(self.describe(name)["StackStatus"])
            if not status.endswith("_IN_PROGRESS"):
                return status
            time.sleep(0.1)
        raise AssertionError(f"{name} does not come to rest: {self.said(name)}")

    def said(self, name: str) -> str:
        """Return all that a stack's events say."""
        events = self.stacks.describe_stack_events(StackName=name)["StackEvents"]
        return "\n".join(e.get("ResourceStatusReason", "") for e in events)

    def resources(self, name: str) -> dict[str, Json]:
        """Return a stack's resources by logical id."""
        found = self.stacks.describe_stack_resources(StackName=name)["StackResources"]
        return {resource["LogicalResourceId"]: resource for resource in found}

    def physical_id(self, name: str, kind: str) -> str:
        """Return the physical id of a stack's one resource of a type."""
        (found,) = [r for r in self.resources(name).values() if r["ResourceType"] == kind]
        return str(found["PhysicalResourceId"])

    def jobs(self, prefix: str = "neo-") -> dict[str, str]:
        """Return name and status of the compilation jobs there are."""
        pages = self.sagemaker.get_paginator("list_compilation_jobs").paginate(NameContains=prefix)
        return {
            job["CompilationJobName"]: job["CompilationJobStatus"]
            for page in pages
            for job in page["CompilationJobSummaries"]
        }

    def prefix(self, name: str) -> str:
        """Return what the names of all jobs of a stack start with."""
        groups = self.describe(name)["StackId"].rsplit("/", 1)[-1].split("-")
        return f"neo-{groups[0]}{groups[-1]}"

    def keys(self, bucket: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


def _zipped(folder: Path) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as made:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                made.write(file, file.relative_to(folder))
    return body.getvalue()


# --- the engine's function, called as CloudFormation calls it --------------------------------


@dataclass
class Mailbox:
    """Where the answers to hand-made requests arrive."""

    url: str
    answers: dict[str, Json] = field(default_factory=dict)

    def wait_for(self, request_id: str, seconds: float = 60) -> Json:
        """Return the answer to a request; empty if none has come in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and request_id not in self.answers:
            time.sleep(0.05)
        return self.answers.get(request_id, {})


@contextlib.contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Serve a response URL on loopback."""
    answers: dict[str, Json] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answers.setdefault(body["RequestId"], body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Mailbox(f"http://127.0.0.1:{server.server_port}/answer", answers)
    finally:
        server.shutdown()


@dataclass
class Requests:
    """Requests to a stack's engine beside those that CloudFormation makes.

    The emulator makes resources one after the other and waits for each, so what happens when it
    gives one up has to be asked for by hand.
    """

    account: Account
    stack: str
    answers: Mailbox

    def send(
        self,
        kind: str,
        properties: Mapping[str, Any],
        *,
        physical_id: str = "",
        resource_type: str = "Custom::NeoCompilationJob",
    ) -> str:
        """Invoke the function as CloudFormation would, and return the request's id."""
        (function,) = [
            resource["PhysicalResourceId"]
            for name, resource in self.account.resources(self.stack).items()
            if name.startswith("NeoJobEngineFunction")
            and resource["ResourceType"] == "AWS::Lambda::Function"
        ]
        request_id = str(uuid.uuid4())
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        event = {
            "RequestType": kind,
            "RequestId": request_id,
            "StackId": self.account.describe(self.stack)["StackId"],
            "ResponseURL": f"{self.answers.url}?X-Amz-Date={stamp}",
            "ResourceType": resource_type,
            "LogicalResourceId": "ByHand",
            "ResourceProperties": dict(properties),
            **({"PhysicalResourceId": physical_id} if physical_id else {}),
        }
        payload = json.dumps(event).encode()
        self.account.client("lambda").invoke(
            FunctionName=function, InvocationType="Event", Payload=payload
        )
        return request_id
