"""A serving container's stand-in: a model folder, a script, and the worker that serves them."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from neo_constructs.archive.entry_point import Contract
from neo_constructs.local import worker
from neo_constructs.local.environment import closed_environment

_FILES: Final = {
    Contract.TOOLKIT: "toolkit",
    Contract.TENSORFLOW: "tensorflow",
    Contract.DLR: "dlr",
    Contract.NONE: "builtin",
}
LOAD_SECONDS: Final = 600  # an endpoint is given minutes to answer its first ping
ANSWER_SECONDS: Final = 60  # API reference, InvokeEndpoint: a model must respond within it
_LOOK_SECONDS: Final = 0.2
_OPEN_FRAME: Final = 0.5  # how long what a dead worker has written may still be on its way


class ContainerError(RuntimeError):
    """The container could not be started, or died; the text says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a container answers.

    Parameters
    ----------
    status
        The HTTP status.
    content_type, body
        The reply.
    """

    status: int
    content_type: str
    body: bytes


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
        The interpreter. Default: this one.
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
        contract: Contract,
        environment: Mapping[str, str],
        python: str = sys.executable,
        options: Mapping[str, object] | None = None,
        log: IO[bytes] | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._lock = threading.Lock()
        self._answer_seconds = answer_seconds
        arguments = [_FILES[contract], str(model_dir), str(script), json.dumps(options or {})]
        found = shutil.which(python)
        if found is None:
            raise ContainerError(f"{python} cannot be run: there is no such program")
        try:
            self._process = subprocess.Popen(
                [Path(found).absolute(), worker.__file__, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=model_dir,  # the model server starts its workers there
                env=_environment(model_dir, environment),
                start_new_session=True,  # what it starts ends with it
            )
        except OSError as error:
            raise ContainerError(f"{python} cannot be run: {error}") from error
        self._frames: queue.SimpleQueue[tuple[dict[str, Any], bytes] | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            header, _ = self._next(LOAD_SECONDS, "it did not load")
        except BaseException:
            self.stop()
            raise
        if "error" in header:
            self.stop()
            raise ContainerError(f"the container could not load: {header['error']}")

    def invoke(self, body: bytes, *, content_type: str, accept: str = "*/*") -> Reply:
        """Send one request.

        Raises
        ------
        ContainerError
            If the worker has died, or does not answer in time; it is ended then.
        """
        header = {"length": len(body), "content_type": content_type, "accept": accept}
        with self._lock:
            assert self._process.stdin  # noqa: S101 - opened above
            try:
                self._process.stdin.write(json.dumps(header).encode() + b"\n" + body)
                self._process.stdin.flush()
            except (OSError, ValueError) as error:
                raise ContainerError(f"the container has died: {error}") from error
            reply, content = self._next(self._answer_seconds, "it did not answer")
        return Reply(int(reply["status"]), str(reply["content_type"]), content)

    @property
    def is_alive(self) -> bool:
        """Whether the worker runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the worker, and whatever it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _next(self, seconds: float, what: str) -> tuple[dict[str, Any], bytes]:
        """Return the worker's next frame.

        Its death is asked for, too: what it has started may keep its end of the pipe open.
        """
        until = time.monotonic() + seconds
        died_at: float | None = None
        while True:
            try:
                frame = self._frames.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                now = time.monotonic()
                if self._process.poll() is not None:
                    died_at = died_at or now
                if died_at and now > died_at + _OPEN_FRAME:
                    frame = None
                elif now > until:
                    self.stop()
                    raise ContainerError(f"{what} within {seconds:g} seconds") from None
                else:
                    continue
            if frame is None:
                code = self._process.wait()
                raise ContainerError(f"the container has died, exit code {code}")
            return frame

    def _read(self) -> None:
        """Pass on what the worker writes; None is its end."""
        assert self._process.stdout  # noqa: S101 - opened above
        with contextlib.suppress(OSError, ValueError, LookupError), self._process.stdout as replies:
            while line := replies.readline():
                header = json.loads(line)
                self._frames.put((header, replies.read(header["length"])))
        self._frames.put(None)


def _environment(model_dir: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return a container's environment: nothing of ours but what a process needs to run."""
    return {
        **closed_environment(os.environ, model_dir.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        **variables,
        # The toolkit looks for the code below model/, whatever SAGEMAKER_SUBMIT_DIRECTORY says.
        "SAGEMAKER_BASE_DIR": str(model_dir.parent),
    }
