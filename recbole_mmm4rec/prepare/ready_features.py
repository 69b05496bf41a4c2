"""Feature files that come with the raw files: checked, cut to the dataset's items, copied."""

from pathlib import Path

import numpy as np

from recbole_mmm4rec.data.features import load_features, tokens_with_features
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.feature_files import write_feature_file
from recbole_mmm4rec.prepare.ids import id_text

SEPARATORS = ("\t", " ")


def copy_features(path: Path, folder: Path, name: str, modality: str, tokens: list[str]) -> int:
    """Write ``<name>.<modality>.parquet`` with those rows of ``path`` that ``tokens`` name; return how many.

    Raises ``UserError`` for a file that is damaged or shares no item with ``tokens``.
    """
    spelled = _by_id(path, tokens_with_features(path, SEPARATORS).tolist())
    numbered = np.array(["", *(spelled.get(token, token) for token in tokens)], dtype=object)  # 0 is the pad
    loaded = load_features(modality, path, numbered, SEPARATORS)
    rows = np.flatnonzero(loaded.present.numpy())
    metadata = {**loaded.metadata, "source": path.name}
    present = [tokens[row - 1] for row in rows]
    write_feature_file(folder, name, modality, present, loaded.matrix.numpy()[rows], metadata)
    return len(rows)


def _by_id(path: Path, raw: list[str]) -> dict[str, str]:
    """Return the file's spelling of each id; the rule of ``ids`` makes one id of several spellings."""
    spelled: dict[str, str] = {}
    for text in raw:
        token = id_text(text)[0]
        if token is not None and spelled.setdefault(token, text) != text:
            raise UserError(f"{path}: {spelled[token]!r} and {text!r} are one item")
    return spelled
