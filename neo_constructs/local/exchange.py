"""Send a request to a worker and receive its reply, by a blocking call or by an event loop.

A worker's death is asked for, too: what it has started may keep its end of the pipe open.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import subprocess
import time
from typing import IO, Final

from neo_constructs.local.frames import Frame, Frames

_LOOK_SECONDS: Final = 0.2
_OPEN_FRAME: Final = 0.5  # how long what a dead worker has written may still be on its way
_CHUNK: Final = 1 << 16


def exchange(process: subprocess.Popen[bytes], unsent: bytes, seconds: float) -> Frame:
    """Send some bytes to a worker, and return its next frame.

    Parameters
    ----------
    process
        The worker; its pipes do not block.
    unsent
        What is sent; may be nothing.
    seconds
        How long the frame may take.

    Raises
    ------
    EOFError
        If the worker has died, or closed its end.
    TimeoutError
        If there is no frame in time.
    """
    sending, receiving = _pipes(process)
    if sending.closed:
        raise EOFError
    until, died_at, frames = time.monotonic() + seconds, float("inf"), Frames()
    left = memoryview(unsent)
    with selectors.DefaultSelector() as ready:
        ready.register(receiving, selectors.EVENT_READ)
        if left:
            ready.register(sending, selectors.EVENT_WRITE)
        while True:
            for key, _ in ready.select(_LOOK_SECONDS):
                if key.fileobj is sending:
                    left = left[_written(sending, left) :]
                    if not left:
                        ready.unregister(sending)
                    continue
                data = os.read(key.fd, _CHUNK)
                if not data:
                    raise EOFError
                for frame in frames.feed(data):
                    return frame
            now = time.monotonic()
            if process.poll() is not None:
                died_at = min(died_at, now)
            if now > died_at + _OPEN_FRAME:
                raise EOFError
            if now > until:
                raise TimeoutError


class Exchange:
    """One request to a worker and its reply, by the running event loop.

    Parameters
    ----------
    process
        The worker; its pipes do not block.
    unsent
        What is sent.
    """

    def __init__(self, process: subprocess.Popen[bytes], unsent: bytes) -> None:
        self._loop = asyncio.get_running_loop()
        self._frame: asyncio.Future[Frame] = self._loop.create_future()
        self._sending, self._receiving = _pipes(process)
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


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Return what a worker reads and what it writes."""
    assert process.stdin and process.stdout  # noqa: S101, PT018 - opened with the process
    return process.stdin, process.stdout


def _written(pipe: IO[bytes], data: memoryview) -> int:
    """Write what a pipe takes, and return how much that is; all of it if nobody reads it."""
    try:
        return os.write(pipe.fileno(), data[:_CHUNK])
    except BlockingIOError:
        return 0
    except OSError:
        return len(data)  # the worker is gone: its death is seen on the other pipe
