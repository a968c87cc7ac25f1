"""A container's two paths on HTTP: GET /ping, POST /invocations."""

from __future__ import annotations

import hmac
import re
import socket
from collections.abc import Mapping

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from neo_constructs.archive.payload import MAX_PAYLOAD_BYTES
from neo_constructs.local.container import ContainerError, LocalContainer

GRACE_SECONDS = 2  # for a request that is under way when the server ends


_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


KEY_HEADER = "x-neo-run-key"


def refusal(headers: Mapping[str, str], key: str = "") -> str:
    """Return why a request is refused: only its user may run a script, and load pickles.

    Parameters
    ----------
    headers
        The request's.
    key
        What they must have. Default: nothing, as for a ping.
    """
    if key and not hmac.compare_digest(headers.get(KEY_HEADER, "").encode(), key.encode()):
        return f"Send the header {KEY_HEADER} with the key that 'neo run' has printed."
    if "origin" in headers or "sec-fetch-site" in headers:
        return "This takes no requests of web pages."
    if not _HOST.fullmatch(headers.get("host", "")):
        return "This takes requests for localhost only."
    return ""


def serve(container: LocalContainer, listening: socket.socket, key: str) -> None:
    """Serve until the process is interrupted. One request at a time reaches the worker."""

    async def ping(request: Request) -> Response:
        if why := refusal(request.headers):
            return PlainTextResponse(why, 403)
        return Response(status_code=200 if container.is_alive else 500)

    async def invocations(request: Request) -> Response:
        if why := refusal(request.headers, key):
            return PlainTextResponse(why, 403)
        body = await request.body()
        if len(body) > MAX_PAYLOAD_BYTES:
            return PlainTextResponse(f"The body is larger than {MAX_PAYLOAD_BYTES} bytes", 413)
        try:
            reply = await run_in_threadpool(
                container.invoke,
                body,
                content_type=request.headers.get("content-type", ""),
                accept=request.headers.get("accept", "*/*"),
            )
        except ContainerError as error:
            return PlainTextResponse(str(error), 500)
        # The type is the container's: no charset is added to it.
        headers = {"content-type": reply.content_type}
        return Response(reply.body, reply.status, headers=headers)

    routes = [Route("/ping", ping), Route("/invocations", invocations, methods=["POST"])]
    config = uvicorn.Config(
        Starlette(routes=routes), log_level="warning", timeout_graceful_shutdown=GRACE_SECONDS
    )
    uvicorn.Server(config).run(sockets=[listening])
