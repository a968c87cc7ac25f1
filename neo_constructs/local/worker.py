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
    contract, model_dir, script, options = sys.argv[1:5]
    # The protocol's own ends: what a script reads or prints must not run into them.
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    given = json.loads(options)
    # As in the container the script's folder comes first, also before the standard library; what
    # is needed here has been imported by now.
    folder = str(Path(script).parent)
    others = [entry for entry in sys.path if Path(entry or ".") != Path(__file__).parent]
    sys.path[:] = [folder, *([f"{folder}/lib"] if contract == "tensorflow" else []), *others]
    os.environ["PYTHONPATH"] = folder
    try:
        if given.get("stand_in"):
            _container("stand_in")["prepare"](Path(model_dir), given.get("shapes"))
        handle = _container(contract)["load"](Path(model_dir), Path(script), given)
    except BaseException as error:
        traceback.print_exc()
        _write(replies, {"error": f"{type(error).__name__}: {_text(error)}"}, b"")
        return
    _write(replies, {"ready": True}, b"")
    while header := requests.readline():
        request = json.loads(header)
        body = requests.read(request["length"])
        status, content_type, reply = _answer(handle, body, request)
        _write(replies, {"status": status, "content_type": content_type}, reply)


def _answer(handle: Any, body: bytes, request: dict[str, Any]) -> tuple[int, str, bytes]:
    """Return a reply that can be sent, whatever the script has made."""
    try:
        status, content_type, reply = handle(body, request["content_type"], request["accept"])
        if isinstance(content_type, bytes):
            content_type = content_type.decode()
        str(content_type).encode("latin-1")  # as a header of HTTP
        encoded = reply if isinstance(reply, bytes) else str(reply).encode()
        return int(status), str(content_type), encoded
    except Exception as error:
        traceback.print_exc()
        text = f"The reply cannot be sent: {type(error).__name__}: {_text(error)}"
        return 500, "text/plain", text.encode(errors="replace")


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(it does not say)"


def _container(name: str) -> dict[str, Any]:
    """Run a container's file, without a module of a name that a script may mean."""
    return runpy.run_path(str(Path(__file__).parent / "containers" / f"{name}.py"))


def _write(stream: BinaryIO, header: dict[str, Any], body: bytes) -> None:
    stream.write(json.dumps({**header, "length": len(body)}).encode() + b"\n" + body)
    stream.flush()


if __name__ == "__main__":
    main()
