"""What sources of ratings with times have in common: files of interactions and files of items."""

from pathlib import Path

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.raw_files import find_files
from recbole_mmm4rec.prepare.settings import Settings


class TwoFiles:
    """Finds the files of both kinds; ``UserError`` where one is missing."""

    has_items = True
    has_time = True
    time_unit = "s"
    has_rating = True

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.encoding = settings.encoding
        self.interaction_files = find_files(folder, settings.interactions, "interactions")
        if settings.items is None:
            raise UserError(f"items: layout {settings.layout} needs a file of metadata")
        self.item_files = find_files(folder, settings.items, "metadata")
