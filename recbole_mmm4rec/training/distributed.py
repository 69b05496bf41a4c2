"""Several processes, one model: shares of a batch, equal weights, rows gathered in their order.

Each process holds the whole model and a share of every batch, and weighs its loss by that share (see
:mod:`recbole_mmm4rec.nn.sharing`), so that the processes' gradients add up to that of the batch
(:mod:`.gradients`).
Nothing here does anything when ``torch.distributed`` is not initialised.
"""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import torch
import torch.distributed as dist
from recbole.trainer.trainer import AbstractTrainer
from torch import Tensor, nn
from torch.utils.data.distributed import DistributedSampler

from recbole_mmm4rec.cluster.group import everyone
from recbole_mmm4rec.nn.collectives import all_reduce
from recbole_mmm4rec.nn.sharing import Share, use_generator


class UnwrappedTrainer(AbstractTrainer):
    """RecBole's trainer base without the ``DistributedDataParallel`` wrapper, which needs NCCL and GPUs."""

    def __init__(self, config: Any, model: Any) -> None:
        self.config = config
        self.model: Any = model
        broadcast_model(model)


def world_size() -> int:
    """Number of processes; 1 when not distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def barrier() -> None:
    """Wait for all processes, as long as it takes."""
    if world_size() > 1:
        dist.barrier(everyone())


def broadcast_model(model: nn.Module) -> None:
    """Give every process the weights and buffers that process 0 would save.

    Buffers that no checkpoint holds (frozen features, which can be gigabytes, and constants) follow from the
    dataset and the configuration: every process has made its own.
    """
    if world_size() == 1:
        return
    saved = model.state_dict()
    tensors = [*model.named_parameters(), *model.named_buffers()]
    with torch.no_grad():
        for tensor in (tensor for name, tensor in tensors if name in saved):
            dist.broadcast(tensor.data, src=0)


def broadcast_object(value: Any) -> Any:
    """The value that process 0 has."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, group=everyone())
    return box[0]


def gather_objects(value: Any) -> list[Any]:
    """The values of all processes, in their order."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value, group=everyone())
    return values


def shares(loader: Any) -> Iterator[Share]:
    """This process's share of every batch of an epoch.

    Args:
        loader: ours knows the shares; another one has a batch of its own, as large as the others', in every
            process.
    """
    if world_size() == 1:
        return repeat(Share())
    known = getattr(loader, "shares", None)
    return known() if known else repeat(Share(weight=1 / world_size(), split=True))


def share_draws() -> None:
    """Let draws for whole batches come from one generator, which begins where that of process 0 is now."""
    if world_size() == 1:
        use_generator(None)
        return
    generator = torch.Generator()
    generator.set_state(broadcast_object(torch.get_rng_state()))
    use_generator(generator)


def total(tensor: Tensor) -> Tensor:
    """Sum of a tensor over the processes."""
    return tensor if world_size() == 1 else all_reduce(tensor.clone())


def gather_rows(rows: Tensor, loader: Any) -> Tensor:
    """Rows of all processes, each once; in the order of the data set where a sample has one row.

    Args:
        rows: (n, ...) what this process found for its rows of ``loader``.
        loader: the evaluation loader; its ``DistributedSampler`` deals rows out in turn and repeats some
            at the end to make the shares equal. A loader without one already saw every row.

    Returns:
        (n_total, ...) on the CPU.
    """
    rows = rows.cpu()
    sampler = getattr(loader, "sampler", None)
    if world_size() == 1 or not isinstance(sampler, DistributedSampler):
        return rows
    shares = gather_objects(_own_rows(rows, loader, sampler))
    gathered = torch.cat(shares)
    if len(gathered) == loader.sample_size:
        for number, share in enumerate(shares):
            gathered[number :: world_size()] = share
    return gathered


def _own_rows(rows: Tensor, loader: Any, sampler: DistributedSampler) -> Tensor:
    """Without those of the samples at the end that another process has too."""
    dealt = list(sampler)
    samples = len(range(rank(), loader.sample_size, world_size()))
    if len(rows) == len(dealt):
        return rows[:samples]
    # sampled candidates with metrics of values: a sample is a user, its rows are positives and negatives
    sizes = loader.uid2items_num[loader.uid_list[dealt[:samples]]] * loader.times
    return rows[: int(sizes.sum())]
