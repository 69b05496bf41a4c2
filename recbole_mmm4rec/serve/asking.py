"""Routes that ask the model: recommend, similar, search, explain."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from io import BytesIO
from typing import Annotated, Any

import pandas as pd
from fastapi import APIRouter, Form, Response
from PIL import Image

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.pictures.reading import UnusablePicture, decode_picture
from recbole_mmm4rec.serve.answers import (
    Effect,
    Explanation,
    Found,
    Recommendations,
    Row,
    SimilarItems,
    SimilarList,
    UserList,
)
from recbole_mmm4rec.serve.requests import (
    MAX_IMAGE,
    ExplainRequest,
    ImageRequest,
    NamedHistory,
    RecommendRequest,
    SearchOptions,
    SearchRequest,
    SimilarRequest,
)
from recbole_mmm4rec.serve.service import Service, answer

MAX_ROWS = 50_000
"""Rows of an answer: histories x k."""


def asking(service: Service) -> APIRouter:
    """The routes, each in its own thread until the model is asked."""
    router = APIRouter(tags=["ask"])

    @router.post("/recommend", response_model=Recommendations, summary="The best next items")
    def recommend(request: RecommendRequest) -> Response:
        return answer(_recommended(service, request))

    @router.post("/similar", response_model=SimilarItems, summary="The items most alike to some items")
    def similar(request: SimilarRequest) -> Response:
        return answer(_similar(service, request))

    @router.post("/search", response_model=Found, summary="Items that go with a query, perhaps for somebody")
    def search(request: SearchRequest) -> Response:
        query = {"text": request.text, "vector": request.vector, "like": request.like}
        return answer(_found(service, request, query))

    @router.post("/search/image", response_model=Found, summary="Items that go with a picture")
    def search_image(request: Annotated[ImageRequest, Form(media_type="multipart/form-data")]) -> Response:
        options = SearchOptions(**request.options())
        return answer(_found(service, options, {"image": _picture(request.image.file.read(MAX_IMAGE + 1))}))

    @router.post("/explain", response_model=Explanation, summary="Why an item has its score")
    def explain(request: ExplainRequest) -> Response:
        return answer(_explained(service, request))

    return router


def _recommended(service: Service, request: RecommendRequest) -> Recommendations:
    users, asked = _histories(service, request)
    if len(users) * request.k > MAX_ROWS:
        raise UserError(f"histories times k: {len(users) * request.k:,} exceeds {MAX_ROWS:,} rows")
    with service.asked() as (recommender, notes):
        frame = recommender.recommend(
            **asked,
            k=request.k,
            exclude_seen=request.exclude_seen,
            on_unknown=request.on_unknown,
            categories=service.categories(request.categories, recommender.catalogue),
            per_category=request.per_category,
        )
    lists = _grouped(service, frame, "user", "item")
    results = [UserList(user=user, items=lists[key]) for key, user in users.items()]
    return Recommendations(results=results, notes=notes)


def _histories(service: Service, request: RecommendRequest) -> tuple[dict[Any, str | None], dict[str, Any]]:
    """What the lists are called, by the keys of the histories, and the arguments of ``recommend``."""
    if request.histories is None:
        name = None if request.user is None else str(request.user)
        key: Any = 0 if name is None else name
        items, times = service.history_of(request)
        asked: dict[str, Any] = {"histories": {key: items}, "allow": request.allow, "deny": request.deny}
        asked["times"] = None if times is None else {key: times}
        return {key: name}, asked
    several = _by_name(request.histories)
    asked = {"histories": {key: one.history for key, one in several.items()}}
    moments = {key: one.times for key, one in several.items() if one.times is not None}
    asked["times"] = moments or None
    for name in ("allow", "deny"):
        own = {key: ids for key, one in several.items() if (ids := getattr(one, name)) is not None}
        asked[name] = own or getattr(request, name)
    names = {key: None if one.user is None else str(one.user) for key, one in several.items()}
    return names, asked


def _by_name(histories: list[NamedHistory]) -> dict[Any, NamedHistory]:
    """By what notes and errors call them: the user, or the place where none is given or several are alike."""
    names = [None if one.user is None else str(one.user) for one in histories]
    alone = {name for name, count in Counter(names).items() if count == 1}
    keys = [name if name is not None and name in alone else place for place, name in enumerate(names)]
    return dict(zip(keys, histories, strict=True))


def _grouped(service: Service, frame: pd.DataFrame, by: str, item: str) -> dict[Any, list[Row]]:
    """The lists of a table, by one of its columns."""
    parts: dict[Any, tuple[list[str], list[float]]] = defaultdict(lambda: ([], []))
    for key, name, score in zip(
        frame[by].tolist(), frame[item].tolist(), frame["score"].tolist(), strict=True
    ):
        names, scores = parts[key]
        names.append(name)
        scores.append(score)
    rows = {key: service.rows(*part) for key, part in parts.items()}
    return defaultdict(list, rows)


def _similar(service: Service, request: SimilarRequest) -> SimilarItems:
    items = [str(item) for item in request.items]
    with service.asked() as (recommender, notes):
        unique = list(dict.fromkeys(items))
        frame = recommender.similar(unique, request.k, allow=request.allow, deny=request.deny)
    lists = _grouped(service, frame, "item", "similar")
    return SimilarItems(results=[SimilarList(item=item, items=lists[item]) for item in items], notes=notes)


def _found(service: Service, request: SearchOptions, query: dict[str, Any]) -> Found:
    history, times = service.history_of(request)
    given = {name: getattr(request, name) for name in ("k", "allow", "deny", "exclude_seen")}
    with service.asked() as (recommender, notes), service.rebuilding:
        frame = recommender.search(**query, history=history, times=times, **given)
    return Found(items=service.rows(frame["item"].tolist(), frame["score"].tolist()), notes=notes)


def _picture(data: bytes) -> Image.Image:
    if len(data) > MAX_IMAGE:
        raise UserError(f"image: larger than {MAX_IMAGE // 2**20} MiB")
    try:
        return decode_picture(BytesIO(data))
    except UnusablePicture as problem:
        raise UserError(f"image: not a usable picture: {problem}") from None


def _explained(service: Service, request: ExplainRequest) -> Explanation:
    history, times = service.history_of(request)
    assert history is not None
    item = str(request.item)
    with service.asked() as (recommender, notes), service.rebuilding:
        table = recommender.explain(history, item, times)
    effects = [_effect(service, row) for row in table.to_dict("records")]
    title = service.facts.title(item)
    return Explanation(item=item, title=title, score=table.attrs["score"], effects=effects, notes=notes)


def _effect(service: Service, row: dict[Any, Any]) -> Effect:
    numbers = {name: None if math.isnan(row[name]) else row[name] for name in ("score", "effect")}
    title = service.facts.title(row["what"]) if row["position"] >= 0 else None
    return Effect(
        left_out=row["left_out"], what=row["what"], position=row["position"], title=title, **numbers
    )
