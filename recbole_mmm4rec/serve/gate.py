"""What stands before every request: the key, its body whole, and the number of requests at a time.

In this order, so that who has no key costs nothing, and who sends slowly keeps nobody else from an answer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from starlette.responses import JSONResponse

from recbole_mmm4rec.serve.bodies import Bodies, ClientGoneError, RefusedError

OPEN = frozenset({"/health"})
"""Paths that need no key, read no body and are always answered: what watches over services asks them."""
MAX_IN_FLIGHT = 256


class Gate:
    """ASGI middleware that refuses with one sentence.

    Args:
        app: what is behind it.
        api_key: None: everybody may ask. A client sends it as ``Authorization: Bearer KEY``, as
            ``X-API-Key``, or as the password of HTTP Basic, for which a browser asks.
        bodies: reads them within limits.
        max_in_flight: requests at a time, from when their body is there until they are answered.
    """

    def __init__(
        self,
        app: Any,
        api_key: str | None = None,
        bodies: Bodies | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        self._app, self._bodies, self._max_in_flight = app, bodies or Bodies(), max_in_flight
        self._key = None if api_key is None else _digest(api_key.encode())
        self._in_flight = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a request on, or refuse it."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        try:
            self._check_key(dict(scope["headers"]))
            async with self._bodies.read(receive) as body:
                await self._answer(scope, _again(body, receive), send)
        except RefusedError as refused:
            answer = JSONResponse({"detail": refused.line}, refused.status, refused.headers)
            await answer(scope, receive, send)
        except ClientGoneError:
            return

    def _check_key(self, headers: dict[bytes, bytes]) -> None:
        if self._key is None or any(hmac.compare_digest(_digest(key), self._key) for key in _keys(headers)):
            return
        head = {"WWW-Authenticate": 'Basic realm="recbole-mmm4rec", charset="UTF-8"'}
        raise RefusedError(401, "a valid API key is needed", head)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if self._in_flight >= self._max_in_flight:
            line = f"{self._max_in_flight} requests are being answered already"
            raise RefusedError(503, line, {"Retry-After": "1"})
        self._in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight -= 1


def _again(body: bytes, receive: Any) -> Any:
    """What ASGI's ``receive`` gives: the body that was read, then what comes after it."""
    left: bytes | None = body

    async def again() -> Any:
        nonlocal left
        if left is None:
            return await receive()
        whole, left = left, None
        return {"type": "http.request", "body": whole, "more_body": False}

    return again


def _digest(key: bytes) -> bytes:
    """Of one length, so that comparing takes the same time for every key."""
    return hashlib.sha256(key).digest()


def _keys(headers: dict[bytes, bytes]) -> list[bytes]:
    """All keys that a request brings."""
    found = [headers[b"x-api-key"]] if b"x-api-key" in headers else []
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        found.append(value.strip())
    elif scheme.lower() == b"basic":
        try:
            found.append(base64.b64decode(value.strip(), validate=True).partition(b":")[2])
        except binascii.Error:
            return found
    return found
