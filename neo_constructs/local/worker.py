"""One serving container's worker: loads the model and the script, and answers requests.

It runs in an interpreter of its own (module names, working directory and environment are a
process's), which may be the user's: it imports nothing of this library but the container's files
beside it. Requests and replies are a line of JSON and the body after it.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import traceback
import types
from pathlib import Path
from typing import Any, BinaryIO

# A package name that no script means, for the files in containers/.
_PACKAGE = "_neo_constructs_containers"


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
    package = types.ModuleType(_PACKAGE)
    package.__path__ = [str(Path(__file__).parent / "containers")]
    sys.modules[_PACKAGE] = package
    try:
        if given.get("stand_in"):
            _container("stand_in").prepare(Path(model_dir), given.get("shapes"))
        handle = _container(contract).load(Path(model_dir), Path(script), given)
    except BaseException as error:
        if not isinstance(error, ModuleNotFoundError):  # which says all in its one line
            traceback.print_exc()
        where = _place_in(folder, error)
        _write(replies, {"error": f"{type(error).__name__}: {_text(error)}{where}"}, b"")
        return
    _write(replies, {"ready": True}, b"")
    # Rests on A-RUN-05.
    while header := requests.readline():
        request = json.loads(header)
        body = requests.read(request["length"])
        if not _answer(replies, handle, body, request["headers"]):
            return


def _answer(replies: BinaryIO, handle: Any, body: bytes, headers: dict[str, str]) -> bool:
    """Write a reply that can be sent, whatever the script has made; return whether to go on."""
    server = _container("model_server")
    is_last = False
    try:
        made, given, reply = handle(body, headers)
        status, named = _sendable(made, given)
    except (server.WorkerDied, SystemExit, KeyboardInterrupt) as error:
        sys.stderr.write(f"here the container's worker dies, and is started anew: {error!r}\n")
        (status, named, reply), is_last = server.worker_died(), True
    except Exception as error:
        traceback.print_exc()
        text = f"The reply cannot be sent: {type(error).__name__}: {_text(error)}"
        status, named, reply = 500, {"content-type": "text/plain"}, text.encode(errors="replace")
    _write(replies, {"status": status, "headers": named, "last": is_last}, reply)
    return not is_last


# RFC 9110: a token, and a value without control characters.
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OF_THE_SERVER = ("content-length", "transfer-encoding", "connection")


def _sendable(status: Any, given: dict[Any, Any]) -> tuple[int, dict[str, str]]:
    """Return a status and headers as HTTP has them; the length is the server's business."""
    named = {str(name): str(value) for name, value in given.items()}
    for name, value in named.items():
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise ValueError(f"no header of HTTP: {name!r}: {value!r}")
    if not 200 <= int(status) < 600:
        raise ValueError(f"no status of a reply: {status!r}")
    return int(status), {n: v for n, v in named.items() if n.lower() not in _OF_THE_SERVER}


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(it does not say)"


def _place_in(folder: str, error: BaseException) -> str:
    """Return the last line of the script's folder that an error went through; empty if none."""
    if isinstance(error, SyntaxError):
        return ""  # whose text names file and line
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(folder):
            file = os.path.relpath(frame.filename, folder)
            return f" ({file}, line {frame.lineno}, in {frame.name})"
    return ""


def _container(name: str) -> Any:
    """Import a container's file."""
    return importlib.import_module(f"{_PACKAGE}.{name}")


def _write(stream: BinaryIO, header: dict[str, Any], body: bytes) -> None:
    stream.write(json.dumps({**header, "length": len(body)}).encode() + b"\n" + body)
    stream.flush()


if __name__ == "__main__":
    main()
