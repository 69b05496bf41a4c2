"""Losses of a batch that two processes share against the same of one: values and gradients."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.model.hm4sr.categories import CategoryHead
from recbole_mmm4rec.model.mmsrec.modality_contrast import modality_contrasts, symmetric_contrast
from recbole_mmm4rec.nn import sharing
from recbole_mmm4rec.nn.collectives import TRAFFIC, all_reduce
from recbole_mmm4rec.nn.losses import contrastive_loss, full_catalogue_loss, in_batch_loss
from recbole_mmm4rec.nn.negatives import NegativeSampler
from recbole_mmm4rec.nn.objectives import GeneralisedBCE, InBatch, Objective, SampledSoftmax
from recbole_mmm4rec.nn.sharing import Share
from tests.pair import in_two_processes

WIDTH, ITEMS = 6, 9
SIZES = (35, 2, 1)
"""Rows of a batch: odd, one for each process, and fewer than processes."""

Loss = Callable[[dict[str, Tensor], slice], Tensor]
"""Of some rows of the tensors of :func:`leaves`."""


def leaves(rows: int) -> dict[str, Tensor]:
    """Leaf tensors with a row for every sample, and what all samples have in common."""
    generator = torch.Generator().manual_seed(rows)
    names = ("users", "candidates", "others")
    found = {name: torch.randn(rows, WIDTH, generator=generator) for name in names}
    found |= {"table": torch.randn(ITEMS + 1, WIDTH, generator=generator), "scale": torch.ones(WIDTH)}
    return {name: value.requires_grad_() for name, value in found.items()}


def targets(rows: int) -> Tensor:
    """Item numbers, many of them equal."""
    return torch.randint(1, ITEMS + 1, (rows,), generator=torch.Generator().manual_seed(1))


def in_batch(equal: bool = True, **options: Any) -> Loss:
    def loss(leaf: dict[str, Tensor], rows: slice) -> Tensor:
        items = targets(len(leaf["users"]))[rows]
        extra = dict(options)
        if extra.pop("negatives", False):
            extra["own_negatives"] = leaf["others"][rows]
        if extra.pop("expected", False):
            extra["log_expected"] = -0.3 * items.float()

        def score(users: Tensor, candidates: Tensor) -> Tensor:
            return (users * leaf["scale"]) @ candidates.mT

        users, candidates = leaf["users"][rows], leaf["candidates"][rows]
        return in_batch_loss(users, candidates, items, equal, score=score, **extra)

    return loss


def contrastive(mask_equal: bool) -> Loss:
    def loss(leaf: dict[str, Tensor], rows: slice) -> Tensor:
        users, others = leaf["users"][rows], leaf["others"][rows]
        return contrastive_loss(users, others, targets(len(leaf["users"]))[rows], mask_equal)

    return loss


def catalogue(leaf: dict[str, Tensor], rows: slice) -> Tensor:
    items = targets(len(leaf["users"]))[rows]
    return full_catalogue_loss(leaf["users"][rows], leaf["table"], items, chunk=4, smoothing=0.1)


def objective(kind: Callable[[NegativeSampler], Objective]) -> Loss:
    def loss(leaf: dict[str, Tensor], rows: slice) -> Tensor:
        torch.manual_seed(5)
        if sharing.generator() is not None:
            sharing.use_generator(torch.Generator().manual_seed(5))
        made = kind(NegativeSampler(torch.arange(ITEMS + 1)))
        items = targets(len(leaf["users"]))[rows]
        step = made.plan(items.unsqueeze(1), items)
        assert step.items is not None
        return made(leaf["users"][rows], leaf["table"][step.items], step, lambda u, c: u @ c.mT)

    return loss


def symmetric(mask_equal: bool, chunk: int) -> Loss:
    def loss(leaf: dict[str, Tensor], rows: slice) -> Tensor:
        a, b, items = leaf["users"], leaf["others"], targets(len(leaf["users"]))
        return symmetric_contrast(a[rows], b[rows], items[rows], mask_equal, chunk)

    return loss


def contrasts(leaf: dict[str, Tensor], rows: slice) -> Tensor:
    """Texts are at the first 17 rows only: of these all of the first process's but one, pictures at none."""
    items = targets(len(leaf["users"]))
    there = torch.stack([torch.arange(len(items)) < 17, torch.zeros(len(items), dtype=torch.bool)], 1)
    views = {("text",): leaf["users"], ("image",): leaf["others"], ("text", "image"): leaf["candidates"]}
    terms = modality_contrasts(
        lambda kind: views[kind][rows], ("text", "image"), there[rows], items[rows], 0.5
    )
    assert "image image" not in terms
    return torch.stack([*terms.values()]).mean()


def categories(leaf: dict[str, Tensor], rows: slice) -> Tensor:
    """Of the items at the samples' places, of which those with an even number have categories."""
    torch.manual_seed(0)
    numbers = torch.arange(ITEMS + 1).unsqueeze(1)
    head = CategoryHead((numbers % 2 == 0) & (numbers > torch.tensor([0, 3])), WIDTH)
    counts = torch.bincount(targets(len(leaf["users"]))[rows], minlength=ITEMS + 1)
    return head(leaf["table"], counts)


def sums(leaf: dict[str, Tensor], rows: slice) -> Tensor:
    return sharing.part_of_sum(leaf["users"][rows].square().sum())


def means(leaf: dict[str, Tensor], rows: slice) -> Tensor:
    """Over elements above 0, of which processes have different numbers."""
    values = leaf["users"][rows]
    kept = values[values > 0]
    return sharing.mean_weight(len(kept), kept.device) * kept.square().mean()


