"""Layout name -> source."""

from collections.abc import Callable
from pathlib import Path

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.sources.amazon import Amazon2018, Amazon2023
from recbole_mmm4rec.prepare.sources.base import Source
from recbole_mmm4rec.prepare.sources.movielens import MovieLens1M, MovieLensCsv
from recbole_mmm4rec.prepare.sources.opening import check_encoding
from recbole_mmm4rec.prepare.sources.table import TableSource

LAYOUTS: dict[str, Callable[[Settings, Path], Source]] = {
    "amazon-2018": Amazon2018,
    "amazon-2023": Amazon2023,
    "movielens": MovieLensCsv,
    "movielens-1m": MovieLens1M,
    "table": TableSource,
}


def open_source(settings: Settings, folder: Path) -> Source:
    """Open the raw files in ``folder`` as ``settings.layout`` says; ``UserError`` where a file is missing."""
    if settings.layout not in LAYOUTS:
        raise UserError(f"layout: {settings.layout!r} is not one of {', '.join(LAYOUTS)}")
    check_encoding(settings.encoding)
    return LAYOUTS[settings.layout](settings, folder)
