"""One serving container's worker: loads the model and the script, and answers requests.

It runs in an interpreter of its own (module names, working directory and environment are a
process's), which may be the user's: it imports nothing of this library, and of the files beside it
only the one that stands for the container. Requests and replies are a line of JSON and the body
after it.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any, BinaryIO


def main() -> None:
    """Load, say that it is done or why not, and serve until the input ends."""
    # Python puts this file's folder first; a script may have modules of the same names.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".") != Path(__file__).parent]
    # What a script prints must not run into the protocol.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    contract, model_dir, script, options = sys.argv[1:5]
    given = json.loads(options)
    try:
        if given.get("stand_in"):
            _container("stand_in")["prepare"](Path(model_dir), given.get("shapes"))
        handle = _container(contract)["load"](Path(model_dir), Path(script), given)
    except BaseException as error:
        traceback.print_exc()
        _write(replies, {"error": f"{type(error).__name__}: {error}"}, b"")
        return
    _write(replies, {"ready": True}, b"")
    while header := sys.stdin.buffer.readline():
        request = json.loads(header)
        body = sys.stdin.buffer.read(request["length"])
        status, content_type, reply = handle(body, request["content_type"], request["accept"])
        _write(replies, {"status": status, "content_type": content_type}, reply)


def _container(name: str) -> dict[str, Any]:
    """Run a container's file, without a module of a name that a script may mean."""
    return runpy.run_path(str(Path(__file__).parent / "containers" / f"{name}.py"))


def _write(stream: BinaryIO, header: dict[str, Any], body: bytes) -> None:
    stream.write(json.dumps({**header, "length": len(body)}).encode() + b"\n" + body)
    stream.flush()


if __name__ == "__main__":
    main()
