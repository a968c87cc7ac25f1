"""What is being done now, and for how long. Of the standard library alone: tools use it too."""

from __future__ import annotations

import shutil
import threading
import time
from types import TracebackType
from typing import Final, Self, TextIO

_REDRAWN_SECONDS: Final = 0.5
_WRITTEN_SECONDS: Final = 5.0
_REPEATED_SECONDS: Final = 10.0
_CLEAR_LINE: Final = "\r\x1b[K"


class Progress:
    r"""Show the current step with its seconds while a block runs.

    In a terminal it is one line that changes and goes when the block ends. Elsewhere it is a line
    for a new step, at most every 5 seconds, and one for the same step every 10.

    Parameters
    ----------
    output
        Where to write.

    Examples
    --------
    >>> import io
    >>> out = io.StringIO()
    >>> with Progress(out) as progress:
    ...     progress.step("collecting numpy")
    >>> out.getvalue()
    '    0 s  collecting numpy\n'
    """

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._is_terminal = output.isatty()
        self._began = time.monotonic()
        self._written_at, self._written = float("-inf"), ""
        self._step = ""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def step(self, text: str) -> None:
        """Say what is being done now."""
        self._step = text
        self._show()

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._began

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._ticker.join()
        if self._is_terminal:
            self._write(_CLEAR_LINE)

    def _tick(self) -> None:
        while not self._ended.wait(_REDRAWN_SECONDS):
            self._show()

    def _show(self) -> None:
        with self._lock:
            now, step = time.monotonic(), self._step
            silent = now - self._written_at
            is_due = silent >= (_REPEATED_SECONDS if step == self._written else _WRITTEN_SECONDS)
            if not step or not (self._is_terminal or is_due):
                return
            self._written_at, self._written = now, step
            line = f"{now - self._began:5.0f} s  {step}"[: shutil.get_terminal_size().columns - 1]
            self._write(f"{_CLEAR_LINE}{line}" if self._is_terminal else f"{line}\n")

    def _write(self, text: str) -> None:
        try:
            self._output.write(text)
            self._output.flush()
        except (OSError, ValueError):  # the reader is gone: the work is not stopped for that
            self._ended.set()
