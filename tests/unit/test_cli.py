"""The ``neo`` command, as far as it goes without the emulator."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from neo_constructs.cli.main import neo
from neo_constructs.sandbox import behaviour, processes


def test_help_names_the_verbs() -> None:
    result = CliRunner().invoke(neo, ["--help"])
    assert result.exit_code == 0
    assert "sandbox" in result.output


def neo_image(framework: str, target: str, region: str) -> Result:
    arguments = ["--framework", framework, "--target", target, "--region", region]
    return CliRunner().invoke(neo, ["image", *arguments])


def test_the_image_is_the_catalogs() -> None:
    result = neo_image("pytorch:2.0", "ml_g4dn", "us-west-2")
    assert result.exit_code == 0
    assert result.stdout == (
        "301217895009.dkr.ecr.us-west-2.amazonaws.com/sagemaker-inference-pytorch:2.0-gpu-py3\n"
    )
    assert result.stderr == ""


def test_a_doubt_about_the_image_goes_to_standard_error() -> None:
    result = neo_image("keras", "ml_p3", "eu-west-1")
    assert result.exit_code == 0
    assert result.stdout.endswith("/sagemaker-neo-keras:2.2.4-gpu-py3\n")
    assert "[target-hardware]" in result.stderr
    assert "[framework-doubtful]" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("pytorch:1.10", "ml_c5", "eu-west-1"), 1, "Allowed versions: 1.4"),
        (("onnx", "ml_inf1", "eu-west-1"), 1, "does not compile ONNX for 'ml_inf1'"),
        (("onnx", "ml_c5", "eu-west-9"), 1, "Did you mean 'eu-"),
        (("pytorch:1.13", "ml_inf2", "eu-west-1"), 1, "Allowed: us-east-2"),
        (("pytorch", "ml_c5", "eu-west-1"), 2, "says no version"),
        (("pytorhc:2.0", "ml_c5", "eu-west-1"), 2, "Did you mean 'pytorch'"),
        (("onnx", "ml_c55", "eu-west-1"), 2, "Did you mean 'ml_c5'"),
    ],
)
def test_no_image_is_one_message(arguments: tuple[str, str, str], code: int, says: str) -> None:
    result = neo_image(*arguments)
    assert result.exit_code == code
    assert says in result.stderr
    assert result.stdout == ""


def test_both_arguments_that_say_nothing_are_named() -> None:
    result = neo_image("pytorhc:2.0", "ml_c55", "x")
    assert "framework-unknown" in result.stderr
    assert "target-unknown" in result.stderr
    both = neo_image("pytorch:1.10", "ml_c5", "eu-west-9")
    assert "framework-version" in both.stderr
    assert "region-without-neo" in both.stderr


def test_a_busy_port_is_one_message() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        result = CliRunner().invoke(neo, ["sandbox", "run", "--port", port, "--", "true"])
    assert result.exit_code == 2
    assert f"The port {port} cannot be used" in result.output
    assert "Leave --port out" in result.output
    assert "Traceback" not in result.output


def test_no_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(neo, ["sandbox", "run"])
    assert result.exit_code == 2
    assert "Missing argument" in result.output


def of_readme(project: Path) -> list[str]:
    """Return the commands of the README that need no account, no server and no framework."""
    lines = re.findall(r"^    (?:neo|tar) .+", (project / "README.md").read_text(), re.MULTILINE)
    commands = [line.partition("#")[0].strip() for line in lines]
    return [c for c in commands if not re.search(r"--serve|--python|sandbox run|model-metadata", c)]


def test_the_readmes_commands_run_as_they_stand(project: Path, tmp_path: Path) -> None:
    """In their order, in a folder with the examples."""
    told = tmp_path / "behaviour.json"  # as in a shell of the sandbox
    told.touch()
    (tmp_path / "examples").symlink_to(project / "examples")
    app, out = project / "examples" / "minimal" / "app.py", str(tmp_path / "cdk.out")
    environment = {**os.environ, "CDK_OUTDIR": out}
    subprocess.run([sys.executable, str(app)], env=environment, check=True)
    (tmp_path / "base.out").symlink_to("cdk.out")  # what is deployed is what is there
    commands = of_readme(project)
    assert len(commands) >= 6
    search = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in commands:
        done = subprocess.run(
            shlex.split(command),
            cwd=tmp_path,
            env={**os.environ, "PATH": search, behaviour.VARIABLE: str(told)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    assert behaviour.Behaviour.read(told) == behaviour.Behaviour(), "all as before"


def test_a_command_that_is_not_there_is_said_before_anything_starts() -> None:
    result = CliRunner().invoke(neo, ["sandbox", "run", "--", "no-such-command"])
    assert (result.exit_code, result.stderr) == (
        127,
        "There is no command 'no-such-command' on the PATH.\n",
    )


@pytest.mark.parametrize(
    ("script", "code"), [("exit 3", 3), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
)
def test_a_commands_end_is_told_as_shells_do(script: str, code: int) -> None:
    assert processes.run(["sh", "-c", script], environment=os.environ, seconds=10) == code


def test_in_a_terminal_a_command_has_the_terminal() -> None:
    """One Ctrl-C ends what runs in it, and not what has started it."""
    script = "trap 'echo caught' INT; echo ready; read x; read x; echo got $x"
    command = ["sh", "-c", script]
    code = (
        "import os; from neo_constructs.sandbox import processes; "
        f"print('code', processes.run({command!r}, environment=os.environ, seconds=30))"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        # Shells without job control let what they start in the background ignore it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execv(sys.executable, [sys.executable, "-c", code])  # noqa: S606 - no shell is meant
    said = b""
    for wanted, typed in ((b"ready", b"\x03"), (b"caught", b"one\ntwo\n"), (b"code 0", b"")):
        until = time.monotonic() + 20
        while wanted not in said and time.monotonic() < until:
            said += os.read(terminal, 1024)
        assert wanted in said
        os.write(terminal, typed)
    os.waitpid(pid, 0)
    os.close(terminal)
    assert b"got" in said
