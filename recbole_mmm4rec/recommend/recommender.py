"""What a trained model can be asked, with the user's own ids on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.data.offenders import named
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.catalogue import Catalogue, as_tokens, listed_ids, one_or_more
from recbole_mmm4rec.recommend.category_cap import ItemCategories, category_cap
from recbole_mmm4rec.recommend.explanation import explained
from recbole_mmm4rec.recommend.histories import Histories, read_histories
from recbole_mmm4rec.recommend.lent_counts import lend_counts
from recbole_mmm4rec.recommend.lists import alike_lists, allowed_lists, exact_lists, index_of, indexed_lists
from recbole_mmm4rec.recommend.neighbours import ANN
from recbole_mmm4rec.recommend.new_items import NewItems, read_new_items
from recbole_mmm4rec.recommend.query import read_query
from recbole_mmm4rec.recommend.ranking import Filters, check_k
from recbole_mmm4rec.recommend.rebuild import Blueprint
from recbole_mmm4rec.recommend.telling import check_on_unknown, tell, treat_unknown
from recbole_mmm4rec.recommend.trained_model import TrainedModel, scorer_over
from recbole_mmm4rec.recommend.user_lists import Part, as_table, rows_with_items, told_lists

Ids = Sequence[Any]
"""Ids of items as the data has them; numbers and texts are the same (5 is "5")."""


class Recommender(TrainedModel):
    """A trained model over a catalogue of items; made by :func:`recbole_mmm4rec.load`.

    Ids are the user's own. What cannot be done raises :class:`~recbole_mmm4rec.errors.UserError` with one
    line; what was left out is counted in a :class:`~recbole_mmm4rec.recommend.telling.RecommendWarning`.

    Attributes:
        index: None, ``ann`` or the file of an index, as :func:`recbole_mmm4rec.load` takes it.
    """

    def __init__(
        self, blueprint: Blueprint, catalogue: Catalogue, model: Any, index: str | None = None
    ) -> None:
        super().__init__(blueprint, catalogue, scorer_over(blueprint, catalogue, model))
        self.index = index
        self._index = None if index is None else index_of(self.scorer, index, blueprint.name)
        self._missed_times = False

    # Users -------------------------------------------------------------------------------------------------

    def recommend(
        self,
        histories: Any,
        times: Any = None,
        k: int = 10,
        exclude_seen: bool | None = None,
        allow: Any = None,
        deny: Any = None,
        on_unknown: str = "warn",
        categories: Mapping[Any, Any] | ItemCategories | None = None,
        per_category: int | None = None,
    ) -> pd.DataFrame:
        """The k best next items of one user or a million.

        Args:
            histories: one history (ids, the oldest first), a list of histories, a mapping user -> history, or
                a table with columns ``user_id``, ``item_id`` and perhaps ``timestamp`` (its rows are put in
                the order of their times). Any length; a model reads the last L items that it knows.
            times: of the same form, seconds since 1970 or dates; without them a model with a time branch
                takes all events as simultaneous, which is reported once.
            k: items per user.
            exclude_seen: leave out the items of a user's history, all of it; None: as in evaluation.
            allow: recommend only these: ids, a mapping user -> ids, or one list of ids per history.
            deny: never these; of the same forms.
            on_unknown: ids that the model does not know are left out and counted (``warn``), refused
                (``raise``) or left out in silence (``ignore``).
            categories, per_category: id of an item -> its category, and how many items of one category a list
                may have at most.

        Returns:
            Columns ``user``, ``rank`` (from 1), ``item`` and ``score`` (float32), best first; fewer than k
            rows of a user whose candidates are fewer. Equal scores come in the order of the catalogue.

        Raises:
            UserError: wrong forms or values; a single history without an item that the model knows. In a
                batch such users are left out and counted.
        """
        lists = {"exclude_seen": exclude_seen, "allow": allow, "deny": deny}
        lists |= {"categories": categories, "per_category": per_category}
        parts = list(self.recommend_in_parts(histories, times, k, on_unknown=on_unknown, **lists))
        return pd.concat(parts, ignore_index=True) if parts else self._table(np.empty(0, object), [], [])

    def recommend_in_parts(
        self, histories: Any, times: Any = None, k: int = 10, *, on_unknown: str = "warn", **lists: Any
    ) -> Iterator[pd.DataFrame]:
        """The same, some users at a time, so that memory does not grow with their number.

        ``lists`` are the arguments of :meth:`recommend` from ``exclude_seen`` to ``deny``, and of categories.
        """
        check_k(k, len(self.items))
        known = self._histories(histories, times, on_unknown)
        filters = self.filters(known.users, on_unknown, **lists)
        rows = rows_with_items(known)
        return told_lists(self.ranked(known, rows, filters, k), known, rows, k)

    def filters(
        self,
        users: np.ndarray,
        on_unknown: str = "warn",
        exclude_seen: bool | None = None,
        allow: Any = None,
        deny: Any = None,
        categories: Any = None,
        per_category: Any = None,
    ) -> Filters:
        """Who of some users (U,) may be recommended what; arguments and errors as for :meth:`recommend`."""
        leaves_out = self.exclude_seen if exclude_seen is None else exclude_seen
        cap = category_cap(self.catalogue, categories, per_category)
        filters = Filters(self.catalogue, users, allow, deny, leaves_out, cap)
        treat_unknown(filters.unknown, "allow and deny", on_unknown)
        return filters

    def ranked(self, histories: Histories, rows: np.ndarray, filters: Filters, k: int) -> Iterator[Part]:
        """Lists of some users at a time.

        Args:
            histories: of all users.
            rows: (n,) int64 positions of users whose histories are not empty.
            filters: made for all users.
            k: items per user.

        Returns:
            Positions of the users, the table of :meth:`recommend`, and how many rows each user has.
        """
        step = self.scorer.users_at_a_time
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            some = histories.of(part)
            if self._index is None:
                values, numbers = exact_lists(self.scorer, some, part, filters, k)
            else:
                values, numbers = indexed_lists(self.scorer, self._index, some, part, filters, k)
            yield part, self._table(some.users, values, numbers), (values > -np.inf).sum(1)

    def _table(self, users: np.ndarray, values: Any, numbers: Any) -> pd.DataFrame:
        return as_table(self.catalogue.tokens, users, values, numbers)

    def _histories(self, histories: Any, times: Any, on_unknown: str) -> Histories:
        check_on_unknown(on_unknown)
        known, unknown = read_histories(histories, times, self.catalogue)
        treat_unknown(unknown, "histories", on_unknown)
        if self.scorer.layout.time is not None and known.times is None and not self._missed_times:
            self._missed_times = True
            tell("no times given: the model, trained with times, takes all events as simultaneous")
        return known

    def _history(self, history: Any, times: Any) -> Histories:
        """That of one user, who has an item that the model knows."""
        lone = [listed_ids(history, "history")]
        known = self._histories(lone, None if times is None else [times], "warn")
        rows_with_items(known)
        return known

    def encode_users(self, histories: Any, times: Any = None, on_unknown: str = "warn") -> pd.DataFrame:
        """User vectors: one row per user, (U, D) float32, by the user's id.

        Arguments and errors as for :meth:`recommend`; also refuses a model whose scores are not products.
        With ``co_occurrence`` scores are more than products: what was counted is not in the vectors.
        """
        known = self._histories(histories, times, on_unknown)
        rows = rows_with_items(known)
        step = self.scorer.users_at_a_time
        starts = range(0, len(rows), step)
        parts = [self.scorer.user_vectors(known.of(rows[at : at + step])).cpu() for at in starts]
        vectors = torch.cat(parts).numpy() if parts else np.zeros((0, 0), np.float32)
        return pd.DataFrame(vectors, index=pd.Index(known.users[rows], name="user"))

    # Items -------------------------------------------------------------------------------------------------

    def encode_items(self, items: Ids | None = None) -> pd.DataFrame:
        """Item vectors, one row per item, (n, E) float32, by the item's id; of all items when None.

        Cosines between them say how alike items are. For most models they are the vectors whose products
        with user vectors are scores; for MISSRec with weights of the user's, its modalities side by side.

        Raises:
            UserError: an id that the model does not know, or a model without vectors.
        """
        numbers = np.arange(1, len(self.catalogue)) if items is None else self._known(items, "items")
        vectors = self.scorer.item_vectors()[torch.from_numpy(numbers).to(self.scorer.device)]
        index = pd.Index(self.catalogue.tokens[numbers], name="item")
        return pd.DataFrame(vectors.cpu().numpy(), index=index)

    def similar(self, items: Any, k: int = 10, allow: Any = None, deny: Any = None) -> pd.DataFrame:
        """The k items most alike to each of some items, by the cosine of their vectors.

        Args:
            items: an id or a list of ids.
            k: how many.
            allow, deny: as for :meth:`recommend`, with an item in the place of a user.

        Returns:
            Columns ``item``, ``rank``, ``similar`` and ``score``, the cosine; never the item itself.

        Raises:
            UserError: an id that the model does not know, a model without vectors, no candidate left.
        """
        check_k(k, len(self.items))
        numbers = self._known(items, "items")
        vectors = F.normalize(self.scorer.item_vectors(), dim=1)
        own = Histories(self.catalogue.tokens[numbers], numbers, np.arange(len(numbers) + 1), None)
        filters = self.filters(own.users, exclude_seen=True, allow=allow, deny=deny)
        parts = [self._table(own.users[:0], [], [])]
        for start in range(0, len(own), self.scorer.users_at_a_time):
            rows = np.arange(start, min(start + self.scorer.users_at_a_time, len(own)))
            some = own.of(rows)
            parts.append(self._table(some.users, *alike_lists(vectors, some, rows, filters, k)))
        found = pd.concat(parts[1:] or parts, ignore_index=True)
        return found.rename(columns={"item": "similar", "user": "item"})

    def _known(self, ids: Any, what: str) -> np.ndarray:
        return self.catalogue.known(as_tokens(one_or_more(ids, what)), what)

    # Search ------------------------------------------------------------------------------------------------

    def search(
        self,
        vector: Any = None,
        text: str | None = None,
        image: Any = None,
        like: Ids | None = None,
        history: Ids | None = None,
        times: Any = None,
        k: int = 10,
        allow: Ids | None = None,
        deny: Ids | None = None,
        exclude_seen: bool | None = None,
    ) -> pd.DataFrame:
        """The k items that go with a query, in the space of the recommendations.

        A query is an imaginary item: it passes the trained adapters like any other. Without a history
        items are ranked by their likeness to it; with one, it stands last in the history, and items are
        ranked as the next one.

        Args:
            vector: features of the query: (D_m,) of the modality of that width, or modality -> (D_m,).
            text, image: to be encoded as the items' own were; a picture is a path or a PIL image.
            like: ids of items; their mean is the query, and they are not among the results.
            history, times: ids, the oldest first, and when they were chosen.
            k, allow, deny, exclude_seen: as for :meth:`recommend`.

        Returns:
            Columns ``rank``, ``item`` and ``score``: a cosine, or the model's score with a history.

        Raises:
            UserError: not exactly one query; a model without features; an encoder that is not installed or
                not the items' own; a vector of another width or with NaN; a picture that is none.
        """
        check_k(k, len(self.items))
        if like is None and self.catalogue.features:
            self.require_content("a query by features")
        query = read_query(self.catalogue, vector, text, image, like)
        known = None
        if history is not None:
            known = self._history(history, times)
        leaves_out = self.exclude_seen if exclude_seen is None else exclude_seen
        scores, seen = query.scores(self, known, leaves_out)
        filters = self.filters(seen.users, exclude_seen=True, allow=allow, deny=deny)
        lists = allowed_lists(scores, seen, np.zeros(1, np.int64), filters, k)
        found = self._table(seen.users, *lists).drop(columns="user")
        if found.empty:
            raise UserError("search: allow, deny and exclude_seen leave no item")
        if len(found) < k:
            tell(f"search: {len(found)} items left after filters, fewer than {k}")
        return found

    # New items ---------------------------------------------------------------------------------------------

    def add_items(
        self,
        ids: Ids,
        vectors: Mapping[str, Any] | None = None,
        texts: Sequence[str] | None = None,
        pictures: Sequence[Any] | None = None,
    ) -> None:
        """Make items that training never saw candidates and history items, at once and without training.

        What a model learnt for every item by itself they get as the mean of all items: content decides.
        Counts of training they borrow from the items most like them, and this likeness counts too.

        Args:
            ids: n new ids.
            vectors: modality -> (n, D_m); a row of zeros says that an item lacks it.
            texts, pictures: n texts, n paths or PIL images, encoded as the items' own were; None where an
                item has none.

        Raises:
            UserError: an id that is known or stands twice, an item without any feature, another number or
                width, NaN, an encoder that is missing, or a model that scores ids only. Nothing is changed
                then.
        """
        new = self._new_items(ids, vectors, texts, pictures)
        strangers = self.catalogue.numbers(new.ids) > 0
        if strangers.any():
            raise UserError(f"add_items: {named(new.ids[strangers])}: already an item")
        index = self.index and ANN  # a file is of the old items
        grown = Recommender(*self._over(torch.arange(len(self.catalogue)), new), index)
        self.blueprint, self.catalogue, self.scorer = grown.blueprint, grown.catalogue, grown.scorer
        self.index, self._index = grown.index, grown._index

    def with_catalogue(
        self,
        ids: Ids,
        vectors: Mapping[str, Any] | None = None,
        texts: Sequence[str] | None = None,
        pictures: Sequence[Any] | None = None,
    ) -> Recommender:
        """The same model over other items altogether, without training (zero-shot).

        Arguments and errors as for :meth:`add_items`, but ids may be those of old items.
        """
        new = self._new_items(ids, vectors, texts, pictures)
        return Recommender(*self._over(torch.tensor([PAD]), new), self.index and ANN)

    def _new_items(self, ids: Any, vectors: Any, texts: Any, pictures: Any) -> NewItems:
        self.require_content("items that training never saw")
        return read_new_items(self.catalogue, ids, vectors, texts, pictures)

    def _over(self, rows: torch.Tensor, new: NewItems) -> tuple[Blueprint, Catalogue, Any]:
        catalogue = self.catalogue.part(rows, new.features, new.ids.tolist())
        model = self.blueprint.over(catalogue, rows, len(new.ids))
        lend_counts(self, model, catalogue, len(new.ids))
        return self.blueprint.grown(model, catalogue), catalogue, model

    # Reasons -----------------------------------------------------------------------------------------------

    def explain(self, history: Ids, item: Any, times: Any = None) -> pd.DataFrame:
        """How an item's score changes when one thing is left out: exact, each by a prediction without it.

        Args:
            history: ids, the oldest first.
            item: the id of the item whose score is explained.
            times: of the history.

        Returns:
            Columns ``left_out`` (``history item``, ``modality of the history``, ``modality of the item``),
            ``what`` (an id or a modality's name), ``position`` among the known items of the history from 0,
            or -1, ``score`` without it, and ``effect``, the full score less that; by position, then modality.
            ``attrs["score"]`` is the full score. A history of one item has no score without it (NaN).

        Raises:
            UserError: as for :meth:`recommend`; an item that the model does not know.
        """
        known = self._history(history, times)
        return explained(self, known, int(self._known([item], "item")[0]))
