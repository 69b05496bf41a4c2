"""Whatever is wrong with a request is one sentence: ``{"detail": ...}``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.serve import requests
from recbole_mmm4rec.serve.answers import Problem

LOGGER = logging.getLogger(__name__)
UNUSABLE = 422
RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "A body that cannot be read"},
    401: {"model": Problem, "description": "An API key is needed"},
    404: {"model": Problem, "description": "Not known"},
    408: {"model": Problem, "description": "The body did not arrive in time"},
    413: {"model": Problem, "description": "Too large"},
    UNUSABLE: {"model": Problem, "description": "A value that cannot be used"},
    503: {"model": Problem, "description": "Too many requests at a time"},
}
"""Of every route."""
_PLACES = ("body", "query", "path")
_FORMS = [
    form for form in vars(requests).values() if isinstance(form, type) and hasattr(form, "model_fields")
]
_FIELDS = {name for form in _FORMS for name in form.model_fields} | {"query", "limit", "offset"}


def install(app: FastAPI) -> None:
    """Have all errors of an application answered in one sentence."""

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = error.errors()
        # of all of a body: FastAPI takes one for bytes that is not said to be JSON
        if tuple(errors[0]["loc"]) == ("body",) and not _says_json(request):
            return problem(UNUSABLE, "the body must be JSON, sent with Content-Type: application/json")
        return problem(UNUSABLE, sentence(errors))

    @app.exception_handler(ValidationError)
    async def unreadable_form(_: Request, error: ValidationError) -> JSONResponse:
        return problem(UNUSABLE, sentence(error.errors()))

    @app.exception_handler(UserError)
    async def unusable(_: Request, error: UserError) -> JSONResponse:
        return problem(UNUSABLE, str(error))

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        LOGGER.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem(500, "the service failed; its log says how")


def _says_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def problem(status: int, line: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """One sentence, also where it quotes text that UTF-8 does not have."""
    text = " ".join(line.encode("utf-8", "replace").decode().split())
    return JSONResponse({"detail": text}, status, dict(headers or {}))


def sentence(errors: Sequence[Any]) -> str:
    """What is wrong with the first value of those that are."""
    if errors[0]["type"] == "json_invalid":
        return f"the body is not JSON: {errors[0].get('ctx', {}).get('error', 'it cannot be read')}"
    where = _where(errors[0]["loc"])
    found = dict.fromkeys(_what(error) for error in errors if _where(error["loc"]) == where)
    return f"{where}{' or '.join(found)}"


def _where(location: Sequence[int | str]) -> str:
    """``history[3]: ``; names of pydantic's own for branches of a union are left out."""
    parts = [part for part in location if isinstance(part, int) or part in _FIELDS]
    if location and location[0] in _PLACES:
        parts = [part for part in location[1:] if isinstance(part, int) or part in _FIELDS]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return f"{text.lstrip('.')}: " if text else ""


def _what(error: Any) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "extra_forbidden":
        return f'"{error["loc"][-1]}" is not a key of this request'
    text = str(error["msg"])
    return text[:1].lower() + text[1:]
