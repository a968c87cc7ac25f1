"""The emulator's process: ministack, with the SageMaker layer put in, bound to our life."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from pathlib import Path

from neo_constructs.sandbox import ministack_hooks, processes
from neo_constructs.sandbox.environment import WATCHED


def main() -> None:
    """Serve until ended, or until the process that started us is gone."""
    pipe = int(sys.argv[1])
    sys.argv[1:] = []
    threading.Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    ministack_hooks.serve()


def _end_with_parent(pipe: int) -> None:
    os.read(
        pipe, 1
    )  # returns when the process that started us has ended: the kernel closes its end
    folder = Path(os.environ["TMPDIR"])  # the sandbox's own
    processes.end_watched(folder / WATCHED)
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    main()
