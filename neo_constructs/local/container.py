"""A serving container's stand-in: a model folder, a script, and the worker that serves them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from neo_constructs.archive.entry_point import Contract
from neo_constructs.local import worker

_FILES = {
    Contract.TOOLKIT: "toolkit",
    Contract.TENSORFLOW: "tensorflow",
    Contract.DLR: "dlr",
    Contract.NONE: "builtin",
}
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


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
    ) -> None:
        self._lock = threading.Lock()
        arguments = [_FILES[contract], str(model_dir), str(script), json.dumps(options or {})]
        try:
            self._process = subprocess.Popen(
                [python, worker.__file__, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=model_dir,  # the model server starts its workers there
                env=_environment(model_dir, script, environment),
            )
        except OSError as error:
            raise ContainerError(f"{python} cannot be run: {error}") from error
        header, _ = self._read()
        if "error" in header:
            self.stop()
            raise ContainerError(f"the container could not load: {header['error']}")

    def invoke(self, body: bytes, *, content_type: str, accept: str = "*/*") -> Reply:
        """Send one request.

        Raises
        ------
        ContainerError
            If the worker has died.
        """
        header = {"length": len(body), "content_type": content_type, "accept": accept}
        with self._lock:
            assert self._process.stdin  # noqa: S101 - opened above
            try:
                self._process.stdin.write(json.dumps(header).encode() + b"\n" + body)
                self._process.stdin.flush()
            except OSError as error:
                raise ContainerError(f"the container has died: {error}") from error
            reply, content = self._read()
        return Reply(int(str(reply["status"])), str(reply["content_type"]), content)

    @property
    def is_alive(self) -> bool:
        """Whether the worker runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the worker."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def _read(self) -> tuple[dict[str, object], bytes]:
        assert self._process.stdout  # noqa: S101 - opened above
        line = self._process.stdout.readline()
        if not line:
            raise ContainerError(f"the container has died, exit code {self._process.wait()}")
        header = json.loads(line)
        return header, self._process.stdout.read(header["length"])


def _environment(model_dir: Path, script: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return a container's environment: nothing of ours but what a process needs to run."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **variables,
        "PYTHONPATH": str(script.parent),
        # The toolkit looks for the code below model/, whatever SAGEMAKER_SUBMIT_DIRECTORY says.
        "SAGEMAKER_BASE_DIR": str(model_dir.parent),
    }
