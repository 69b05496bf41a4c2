"""What sources of ratings with times have in common: a file of interactions and a file of items."""

from pathlib import Path

from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.sources.files import find_file


class TwoFiles:
    """Finds both files; ``UserError`` where one is missing."""

    has_time = True
    time_kind = "number"
    has_rating = True

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.interactions_path = find_file(folder, settings.interactions, "interactions")
        self.items_path = find_file(folder, settings.items, "metadata")
