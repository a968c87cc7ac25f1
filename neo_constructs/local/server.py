"""A container's two paths on HTTP: GET /ping, POST /invocations."""

from __future__ import annotations

import socket

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from neo_constructs.archive.payload import MAX_PAYLOAD_BYTES
from neo_constructs.local.container import ContainerError, LocalContainer

GRACE_SECONDS = 2  # for a request that is under way when the server ends


def serve(container: LocalContainer, listening: socket.socket) -> None:
    """Serve until the process is interrupted. One request at a time reaches the worker."""

    async def ping(_request: Request) -> Response:
        return Response(status_code=200 if container.is_alive else 500)

    async def invocations(request: Request) -> Response:
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
