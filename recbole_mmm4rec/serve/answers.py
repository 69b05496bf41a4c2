"""What is answered. Every item comes with the title and the picture that the dataset has of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """Why a request cannot be answered, in one sentence."""

    detail: str


class Titled(BaseModel):
    """An item as a person knows it. ``picture``: its address here."""

    item: str
    title: str | None = None
    picture: str | None = None


class Row(Titled):
    """An item's place in a list."""

    rank: int
    score: float


class ItemFacts(Titled):
    """What is known of an item. ``known``: the model knows it, so that it can be recommended."""

    fields: dict[str, str] = {}
    known: bool


class ItemPage(BaseModel):
    """Some of the items that go with a query. ``total``: how many there are."""

    total: int
    items: list[ItemFacts]


class UserFacts(BaseModel):
    """A user of the dataset, and how many events there are of hers."""

    user: str
    events: int


class UserPage(BaseModel):
    """Some of the users that go with a query."""

    total: int
    users: list[UserFacts]


class Event(ItemFacts):
    """An item of a user's history. ``time``: seconds since 1970."""

    time: float | None = None


class UserHistory(BaseModel):
    """All events of a user, the oldest first."""

    user: str
    history: list[Event]


class Noted(BaseModel):
    """``notes``: what was asked for and is not in the answer, one sentence each."""

    notes: list[str] = Field([], description="What was asked for and is not in the answer.")


class UserList(BaseModel):
    """One user's list, best first; empty where nothing could be recommended, which a note counts."""

    user: str | None = None
    items: list[Row]


class Recommendations(Noted):
    """A list per history, in their order."""

    results: list[UserList]


class SimilarList(BaseModel):
    """The items most alike to ``item``."""

    item: str
    items: list[Row]


class SimilarItems(Noted):
    """A list per item of the request."""

    results: list[SimilarList]


class Found(Noted):
    """Items that go with a query, best first."""

    items: list[Row]


class Effect(BaseModel):
    """``score`` without one thing, and by how much the full score is larger; null where there is none."""

    left_out: str
    what: str
    position: int
    score: float | None
    effect: float | None
    title: str | None = None


class Explanation(Noted):
    """The score of an item, and what each part of the history and each modality does to it."""

    item: str
    title: str | None = None
    score: float
    effects: list[Effect]


class Health(BaseModel):
    """What is served. ``stale``: a newer checkpoint could not be loaded, so this is the one before it."""

    status: Literal["ok", "stale"]
    model: str
    items: int
    modalities: list[str]
    users: int
    reads_times: bool
    loaded: str = Field(description="When the checkpoint was loaded, UTC.")
    generation: int = Field(description="1 for the first checkpoint, one more after every reload.")
    uptime_s: float
