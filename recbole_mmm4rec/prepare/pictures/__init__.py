"""Finding, fetching, checking and reading the items' pictures."""

from recbole_mmm4rec.prepare.pictures.gather import gather_pictures, write_missing
from recbole_mmm4rec.prepare.pictures.reading import UnusablePicture, read_picture

__all__ = ["UnusablePicture", "gather_pictures", "read_picture", "write_missing"]
