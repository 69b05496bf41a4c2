"""Bodies of requests, read whole within limits on the size of one, the time it takes, and the bytes of all.

Who asks sends a body at the pace that she likes. What is read takes memory from its first byte on and holds
it until the request is answered, so the bytes of all requests are counted together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

MAX_BODY = 16 * 2**20
"""Bytes of one body."""
MAX_TOGETHER = 256 * 2**20
"""Bytes of all bodies that are held at a time."""
SECONDS = 60.0
"""For a body to arrive."""
_READ_ON = 4
"""Times the largest body: so much of a larger one is read, for a client that still writes hears nothing."""


class RefusedError(Exception):
    """A request that is not answered: ``status``, one sentence, and headers of the refusal."""

    def __init__(self, status: int, line: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(line)
        self.status, self.line, self.headers = status, line, headers


class ClientGoneError(Exception):
    """The client left before its body was there."""


class Bodies:
    """Reads bodies.

    Args:
        largest: bytes of one body.
        together: bytes of all bodies that are held at a time.
        seconds: for a body to arrive.
    """

    def __init__(
        self, largest: int = MAX_BODY, together: int = MAX_TOGETHER, seconds: float = SECONDS
    ) -> None:
        self._largest, self._together, self._seconds = largest, together, seconds
        self._held = 0

    @asynccontextmanager
    async def read(self, receive: Any) -> AsyncIterator[bytes]:
        """The whole body of a request; its bytes count until the end of the context.

        Args:
            receive: ASGI's, of a request.

        Raises:
            RefusedError: too large, too slow, or too many bytes at a time. Where a rest of the body is not
                read, the connection ends with the answer, so that nobody waits for it.
            ClientGoneError: nobody is there to be answered.
        """
        chunks: list[bytes] = []
        try:
            try:
                async with asyncio.timeout(self._seconds):
                    await self._collect(receive, chunks)
            except TimeoutError:
                line = f"the request's body did not arrive within {self._seconds:g} s"
                raise RefusedError(408, line, {"Connection": "close"}) from None
            yield b"".join(chunks)
        finally:
            self._held -= sum(map(len, chunks))

    async def _collect(self, receive: Any, chunks: list[bytes]) -> None:
        """Take chunks in and count them; one that makes the body too large is not kept."""
        size, ends = 0, False
        while not ends:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGoneError
            chunk = message.get("body", b"")
            size += len(chunk)
            ends = not message.get("more_body", False) or size > _READ_ON * self._largest
            if size > self._largest:
                continue
            if self._held + len(chunk) > self._together:
                line = f"requests of {self._together / 2**20:g} MiB are being answered already"
                raise RefusedError(503, line, {"Retry-After": "1", "Connection": "close"})
            self._held += len(chunk)
            chunks.append(chunk)
        if size > self._largest:
            raise RefusedError(413, f"the request is larger than {self._largest / 2**20:g} MiB")
