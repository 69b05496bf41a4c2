"""Amazon Reviews 2023 (Hou et al., 2024): reviews as JSON lines, or the rating-only CSV with a header."""

from typing import Any

from recbole_mmm4rec.prepare.sources.amazon import AmazonReviews
from recbole_mmm4rec.prepare.sources.amazon_fields import first_link, text_of, title_of
from recbole_mmm4rec.prepare.tally import RowCount


class Amazon2023(AmazonReviews):
    """Items are ``parent_asin``, times are milliseconds."""

    item_key = "parent_asin"
    review_keys = ("user_id", "parent_asin", "rating", "timestamp")
    time_unit = "ms"
    csv_columns = review_keys

    def fields(self, entry: dict[str, Any], where: str, rows: RowCount) -> dict[str, str]:
        """Title, category, brand (the ``store``) and description."""
        description = entry.get("description")
        return {
            "title": title_of(entry.get("title"), where, rows),
            "category": text_of(entry.get("categories")) or text_of(entry.get("main_category")),
            "brand": text_of(entry.get("store")),
            "description": str(description) if description else "",
        }

    def picture(self, entry: dict[str, Any]) -> str:
        """Link of the main picture, the largest size first; later ones only where the main one has none."""
        images = entry.get("images")
        entries = [image for image in images if isinstance(image, dict)] if isinstance(images, list) else []
        ordered = sorted(entries, key=lambda image: image.get("variant") != "MAIN")
        return first_link(*(image.get(size) for image in ordered for size in ("hi_res", "large", "thumb")))
