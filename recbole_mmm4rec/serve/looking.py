"""Routes that tell what is known of items and users."""

from __future__ import annotations

from itertools import repeat
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response

from recbole_mmm4rec.recommend.dataset_facts import thumbnail
from recbole_mmm4rec.serve.answers import Event, ItemFacts, ItemPage, UserFacts, UserHistory, UserPage
from recbole_mmm4rec.serve.service import Service, answer

Part = Annotated[str, Query(max_length=1_000)]
Limit = Annotated[int, Query(ge=0, le=100)]
Offset = Annotated[int, Query(ge=0, lt=2**63)]
JPEG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {"schema": {"type": "string", "contentMediaType": "image/jpeg"}}}}
}
_AGE = {"Cache-Control": "private, max-age=3600"}


def looking(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["look"])

    @router.get("/items", response_model=ItemPage, summary="Items of the model by a part of id or title")
    def items(query: Part = "", limit: Limit = 20, offset: Offset = 0) -> Response:
        total, found = service.item_search().find(query, offset, limit)
        return answer(ItemPage(total=total, items=[_facts(service, item, True) for item in found]))

    @router.get(
        "/items/{item:path}/picture", response_class=Response, responses=JPEG, summary="An item's picture"
    )
    def picture(item: str) -> Response:
        paths = service.facts.pictures.get(item)
        if paths is None:
            raise HTTPException(404, f'there is no picture of item "{item}"')
        return Response(thumbnail(paths), media_type="image/jpeg", headers=_AGE)

    @router.get("/items/{item:path}", response_model=ItemFacts, summary="What is known of an item")
    def one_item(item: str) -> Response:
        known = _known(service, [item])[0]
        if not known and item not in service.facts.fields:
            raise HTTPException(404, f'neither the model nor the dataset knows item "{item}"')
        return answer(_facts(service, item, known))

    @router.get("/users", response_model=UserPage, summary="Users of the dataset by a part of their id")
    def users(query: Part = "", limit: Limit = 20, offset: Offset = 0) -> Response:
        found = service.facts.users_like(query)
        shown = found[offset : offset + limit]
        counted = [UserFacts(user=user, events=service.facts.event_count(user)) for user in shown]
        return answer(UserPage(total=len(found), users=counted))

    @router.get("/users/{user:path}", response_model=UserHistory, summary="The history of a user")
    def one_user(user: str) -> Response:
        history = service.facts.history(user)
        if history is None:
            raise HTTPException(404, f'the dataset has no user "{user}"')
        items, times = history
        facts = (
            _shown(service, item, known) for item, known in zip(items, _known(service, items), strict=True)
        )
        events = [Event(**f, time=time) for f, time in zip(facts, times or repeat(None), strict=False)]
        return answer(UserHistory(user=user, history=events))

    return router


def _known(service: Service, items: list[str]) -> list[bool]:
    return (service.served.current.recommender.catalogue.numbers(items) > 0).tolist()


def _facts(service: Service, item: str, known: bool) -> ItemFacts:
    return ItemFacts(**_shown(service, item, known))


def _shown(service: Service, item: str, known: bool) -> dict[str, Any]:
    return service.shown(item) | {"fields": service.facts.fields.get(item, {}), "known": known}