LOSSES: dict[str, Loss] = {
    "in batch": in_batch(),
    "in batch, equal ones score 0": in_batch(equal_logit=0.0),
    "in batch, equal ones stay": in_batch(equal=False),
    "in batch, smoothed": in_batch(smoothing=0.2),
    "in batch, own negatives": in_batch(negatives=True),
    "in batch, corrected and smoothed": in_batch(expected=True, smoothing=0.1, negatives=True),
    "contrastive": contrastive(mask_equal=True),
    "contrastive as released": contrastive(mask_equal=False),
    "catalogue": catalogue,
    "InBatch": objective(lambda _: InBatch(counts=torch.arange(ITEMS + 1))),
    "sampled, one sample": objective(lambda sampler: SampledSoftmax(sampler, 4)),
    "sampled, one each": objective(lambda sampler: SampledSoftmax(sampler, 4, shared=False)),
    "gbce": objective(lambda sampler: GeneralisedBCE(sampler, 4, shared=False)),
    "symmetric": symmetric(mask_equal=True, chunk=0),
    "symmetric in chunks": symmetric(mask_equal=True, chunk=5),
    "symmetric, equal ones stay": symmetric(mask_equal=False, chunk=0),
    "modalities": contrasts,
    "categories": categories,
    "sums": sums,
    "means": means,
}


def outcome(loss: Loss, rows: int, share: Share) -> tuple[Tensor, dict[str, Tensor]]:
    """This process's part of value and gradients."""
    leaf = leaves(rows)
    with sharing.within(share):
        value = share.weight * loss(leaf, slice(share.start, share.stop))
    value.backward()
    zero = torch.zeros(())
    return value.detach(), {n: zero.expand(t.shape) if t.grad is None else t.grad for n, t in leaf.items()}


def work(rank: int) -> dict[tuple[str, int], tuple[Tensor, dict[str, Tensor]]]:
    sharing.use_generator(torch.Generator())
    ends = {}
    for name, loss in LOSSES.items():
        for rows in SIZES:
            value, grads = outcome(loss, rows, Share.of(rows, rank, 2))
            total = {n: all_reduce(grad.clone().contiguous()) for n, grad in grads.items()}
            ends[name, rows] = all_reduce(value.clone()), total
    check_numbers(rank)
    return ends


def check_numbers(rank: int) -> None:
    """Largest number, sum, traffic, and half-precision numbers whose sum is exact."""
    share = Share.of(3, rank, 2)
    with sharing.within(share):
        assert sharing.largest(5 - rank, torch.device("cpu")) == 5
        assert sharing.summed(torch.tensor(rank + 1)).item() == 3
        given = TRAFFIC.bytes
        batch = sharing.rows_of_all(share.stop - share.start, torch.device("cpu"))
        assert (batch.counts, batch.own) == ([2, 1], slice(share.start, share.stop))
        own = torch.full((share.stop - share.start, 1), 256.0 + rank, dtype=torch.bfloat16)
        every = batch.gather(own.requires_grad_())
        assert every.dtype == torch.bfloat16
        assert every.flatten().tolist() == [256.0, 256.0, 256.0]  # 257 is not a number of bfloat16
        assert TRAFFIC.bytes - given == 8 + 2 * 2  # a count, and two rows: as many as the process with most
        every.sum().backward()
        assert own.grad is not None
        assert own.grad.flatten().tolist() == [2.0] * len(own)
    assert sharing.largest(5 - rank, torch.device("cpu")) == 5 - rank


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return in_two_processes(work, Path(tmp_path_factory.mktemp("two")))


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("name", LOSSES)
def test_two_processes_compute_the_loss_and_gradients_of_one(two: list[Any], name: str, rows: int) -> None:
    value, grads = outcome(LOSSES[name], rows, Share.of(rows, 0, 1))
    assert any(grad.abs().sum() > 0 for grad in grads.values()) or rows < 3
    for shared_value, shared_grads in (end[name, rows] for end in two):
        torch.testing.assert_close(shared_value, value, rtol=1e-5, atol=1e-6)
        for leaf, grad in grads.items():
            torch.testing.assert_close(shared_grads[leaf], grad, rtol=1e-5, atol=1e-6)


def test_the_check_sees_what_is_not_gathered(two: list[Any]) -> None:
    """The mean of both processes' own losses is another number."""
    parts = [outcome(LOSSES["in batch"], 35, Share(s.start, s.stop, s.weight)) for s in halves(35)]
    assert abs(sum(value for value, _ in parts) - two[0]["in batch", 35][0]) > 0.1


def halves(rows: int) -> list[Share]:
    return [Share.of(rows, rank, 2) for rank in range(2)]


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 34, 35])
def test_shares_are_the_whole_batch(rows: int, processes: int) -> None:
    shares = [Share.of(rows, rank, processes) for rank in range(processes)]
    assert sum(share.weight for share in shares) == pytest.approx(1.0)
    if rows < processes:
        assert {(share.start, share.stop, share.split) for share in shares} == {(0, rows, False)}
        return
    numbers = [number for share in shares for number in range(share.start, share.stop)]
    assert numbers == list(range(rows))
    sizes = [share.stop - share.start for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert {share.split for share in shares} == {processes > 1}


def test_alone_nothing_is_exchanged() -> None:
    given, value = TRAFFIC.tensors, torch.tensor(3.0)
    batch = sharing.rows_of_all(4, value.device)
    rows = torch.randn(4, 2)
    assert batch.gather(rows) is rows
    assert (batch.total, batch.own) == (4, slice(0, 4))
    assert sharing.part_of_sum(value) is value
    assert sharing.summed(value) is value
    assert (sharing.largest(2, value.device), sharing.mean_weight(3, value.device)) == (2, 1.0)
    assert TRAFFIC.tensors == given
