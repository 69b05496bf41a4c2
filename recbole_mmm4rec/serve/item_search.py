"""Items by a part of their id or title."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.recommend.dataset_facts import DatasetFacts


class ItemSearch:
    """Items of a catalogue in its order.

    Args:
        items: (N,) object ids.
        facts: know titles.
    """

    def __init__(self, items: np.ndarray, facts: DatasetFacts) -> None:
        self._items = items
        self._texts = [pa.array(items.tolist(), pa.large_string())]
        if facts.fields:
            self._texts.append(pa.array([facts.title(item) for item in items], pa.large_string()))

    def find(self, query: str, offset: int, limit: int) -> tuple[int, list[str]]:
        """How many items go with a query, and some of them from ``offset`` on; an empty one finds all.

        Args:
            query: a part of the id or the title, in upper or lower case.
            offset: items to pass over.
            limit: most items.
        """
        found = self._items
        if query:
            hits = [
                pc.match_substring(text, query, ignore_case=True).fill_null(False) for text in self._texts
            ]
            mask = hits[0] if len(hits) == 1 else pc.or_(*hits)
            found = self._items[mask.to_numpy(zero_copy_only=False)]
        return len(found), found[offset : offset + limit].tolist()
