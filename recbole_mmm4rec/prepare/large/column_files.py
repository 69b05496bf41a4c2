"""Rows on disk as one flat file of numbers for each column: written once, read in chunks, often."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from tqdm import tqdm

from recbole_mmm4rec.prepare.interactions import CHUNK, Columns

_TYPES = {"user": np.int32, "item": np.int32, "rating": np.float32, "time": np.int64}


class ColumnFiles:
    """Files ``user``, ``item``, ``rating`` and ``time`` in ``folder``, 20 bytes for a row."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows = 0

    def write(self, chunks: Iterable[Columns]) -> Iterator[Columns]:
        """Write ``chunks`` one after the other, and yield each of them for whoever counts."""
        with ExitStack() as opened:
            files = {name: opened.enter_context((self._folder / name).open("wb")) for name in _TYPES}
            for chunk in chunks:
                for name, kind in _TYPES.items():
                    files[name].write(np.ascontiguousarray(getattr(chunk, name), kind).data)
                self.rows += len(chunk)
                yield chunk

    def read(self, names: Iterable[str], what: str) -> Iterator[list[np.ndarray]]:
        """Yield the columns ``names``, each (b,), in the order written; ``what`` names the progress bar."""
        with (
            ExitStack() as opened,
            tqdm(total=self.rows, desc=what, unit="row", unit_scale=True, leave=False, disable=None) as bar,
        ):
            files = [(opened.enter_context((self._folder / name).open("rb")), _TYPES[name]) for name in names]
            for start in range(0, self.rows, CHUNK):
                count = min(CHUNK, self.rows - start)
                yield [np.fromfile(file, kind, count) for file, kind in files]
                bar.update(count)
