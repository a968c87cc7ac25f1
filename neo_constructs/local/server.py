"""A container's two paths on HTTP: GET /ping, POST /invocations."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import re
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from neo_constructs.archives.sample_payload import too_large
from neo_constructs.local.container import ContainerError, LocalContainer

GRACE_SECONDS: Final = 2  # for a request that is under way when the server ends
KEY_HEADER: Final = "x-neo-run-key"
_HOST: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
# HTTP in lower case, to what a script asks its context for.
# Rests on A-RUN-06.
_SPELLED: Final = {
    "x-amzn-sagemaker-custom-attributes": "X-Amzn-SageMaker-Custom-Attributes",
}


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


def spelled(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by the names that clients write, without those of this server's own."""
    return {
        _SPELLED.get(name, name.title()): value
        for name, value in headers.items()
        if name != KEY_HEADER
    }


def serve(container: LocalContainer, listening: socket.socket, key: str) -> None:
    """Serve until the process is interrupted. One request at a time reaches the worker."""
    # Rests on A-RUN-05.
    turn = asyncio.Lock()

    async def ping(request: Request) -> Response:
        if why := refusal(request.headers):
            return PlainTextResponse(why, 403)
        return Response(status_code=200 if container.is_alive else 500)

    async def invocations(request: Request) -> Response:
        if why := refusal(request.headers, key):
            return PlainTextResponse(why, 403)
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        if why := too_large(len(body), "request"):
            return PlainTextResponse(why, 413)
        try:
            async with turn:
                reply = await container.answer(body, spelled(request.headers))
        except ContainerError as error:
            return PlainTextResponse(str(error), 500)
        if why := too_large(len(reply.body), "reply"):
            return PlainTextResponse(why, 500)
        # The type is the container's: no charset is added to it.
        named = {"content-type": reply.content_type} if reply.content_type else {}
        return Response(reply.body, reply.status, headers={**reply.headers, **named})

    @contextlib.asynccontextmanager
    async def until_the_end(_: Starlette) -> AsyncIterator[None]:
        yield
        container.stop()  # also one that is being started anew, for which the loop would wait

    routes = [Route("/ping", ping), Route("/invocations", invocations, methods=["POST"])]
    config = uvicorn.Config(
        Starlette(routes=routes, lifespan=until_the_end),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listening])
