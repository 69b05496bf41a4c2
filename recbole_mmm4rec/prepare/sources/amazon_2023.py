"""Amazon Reviews 2023 (Hou et al., 2024): items are ``parent_asin``, times are milliseconds."""

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

KEYS = ["user_id", "parent_asin", "rating", "timestamp"]


class Amazon2023:
    """One category: reviews as JSON lines, or the rating-only CSV with a header, and JSON-lines metadata."""

    has_time = True
    has_rating = True

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.interactions_path = find_file(folder, settings.interactions, "interactions")
        self.items_path = find_file(folder, settings.items, "metadata")

    def items(self, tally: Tally) -> Iterator[ItemRecord]:
        """Yield title, category, brand (the ``store``) and description of every line that names its item."""
        for number, entry in read_objects(self.items_path, tally):
            where = f"{self.items_path.name} line {number}"
            token = entry.get("parent_asin")
            if not isinstance(token, str) or not token.strip():
                tally.add("lines skipped: no parent_asin", where)
            else:
                yield ItemRecord(token.strip(), _fields(entry, where, tally), _picture(entry.get("images")))

    def interactions(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield the ratings in file order."""
        if ".json" in self.interactions_path.name:
            yield from batched_rows(self._reviews(tally), "ms")
            return
        for batch in read_table(self.interactions_path, KEYS, tally):
            user, item, rating, time = batch.columns
            yield interaction_batch(user, item, rating, time, "ms")

    def _reviews(self, tally: Tally) -> Iterator[tuple[Any, Any, Any, Any]]:
        for number, review in read_objects(self.interactions_path, tally):
            missing = [key for key in KEYS if key not in review]
            if missing:
                tally.add(f"lines skipped: no {missing[0]}", f"{self.interactions_path.name} line {number}")
            else:
                yield tuple(review[key] for key in KEYS)


def _fields(entry: dict[str, Any], where: str, tally: Tally) -> dict[str, str]:
    description = entry.get("description")
    return {
        "title": title_of(entry.get("title"), where, tally),
        "category": text_of(entry.get("categories")) or text_of(entry.get("main_category")),
        "brand": text_of(entry.get("store")),
        "description": str(description) if description else "",
    }


def _picture(images: Any) -> str:
    """Link of the main picture, the largest size first; later pictures only where the main one has none."""
    entries = [image for image in images if isinstance(image, dict)] if isinstance(images, list) else []
    ordered = sorted(entries, key=lambda image: image.get("variant") != "MAIN")
    return first_link(*(image.get(size) for image in ordered for size in ("hi_res", "large", "thumb")))
