"""A container's two paths on HTTP: GET /ping, POST /invocations."""

from __future__ import annotations

from neo_constructs.local.container import ContainerError, LocalContainer

MAX_BODY_BYTES = 6 * 1024**2  # API reference, InvokeEndpoint


def serve(container: LocalContainer, *, host: str, port: int) -> None:
    """Serve until the process is interrupted. One request at a time reaches the worker."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    async def ping(_request: Request) -> Response:
        return Response(status_code=200 if container.is_alive else 500)

    async def invocations(request: Request) -> Response:
        body = await request.body()
        if len(body) > MAX_BODY_BYTES:
            return PlainTextResponse(f"The body is larger than {MAX_BODY_BYTES} bytes", 413)
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

    routes = [
        Route("/ping", ping),
        Route("/invocations", invocations, methods=["POST"]),
    ]
    uvicorn.run(Starlette(routes=routes), host=host, port=port, log_level="warning")
