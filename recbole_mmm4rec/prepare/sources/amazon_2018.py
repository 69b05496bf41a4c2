"""Amazon Reviews 2018 (Ni, Li and McAuley, 2019); reads the 2014 files as well.

Interactions are the "ratings only" CSV ``item,user,rating,time`` (no header) or review objects, one a line.
"""

from typing import Any

from recbole_mmm4rec.prepare.sources.amazon import AmazonReviews
from recbole_mmm4rec.prepare.sources.amazon_fields import first_link, text_of, title_of
from recbole_mmm4rec.prepare.tally import RowCount

CSV_HEADER = ["item", "user", "rating", "time"]


class Amazon2018(AmazonReviews):
    """Items are ``asin``, times are seconds."""

    item_key = "asin"
    review_keys = ("reviewerID", "asin", "overall", "unixReviewTime")
    time_unit = "s"
    csv_columns = ("user", "item", "rating", "time")
    csv_header = CSV_HEADER

    def fields(self, entry: dict[str, Any], where: str, rows: RowCount) -> dict[str, str]:
        """Title, category, brand and description; older files say ``categories``."""
        description = entry.get("description")
        return {
            "title": title_of(entry.get("title"), where, rows),
            "category": text_of(entry.get("category") or entry.get("categories")),
            "brand": text_of(entry.get("brand")),
            # kept as the list it is: the released code's text shows its brackets and quotes
            "description": str(description) if description else "",
        }

    def picture(self, entry: dict[str, Any]) -> str:
        """Link of the largest picture."""
        return first_link(entry.get("imageURLHighRes"), entry.get("imageURL"), entry.get("imUrl"))
