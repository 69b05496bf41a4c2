"""What all routes share: the model of the moment, the facts of the dataset, and how items are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel
from starlette.responses import Response

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.category_cap import ItemCategories
from recbole_mmm4rec.recommend.dataset_facts import DatasetFacts
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.recommend.telling import listed
from recbole_mmm4rec.serve.answers import Health, Row
from recbole_mmm4rec.serve.batching import Batcher
from recbole_mmm4rec.serve.generations import Generation, Served
from recbole_mmm4rec.serve.item_search import ItemSearch
from recbole_mmm4rec.serve.metrics import Metrics
from recbole_mmm4rec.serve.requests import ForSomebody


@dataclass
class Service:
    """What routes answer from.

    Attributes:
        served: the checkpoint.
        facts: of the dataset.
        batcher: scores histories of requests.
        metrics: counts requests.
        rebuilding: held while a model is built for one request, which takes memory and all cores.
    """

    served: Served
    facts: DatasetFacts
    batcher: Batcher
    metrics: Metrics
    rebuilding: Lock = field(default_factory=Lock)
    _begun: float = field(default_factory=monotonic)
    _search: tuple[int, ItemSearch] | None = None
    _categories: dict[str, ItemCategories] = field(default_factory=dict)

    @contextmanager
    def asked(self) -> Iterator[tuple[Recommender, list[str]]]:
        """A recommender for one request, and the notes of what it leaves out."""
        with listed() as notes:
            yield self.served.current.for_request(self.batcher), notes

    def history_of(self, request: ForSomebody) -> tuple[list[Any] | None, list[Any] | None]:
        """Items and times that a request gives, or that the dataset has of its user; both None without.

        Raises:
            UserError: the dataset does not have the user.
        """
        if request.user is None:
            return request.history, request.times
        known = self.facts.history(str(request.user))
        if known is None:
            where = "the dataset" if self.facts.rows else "the service, which has no dataset with users,"
            raise UserError(f'user: {where} does not know "{request.user}"')
        return known

    def rows(self, items: Iterable[str], scores: Iterable[float]) -> list[Row]:
        """A list, best first."""
        ranked = enumerate(zip(items, scores, strict=True), start=1)
        return [Row(rank=at, score=score, **self.shown(item)) for at, (item, score) in ranked]

    def shown(self, item: str) -> dict[str, Any]:
        """``item``, ``title`` and ``picture`` of an answer."""
        address = f"/items/{quote(item, safe='')}/picture" if item in self.facts.pictures else None
        return {"item": item, "title": self.facts.title(item), "picture": address}

    def item_search(self) -> ItemSearch:
        """Over the items of the model of the moment."""
        generation = self.served.current
        made = self._search
        if made is None or made[0] < generation.number:
            made = self._search = generation.number, ItemSearch(generation.recommender.items, self.facts)
        return made[1]

    def categories(self, asked: str | dict[str, Any] | None, catalogue: Catalogue) -> ItemCategories | None:
        """Categories of a request: its own, or those of a field of the dataset, made ready once for a model.

        Raises:
            UserError: the dataset has no such field, or no item is the model's.
        """
        if asked is None:
            return None
        if not isinstance(asked, str):
            texts = {item: None if category is None else str(category) for item, category in asked.items()}
            return ItemCategories(catalogue, texts)
        made = self._categories.get(asked)
        if made is None or not made.fits(catalogue):  # the first request, or the first after a reload
            made = self._categories[asked] = ItemCategories(catalogue, self.facts.categories(asked))
        return made

    def health(self) -> Health:
        """What is served at the moment."""
        now: Generation = self.served.current
        return Health(
            status="stale" if self.served.is_stale else "ok",
            model=now.recommender.blueprint.name,
            items=len(now.recommender.items),
            modalities=list(now.recommender.catalogue.features),
            users=len(self.facts.rows),
            reads_times=now.recommender.scorer.layout.time is not None,
            loaded=now.loaded.isoformat(timespec="seconds").replace("+00:00", "Z"),
            generation=now.number,
            uptime_s=round(monotonic() - self._begun, 3),
        )


def answer(content: BaseModel) -> Response:
    """Written as it is: it is made of checked parts, which FastAPI would check once more."""
    return Response(content.model_dump_json(), media_type="application/json")
