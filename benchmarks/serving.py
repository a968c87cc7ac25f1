"""What ``neo run --serve`` costs beside a plain application with the same handler.

    python benchmarks/serving.py

Requests a second at 20 connections, in turns; the ratio within one run is what counts.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIGITS = ROOT / "examples" / "digits"
CONNECTIONS = 20
SECONDS = 4.0
ROUNDS = 3
KEY = "of-this-benchmark"
# The handler in the server's own process, as people write it.
PLAIN = """
import json, sys
sys.path.insert(0, {code!r})
import inference, numpy, onnxruntime, uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route
session = onnxruntime.InferenceSession({model!r}, providers=["CPUExecutionProvider"])
(name,) = [i.name for i in session.get_inputs()]

def answer(body, content_type):
    image = inference.neo_preprocess(json.loads(body), content_type)
    return inference.neo_postprocess(session.run(None, {{name: image}})[0])

async def invocations(request):
    body, kind = await run_in_threadpool(
        answer, await request.body(), request.headers.get("content-type"))
    return Response(body, headers={{"content-type": kind}})

app = Starlette(routes=[Route("/invocations", invocations, methods=["POST"])])
uvicorn.run(app, port={port}, log_level="warning", access_log=False)
"""


def main() -> None:
    """Print the figures."""
    ports = [_free_port(), _free_port()]
    plain = PLAIN.format(
        code=str(DIGITS / "code"), model=str(DIGITS / "digits.onnx"), port=ports[0]
    )
    served = [
        "from neo_constructs.cli.main import neo; neo()", "run", str(DIGITS / "digits.onnx"),
        "--code", str(DIGITS / "code"), "--serve", "--port", str(ports[1]),
    ]  # fmt: skip
    environment = {**os.environ, "NEO_RUN_KEY": KEY}
    servers = [
        subprocess.Popen([sys.executable, "-c", *arguments], env=environment)
        for arguments in ([plain], served)
    ]
    try:
        for port in ports:
            _wait_for(port)
        rates: list[list[float]] = [[], []]
        for _ in range(ROUNDS):
            for port, kept in zip(ports, rates, strict=True):
                kept.append(_measured(port))
    finally:
        for server in servers:
            server.terminate()
            server.wait()
    first, second = (statistics.median(kept) for kept in rates)
    print(f"plain application {first:.0f} requests/s, neo run --serve {second:.0f}/s")
    print(f"ratio {second / first:.2f}, by round:", end=" ")
    print(", ".join(f"{b / a:.2f}" for a, b in zip(*rates, strict=True)))


def _measured(port: int) -> float:
    """Ask from a process of its own, and return the requests a second."""
    code = f"import benchmarks.serving as s; print(s.ask_for_a_while({port}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def ask_for_a_while(port: int) -> float:
    """Return how many requests a second are answered."""
    body = (DIGITS / "image.json").read_bytes()
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: localhost:{port}\r\nx-neo-run-key: {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    until = time.monotonic() + SECONDS

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        count = 0
        while time.monotonic() < until:
            writer.write(request)
            reply = await reader.readuntil(b"\r\n\r\n")
            if not reply.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(reply.decode())
            length = reply.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            count += 1
        writer.close()
        return count

    async def every() -> int:
        return sum(await asyncio.gather(*(one() for _ in range(CONNECTIONS))))

    return asyncio.run(every()) / SECONDS


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens on {port}")


if __name__ == "__main__":
    main()
