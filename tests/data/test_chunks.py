"""Chunks against a plain walk through each user, and the orders in which their targets are dealt out."""

from typing import Any

import numpy as np
import pytest
import torch

from recbole_mmm4rec.columns import READ_AT
from recbole_mmm4rec.data.chunks import ChunkOrder, chunk_starts, cut_chunks, least_history
from recbole_mmm4rec.data.windows import Windows
from tests.data.test_windows import layout, some_rows, table

LENGTHS = (1, 2, 3, 4, 7, 20, 50)


def windows(longest: int, seed: int = 0, count: int = 200, **changes: Any) -> Windows:
    rows = table(some_rows(seed, count))
    return Windows.of_all_prefixes(rows, layout(trims=True, max_length=longest, **changes))


def read(batch: Any) -> list[tuple[tuple[int, ...], tuple[float, ...], int, int]]:
    """(items, times, user, target) of every target of a batch, the history as long as it is read."""
    found = []
    for target, (row, position) in enumerate(batch[READ_AT].tolist()):
        items = batch["item_id_list"][row, : position + 1].tolist()
        times = batch["timestamp_list"][row, : position + 1].tolist()
        user, item = batch["user_id"][target].item(), batch["item_id"][target].item()
        found.append((tuple(items), tuple(times), user, item))
    return found


def plain(samples: Windows) -> list[tuple[tuple[int, ...], tuple[float, ...], int, int]]:
    """The same of batches of one sample per target."""
    batch, found = samples.cut(), []
    for row, length in enumerate(batch["item_length"].tolist()):
        items = tuple(batch["item_id_list"][row, :length].tolist())
        times = tuple(batch["timestamp_list"][row, :length].tolist())
        found.append((items, times, batch["user_id"][row].item(), batch["item_id"][row].item()))
    return found


def together(samples: Windows) -> Any:
    return cut_chunks(samples, chunk_starts(samples))


@pytest.mark.parametrize("seed", range(3))
def test_histories_that_fit_are_those_of_samples_of_their_own(seed: int) -> None:
    samples = windows(100, seed)
    batch = together(samples)
    assert len(batch["item_length"]) == len(set(batch["user_id"].tolist()))
    assert read(batch) == plain(samples)


@pytest.mark.parametrize("longest", LENGTHS)
@pytest.mark.parametrize("seed", range(2))
def test_every_target_is_there_once_with_half_of_a_history_at_least(longest: int, seed: int) -> None:
    samples = windows(longest, seed)
    batch = together(samples)
    assert batch["item_id_list"].shape[1] <= longest
    for (items, times, *target), (full, moments, *expected) in zip(read(batch), plain(samples), strict=True):
        assert target == expected
        assert len(items) >= min(len(full), least_history(longest))
        assert items == full[-len(items) :]
        assert times == moments[-len(times) :]
        assert len(items) == len(full) or len(full) == longest


def test_twenty_keep_ten() -> None:
    rows = table([(1, item, item) for item in range(1, 62)])
    samples = Windows.of_all_prefixes(rows, layout(trims=True, max_length=20))
    batch = together(samples)
    seen = [position + 1 for _, position in batch[READ_AT].tolist()]
    assert seen == [*range(1, 21), *range(10, 21), *range(10, 21), *range(10, 21), *range(10, 17)]
    assert batch["item_length"].tolist() == [20, 20, 20, 20, 16]
    assert batch["item_id_list"][:, 0].tolist() == [1, 12, 23, 34, 45]


def test_a_part_of_the_samples_is_read_in_the_chunks_of_the_whole() -> None:
    samples = windows(4)
    draw = np.random.default_rng(0)
    for _ in range(20):
        chosen = draw.permutation(len(samples))[: draw.integers(1, 30)]
        whole, part = together(samples), together(samples[chosen])
        assert read(part) == [read(whole)[sample] for sample in chosen]
        assert part["item_length"].max() == part["item_id_list"].shape[1]


def test_columns_are_those_of_other_batches() -> None:
    samples = windows(5)
    batch, usual = together(samples), samples.cut()
    assert set(batch.columns) == {*usual.columns, READ_AT}
    assert {name: batch[name].dtype for name in usual.columns} == {n: usual[n].dtype for n in usual.columns}
    assert batch["timestamp_list"].shape[1] == usual["timestamp_list"].shape[1] == 5
    samples.drop("user_id")
    assert "user_id" not in together(samples).columns


def test_one_sample() -> None:
    batch = together(windows(3)[[0]])
    assert batch[READ_AT].tolist() == [[0, 0]]
    assert batch["item_length"].tolist() == [1]


def neighbours(order: np.ndarray, starts: np.ndarray) -> bool:
    """Whether those of a chunk stand together."""
    chunk = starts[order]
    return int((chunk[1:] != chunk[:-1]).sum()) + 1 == len(np.unique(chunk))


def test_an_order_keeps_chunks_together_and_differs_by_epoch() -> None:
    starts = chunk_starts(windows(4))
    order = ChunkOrder(starts, True, torch.Generator().manual_seed(1))
    first, second = (np.array(list(order)) for _ in range(2))
    again = np.array(list(ChunkOrder(starts, True, torch.Generator().manual_seed(1))))
    assert sorted(first) == sorted(second) == list(range(len(starts)))
    assert neighbours(first, starts)
    assert neighbours(second, starts)
    assert (first == again).all()
    assert (first != second).any()
    assert len(order) == len(starts)
    assert list(ChunkOrder(starts, False, None)) == list(range(len(starts)))
