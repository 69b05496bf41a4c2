"""The paper's pipeline on raw files: metadata filter, duplicates, core, order, texts."""

import difflib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.core import core, in_time_order, without_duplicates
from recbole_mmm4rec.prepare.interactions import Interactions, collect
from recbole_mmm4rec.prepare.items import kept_items, spill_items
from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.sources import ItemRecord, Source
from recbole_mmm4rec.prepare.tally import Tally
from recbole_mmm4rec.prepare.text_cleaning import NAMED, compose, text_fields

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawDataset:
    """What is left of a source: ``tokens`` are its items, sorted; ``items`` and ``texts`` are by token."""

    interactions: Interactions
    tokens: list[str]
    items: dict[str, ItemRecord]
    texts: dict[str, str]
    has_time: bool
    has_rating: bool


def read_dataset(source: Source, settings: Settings, spill: Path, where: str, tally: Tally) -> RawDataset:
    """Filter ``source`` as the paper does. ``spill``: a file for the metadata while reading.

    The order of the filters is the paper's: an item needs metadata before anything is counted. ``where``
    names the source in messages. Raises ``UserError`` where nothing is left.
    """
    fields = text_fields(settings.text)
    known = spill_items(source.items(tally), spill, where)
    LOGGER.info("%s: metadata of %s items", where, f"{len(known):,}")
    raw = collect(source, known, tally, where)
    data = without_duplicates(raw)
    tally.add("interactions dropped: exact duplicate", where, len(raw) - len(data))
    data = in_time_order(core(data, settings.min_interactions))
    if not len(data):
        raise UserError(
            f"{where}: no user and item with {settings.min_interactions} interactions each is left"
        )
    tokens = sorted(data.items.take(pa.array(np.unique(data.item))).to_pylist())
    items = kept_items(spill, pa.array(tokens), tally, where)
    _check_fields(fields, items, where, may_lack=settings.text in NAMED)
    texts = {token: compose(settings.text, token, items[token].fields) for token in tokens}
    for token in tokens:
        if not texts[token]:
            tally.add("items without text: no text vector", f"{where}, item {token}")
    return RawDataset(data, tokens, items, texts, source.has_time, source.has_rating)


def _check_fields(names: tuple[str, ...], items: dict[str, ItemRecord], where: str, may_lack: bool) -> None:
    """Refuse fields that no item has; ``may_lack``: only where all are missing."""
    present = next(iter(items.values())).fields
    unknown = [name for name in names if name not in present]
    if unknown and not (may_lack and len(unknown) < len(names)):
        told = ", ".join(_with_nearest(name, list(present)) for name in unknown)
        raise UserError(f"text: {where} has no field {told}; it has {', '.join(present)}")


def _with_nearest(name: str, present: list[str]) -> str:
    near = difflib.get_close_matches(name, present, 1)
    return f"{name} (did you mean '{near[0]}'?)" if near else name
