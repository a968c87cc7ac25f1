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
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

from neo_constructs.sandbox.environment import KEY_HEADER

Scope: TypeAlias = Mapping[str, Any]
App: TypeAlias = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]

HEALTH: Final = "/_ministack/health"
ANSWERS: Final = "/_ministack/cfn-response/"  # a random token follows: the URL is the right
_HOST: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]|[\w.-]+\.localhost)(:\d+)?")
_CREDENTIAL: Final = re.compile(r"Credential=([^/,\s]+)/")
_SESSION: Final = re.compile(r"(ASIA|AKIA)[A-Z0-9]{12,}")


def guarded(app: App, key: str) -> App:
    """Return an ASGI application that lets only requests of this run through.

    Parameters
    ----------
    app
        The emulator's.
    key
        The access key of this run.
    """

    async def guard(scope: Any, receive: Any, send: Any) -> None:
        why = refusal(scope, key) if scope["type"] == "http" else ""
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


def refusal(scope: Scope, key: str) -> str:
    """Return why a request is refused; empty for one of this run's."""
    headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
    if "origin" in headers or "sec-fetch-site" in headers:
        return "The sandbox takes no requests of web pages."
    if not _HOST.fullmatch(headers.get("host", "")):
        return "The sandbox takes requests for localhost only."
    path = str(scope["path"])
    if path == HEALTH:
        is_ours = hmac.compare_digest(headers.get(KEY_HEADER, ""), key)
        return "" if is_ours else "This is another sandbox."
    if path.startswith(ANSWERS):
        return ""
    return (
        ""
        if _is_known(_access_key(scope, headers), key)
        else (
            "The sandbox takes the access key of its own run only: start the client by "
            "'neo sandbox run', or from its shell."
        )
    )


def _is_known(access_key: str, key: str) -> bool:
    """Whether a key is this run's, or one whose signature the emulator checks itself."""
    return hmac.compare_digest(access_key.encode(), key.encode()) or bool(
        _SESSION.fullmatch(access_key)
    )


def _access_key(scope: Scope, headers: Mapping[str, str]) -> str:
    found = _CREDENTIAL.search(headers.get("authorization", ""))
    if found:
        return found[1]
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    given = query.get("X-Amz-Credential") or query.get("AWSAccessKeyId") or [""]
    return str(given[0]).partition("/")[0]
