"""What the years of Amazon Reviews share: JSON lines of items, and of reviews or a CSV of ratings."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import pyarrow as pa

from recbole_mmm4rec.prepare.sources.base import ItemRecord
from recbole_mmm4rec.prepare.sources.batches import batched_rows
from recbole_mmm4rec.prepare.sources.json_lines import read_objects
from recbole_mmm4rec.prepare.sources.two_files import TwoFiles
from recbole_mmm4rec.prepare.tally import Tally


class AmazonReviews(TwoFiles, ABC):
    """One category: interactions and metadata.

    Class attributes:
        item_key: of a metadata object.
        review_keys: user, item, rating and time of a review object.
        unit: of the times, "s" or "ms".
    """

    item_key: ClassVar[str]
    review_keys: ClassVar[tuple[str, str, str, str]]
    unit: ClassVar[str]

    @abstractmethod
    def fields(self, entry: dict[str, Any], where: str, tally: Tally) -> dict[str, str]:
        """Title, category, brand and description of a metadata object."""

    @abstractmethod
    def picture(self, entry: dict[str, Any]) -> str:
        """Link of its picture, or empty."""

    @abstractmethod
    def ratings(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield the interactions of a CSV."""

    def items(self, tally: Tally) -> Iterator[ItemRecord]:
        """Yield what every metadata line that names its item says."""
        for number, entry in read_objects(self.items_path, tally):
            where = f"{self.items_path.name} line {number}"
            token = entry.get(self.item_key)
            if not isinstance(token, str) or not token.strip():
                tally.add(f"lines skipped: no {self.item_key}", where)
            else:
                yield ItemRecord(token.strip(), self.fields(entry, where, tally), self.picture(entry))

    def interactions(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield the ratings in file order."""
        if ".json" in self.interactions_path.name:
            yield from batched_rows(self._reviews(tally), self.unit)
        else:
            yield from self.ratings(tally)

    def _reviews(self, tally: Tally) -> Iterator[tuple[Any, Any, Any, Any]]:
        for number, review in read_objects(self.interactions_path, tally):
            missing = [key for key in self.review_keys if key not in review]
            if missing:
                tally.add(f"lines skipped: no {missing[0]}", f"{self.interactions_path.name} line {number}")
            else:
                user, item, rating, time = (review[key] for key in self.review_keys)
                yield user, item, rating, time
