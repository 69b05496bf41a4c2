"""Amazon Reviews 2018 (Ni, Li and McAuley, 2019); reads the 2014 files as well.

Interactions are the "ratings only" CSV ``item,user,rating,time`` (no header) or review objects, one a line.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.sources.amazon_fields import first_link, text_of, title_of
from recbole_mmm4rec.prepare.sources.base import ItemRecord
from recbole_mmm4rec.prepare.sources.batches import batched_rows, interaction_batch
from recbole_mmm4rec.prepare.sources.files import find_file
from recbole_mmm4rec.prepare.sources.json_lines import read_objects
from recbole_mmm4rec.prepare.sources.tables import read_table
from recbole_mmm4rec.prepare.tally import Tally

CSV_HEADER = ["item", "user", "rating", "time"]
REVIEW_KEYS = ("reviewerID", "asin", "overall", "unixReviewTime")


class Amazon2018:
    """One category: a file of interactions and a file of metadata."""

    has_time = True
    has_rating = True

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.interactions_path = find_file(folder, settings.interactions, "interactions")
        self.items_path = find_file(folder, settings.items, "metadata")

    def items(self, tally: Tally) -> Iterator[ItemRecord]:
        """Yield title, category, brand and description of every metadata line that names its item."""
        for number, entry in read_objects(self.items_path, tally):
            where = f"{self.items_path.name} line {number}"
            token = entry.get("asin")
            if not isinstance(token, str) or not token.strip():
                tally.add("lines skipped: no asin", where)
            else:
                yield ItemRecord(token.strip(), _fields(entry, where, tally), _picture(entry))

    def interactions(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield the ratings in file order."""
        if ".json" in self.interactions_path.name:
            yield from batched_rows(self._reviews(tally), "s")
            return
        for batch in read_table(self.interactions_path, CSV_HEADER, tally, header=CSV_HEADER):
            item, user, rating, time = batch.columns
            yield interaction_batch(user, item, rating, time, "s")

    def _reviews(self, tally: Tally) -> Iterator[tuple[Any, Any, Any, Any]]:
        for number, review in read_objects(self.interactions_path, tally):
            missing = [key for key in REVIEW_KEYS if key not in review]
            if missing:
                tally.add(f"lines skipped: no {missing[0]}", f"{self.interactions_path.name} line {number}")
            else:
                yield tuple(review[key] for key in REVIEW_KEYS)


def _fields(entry: dict[str, Any], where: str, tally: Tally) -> dict[str, str]:
    description = entry.get("description")
    return {
        "title": title_of(entry.get("title"), where, tally),
        "category": text_of(entry.get("category") or entry.get("categories")),
        "brand": text_of(entry.get("brand")),
        # kept as the list it is: the released code's text shows its brackets and quotes
        "description": str(description) if description else "",
    }


def _picture(entry: dict[str, Any]) -> str:
    return first_link(entry.get("imageURLHighRes"), entry.get("imageURL"), entry.get("imUrl"))
