"""Who may talk to the emulator: this run's own clients, and nobody else on this machine.

What reaches the port deploys, and so runs, any code: a page in a browser, another user's program.
The emulator checks the signatures of sessions and of IAM users itself, but takes some well-known
keys, and requests without any, for the account's root.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

from neo_constructs.sandbox.environment import KEY_HEADER

Scope: TypeAlias = Mapping[str, Any]
App: TypeAlias = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]

HEALTH: Final = "/_ministack/health"
ANSWERS: Final = "/_ministack/cfn-response/"  # a random token follows: the URL is the right
_ADMIN: Final = "/_ministack/"
_HOST: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]|[\w.-]+\.localhost)(:\d+)?")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the emulator takes for whom.

    Parameters
    ----------
    key
        The access key of this run.
    key_of
        Returns the access key that the emulator reads from headers and query: the same function,
        so that a request cannot be one thing here and another there.
    is_issued
        Whether it has given out an access key, whose signature it then checks itself.
    """

    key: str
    key_of: Callable[[Mapping[str, str], Mapping[str, list[str]]], str]
    is_issued: Callable[[str], bool]


def guarded(app: App, known: Credentials) -> App:
    """Return an ASGI application that lets only requests of this run through."""

    async def guard(scope: Any, receive: Any, send: Any) -> None:
        why = refusal(scope, known) if scope["type"] == "http" else ""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif why:
            body = json.dumps({"__type": "AccessDeniedException", "message": why}).encode()
            headers = [(b"content-type", b"application/x-amz-json-1.1")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await app(scope, receive, send)

    return guard


def _foreign(headers: Mapping[str, str]) -> str:
    if "origin" in headers or "sec-fetch-site" in headers:
        return "The sandbox takes no requests of web pages."
    if not _HOST.fullmatch(headers.get("host", "")):
        return "The sandbox takes requests for localhost only."
    return ""


def refusal(scope: Scope, known: Credentials) -> str:
    """Return why a request is refused; empty for one of this run's."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    if why := _foreign(headers):
        return why
    path = str(scope["path"])
    if path == HEALTH:
        is_ours = hmac.compare_digest(headers.get(KEY_HEADER, "").encode(), known.key.encode())
        return "" if is_ours else "This is another sandbox."
    if path.startswith(ANSWERS):
        return ""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    access_key = known.key_of(headers, query)
    if hmac.compare_digest(access_key.encode(), known.key.encode()):
        return ""
    if not path.startswith(_ADMIN) and access_key and known.is_issued(access_key):
        return ""
    return (
        "The sandbox takes the access key of its own run only: start the client by "
        "'neo sandbox run', or from its shell."
    )
