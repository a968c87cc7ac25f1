"""Take the digits model through its whole life, in the sandbox.

    neo sandbox run -- python examples/digits/demo.py

Deploys it, sends it ten images it has never seen, changes its script, changes its target, and
removes it again; and checks at each step that what should have happened did, and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import boto3
import numpy as np
from botocore.exceptions import ClientError
from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from neo_constructs.cli.progress import Progress

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
STACK = "DigitsStack"
# npx looks for the command line each time; the demo runs it five times.
FIND_CDK = ("npx", "--yes", "--package", "aws-cdk@2", "-c", "command -v cdk")
CDK_OPTIONS = ("--no-notices", "--progress", "events")
CDK_SECONDS = 300
POLL_SECONDS = 0.5
LOG = PROJECT / "cdk.out" / "demo.log"
# cdk.json deploys the network as TorchScript; ONNX needs no PyTorch to run here.
ONNX = {
    "neo.digits.framework": "onnx",
    "neo.digits.model_data": "examples/digits/digits.onnx",
    "neo.digits.inference_code": "examples/digits/code",
}
SHADES = " .:-=+*#%@"
RUNNING = ("STARTING", "INPROGRESS", "STOPPING")

# https://no-color.org: nothing but text, bold neither.
console = Console(highlight=False, color_system=None if os.environ.get("NO_COLOR") else "auto")


class DemoError(Exception):
    """A promise was not kept; the text says which."""


def cdk_command() -> str:
    """Return the CDK's command line, which npx fetches if it is not there yet.

    Raises
    ------
    DemoError
        If it cannot be had.
    """
    with Progress(sys.stdout) as progress:
        progress.step("looking for the CDK's command line")
        found = subprocess.run(FIND_CDK, capture_output=True, text=True, check=False)
    path = found.stdout.strip().splitlines()[-1:]
    if found.returncode or not path:
        raise DemoError(f"npx cannot fetch aws-cdk@2:\n{found.stderr.strip()}")
    return path[0]


class Demo:
    """The steps, the clients, and the time each step took."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sagemaker = boto3.client("sagemaker")
        self.runtime = boto3.client("sagemaker-runtime")
        self.cloudformation = boto3.client("cloudformation")
        self.s3 = boto3.client("s3")
        self.times: list[tuple[str, float]] = []
        self.cdk_command = cdk_command()
        self.others: list[str] = []
        self.others = self.jobs()  # such as that of a deploy that failed before

    def run(self) -> None:
        """Do everything."""
        with self.step("deploy"):
            self.deploy()
        first = self.jobs()
        self.require(len(first) == 1, f"one compilation job after the deploy, not {len(first)}")
        with self.step("predict"):
            self.predict()
        with self.step("diff"):
            self.cdk("diff", "--fail")
        console.print("  cdk diff shows no differences.")

        edited = self.edited_script()
        with self.step("script edit"):
            self.deploy({"neo.digits.inference_code": str(edited)})
        self.require(self.jobs() == first, "an edited script compiles nothing")
        self.require(self.ask(0).get("script") == "edited", "the endpoint runs the edited script")
        console.print("  The endpoint runs the edited script; nothing was compiled.")

        before = self.configuration()
        with self.step("new target"):
            self.deploy(
                {
                    "neo.digits.inference_code": str(edited),
                    "neo.digits.target": "ml_m5",
                    "neo.digits.instance_type": "ml.m5.large",
                }
            )
        second = self.jobs()
        self.require(len(second) == 1 and second != first, "a new target compiles once")
        self.require(self.configuration() != before, "the endpoint has moved")
        self.require("digit" in self.ask(0), "the endpoint still answers")
        console.print("  Compiled for ml_m5; the endpoint has moved, the old job's record is gone.")

        with self.step("destroy"):
            self.cdk("destroy", "--force")
        self.require(not self.jobs(*RUNNING), "no compilation job is running after the destroy")
        self.require(not self.jobs(), "no compilation job's record is left")
        self.require(not self.stack_exists(), "the stack is gone")
        self.summary()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        console.print(f"[bold]{name}[/bold]")
        start = time.monotonic()
        yield
        seconds = time.monotonic() - start
        console.print(f"  {name} done in {seconds:.0f} s")
        self.times.append((name, seconds))

    def deploy(self, overrides: Mapping[str, str] | None = None) -> None:
        """Deploy with single settings overridden."""
        self.cdk("deploy", "--require-approval", "never", overrides=overrides)

    def cdk(self, *arguments: str, overrides: Mapping[str, str] | None = None) -> None:
        """Run the CDK CLI; show what it is doing, and what it said only if it fails.

        Raises
        ------
        DemoError
            If it fails or takes too long, with the cause first.
        """
        verb, *rest = arguments
        settings = {**ONNX, **(overrides or {})}
        rest += [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        since = datetime.now(UTC)
        LOG.parent.mkdir(exist_ok=True)
        # In this process's group: whoever ends the group ends it too.
        with (
            LOG.open("wb") as log,
            Progress(sys.stdout) as progress,
            subprocess.Popen(
                [
                    *(self.cdk_command, *CDK_OPTIONS, verb, STACK, *rest),
                    *("--output", str(self.folder / "cdk.out")),
                ],
                cwd=PROJECT,
                # `make lint` validates each template; here it would take most of the time.
                env={**os.environ, "CDK_VALIDATION": "false"},
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            progress.step("synthesizing")
            while process.poll() is None:
                if progress.seconds > CDK_SECONDS:
                    process.kill()
                    raise DemoError(f"cdk {verb} took longer than {CDK_SECONDS} s")
                if events := self.events(since):
                    progress.step(f"{events[0]['LogicalResourceId']} {events[0]['ResourceStatus']}")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
        if process.returncode != 0:
            raise DemoError(
                f"cdk {verb} failed with exit code {process.returncode}.\n"
                f"{self.cause(since)}\nAll that it said: {LOG}"
            )

    def events(self, since: datetime) -> list[Mapping[str, Any]]:
        """Return what has happened to the stack's resources since a moment, the newest first."""
        try:
            found = self.cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
        except ClientError:  # there is no stack yet, or no longer
            return []
        return [event for event in found if event["Timestamp"] > since]

    def cause(self, since: datetime) -> str:
        """Return what failed first: a resource, or what the CLI itself said."""
        failed = [e for e in self.events(since) if e["ResourceStatus"].endswith("_FAILED")]
        if failed:
            first = failed[-1]
            why = first.get("ResourceStatusReason", "")
            return f"{first['LogicalResourceId']} {first['ResourceStatus']}: {why}"
        said = LOG.read_text(errors="replace").strip().splitlines()
        told = [line for line in said if "error" in line.lower()] or said
        return "\n".join(told[:10])

    def jobs(self, *statuses: str) -> list[str]:
        """Return the names of this run's compilation jobs that have a record."""
        found = self.sagemaker.list_compilation_jobs(MaxResults=100)["CompilationJobSummaries"]
        return sorted(
            job["CompilationJobName"]
            for job in found
            if job["CompilationJobName"] not in self.others
            and (not statuses or job["CompilationJobStatus"] in statuses)
        )

    def endpoint(self) -> str:
        """Return the endpoint's name, from the stack's outputs."""
        (stack,) = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
        return str(outputs["DigitsEndpointName"])

    def configuration(self) -> str:
        """Return what the endpoint serves."""
        found = self.sagemaker.describe_endpoint(EndpointName=self.endpoint())
        self.require(found["EndpointStatus"] == "InService", "the endpoint is InService")
        return str(found["EndpointConfigName"])

    def ask(self, index: int) -> dict[str, Any]:
        """Send one held-out image to the endpoint."""
        image = self.held_out()[0][index]
        reply = self.runtime.invoke_endpoint(
            EndpointName=self.endpoint(),
            ContentType="application/json",
            Body=json.dumps(image.tolist()),
        )
        answer: dict[str, Any] = json.loads(reply["Body"].read())
        return answer

    def predict(self) -> None:
        """Show ten held-out images, one of each digit, with their labels and the predictions."""
        images, labels = self.held_out()
        chosen = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
        panels, right = [], 0
        for index in chosen:
            answer, label = self.ask(index), int(labels[index])
            is_right = answer["digit"] == label
            right += is_right
            caption = f"is {label}, says {answer['digit']} ({answer['probability']:.0%})"
            style = "green" if is_right else "red"
            panels.append(Panel(Text(drawing(images[index])), title=caption, style=style, width=25))
        console.print(Columns(panels))
        console.print(f"  {right} of 10 held-out images predicted right.")
        self.require(right >= 9, "the endpoint predicts digits")

    @staticmethod
    def held_out() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return the images kept from training, and their labels."""
        with np.load(HERE / "held_out.npz") as data:
            return data["images"], data["labels"]

    def edited_script(self) -> Path:
        """Return a copy of the script that says so in its reply."""
        copy = shutil.copytree(HERE / "code", self.folder / "code")
        script = copy / "inference.py"
        text = script.read_text()
        self.require('"probability"' in text, "the script has the line to edit")
        script.write_text(text.replace('{"digit"', '{"script": "edited", "digit"'))
        return copy

    def stack_exists(self) -> bool:
        """Whether the stack is still there."""
        pages = self.cloudformation.get_paginator("list_stacks").paginate()
        stacks = [stack for page in pages for stack in page["StackSummaries"]]
        return any(
            stack["StackName"] == STACK and stack["StackStatus"] != "DELETE_COMPLETE"
            for stack in stacks
        )

    def summary(self) -> None:
        """Print the times, and what a destroy leaves behind."""
        console.print("[bold]What it took, in seconds[/bold]")
        table = Table()
        table.add_column("step")
        table.add_column("time", justify="right")
        for name, seconds in self.times:
            table.add_row(name, f"{seconds:.1f}")
        table.add_row("all", f"{sum(seconds for _, seconds in self.times):.1f}")
        console.print(table)
        console.print("[bold]What stays after cdk destroy[/bold]")
        for bucket in self.s3.list_buckets()["Buckets"]:
            if "neoartifact" in bucket["Name"]:
                found = self.s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", [])
                size = sum(item["Size"] for item in found)
                console.print(
                    f"  The artifact bucket: {len(found)} objects, {size:,} bytes, at S3's price.\n"
                    "  Empty and delete it when no endpoint needs the models any more.",
                    soft_wrap=True,
                )
        console.print("  The model and the script among the CDK's own bootstrap assets.")
        console.print("  On AWS also the log groups /aws/sagemaker/CompilationJobs and")
        console.print("  /aws/sagemaker/Endpoints/<name>.")
        console.print("[bold green]Everything held.[/bold green]")

    def require(self, kept: bool, promise: str) -> None:
        """Stop unless a promise was kept."""
        if not kept:
            raise DemoError(f"This does not hold: {promise}.")


def drawing(image: np.ndarray[Any, Any]) -> str:
    """Return an image of values from 0 to 16 as text."""
    scale = (len(SHADES) - 1) / 16
    return "\n".join("".join(SHADES[round(int(v) * scale)] * 2 for v in row) for row in image)


def main() -> int:
    """Run the demo; say in one message what went wrong, if anything did."""
    host = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname
    if host not in {"localhost", "127.0.0.1"}:
        console.print("Run it in the sandbox: make demo")
        return 2
    console.print("An emulation: the templates, the CDK CLI, the Lambda and the script are real;")
    console.print("AWS is not, and nothing is compiled. It takes about a minute.\n")
    signal.signal(signal.SIGTERM, interrupted)
    try:
        with tempfile.TemporaryDirectory(prefix="neo-demo-") as folder:
            Demo(Path(folder)).run()
    except DemoError as error:
        console.print(f"The demo failed. {error}", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def interrupted(_number: int, _frame: object) -> NoReturn:
    """Leave by the way that cleans up."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
