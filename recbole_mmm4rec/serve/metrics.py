"""What Prometheus reads, in this service's own registry."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

PREFIX = "recbole_mmm4rec"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
OTHER = "other"
"""Label of a request that no route takes: paths that anybody can make up are not to be labels."""


class Metrics:
    """Counts of requests, seconds, sizes of batches and reloads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        own: dict[str, Any] = {"registry": self._registry, "namespace": PREFIX}
        self._requests = Counter("requests", "Requests.", ["method", "path", "status"], **own)
        self._seconds = Histogram("request_seconds", "Seconds.", ["path"], buckets=_SECONDS, **own)
        self._batch_requests = Histogram("batch_requests", "Requests scored at once.", buckets=_SIZES, **own)
        self._batch_users = Histogram("batch_histories", "Histories scored at once.", buckets=_SIZES, **own)
        self._reloads = Counter("reloads", "Checkpoints loaded while serving.", ["result"], **own)
        self._in_flight = Gauge("requests_in_flight", "Requests being answered.", **own)
        for result in ("loaded", "refused"):
            self._reloads.labels(result)

    def batch(self, requests: int, histories: int) -> None:
        """A batch was scored."""
        self._batch_requests.observe(requests)
        self._batch_users.observe(histories)

    def reload(self, good: bool) -> None:
        """A checkpoint was loaded while serving, or refused."""
        self._reloads.labels("loaded" if good else "refused").inc()

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)

    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(method, path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def in_flight(self, change: int) -> None:
        """Requests began (1) or were answered (-1)."""
        self._in_flight.inc(change)


class Measured:
    """ASGI middleware: every request, by its route and not by its path."""

    def __init__(self, app: Any, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a request on, and note how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = perf_counter(), 500

        async def noting(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.in_flight(1)
        try:
            await self._app(scope, receive, noting)
        finally:
            self._metrics.in_flight(-1)
            path = getattr(scope.get("route"), "path", OTHER)
            method = scope["method"] if path != OTHER else OTHER
            self._metrics.request(method, path, status, perf_counter() - begun)
