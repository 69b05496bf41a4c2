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
from recbole_mmm4rec.prepare.tally import RowCount, Tally
from recbole_mmm4rec.prepare.text_cleaning import NAMED, compose, text_fields
from recbole_mmm4rec.prepare.time_advice import unit_advice
from recbole_mmm4rec.times import SECONDS, all_in_1970, day

LOGGER = logging.getLogger(__name__)
SHORTEST = 3
"""One interaction each to train, validate and test."""


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
    fields = _needed_fields(settings)
    known = None
    if source.has_items:
        known = spill_items(source.items(tally.rows("items")), spill, tally.rows("items"), where)
        LOGGER.info("%s: metadata of %s items", where, f"{len(known):,}")
    data = _filtered(source, known, settings.min_interactions, where, tally)
    tokens = sorted(data.items.take(pa.array(np.unique(data.item))).to_pylist())
    items = {token: ItemRecord(token, {}) for token in tokens}
    if known is not None:
        items = kept_items(spill, pa.array(tokens))
        tally.rows("items").skip("items dropped: no interaction is left", where, len(known) - len(tokens))
        tally.rows("items").keep(len(tokens))
    texts = _texts(settings, fields, tokens, items, where, tally)
    return RawDataset(data, tokens, items, texts, source.has_time, source.has_rating)


def _filtered(source: Source, known: pa.Array | None, least: int, where: str, tally: Tally) -> Interactions:
    rows = tally.rows("interactions")
    raw = collect(source, known, rows, where)
    if not len(raw):
        reasons = tally.reasons() or "the file is empty"
        raise UserError(f"{where}: no interaction is left of {rows.read:,} rows: {reasons}")
    _check_unit(raw, source, where, rows)
    data = without_duplicates(raw)
    rows.skip("interactions dropped: exact duplicate", where, len(raw) - len(data))
    cored = in_time_order(core(data, least))
    _tell_core(data, cored, least, where, rows)
    if not len(cored):
        raise UserError(
            f"{where}: no user and item with {least} interactions each is left (--min_interactions); "
            f"of {rows.read:,} rows: {tally.reasons()}"
        )
    rows.keep(len(cored))
    _tell_short(cored, where, rows)
    return cored


def _check_unit(data: Interactions, source: Source, where: str, rows: RowCount) -> None:
    """Report when every time is in 1970: the unit is too small, or the column is a position."""
    seconds = data.time / 1000
    if source.has_time and all_in_1970(seconds):
        latest, unit = float(seconds.max()), source.time_unit
        advice = "" if unit == "date" else unit_advice(f"{latest / SECONDS[unit]:.0f}", unit)
        rows.note(
            f"all times are in 1970: is the time unit right?{advice}",
            f"{where}, until {day(latest)}",
            len(data),
        )


def _tell_core(before: Interactions, after: Interactions, least: int, where: str, rows: RowCount) -> None:
    reason = f"with fewer than {least} interactions (repeated until stable)"
    for name, ids, kept in (("users", before.user, after.user), ("items", before.item, after.item)):
        gone = np.setdiff1d(ids, kept)
        if len(gone):
            first = (before.users if name == "users" else before.items)[int(gone[0])].as_py()
            rows.note(f"{name} dropped: {reason}", f"{where}, {name[:-1]} {first!r}", len(gone))
    rows.skip(f"interactions dropped: of users or items {reason}", where, len(before) - len(after))


def _tell_short(data: Interactions, where: str, rows: RowCount) -> None:
    """Tell of users too short to be split, above all where every user is: a run would test nothing."""
    counts = np.bincount(data.user)
    short = int(((counts > 0) & (counts < SHORTEST)).sum())
    if short:
        extent = "every user has" if short == int((counts > 0).sum()) else "users with"
        first = data.users[int(np.flatnonzero((counts > 0) & (counts < SHORTEST))[0])].as_py()
        reason = f"{extent} fewer than {SHORTEST} interactions: too few to train, validate and test"
        rows.note(reason, f"{where}, user {first!r}", short)


def _texts(
    settings: Settings,
    fields: tuple[str, ...],
    tokens: list[str],
    items: dict[str, ItemRecord],
    where: str,
    tally: Tally,
) -> dict[str, str]:
    """Return each item's text; none at all where no field is needed."""
    if settings.text is None or not fields:
        return {}
    _check_fields(fields, items, where, may_lack=settings.text in NAMED)
    texts = {token: compose(settings.text, token, items[token].fields) for token in tokens}
    for token in tokens:
        if not texts[token]:
            tally.add("items without text: no text vector", f"{where}, item {token}")
    return texts


def _needed_fields(settings: Settings) -> tuple[str, ...]:
    """Return the fields of the items' text; none where items have no fields and nothing encodes a text."""
    if settings.text is None:
        if settings.text_encoder is not None:
            raise UserError(f"text_encoder: {settings.text_encoder} needs a text, and the key text is null")
        return ()
    has_fields = settings.items is not None and bool(settings.item_fields)
    return text_fields(settings.text) if has_fields or settings.text_encoder is not None else ()


def _check_fields(names: tuple[str, ...], items: dict[str, ItemRecord], where: str, may_lack: bool) -> None:
    """Refuse fields that no item has; ``may_lack``: only where all are missing."""
    present = next(iter(items.values())).fields
    unknown = [name for name in names if name not in present]
    if unknown and not (may_lack and len(unknown) < len(names)):
        told = ", ".join(_with_nearest(name, list(present)) for name in unknown)
        listed = (
            f"it has {', '.join(present)}" if present else "its items have no text fields (--item_fields)"
        )
        raise UserError(f"text: {where} has no field {told}; {listed}")


def _with_nearest(name: str, present: list[str]) -> str:
    near = difflib.get_close_matches(name, present, 1)
    return f"{name} (did you mean '{near[0]}'?)" if near else name
