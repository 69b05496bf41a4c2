"""What stands before every request: the key, the number of requests at a time, the size of a body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from starlette.responses import JSONResponse

OPEN = frozenset({"/health"})
"""Paths that need no key: what watches over services has none."""
MAX_BODY = 16 * 2**20
"""Bytes."""
MAX_IN_FLIGHT = 256
_READ_ON = 4
"""Times the largest body: so much of a larger one is read, for a client that still writes hears nothing."""


class Gate:
    """ASGI middleware that refuses with one sentence.

    Args:
        app: what is behind it.
        api_key: None: everybody may ask. A client sends it as ``Authorization: Bearer KEY``, as
            ``X-API-Key``, or as the password of HTTP Basic, for which a browser asks.
        max_body: bytes.
        max_in_flight: requests at a time.
    """

    def __init__(
        self,
        app: Any,
        api_key: str | None = None,
        max_body: int = MAX_BODY,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        self._app, self._max_body, self._max_in_flight = app, max_body, max_in_flight
        self._key = None if api_key is None else _digest(api_key.encode())
        self._in_flight = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if not self._has_key(scope["path"], headers):
            head = {"WWW-Authenticate": 'Basic realm="recbole-mmm4rec", charset="UTF-8"'}
            await _refuse(401, "a valid API key is needed", head)(scope, receive, send)
            return
        if self._in_flight >= self._max_in_flight:
            line = f"{self._max_in_flight} requests are being answered already"
            await _refuse(503, line, {"Retry-After": "1"})(scope, receive, send)
            return
        self._in_flight += 1
        try:
            await self._with_body(scope, receive, send)
        finally:
            self._in_flight -= 1

    def _has_key(self, path: str, headers: dict[bytes, bytes]) -> bool:
        if self._key is None or path in OPEN:
            return True
        return any(hmac.compare_digest(_digest(key), self._key) for key in _keys(headers))

    async def _with_body(self, scope: Any, receive: Any, send: Any) -> None:
        """Read the body before anything works on it; a chunk that makes it too large is not kept."""
        chunks, size, ends = [], 0, False
        while not ends:
            message = await receive()
            if message["type"] != "http.request":  # the client is gone
                return
            size += len(message.get("body", b""))
            ends = not message.get("more_body", False) or size > _READ_ON * self._max_body
            if size <= self._max_body:
                chunks.append(message.get("body", b""))
        if size > self._max_body:
            line = f"the request is larger than {self._max_body / 2**20:g} MiB"
            await _refuse(413, line)(scope, receive, send)
            return
        body: bytes | None = b"".join(chunks)

        async def again() -> Any:
            nonlocal body
            if body is None:
                return await receive()
            whole, body = body, None
            return {"type": "http.request", "body": whole, "more_body": False}

        await self._app(scope, again, send)


def _refuse(status: int, line: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": line}, status, headers)


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
