"""The paper's pipeline on raw files: metadata filter, duplicates, core, order, texts."""

import difflib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.filtering import Filters, Kept, filtered
from recbole_mmm4rec.prepare.items import KeptItems, SpilledItems, spill_items
from recbole_mmm4rec.prepare.raw_files import no_rows
from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.sources import Source
from recbole_mmm4rec.prepare.tally import Tally
from recbole_mmm4rec.prepare.text_cleaning import NAMED, compose, text_fields
from recbole_mmm4rec.prepare.wording import counted

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawDataset:
    """What is left of a source. ``items``: sorted by token; ``texts``: by token, those that are encoded."""

    interactions: Kept
    items: KeptItems
    texts: dict[str, str]
    has_time: bool
    has_rating: bool


def read_dataset(
    source: Source, settings: Settings, filters: Filters, spill: Path, where: str, tally: Tally
) -> RawDataset:
    """Filter ``source`` as the paper does. ``spill``: a file for the metadata while reading.

    ``filters``: where the interactions are held, in memory or on disk. The order of the filters is the
    paper's: an item needs metadata before anything is counted. ``where`` names the source in messages.
    Raises ``UserError`` where nothing is left.
    """
    fields = _needed_fields(settings)
    spilled = _spilled(source, spill, where, tally) if source.has_items else None
    known = None if spilled is None else spilled.known
    data = filtered(source, known, filters, settings, where, tally)
    items = KeptItems(sorted(data.item_tokens(np.flatnonzero(data.item_counts)).to_pylist()), spilled)
    if known is not None:
        count = tally.rows("items")
        # those that the core dropped are counted where it did
        without = len(known) - len(data.item_counts)
        count.skip("items dropped: no interaction that can be used", where, without)
        count.keep(len(items.tokens))
    texts = _texts(settings, fields, items, where, tally)
    return RawDataset(data, items, texts, source.has_time, source.has_rating)


def _spilled(source: Source, path: Path, where: str, tally: Tally) -> SpilledItems:
    """Read the metadata into the file ``path``; ``UserError`` where there is none."""
    rows = tally.rows("items")
    spilled = spill_items(source.items(rows), path, rows, where)
    if spilled is None:
        if not rows.read:
            raise no_rows(source.item_files, "items")
        raise UserError(f"{where}: no metadata in it: {tally.reasons()}")
    LOGGER.info("%s: metadata of %s", where, counted(len(spilled.known), "item"))
    return spilled


def _texts(
    settings: Settings, fields: tuple[str, ...], items: KeptItems, where: str, tally: Tally
) -> dict[str, str]:
    """Return the texts to encode, where there are any; those without a word of an item are counted."""
    if settings.text is None or not fields:
        return {}
    _check_fields(fields, items.names, where, may_lack=settings.text in NAMED)
    texts = {}
    for batch in items.batches():
        columns = [batch.fields.get(name) or [""] * len(batch.tokens) for name in fields]
        for token, *values in zip(batch.tokens, *columns, strict=True):
            text = compose(settings.text, token, dict(zip(fields, values, strict=True)))
            if not text:
                tally.add("items without text: no text vector", f"{where}, item {token}")
            elif settings.text_encoder is not None:
                texts[token] = text
    return texts


def _needed_fields(settings: Settings) -> tuple[str, ...]:
    """Return the fields of the items' text; none where items have no fields and nothing encodes a text."""
    if settings.text is None:
        if settings.text_encoder is not None:
            raise UserError(f"text_encoder: {settings.text_encoder} needs a text, and the key text is null")
        return ()
    has_fields = settings.items is not None and bool(settings.item_fields)
    return text_fields(settings.text) if has_fields or settings.text_encoder is not None else ()


def _check_fields(names: tuple[str, ...], present: list[str], where: str, may_lack: bool) -> None:
    """Refuse fields that no item has; ``may_lack``: only where all are missing."""
    unknown = [name for name in names if name not in present]
    if unknown and not (may_lack and len(unknown) < len(names)):
        told = ", ".join(_with_nearest(name, present) for name in unknown)
        listed = (
            f"it has {', '.join(present)}" if present else "its items have no text fields (--item_fields)"
        )
        raise UserError(f"text: {where} has no field {told}; {listed}")


def _with_nearest(name: str, present: list[str]) -> str:
    near = difflib.get_close_matches(name, present, 1)
    return f"{name} (did you mean '{near[0]}'?)" if near else name
