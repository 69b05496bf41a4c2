"""``import``: somebody else's vectors become a feature file of a dataset."""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.columns import FEATURE_SUFFIX
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic_reading import read_batches
from recbole_mmm4rec.prepare.feature_files import today, write_feature_file
from recbole_mmm4rec.prepare.room import enough_room
from recbole_mmm4rec.prepare.staging import refuse_existing
from recbole_mmm4rec.prepare.vectors import read_vectors
from recbole_mmm4rec.prepare.wording import counted

LOGGER = logging.getLogger(__name__)


def import_vectors(
    name: str,
    modality: str,
    path: Path,
    items: Path | None,
    root: Path,
    encoder: str,
    overwrite: bool = False,
) -> int:
    """Write ``<name>.<modality>.parquet`` from ``path``; return how many items of the dataset have a vector.

    Rows of zeros are taken for missing pictures or texts and left out. Raises ``UserError`` where the file
    cannot be read safely or no item is one of the dataset's.
    """
    folder = root / name
    target = folder / f"{name}.{modality}{FEATURE_SUFFIX}"
    refuse_existing(target, overwrite)
    if (text := target.with_suffix("")).is_file():
        raise UserError(f"{text} has {modality} features in text form; move it away, as a run takes one file")
    tokens, matrix = read_vectors(path, items)
    known = _items(folder / f"{name}.inter")
    mine = np.array([token in known for token in tokens], dtype=bool)
    if not mine.any():
        raise UserError(f"{path}: no item in common with {name}, it has {', '.join(tokens[:3])}")
    nonzero = matrix.any(axis=1)
    keep = np.flatnonzero(mine & nonzero)
    if not len(keep):
        raise UserError(f"{path}: the rows of all items of {name} are zeros")
    metadata = {"encoder": encoder, "source": path.name, "date": today()}
    with enough_room(target):
        write_feature_file(folder, name, modality, [tokens[row] for row in keep], matrix[keep], metadata)
    LOGGER.info(
        "%s: %s of %s; rows of other items: %s, rows of zeros: %s",
        modality, f"{len(keep):,}", counted(len(known), "item"),
        int((~mine).sum()), int((mine & ~nonzero).sum()),
    )  # fmt: skip
    return len(keep)


def _items(path: Path) -> set[str]:
    column = "item_id:token"
    found = [pc.unique(batch.column(0)) for batch in read_batches(path, [column])]
    return set(pa.chunked_array(found, pa.string()).to_pylist())
