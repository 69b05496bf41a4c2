"""What may be asked, with limits on every size; what is beyond them is refused before any work."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

MAX_HISTORY, MAX_HISTORIES, MAX_K, MAX_IDS, MAX_ITEMS, MAX_TEXT = 1_000, 256, 1_000, 10_000, 100, 10_000
MAX_WIDTH, MAX_MODALITIES, MAX_ID = 65_536, 16, 1_000
MAX_IMAGE = 10 * 2**20
"""Bytes of a picture."""

Id = Annotated[StrictStr, Field(max_length=MAX_ID)] | Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
"""An id of an item or a user; a whole number is taken as its text."""
Moment = (
    Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
    | Annotated[float, Field(strict=True, allow_inf_nan=False)]
    | Annotated[StrictStr, Field(max_length=100)]
)
"""Seconds since 1970, or a date."""
History = Annotated[list[Id], Field(max_length=MAX_HISTORY)]
Moments = Annotated[list[Moment], Field(max_length=MAX_HISTORY)]
Ids = Annotated[list[Id], Field(max_length=MAX_IDS)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Vector = Annotated[list[Number], Field(min_length=1, max_length=MAX_WIDTH)]
Categories = (
    Annotated[StrictStr, Field(max_length=MAX_ID)]
    | Annotated[dict[Annotated[str, Field(max_length=MAX_ID)], Id | None], Field(max_length=MAX_IDS)]
)
K = Annotated[int, Field(strict=True, ge=1, le=MAX_K, description="Items per list.")]
Seen = Annotated[
    StrictBool | None,
    Field(description="Leave out the items of the history; null: as the model was evaluated."),
]


class Question(BaseModel):
    """A key that is not known is refused: it would be ignored without a word."""

    model_config = ConfigDict(extra="forbid")


class Filtered(Question):
    """How many items, and which may be among them."""

    k: K = 10
    allow: Ids | None = Field(None, description="Only these items.")
    deny: Ids | None = Field(None, description="Never these items.")


class OneHistory(Question):
    """A user's history: its ids, the oldest first, and perhaps their times."""

    history: History
    times: Moments | None = None


class NamedHistory(OneHistory):
    """One history of several, with its own lists."""

    user: Id | None = Field(None, description="Comes back with the list.")
    allow: Ids | None = None
    deny: Ids | None = None


class ForSomebody(Question):
    """A history, or a user whose history the dataset has."""

    history: History | None = Field(None, description="Ids of items, the oldest first.")
    times: Moments | None = Field(None, description="Of the history: seconds since 1970, or dates.")
    user: Id | None = Field(None, description="A user of the dataset, instead of a history.")

    @model_validator(mode="after")
    def _one(self) -> ForSomebody:
        if self.history is not None and self.user is not None:
            raise ValueError("history and user do not go together: one of them is needed")
        if self.times is not None and self.history is None:
            raise ValueError("times go with a history")
        return self


class RecommendRequest(ForSomebody, Filtered):
    """The best next items for one history, for a user of the dataset, or for many histories."""

    categories: Categories | None = Field(
        None, description="A field of the dataset's items, or the category of every item that is limited."
    )
    per_category: Annotated[int, Field(strict=True, ge=1, le=MAX_K)] | None = Field(
        None, description="Items of one category in a list, at most."
    )

    histories: Annotated[list[NamedHistory], Field(min_length=1, max_length=MAX_HISTORIES)] | None = None
    exclude_seen: Seen = None
    on_unknown: Literal["warn", "raise", "ignore"] = Field(
        "warn", description="Ids that the model does not know: left out and told, refused, or left out."
    )

    @model_validator(mode="after")
    def _one_form(self) -> RecommendRequest:
        given = [name for name in ("history", "user", "histories") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"exactly one of history, user and histories is needed, not {found}")
        if (self.categories is None) != (self.per_category is None):
            raise ValueError("categories and per_category go together")
        for name in ("allow", "deny"):
            within = any(getattr(one, name) is not None for one in self.histories or [])
            if within and getattr(self, name) is not None:
                raise ValueError(f"{name} stands beside histories and within them: one of the two")
        return self


class SimilarRequest(Filtered):
    """The items most alike to each of some items."""

    items: Annotated[list[Id], Field(min_length=1, max_length=MAX_ITEMS)]


class SearchOptions(ForSomebody, Filtered):
    """What goes with every query; with a history: more of this, for me."""

    exclude_seen: Seen = None


class SearchRequest(SearchOptions):
    """The items that go with a text, with features, or with other items: exactly one of them."""

    text: Annotated[StrictStr, Field(max_length=MAX_TEXT)] | None = None
    vector: Vector | Annotated[dict[str, Vector], Field(max_length=MAX_MODALITIES)] | None = Field(
        None, description="Features of one modality, or of several by their names."
    )
    like: Annotated[list[Id], Field(min_length=1, max_length=MAX_ITEMS)] | None = None


class ImageRequest(Question):
    """A picture and, as further fields of the form, what goes with every query; lists repeat their field."""

    image: UploadFile
    k: int = Field(10, ge=1, le=MAX_K)
    user: str | None = Field(None, max_length=MAX_ID)
    history: list[str] | None = Field(None, max_length=MAX_HISTORY)
    times: list[str] | None = Field(None, max_length=MAX_HISTORY)
    allow: list[str] | None = Field(None, max_length=MAX_IDS)
    deny: list[str] | None = Field(None, max_length=MAX_IDS)
    exclude_seen: bool | None = None

    def options(self) -> dict[str, Any]:
        """All but the picture, for :class:`SearchOptions`."""
        return self.model_dump(exclude={"image", "times"}) | {"times": self._moments()}

    def _moments(self) -> list[float | str] | None:
        """A form has texts only: those of numbers are seconds."""
        return None if self.times is None else [_moment(text) for text in self.times]


class ExplainRequest(ForSomebody):
    """Why an item has its score."""

    item: Id

    @model_validator(mode="after")
    def _whose(self) -> ExplainRequest:
        if self.history is None and self.user is None:
            raise ValueError("a history or a user is needed")
        return self


def _moment(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
