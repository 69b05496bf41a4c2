"""Amazon Reviews of 2014, 2018 and 2023: JSON lines of items, and of reviews or a CSV of ratings."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from recbole_mmm4rec.prepare.ids import id_text
from recbole_mmm4rec.prepare.raw_files import RawFile
from recbole_mmm4rec.prepare.sources.base import ItemRecord, Rows, TwoFiles
from recbole_mmm4rec.prepare.sources.batches import Times, batched_rows, interaction_rows
from recbole_mmm4rec.prepare.sources.columns import encodable, text_of
from recbole_mmm4rec.prepare.sources.json_lines import read_objects
from recbole_mmm4rec.prepare.sources.tables import JSON_LINES, LINE, read_table
from recbole_mmm4rec.prepare.tally import RowCount


class AmazonReviews(TwoFiles, ABC):
    """One category, or several: interactions and metadata.

    Class attributes:
        item_key: of a metadata object.
        review_keys: user, item, rating and time of a review object.
        time_unit: of the times, "s" or "ms".
        csv_columns: user, item, rating and time of a CSV of ratings.
        csv_header: the columns of a CSV that has no header line.
    """

    item_key: ClassVar[str]
    review_keys: ClassVar[tuple[str, str, str, str]]
    csv_columns: ClassVar[tuple[str, str, str, str]]
    csv_header: ClassVar[list[str] | None] = None

    @abstractmethod
    def fields(self, entry: dict[str, Any], where: str, rows: RowCount) -> dict[str, str]:
        """Title, category, brand and description of a metadata object."""

    @abstractmethod
    def picture(self, entry: dict[str, Any]) -> str:
        """Link of its picture, or empty."""

    def items(self, rows: RowCount) -> Iterator[ItemRecord]:
        """Yield what every metadata line that names its item says."""
        for file in self.item_files:
            for number, entry in read_objects(file, rows, self.encoding):
                where, value = file.place(number), entry.get(self.item_key)
                token, _ = id_text(encodable(value) if isinstance(value, str) else value)
                if token is None:
                    rows.skip(f"lines skipped: no {self.item_key}", where)
                else:
                    yield ItemRecord(token, self.fields(entry, where, rows), self.picture(entry), where)

    def interactions(self, rows: RowCount) -> Iterator[Rows]:
        """Yield the ratings in file order."""
        times = Times(self.time_unit)
        for file in self.interaction_files:
            if file.kind in JSON_LINES:
                yield from batched_rows(file, self._reviews(file, rows), times)
                continue
            columns = list(self.csv_columns)
            for batch in read_table(file, columns, rows, encoding=self.encoding, header=self.csv_header):
                user, item, rating, time = (batch.column(name) for name in columns)
                yield interaction_rows(file, batch.column(LINE), user, item, rating, time, times)

    def _reviews(self, file: RawFile, rows: RowCount) -> Iterator[tuple[int, Any, Any, Any, Any]]:
        for number, review in read_objects(file, rows, self.encoding):
            missing = [key for key in self.review_keys if key not in review]
            if missing:
                rows.skip(f"lines skipped: no {missing[0]}", file.place(number))
            else:
                user, item, rating, time = (review[key] for key in self.review_keys)
                yield number, user, item, rating, time


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


SEVERAL_TITLES = "items with several titles: the first is taken"


def title_of(value: Any, where: str, rows: RowCount) -> str:
    """Return the title; of a list of titles the first that is not empty."""
    if not isinstance(value, list):
        return text_of(value)
    titles = [title for title in map(text_of, value) if title.strip()]
    if len(titles) > 1:
        rows.note(SEVERAL_TITLES, where)
    return titles[0] if titles else ""


def first_link(*values: Any) -> str:
    """Return the first link among texts and lists of texts, in that order; empty if there is none."""
    for value in values:
        for link in value if isinstance(value, list) else [value]:
            if isinstance(link, str) and link.strip():
                return link.strip()
    return ""
