"""The publishers' layouts. Each source offers its items and its interactions as streams."""

from recbole_mmm4rec.prepare.sources.base import ItemRecord, Source
from recbole_mmm4rec.prepare.sources.choice import LAYOUTS, open_source

__all__ = ["LAYOUTS", "ItemRecord", "Source", "open_source"]
