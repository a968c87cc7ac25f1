"""A serving container's stand-in: a model folder, a script, and the worker that serves them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from neo_constructs.archive.entry_point import Contract
from neo_constructs.local import worker
from neo_constructs.local.environment import closed_environment
from neo_constructs.local.frames import Frame, Frames, encoded

_FILES: Final = {
    Contract.TOOLKIT: "toolkit",
    Contract.MXNET: "mxnet",
    Contract.TENSORFLOW: "tensorflow",
    Contract.DLR: "dlr",
    Contract.NONE: "builtin",
}
LOAD_SECONDS: Final = 600  # an endpoint is given minutes to answer its first ping
ANSWER_SECONDS: Final = 60  # API reference, InvokeEndpoint: a model must respond within it
_LOOK_SECONDS: Final = 0.2
_OPEN_FRAME: Final = 0.5  # how long what a dead worker has written may still be on its way
_CHUNK: Final = 1 << 16


class ContainerError(RuntimeError):
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
        The interpreter, 3.9 or newer. Default: this one.
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
        found = shutil.which(python)
        if found is None:
            raise ContainerError(f"{python} cannot be run: there is no such program")
        self.answer_seconds = answer_seconds
        self._lock = threading.Lock()
        self._command = [
            str(Path(found).absolute()), worker.__file__, _FILES[contract], str(model_dir),
            str(script), json.dumps(options or {}),
        ]  # fmt: skip
        self._folder, self._log = model_dir, log
        self._has_ended = True
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
            if self._has_ended:
                self.stop()
                self._load()
            self._has_ended = True
            frame = self._exchange(
                encoded({"headers": dict(headers)}, body), self.answer_seconds, "it did not answer"
            )
            self._has_ended = bool(frame[0]["last"])
        return Reply.of(frame)

    async def answer(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send one request from an event loop; see ``invoke``. One at a time, too.

        The loop reads and writes the worker's pipes itself: a thread would wait for its turn.
        """
        if self._has_ended:
            return await asyncio.to_thread(self.invoke, body, headers)
        self._has_ended = True
        exchange = _Exchange(self._process, encoded({"headers": dict(headers)}, body))
        try:
            frame = await exchange.done(self.answer_seconds)
        except TimeoutError as error:
            self.stop()
            raise ContainerError(_late("it did not answer", self.answer_seconds)) from error
        except EOFError as error:
            raise ContainerError(_died(self._process)) from error
        self._has_ended = bool(frame[0]["last"])
        return Reply.of(frame)

    @property
    def is_alive(self) -> bool:
        """Whether the worker runs, or is started anew for the next request."""
        return self._has_ended or self._process.poll() is None

    def stop(self) -> None:
        """End the worker, and whatever it has started."""
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
        self._has_ended = False
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe  # noqa: S101 - opened above
            os.set_blocking(pipe.fileno(), False)
        try:
            header, _ = self._exchange(b"", LOAD_SECONDS, "it did not load")
        except BaseException:
            self.stop()
            raise
        if "error" in header:
            self.stop()
            raise ContainerError(f"the container could not load: {header['error']}")

    def _exchange(self, unsent: bytes, seconds: float, what: str) -> Frame:
        """Send some bytes, and return the worker's next frame.

        Its death is asked for, too: what it has started may keep its end of the pipe open.
        """
        sending, receiving = self._process.stdin, self._process.stdout
        assert sending and receiving  # noqa: S101, PT018 - opened by _load
        if sending.closed:
            raise ContainerError("the container has died: it was stopped")
        until, died_at, frames = time.monotonic() + seconds, float("inf"), Frames()
        left = memoryview(unsent)
        with selectors.DefaultSelector() as ready:
            ready.register(receiving, selectors.EVENT_READ)
            if left:
                ready.register(sending, selectors.EVENT_WRITE)
            while True:
                events = ready.select(_LOOK_SECONDS)
                for key, _ in events:
                    if key.fileobj is sending:
                        left = left[_written(sending, left) :]
                        if not left:
                            ready.unregister(sending)
                    elif data := os.read(key.fd, _CHUNK):
                        for frame in frames.feed(data):
                            return frame
                    else:
                        died_at = float("-inf")
                now = time.monotonic()
                if self._process.poll() is not None:
                    died_at = min(died_at, now)
                if now > died_at + _OPEN_FRAME:
                    raise ContainerError(_died(self._process))
                if now > until:
                    self.stop()
                    raise ContainerError(_late(what, seconds))


class _Exchange:
    """One frame to a worker and one from it, by the running event loop."""

    def __init__(self, process: subprocess.Popen[bytes], unsent: bytes) -> None:
        assert process.stdin and process.stdout  # noqa: S101, PT018 - opened by _load
        self._loop = asyncio.get_running_loop()
        self._frame: asyncio.Future[Frame] = self._loop.create_future()
        self._sending, self._receiving = process.stdin, process.stdout
        self._frames, self._left = Frames(), memoryview(unsent)
        self._process, self._has_died = process, False

    async def done(self, seconds: float) -> Frame:
        """Return the worker's frame.

        Raises
        ------
        EOFError
            If the worker has died, or closed its end.
        TimeoutError
            If there is none in so many seconds.
        """
        self._until = self._loop.time() + seconds
        self._timer = self._loop.call_later(_LOOK_SECONDS, self._look)
        self._loop.add_reader(self._receiving, self._read)
        self._write()
        if self._left:
            self._loop.add_writer(self._sending, self._write)
        try:
            return await self._frame
        finally:
            self._timer.cancel()
            self._loop.remove_reader(self._receiving)
            self._loop.remove_writer(self._sending)

    def _look(self) -> None:
        """End the waiting where no frame can come any more."""
        if self._frame.done():
            return
        if self._has_died:
            self._frame.set_exception(EOFError())
        elif self._loop.time() > self._until:
            self._frame.set_exception(TimeoutError())
        else:
            # What it has written may still be on its way: once more.
            self._has_died = self._process.poll() is not None
            self._timer = self._loop.call_later(_LOOK_SECONDS, self._look)

    def _write(self) -> None:
        self._left = self._left[_written(self._sending, self._left) :]
        if not self._left:
            self._loop.remove_writer(self._sending)

    def _read(self) -> None:
        data = os.read(self._receiving.fileno(), _CHUNK)
        if self._frame.done():
            return
        if not data:
            self._frame.set_exception(EOFError())
        for frame in self._frames.feed(data):
            self._frame.set_result(frame)


def _late(what: str, seconds: float) -> str:
    return f"{what} within {seconds:g} seconds"


def _died(process: subprocess.Popen[bytes]) -> str:
    return f"the container has died, exit code {process.wait()}"


def _written(pipe: IO[bytes], data: memoryview) -> int:
    """Write what a pipe takes, and return how much that is; all of it if nobody reads it."""
    try:
        return os.write(pipe.fileno(), data[:_CHUNK])
    except BlockingIOError:
        return 0
    except OSError:
        return len(data)  # the worker is gone: its death is seen on the other pipe


def _environment(model_dir: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return a container's environment: nothing of ours but what a process needs to run."""
    return {
        **closed_environment(os.environ, model_dir.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        **variables,
        # The toolkit looks for the code below model/, whatever SAGEMAKER_SUBMIT_DIRECTORY says.
        "SAGEMAKER_BASE_DIR": str(model_dir.parent),
    }
