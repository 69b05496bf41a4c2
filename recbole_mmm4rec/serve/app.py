"""The application: routes, what stands before them, and its OpenAPI document."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from recbole_mmm4rec import __version__
from recbole_mmm4rec.serve.asking import asking
from recbole_mmm4rec.serve.examples import examples
from recbole_mmm4rec.serve.gate import Gate
from recbole_mmm4rec.serve.generations import Watch
from recbole_mmm4rec.serve.looking import looking
from recbole_mmm4rec.serve.metrics import Measured
from recbole_mmm4rec.serve.operating import operating
from recbole_mmm4rec.serve.problems import RESPONSES, install
from recbole_mmm4rec.serve.service import Service

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic", "description": "Any name; the key is the password."},
}


def create_app(service: Service, api_key: str | None = None, watch: float = 0.0) -> FastAPI:
    """The application over a service.

    Args:
        service: what it answers from.
        api_key: None: everybody may ask.
        watch: seconds between two looks at the checkpoint's file; 0: it is loaded again on request only.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watching = Watch(service.served, watch) if watch else None
        _on_hangup(service.served.try_reload)
        yield
        if watching is not None:
            await asyncio.to_thread(watching.close)
        await asyncio.to_thread(service.batcher.close)

    app = FastAPI(title="recbole-mmm4rec", version=__version__, lifespan=lifespan, responses=RESPONSES)
    for routes in (asking, looking, operating):
        app.include_router(routes(service))
    install(app)
    app.add_middleware(Gate, api_key=api_key)
    app.add_middleware(Measured, metrics=service.metrics)
    app.openapi = lambda: _document(app, service, api_key is not None)  # type: ignore[method-assign]
    return app


def _on_hangup(reload: Callable[[], None]) -> None:
    """SIGHUP loads the checkpoint again, where a system has that signal and this is the main thread."""
    loop = asyncio.get_running_loop()
    with suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, reload))


def _document(app: FastAPI, service: Service, needs_key: bool) -> dict[str, Any]:
    """OpenAPI, with examples of items that the model of the moment knows."""
    now = service.served.current
    if app.openapi_schema is None or app.state.documented != now.number:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        for path, bodies in examples(now.recommender).items():
            content = document["paths"][path]["post"]["requestBody"]["content"]
            content["application/json"]["examples"] = {name: {"value": body} for name, body in bodies.items()}
        if needs_key:
            document["components"]["securitySchemes"] = _SCHEMES
            document["security"] = [{name: []} for name in _SCHEMES]
            document["paths"]["/health"]["get"]["security"] = []
        app.openapi_schema, app.state.documented = document, now.number
    return app.openapi_schema
