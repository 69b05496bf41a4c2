"""RecBole's training loader with batches of targets that share sequences, key ``positions: all``."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from recbole.data.dataloader import TrainDataLoader
from recbole.data.interaction import Interaction
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from recbole_mmm4rec.data.chunks import ChunkOrder, chunk_starts, cut_chunks, shares
from recbole_mmm4rec.model.positions import ALL


class DistributedChunkOrder(DistributedSampler[int]):
    """One process's share of a :class:`~recbole_mmm4rec.data.chunks.ChunkOrder`, another one every epoch.

    Args:
        dealt: the sampler that RecBole made: processes, seed, whether to shuffle.
        starts: (samples,) see :func:`~recbole_mmm4rec.data.chunks.chunk_starts`.
        batch: samples in a batch of one process.
    """

    def __init__(self, dealt: DistributedSampler, starts: np.ndarray, batch: int) -> None:
        super().__init__(dealt.dataset, dealt.num_replicas, dealt.rank, dealt.shuffle, dealt.seed)
        self.chunks, self.batch = ChunkOrder(starts, dealt.shuffle, None), batch

    def __iter__(self) -> Iterator[int]:
        """Numbers of samples; all processes draw the same order and take a part each."""
        order = self.chunks.order(torch.Generator().manual_seed(self.seed + self.epoch))
        return iter(shares(order, self.num_replicas, self.batch)[self.rank].tolist())


class _InChunks(DataLoader[Any]):
    """torch's loader as RecBole's calls it, but with an order that keeps the targets of a chunk together."""

    starts: np.ndarray

    def __init__(
        self, *, batch_size: int, shuffle: bool, sampler: Any, generator: torch.Generator, **rest: Any
    ) -> None:
        order: Any = ChunkOrder(self.starts, shuffle, generator)
        if isinstance(sampler, DistributedSampler):
            order = DistributedChunkOrder(sampler, self.starts, batch_size)
        super().__init__(batch_size=batch_size, sampler=order, generator=generator, **rest)


class ChunkLoader(TrainDataLoader, _InChunks):
    """Batches of ``train_batch_size`` targets, as many as without, see :mod:`recbole_mmm4rec.data.chunks`."""

    def __init__(self, config: Any, dataset: Any, sampler: Any, shuffle: bool = False) -> None:
        self.starts = chunk_starts(dataset.inter_feat)
        super().__init__(config, dataset, sampler, shuffle=shuffle)  # type: ignore[call-arg, misc]

    def collate_fn(self, index: list[int]) -> Interaction:
        """The batch of these samples."""
        chosen = np.asarray(index)
        batch = cut_chunks(self._dataset.inter_feat[chosen], self.starts[chosen])
        return self._neg_sampling(self.transform(self._dataset, batch))


def by_positions(config: Any, loader: Any) -> Any:
    """The loader that the key ``positions`` asks for: this one or one in its place."""
    wanted = ChunkLoader if config["positions"] == ALL else TrainDataLoader
    if isinstance(loader, ChunkLoader) == (wanted is ChunkLoader):
        return loader
    return wanted(config, loader._dataset, loader._sampler, shuffle=config["shuffle"])
