"""The sandbox itself, and what is deployed into it with the real CDK CLI."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from neo_constructs.sandbox.emulator import CDK, Sandbox, SandboxError, sandbox
from neo_constructs.sandbox.processes import CommandTimeoutError
from tests.sandbox.account import session_of

NEO = str(Path(sys.executable).parent / "neo")


def alive(pattern: str) -> list[int]:
    """Return the processes whose command line holds a text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if pattern in command and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


def wait_until(condition: Any, seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.1)
    return False


# --- the command ----------------------------------------------------------------------------


@pytest.fixture
def heeds_interrupts() -> Iterator[None]:
    """Let children have SIGINT: where a shell has started these tests with '&', it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_interrupts")
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked for in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_process_and_no_folder_outlive_an_interrupted_command(
    number: signal.Signals, tmp_path: Path
) -> None:
    """Nobody can catch a SIGKILL: the emulator sees it, and ends what was started."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    marker = tmp_path / "started"
    script = f"import pathlib, time; pathlib.Path({str(marker)!r}).touch(); time.sleep(600)"
    process = subprocess.Popen(
        [NEO, "sandbox", "run", "--", sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={
            **os.environ,
            "NEO_TEST_MARKER": str(marker),
            "TMPDIR": str(temporary),
            "http_proxy": "http://127.0.0.1:9",
        },
    )
    try:
        assert wait_until(marker.exists, 240), "the CDK's CLI may have to be fetched first"
        process.send_signal(number)
        said, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    assert b"Traceback" not in said
    assert wait_until(lambda: not alive(str(marker)), 3)
    environment = f"NEO_TEST_MARKER={marker}".encode()
    assert wait_until(lambda: not servers_of(environment), 2)
    assert wait_until(lambda: not list(temporary.glob("neo-*")), 2), "no folder is left"


def servers_of(environment: bytes) -> list[str]:
    """Return the emulators that were started with a variable in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_ours = environment in (folder / "environ").read_bytes()
            if is_ours and b"sandbox.server" in (folder / "cmdline").read_bytes():
                found.append(folder.name)
    return found


# --- one emulator for the rest --------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with sandbox() as found:
        yield found


@pytest.fixture(scope="module")
def session(running: Sandbox) -> boto3.Session:
    return session_of(running)


def client(running: Sandbox, session: boto3.Session, service: str) -> Any:
    return session.client(service, endpoint_url=running.endpoint)


def test_a_commands_exit_code_is_the_sandboxes(running: Sandbox) -> None:
    assert running.run(["sh", "-c", "exit 7"], seconds=10) == 7


def test_a_command_that_takes_too_long_is_ended(running: Sandbox) -> None:
    with pytest.raises(CommandTimeoutError, match="took longer than 1 s"):
        running.run(["sh", "-c", "sleep 977 & sleep 978"], seconds=0.6)
    assert not alive("sleep 97")


def test_a_command_that_cannot_be_started_is_named(running: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="no command 'no-such-command'"):
        running.run(["no-such-command"], seconds=10)
    script = tmp_path / "script"
    script.write_text("echo no first line")
    script.chmod(0o755)
    with pytest.raises(SandboxError, match="cannot be started"):
        running.run([str(script)], seconds=10)


def test_the_whole_life_of_the_digits_endpoint(
    running: Sandbox, project: Path, tmp_path: Path
) -> None:
    """What `make demo` shows: deploy, predict, diff, script edit, new target, destroy.

    Before that, a first deploy fails: the cause is said first, and the same stack can be deployed.
    """
    demo = [sys.executable, str(project / "examples/digits/demo.py")]
    log = tmp_path / "log"
    shell = ["sh", "-c", f'NO_COLOR=1 "$@" > {log} 2>&1', "sh"]
    assert (
        running.run([NEO, "sandbox", "set", "--compile-fails", "NotImplemented: x"], seconds=60)
        == 0
    )
    assert running.run([*shell, *demo], seconds=400) == 1
    said = log.read_text()
    assert "\x1b" not in said
    what, cause, rest = said[said.index("The demo failed.") :].splitlines()
    assert "cdk deploy failed" in what
    assert "CompilationJob" in cause
    assert "CREATE_FAILED" in cause
    assert "NotImplemented: x" in cause
    assert Path(rest.removeprefix("All that it said: ")).is_file()

    assert running.run([NEO, "sandbox", "set"], seconds=60) == 0
    assert running.run([*shell, *demo], seconds=400) == 0, log.read_text()
    lines = log.read_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("synthesizing" in line for line in lines)


def test_an_unreachable_registry_is_an_error_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path))
    began = time.monotonic()
    with pytest.raises(SandboxError, match=r"^The CDK CLI could not be fetched"), sandbox():
        pass
    assert time.monotonic() - began < 60


def test_the_demo_refuses_to_run_against_real_aws(project: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, str(project / "examples/digits/demo.py")],
        env={**environment, "AWS_ENDPOINT_URL": "https://sts.amazonaws.com"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "make demo" in done.stdout


def test_a_failing_deploy_shows_the_cause_and_leaves_no_job(
    running: Sandbox, session: boto3.Session, project: Path, tmp_path: Path
) -> None:
    """Neo itself refuses: the archive in S3 has no model of the declared framework."""
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("readme.txt"), BytesIO())
    s3 = client(running, session, "s3")
    s3.create_bucket(Bucket="broken-models")
    s3.put_object(Bucket="broken-models", Key="model.tar.gz", Body=archive.getvalue())
    endpoint = {
        "name": "broken",
        "model_data": "s3://broken-models/model.tar.gz",
        "framework": "onnx",
        "data_input_config": {"pixels": [1, 1, 8, 8]},
        "target": "ml_c5",
        "instance_type": "ml.c5.large",
        "inference_code": "examples/digits/code",
    }
    settings = json.dumps({"stack_name": "Broken", "endpoints": [endpoint]})
    log = tmp_path / "log"
    code = running.run(
        ["sh", "-c", f'"$@" > {log} 2>&1', "sh", *CDK, "deploy", "Broken", "-c", f"neo={settings}",
         "--require-approval", "never", "--output", str(tmp_path / "out")],
        seconds=200,
        folder=project,
    )  # fmt: skip
    assert code == 1
    said = " ".join(log.read_text().split())
    assert "ClientError: InputConfiguration: No .onnx file found for ONNX model" in said
    assert "/aws/sagemaker/CompilationJobs" in said
    jobs = client(running, session, "sagemaker").list_compilation_jobs()
    running_jobs = [
        j
        for j in jobs["CompilationJobSummaries"]
        if j["CompilationJobStatus"] in {"STARTING", "INPROGRESS", "STOPPING"}
    ]
    assert running_jobs == []


# --- the emulated service -------------------------------------------------------------------


def test_a_request_that_breaks_the_service_model_is_refused(
    running: Sandbox, session: boto3.Session
) -> None:
    sagemaker = client(running, session, "sagemaker")
    with pytest.raises(ClientError, match="failed to satisfy constraint") as caught:
        sagemaker.create_compilation_job(
            CompilationJobName="a_b",
            RoleArn="arn:aws:iam::000000000000:role/r",
            InputConfig={"S3Uri": "s3://b/k.tar.gz", "Framework": "CAFFE"},
            OutputConfig={"S3OutputLocation": "s3://b/", "TargetDevice": "ml_c99"},
            StoppingCondition={"MaxRuntimeInSeconds": 900},
        )
    text = str(caught.value)
    assert "ValidationException" in text
    for wrong in ("'a_b'", "'CAFFE'", "'ml_c99'"):
        assert wrong in text


def test_a_role_that_does_not_trust_sagemaker_is_refused(
    running: Sandbox, session: boto3.Session
) -> None:
    policies: list[dict[str, Any]] = [
        {"Principal": {"Service": "lambda.amazonaws.com"}},
        {
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Condition": {"StringEquals": {"aws:SourceAccount": "999999999999"}},
        },
    ]
    for number, trusted in enumerate(policies):
        role = client(running, session, "iam").create_role(
            RoleName=f"untrusting{number}",
            AssumeRolePolicyDocument=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", **trusted}],
                }
            ),
        )["Role"]["Arn"]
        with pytest.raises(ClientError, match="Could not assume role"):
            client(running, session, "sagemaker").create_compilation_job(
                CompilationJobName="job",
                RoleArn=role,
                InputConfig={"S3Uri": "s3://b/k.tar.gz", "Framework": "ONNX"},
                OutputConfig={"S3OutputLocation": "s3://b/", "TargetDevice": "ml_c5"},
                StoppingCondition={"MaxRuntimeInSeconds": 900},
            )


def test_what_is_not_emulated_says_so(running: Sandbox, session: boto3.Session) -> None:
    with pytest.raises(ClientError, match="does not emulate sagemaker:ListApps"):
        client(running, session, "sagemaker").list_apps()
