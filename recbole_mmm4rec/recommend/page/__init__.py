"""A page to look at recommendations: one HTML file, or the front of the service."""

from recbole_mmm4rec.recommend.page.rendering import live_page
from recbole_mmm4rec.recommend.page.static_page import PageOrder, write_page

__all__ = ["PageOrder", "live_page", "write_page"]
