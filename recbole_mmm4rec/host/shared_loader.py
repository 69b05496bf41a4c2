"""RecBole's training loader with the batches of one process, of which every process has its share.

RecBole gives each of k processes batches of ``train_batch_size // k`` samples in an order that one process
never has, and repeats samples where they do not go round. Here a batch of several processes is the batch
that one process would have, epoch by epoch, down to the last and smallest.
"""

from collections.abc import Callable, Iterator, Sized
from typing import Any

from recbole.data.dataloader import TrainDataLoader
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, Sampler, SequentialSampler
from torch.utils.data.distributed import DistributedSampler

from recbole_mmm4rec.nn.sharing import Share


class SharedBatches(Sampler[list[int]]):
    """This process's samples of every batch.

    Args:
        order: of all samples; the same in every process, as it is drawn from generators in the same state.
        batch: samples in a batch of all processes together.
        rank: number of this process.
        processes: how many there are.
    """

    def __init__(self, order: Sampler[int], batch: int, rank: int, processes: int) -> None:
        self.batches, self.rank, self.processes = BatchSampler(order, batch, drop_last=False), rank, processes

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        for numbers, share in zip(self.batches, self.shares(), strict=True):
            yield numbers[share.start : share.stop]

    def shares(self) -> Iterator[Share]:
        """What this process has of every batch of an epoch."""
        assert isinstance(self.batches.sampler, Sized)
        samples, batch = len(self.batches.sampler), self.batches.batch_size
        for start in range(0, samples, batch):
            yield Share.of(min(batch, samples - start), self.rank, self.processes)


class _InShares(DataLoader[Any]):
    """torch's loader as RecBole's calls it, in an order of ours, and in several processes with shares."""

    shuffle: bool
    step: int
    _init_batch_size_and_step: Callable[[], None]  # these three are of RecBole's loader, which comes before

    def __init__(
        self, *, dataset: Any, batch_size: int, shuffle: bool, sampler: Any, generator: Any, **rest: Any
    ) -> None:
        alone = not isinstance(sampler, DistributedSampler)
        order = self.order(dataset, shuffle if alone else self.shuffle, generator)
        if alone:
            super().__init__(dataset, batch_size, sampler=order, generator=generator, **rest)
            return
        self.shuffle = False  # RecBole's trainers would tell its own sampler the epoch
        self._init_batch_size_and_step()  # RecBole has divided the samples in a batch by the processes
        batches = SharedBatches(order, self.step, sampler.rank, sampler.num_replicas)
        super().__init__(dataset, batch_sampler=batches, generator=generator, **rest)

    def order(self, dataset: Any, shuffle: bool, generator: Any) -> Sampler[int]:
        """That of torch's own loader."""
        return RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)


class SharedLoader(TrainDataLoader, _InShares):
    """Batches of ``train_batch_size`` samples of all processes together, see the module."""

    def __init__(self, config: Any, dataset: Any, sampler: Any, shuffle: bool = False) -> None:
        recbole_init: Any = super().__init__  # its types are not known, and mypy takes the next base's
        recbole_init(config, dataset, sampler, shuffle=shuffle)

    def shares(self) -> Iterator[Share]:
        """What this process has of every batch of an epoch."""
        assert isinstance(self.batch_sampler, SharedBatches)
        return self.batch_sampler.shares()
