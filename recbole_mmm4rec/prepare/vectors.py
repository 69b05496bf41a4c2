"""Vectors that somebody else computed: .npy, .npz, .pt and raw float32 files, with the items' tokens."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_mmm4rec.data.offenders import named
from recbole_mmm4rec.errors import UserError, in_one_line
from recbole_mmm4rec.prepare.ids import id_text
from recbole_mmm4rec.prepare.wording import counted

ID_KEYS = ("ids", "item_ids", "item_id", "items", "tokens")
MATRIX_KEYS = ("embeddings", "embedding", "features", "vectors", "matrix", "x")
Loaded = tuple[list[str] | None, np.ndarray]


def read_vectors(path: Path, items: Path | None = None) -> tuple[list[str], np.ndarray]:
    """Return (tokens, (n, D) float32) of a vector file.

    ``items``: a text file with one token per line, row by row; needed where the file does not name its rows.
    Raises ``UserError`` for a file that cannot be read without running code from it, or whose numbers
    disagree.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    readers = {".npy": _numpy, ".npz": _numpy, ".pt": _torch, ".pth": _torch}
    if path.suffix not in readers:
        raise UserError(f"{path}: {path.suffix or 'no ending'} is not one of {', '.join(readers)}")
    tokens, matrix = readers[path.suffix](path)
    if items is not None:
        tokens = read_tokens(items)
        if not tokens:
            raise UserError(f"{items}: no items in it; it takes one token a line")
    if tokens is None:
        raise UserError(f"{path}: it names no items; --items gives a file with one token per line")
    if matrix.ndim != 2 or len(matrix) != len(tokens):
        raise UserError(f"{path}: {counted(len(tokens), 'item')}, but vectors of shape {matrix.shape}")
    return tokens, np.ascontiguousarray(matrix, dtype=np.float32)


def read_tokens(path: Path) -> list[str]:
    """Return the lines of a text file; of lines with tabs the first column."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    return [_id(row[0]) for row in read_rows(path)]


def read_rows(path: Path) -> list[list[str]]:
    """Return the columns of each line of a text file with tabs, without empty lines."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8") from error
    return [line.split("\t") for line in lines if line]


def read_raw(path: Path, rows: int) -> np.ndarray:
    """Return a headerless float32 file as (rows, D); ``UserError`` where its size does not fit ``rows``."""
    values = np.fromfile(path, dtype=np.float32)
    if not rows or not len(values) or len(values) % rows:
        raise UserError(f"{path}: {len(values):,} numbers cannot belong to {counted(rows, 'item')}")
    return values.reshape(rows, -1)


def _numpy(path: Path) -> Loaded:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return None, _array(str(path), loaded, np.float32)
        with loaded as archive:
            entries = {key: archive[key] for key in archive.files}
    except UserError:
        raise
    except Exception as error:  # damaged files fail in zipfile, zlib and numpy, each in its own way
        raise UserError(f"{path}: no plain arrays ({in_one_line(error)})") from error
    return _pick(path, entries)


def _torch(path: Path) -> Loaded:
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling fails in many ways; each means that it is not plain data
        raise UserError(f"{path}: not plain tensors, and objects are not loaded from files") from error
    if isinstance(value, torch.Tensor):
        return None, _array(str(path), value, np.float32)
    if isinstance(value, dict):
        return _pick(path, value)
    raise UserError(f"{path}: a tensor or a dictionary is expected, not {type(value).__name__}")


def _pick(path: Path, entries: dict[Any, Any]) -> Loaded:
    """Find tokens and matrix among named entries, or take the entries as token -> vector."""
    matrix = next((key for key in MATRIX_KEYS if key in entries), None)
    tokens = next((key for key in ID_KEYS if key in entries), None)
    if matrix is not None:
        listed = [] if tokens is None else _array(f"{path}: {tokens}", entries[tokens]).ravel().tolist()
        return [*map(_id, listed)] or None, _array(f"{path}: {matrix}", entries[matrix], np.float32)
    vectors = [_array(f"{path}: {key}", value, np.float32) for key, value in entries.items()]
    if vectors and all(vector.ndim == 1 and vector.shape == vectors[0].shape for vector in vectors):
        return [_id(token) for token in entries], np.stack(vectors)
    if len(vectors) == 1 and vectors[0].ndim == 2:
        return None, vectors[0]
    raise UserError(f"{path}: no entry is called {', '.join(MATRIX_KEYS)}; it has {named(entries)}")


def _id(value: Any) -> str:
    """Return an item's id by the rule of ``ids``; what is not an id stays text and matches no item."""
    token, _ = id_text(value)
    return str(value) if token is None else token


def _array(where: str, value: Any, dtype: type | None = None) -> np.ndarray:
    """Return what a file holds as an array; numpy takes no bfloat16 and no tensor with a gradient."""
    try:
        if isinstance(value, torch.Tensor):
            value = value.detach().float() if value.is_floating_point() else value
        return np.asarray(value, dtype=dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{where}: no plain numbers ({in_one_line(error)})") from error
