"""Routes for who runs the service: health, metrics, reload; and the page."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import HTMLResponse

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.page import live_page
from recbole_mmm4rec.serve.answers import Health, Problem
from recbole_mmm4rec.serve.service import Service, answer

_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}}}
}


def operating(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["operate"])

    @router.get("/health", response_model=Health, summary="What is served, and since when")
    def health() -> Response:
        return answer(service.health())

    @router.get("/metrics", response_class=Response, responses=_TEXT, summary="Metrics for Prometheus")
    def metrics() -> Response:
        return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @router.post(
        "/reload",
        response_model=Health,
        responses={409: {"model": Problem}},
        summary="Load the checkpoint again",
    )
    def reload() -> Response:
        try:
            service.served.reload()
        except UserError as error:
            path = service.served.path
            raise HTTPException(409, str(error).replace(str(path), path.name)) from None
        return answer(service.health())

    @router.get("/", include_in_schema=False)
    def page() -> Response:
        return HTMLResponse(live_page(service.served.current.recommender))

    return router
