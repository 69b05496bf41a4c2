"""Feature files that come with the raw files: checked, cut to the dataset's items, copied."""

from pathlib import Path

import numpy as np

from recbole_mmm4rec.data.features import load_features, tokens_with_features
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.feature_files import write_feature_file
from recbole_mmm4rec.prepare.ids import id_text
from recbole_mmm4rec.prepare.tally import Tally

SEPARATORS = ("\t", " ")


def copy_features(path: Path, folder: Path, name: str, modality: str, tokens: list[str], tally: Tally) -> int:
    """Write ``<name>.<modality>.parquet`` with those rows of ``path`` that ``tokens`` name; return how many.

    Rows of zeros stand for what is missing: they are left out and counted. Raises ``UserError`` for a file
    that is damaged, shares no item with ``tokens`` or has nothing but zeros for them.
    """
    spelled = _by_id(path, tokens_with_features(path, SEPARATORS).tolist())
    numbered = np.array(["", *(spelled.get(token, token) for token in tokens)], dtype=object)  # 0 is the pad
    loaded = load_features(modality, path, numbered, SEPARATORS)
    matrix, there = loaded.matrix.numpy(), loaded.present.numpy()
    filled = matrix.any(axis=1)
    zeros = np.flatnonzero(there & ~filled)
    if len(zeros):
        what = f"rows of zeros in {path.name}: no {modality} vector"
        tally.add(what, f"item {tokens[zeros[0] - 1]}", len(zeros))
    rows = np.flatnonzero(there & filled)
    if not len(rows):
        raise UserError(f"{path}: the rows of all items of {name} are zeros")
    metadata = {**loaded.metadata, "source": path.name}
    present = [tokens[row - 1] for row in rows]
    write_feature_file(folder, name, modality, present, matrix[rows], metadata)
    return len(rows)


def _by_id(path: Path, raw: list[str]) -> dict[str, str]:
    """Return the file's spelling of each id; the rule of ``ids`` makes one id of several spellings."""
    spelled: dict[str, str] = {}
    for text in raw:
        token = id_text(text)[0]
        if token is not None and spelled.setdefault(token, text) != text:
            raise UserError(f"{path}: {spelled[token]!r} and {text!r} are one item")
    return spelled
