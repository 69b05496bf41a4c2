"""Vectors that somebody else computed: .npy, .npz, .pt and raw float32 files, with the items' tokens."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_mmm4rec.errors import UserError

ID_KEYS = ("ids", "item_ids", "item_id", "items", "tokens")
MATRIX_KEYS = ("embeddings", "embedding", "features", "vectors", "matrix", "x")
Loaded = tuple[list[str] | None, np.ndarray]


def read_vectors(path: Path, items: Path | None = None) -> tuple[list[str], np.ndarray]:
    """Return (tokens, (n, D) float32) of a vector file.

    ``items``: a text file with one token a line, row by row; needed where the file has none of its own.
    Raises ``UserError`` for a file that cannot be read without running code from it, or whose numbers
    disagree.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    readers = {".npy": _npy, ".npz": _npz, ".pt": _torch, ".pth": _torch}
    if path.suffix not in readers:
        raise UserError(f"{path}: {path.suffix or 'no ending'} is none of {', '.join(readers)}")
    tokens, matrix = readers[path.suffix](path)
    if items is not None:
        tokens = read_tokens(items)
    if tokens is None:
        raise UserError(f"{path}: it names no items; --items gives a file with one token a line")
    if matrix.ndim != 2 or len(matrix) != len(tokens):
        raise UserError(f"{path}: {len(tokens)} items, but vectors of shape {matrix.shape}")
    return tokens, np.ascontiguousarray(matrix, dtype=np.float32)


def read_tokens(path: Path) -> list[str]:
    """Return the lines of a text file; of lines with tabs the first column."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8") from error
    return [line.split("\t")[0] for line in lines if line]


def read_raw(path: Path, rows: int) -> np.ndarray:
    """Return a headerless float32 file as (rows, D); ``UserError`` where its size does not fit ``rows``."""
    values = np.fromfile(path, dtype=np.float32)
    if not rows or not len(values) or len(values) % rows:
        raise UserError(f"{path}: {len(values):,} numbers cannot belong to {rows:,} items")
    return values.reshape(rows, -1)


def _npy(path: Path) -> Loaded:
    try:
        return None, np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path}: no plain array ({' '.join(str(error).split())})") from error


def _npz(path: Path) -> Loaded:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return _pick(path, {key: archive[key] for key in archive.files})
    except (ValueError, OSError, EOFError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: no archive of plain arrays ({' '.join(str(error).split())})") from error


def _torch(path: Path) -> Loaded:
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling fails in many ways; each means that it is not plain data
        raise UserError(f"{path}: not plain tensors, and objects are not loaded from files") from error
    if isinstance(value, torch.Tensor):
        return None, value.float().numpy()
    if isinstance(value, dict):
        return _pick(path, value)
    raise UserError(f"{path}: a tensor or a dictionary is expected, not {type(value).__name__}")


def _pick(path: Path, entries: dict[Any, Any]) -> Loaded:
    """Find tokens and matrix among named entries, or take the entries as token -> vector."""
    matrix = next((entries[key] for key in MATRIX_KEYS if key in entries), None)
    tokens = next((entries[key] for key in ID_KEYS if key in entries), None)
    if matrix is not None:
        listed = None if tokens is None else [str(token) for token in np.asarray(tokens).tolist()]
        return listed, np.asarray(matrix, dtype=np.float32)
    vectors = [np.asarray(value, dtype=np.float32) for value in entries.values()]
    if vectors and all(vector.ndim == 1 and vector.shape == vectors[0].shape for vector in vectors):
        return [str(token) for token in entries], np.stack(vectors)
    if len(vectors) == 1 and vectors[0].ndim == 2:
        return None, vectors[0]
    raise UserError(
        f"{path}: no entry is called {', '.join(MATRIX_KEYS)}; it has {', '.join(map(str, entries))}"
    )
