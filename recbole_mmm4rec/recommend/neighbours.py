"""An approximate index of candidate vectors (HNSW): the best items of a user without a product with all.

For catalogues from about a hundred thousand items. What it finds is scored again exactly. What it overlooks
is missing: of the ten best items less than one in a hundred where vectors lie in clusters, as those of a
trained model do (``run_recbole.py --bench=recommend``); one in six where they do not at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.extras import require_extra
from recbole_mmm4rec.files import replacing

CONNECTIVITY, EXPANSION_ADD, EXPANSION_SEARCH = 16, 64, 256
"""Links per item, and how many items are looked at to add one and to find some."""


ANN = "ann"
"""Value of ``index`` that asks for an index in memory only; anything else names its file."""

_SAMPLE = 64
"""Vectors by which a file is known to be of these items."""


class ItemIndex:
    """Inner products with candidates, by usearch.

    Args:
        candidates: (N + 1, D) float32; row 0, the pad, is left out.
        path: file to take the index from, or to write it to where there is none; None: in memory only.

    Raises:
        UserError: the extra is not installed, or the file holds an index of other vectors.
    """

    def __init__(self, candidates: Tensor, path: Path | None = None) -> None:
        require_extra("ann", ("usearch",), "an approximate index")
        from usearch.index import Index

        vectors = np.ascontiguousarray(candidates[1:].cpu().numpy(), dtype=np.float32)
        self._index: Any = Index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype="f32",
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION_ADD,
            expansion_search=EXPANSION_SEARCH,
        )
        if path is not None and path.is_file():
            self._load(path, vectors)
            return
        self._index.add(np.arange(1, len(vectors) + 1), vectors, threads=torch.get_num_threads())
        if path is not None:
            with replacing(path) as temporary:
                self._index.save(str(temporary))

    def _load(self, path: Path, vectors: np.ndarray) -> None:
        some = np.linspace(0, len(vectors) - 1, _SAMPLE).astype(np.int64)
        try:
            self._index.load(str(path))
            fits = len(self._index) == len(vectors) and np.allclose(
                np.stack(self._index.get(some + 1)), vectors[some], rtol=1e-4, atol=1e-5
            )
        except (RuntimeError, ValueError, TypeError):  # how usearch refuses a file, and keys that it lacks
            raise UserError(f"{path}: not an index of this catalogue, or a damaged one") from None
        if not fits:
            raise UserError(f"{path}: an index of other item vectors; remove it to have it made anew")

    def nearest(self, users: Tensor, count: int) -> Tensor:
        """(U, D) user vectors -> (U, ``count``) int64 numbers of items, ascending; 0 for none."""
        rows = users if len(users) > 1 else users.expand(2, -1)  # of one alone usearch gives another form
        queries = np.ascontiguousarray(rows.cpu().numpy(), dtype=np.float32)
        found = self._index.search(queries, count, threads=torch.get_num_threads())
        keys = found.keys.astype(np.int64)
        keys[np.arange(keys.shape[1]) >= found.counts[:, None]] = 0
        return torch.from_numpy(np.sort(keys[: len(users)], axis=1))
