"""A serving container's stand-in: a model folder, a script, and the worker that serves them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from neo_constructs.findings.errors import NeoConstructsError
from neo_constructs.local import worker
from neo_constructs.local.environment import closed_environment
from neo_constructs.local.exchange import Exchange, exchange
from neo_constructs.local.frames import Frame, encoded
from neo_constructs.scripts.serving_contract import ServingContract

LOAD_SECONDS: Final = 600  # an endpoint is given minutes to answer its first ping
ANSWER_SECONDS: Final = 60  # API reference, InvokeEndpoint: a model must respond within it
_ENDING_SECONDS: Final = 0.5  # how long a worker may take to end once its pipe is closed
_NO_ANSWER: Final = "it did not answer"


class ContainerError(NeoConstructsError, RuntimeError):
    """The container could not be started, or died; the text says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a container answers.

    Parameters
    ----------
    status
        The HTTP status.
    content_type
        Empty if the container gives none, as with most errors.
    body
        The reply.
    headers
        What else a script has set, by names in lower case.
    """

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, frame: Frame) -> Reply:
        """Return the reply that a worker's frame holds."""
        header, body = frame
        named = {name.lower(): str(value) for name, value in header["headers"].items()}
        return cls(int(header["status"]), named.pop("content-type", ""), body, named)


class LocalContainer:
    """A worker in an interpreter of its own.

    Parameters
    ----------
    model_dir
        What ``/opt/ml/model`` would hold.
    script
        The entry point; one that does not exist where the container has a handler of its own.
    contract
        Which functions of the script are called.
    environment
        The container's variables.
    python
        The interpreter, 3.10 or newer. Default: this one.
    options
        ``stand_in`` makes what only Neo's containers have, with a sample input of ``shapes``;
        ``upstream`` is the URI of TensorFlow's model server, ``response`` a file with what that
        would answer. Default: none.
    log
        Where the worker's output goes. Default: this process's standard error.
    answer_seconds
        How long an answer may take. Default: 60, as SageMaker gives a model.

    Raises
    ------
    ContainerError
        If the model or the script cannot be loaded.
    """

    def __init__(
        self,
        model_dir: Path,
        script: Path,
        *,
        contract: ServingContract,
        environment: Mapping[str, str],
        python: str = sys.executable,
        options: Mapping[str, object] | None = None,
        log: IO[bytes] | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        found = shutil.which(python)
        if found is None:
            raise ContainerError(f"{python} cannot be run: there is no such program")
        self.answer_seconds = answer_seconds
        self._lock = threading.Lock()
        self._command = [
            str(Path(found).absolute()), worker.__file__, contract.adapter, str(model_dir),
            str(script), json.dumps(options or {}),
        ]  # fmt: skip
        self._folder, self._log = model_dir, log
        self._must_restart, self._is_stopped = True, True
        self._environment = _environment(model_dir, environment)
        self._load()

    def invoke(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send one request.

        A worker that has died before, as a model server's does at a body that it cannot decode, is
        started anew.

        Parameters
        ----------
        body
            Sent as it is.
        headers
            By names as a client writes them, such as ``Content-Type``.

        Raises
        ------
        ContainerError
            If the worker dies, or does not answer in time; it is ended then.
        """
        with self._lock:
            if self._must_restart:
                self.stop()
                self._load()
            self._must_restart = True  # unless it answers
            unsent = encoded({"headers": dict(headers)}, body)
            frame = self._received(unsent, self.answer_seconds, _NO_ANSWER)
            self._must_restart = bool(frame[0]["last"])
        return Reply.of(frame)

    async def answer(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send one request from an event loop; see ``invoke``. One at a time, too.

        The loop reads and writes the worker's pipes itself: a thread would wait for its turn.
        """
        if self._must_restart:
            return await asyncio.to_thread(self.invoke, body, headers)
        self._must_restart = True  # unless it answers
        unsent = encoded({"headers": dict(headers)}, body)
        try:
            frame = await Exchange(self._process, unsent).done(self.answer_seconds)
        except (TimeoutError, EOFError) as error:
            raise self._given_up(error, self.answer_seconds, _NO_ANSWER) from error
        self._must_restart = bool(frame[0]["last"])
        return Reply.of(frame)

    @property
    def is_alive(self) -> bool:
        """Whether the worker runs, or is started anew for the next request."""
        return self._must_restart or self._process.poll() is None

    def stop(self) -> None:
        """End the worker, and whatever it has started."""
        if self._is_stopped:
            return  # its number may be another's by now
        self._is_stopped = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                assert pipe  # noqa: S101 - opened by _load
                pipe.close()

    def _load(self) -> None:
        """Start a worker, and wait until it has loaded."""
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                cwd=self._folder,  # the model server starts its workers there
                env=self._environment,
                start_new_session=True,  # what it starts ends with it
                bufsize=0,
            )
        except OSError as error:
            raise ContainerError(f"{self._command[0]} cannot be run: {error}") from error
        self._is_stopped = False
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe  # noqa: S101 - opened above
            os.set_blocking(pipe.fileno(), False)
        try:
            header, _ = self._received(b"", LOAD_SECONDS, "it did not load")
        except BaseException:
            self.stop()
            raise
        # Rests on A-RUN-04.
        if "error" in header:
            self.stop()
            raise ContainerError(f"the container could not load: {header['error']}")
        self._must_restart = False

    def _received(self, unsent: bytes, seconds: float, what: str) -> Frame:
        """Send some bytes, and return the worker's next frame."""
        try:
            return exchange(self._process, unsent, seconds)
        except (TimeoutError, EOFError) as error:
            raise self._given_up(error, seconds, what) from error

    def _given_up(self, error: Exception, seconds: float, what: str) -> ContainerError:
        """End a worker that does not answer, and return what is said of it."""
        if isinstance(error, EOFError):
            with contextlib.suppress(
                subprocess.TimeoutExpired
            ):  # its end is closed, and it runs on
                self._process.wait(_ENDING_SECONDS)
        self.stop()
        if isinstance(error, TimeoutError):
            return ContainerError(f"{what} within {seconds:g} seconds")
        return ContainerError(f"the container has died, exit code {self._process.returncode}")


def _environment(model_dir: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return a container's environment: nothing of ours but what a process needs to run."""
    return {
        **closed_environment(os.environ, model_dir.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        **variables,
        # The toolkit looks for the code below model/, whatever SAGEMAKER_SUBMIT_DIRECTORY says.
        "SAGEMAKER_BASE_DIR": str(model_dir.parent),
    }
