"""Amazon Reviews 2018 (Ni, Li and McAuley, 2019); reads the 2014 files as well.

Interactions are the "ratings only" CSV ``item,user,rating,time`` (no header) or review objects, one a line.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from recbole_mmm4rec.prepare.sources.amazon import AmazonReviews
from recbole_mmm4rec.prepare.sources.amazon_fields import first_link, text_of, title_of
from recbole_mmm4rec.prepare.sources.batches import interaction_batch
from recbole_mmm4rec.prepare.sources.tables import read_table
from recbole_mmm4rec.prepare.tally import Tally

CSV_HEADER = ["item", "user", "rating", "time"]


class Amazon2018(AmazonReviews):
    """Items are ``asin``, times are seconds."""

    item_key = "asin"
    review_keys = ("reviewerID", "asin", "overall", "unixReviewTime")
    unit = "s"

    def ratings(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a file without a header."""
        for batch in read_table(self.interactions_path, CSV_HEADER, tally, header=CSV_HEADER):
            item, user, rating, time = batch.columns
            yield interaction_batch(user, item, rating, time, self.unit)

    def fields(self, entry: dict[str, Any], where: str, tally: Tally) -> dict[str, str]:
        """Title, category, brand and description; older files say ``categories``."""
        description = entry.get("description")
        return {
            "title": title_of(entry.get("title"), where, tally),
            "category": text_of(entry.get("category") or entry.get("categories")),
            "brand": text_of(entry.get("brand")),
            # kept as the list it is: the released code's text shows its brackets and quotes
            "description": str(description) if description else "",
        }

    def picture(self, entry: dict[str, Any]) -> str:
        """Link of the largest picture."""
        return first_link(entry.get("imageURLHighRes"), entry.get("imageURL"), entry.get("imUrl"))
