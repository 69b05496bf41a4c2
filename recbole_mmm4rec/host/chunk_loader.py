"""RecBole's training loader with batches of targets that share sequences, key ``positions: all``."""

from typing import Any

import numpy as np
from recbole.data.interaction import Interaction

from recbole_mmm4rec.data.chunks import ChunkOrder, chunk_starts, cut_chunks
from recbole_mmm4rec.host.shared_loader import SharedLoader


class ChunkLoader(SharedLoader):
    """Batches of ``train_batch_size`` targets, as many as without, see :mod:`recbole_mmm4rec.data.chunks`.

    A chunk's targets are neighbours in a batch: of processes that share it, two have a chunk in common where
    one's part ends, and both encode that sequence.
    """

    def __init__(self, config: Any, dataset: Any, sampler: Any, shuffle: bool = False) -> None:
        self.starts = chunk_starts(dataset.inter_feat)
        super().__init__(config, dataset, sampler, shuffle)

    def order(self, dataset: Any, shuffle: bool, generator: Any) -> ChunkOrder:  # noqa: ARG002
        """The targets of a chunk one after another."""
        return ChunkOrder(self.starts, shuffle, generator)

    def collate_fn(self, index: list[int]) -> Interaction:
        """The batch of these samples."""
        chosen = np.asarray(index)
        batch = cut_chunks(self._dataset.inter_feat[chosen], self.starts[chosen])
        return self._neg_sampling(self.transform(self._dataset, batch))
