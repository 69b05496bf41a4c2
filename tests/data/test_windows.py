"""Windows against a plain loop over prefixes, and everything RecBole does to ``inter_feat``."""

from __future__ import annotations

import copy
import timeit
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction

from recbole_mmm4rec.data.windows import FlatInteractions, Layout, Windows

NAMES = ["user_id", "item_id", "timestamp"]


def layout(trims: bool = False, max_length: int = 4, **changes: Any) -> Layout:
    plain: dict[str, Any] = {
        "user": "user_id",
        "item": "item_id",
        "length": "item_length",
        "list_suffix": "_list",
        "max_length": max_length,
        "time": "timestamp",
        "has_time": True,
        "trims": trims,
    }
    return Layout(**(plain | changes))


def table(rows: list[tuple[int, int, float]]) -> FlatInteractions:
    user, item, time = (np.array(column) for column in zip(*rows, strict=True))
    columns = {"user_id": torch.tensor(user), "item_id": torch.tensor(item)}
    columns["timestamp"] = torch.tensor(time, dtype=torch.float32)
    return FlatInteractions(columns, time.astype(np.float64), "user_id")


def plain_samples(rows: list[tuple[int, int, float]], width: int) -> list[dict[str, Any]]:
    """Every prefix by hand: sort stably, walk through each user."""
    samples = []
    for user in sorted({row[0] for row in rows}):
        events = sorted((row for row in rows if row[0] == user), key=lambda row: row[2])
        for n in range(1, len(events)):
            past = events[max(0, n - width) : n]
            pads = [0] * (width - len(past))
            samples.append(
                {
                    "user_id": user,
                    "item_id": events[n][1],
                    "item_length": len(past),
                    "item_id_list": [event[1] for event in past] + pads,
                    "timestamp_list": [event[2] for event in past] + pads,
                }
            )
    return samples


def some_rows(seed: int = 0, count: int = 60) -> list[tuple[int, int, float]]:
    draw = np.random.default_rng(seed)
    return [
        (int(draw.integers(1, 9)), int(draw.integers(1, 30)), int(draw.integers(9))) for _ in range(count)
    ]


@pytest.mark.parametrize("width", [1, 2, 3, 50])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_a_plain_loop(width: int, seed: int) -> None:
    rows = some_rows(seed)
    batch = Windows.of_all_prefixes(table(rows), layout(max_length=width)).cut()
    expected = plain_samples(rows, width)
    assert len(batch) == len(expected)
    for name in expected[0]:
        assert batch[name].tolist() == [sample[name] for sample in expected], name


def test_trimmed_batches_agree_too() -> None:
    rows = some_rows()
    windows = Windows.of_all_prefixes(table(rows), layout(trims=True, max_length=50))
    expected = plain_samples(rows, 50)
    assert windows.columns == ["user_id", "item_id", "item_length", "item_id_list", "timestamp_list"]
    for index in ([0], [3, 1], np.array([5, 5]), slice(2, 9), range(4)):
        batch = windows[index].cut()
        chosen = np.arange(len(expected))[index if isinstance(index, slice) else list(index)]
        width = max(expected[i]["item_length"] for i in chosen)
        assert batch["item_id_list"].tolist() == [expected[i]["item_id_list"][:width] for i in chosen]
        assert batch["timestamp_list"].tolist() == [expected[i]["timestamp_list"] for i in chosen]
        assert batch["timestamp_list"].dtype == torch.float64


def test_never_the_target_nor_the_next_user() -> None:
    rows = [(1, 10, 1), (1, 11, 2), (2, 20, 1), (2, 21, 2), (2, 22, 3)]
    batch = Windows.of_all_prefixes(table(rows), layout(trims=True)).cut()
    assert batch["item_id_list"].tolist() == [[10, 0], [20, 0], [20, 21]]
    assert batch["timestamp_list"].tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [1, 2, 0, 0]]


@pytest.mark.parametrize(
    "index",
    [
        [],
        np.array([]),
        torch.tensor([], dtype=torch.long),
        [2, 0],
        np.array([2, 0]),
        torch.tensor([2, 0]),
        slice(None),
        slice(1, 3),
        range(1, 3),
        range(0),
        np.array([True] + [False] * 51),
        torch.tensor([True] + [False] * 51),
        torch.tensor([1]),
    ],
)
def test_every_kind_of_index(index: Any) -> None:
    windows = Windows.of_all_prefixes(table(some_rows()), layout())
    assert len(windows) == 52
    whole = windows.cut()
    wanted = whole[index] if len(np.atleast_1d(torch.zeros(52)[index])) else None
    part = windows[index]
    assert part.flat is windows.flat
    assert len(part) == (0 if wanted is None else len(wanted))
    for name in windows.columns:
        cut = part.cut()[name]
        assert cut.shape[1:] == whole[name].shape[1:]
        assert cut.dtype == whole[name].dtype
        if wanted is not None:
            assert torch.equal(cut, wanted[name])


@pytest.mark.parametrize("by", ["timestamp", "user_id", ["item_id", "timestamp"], ["user_id", "timestamp"]])
def test_sorts_like_recbole(by: Any) -> None:
    windows = Windows.of_all_prefixes(table(some_rows()), layout())
    plain = Interaction(dict(windows.interaction))
    windows.sort(by=by)
    plain.sort(by=by)
    for name in plain.columns:
        assert torch.equal(windows.cut()[name], plain[name]), name


def test_sorts_downwards() -> None:
    windows = Windows.of_all_prefixes(table(some_rows()), layout())
    windows.sort(by=["user_id", "timestamp"], ascending=[True, False])
    keys = list(zip(windows["user_id"].tolist(), (-windows["timestamp"]).tolist(), strict=True))
    assert keys == sorted(keys)


def test_sorting_wants_as_many_directions() -> None:
    windows = Windows.of_all_prefixes(table(some_rows()), layout())
    with pytest.raises(ValueError, match="same length"):
        windows.sort(by=["user_id", "timestamp"], ascending=[True])


def test_sorts_by_exact_time() -> None:
    base = 1_600_000_000.0
    rows = [(1, 1, base - 9e5), (1, 2, base + 0.5), (2, 3, base - 9e5), (2, 4, base + 0.25)]
    windows = Windows.of_all_prefixes(table(rows), layout())
    windows.sort(by="timestamp")
    assert windows["item_id"].tolist() == [4, 2]


def test_without_times_the_clock_counts_lines() -> None:
    columns = {"user_id": torch.tensor([2, 1, 2, 1]), "item_id": torch.tensor([1, 2, 3, 4])}
    flat = FlatInteractions(columns, np.arange(4), "user_id")
    for time in ("timestamp", None):
        windows = Windows.of_all_prefixes(flat, layout(trims=True, time=time, has_time=False))
        assert windows["item_id"].tolist() == [4, 3]
        windows.sort(by=time)
        assert windows["item_id"].tolist() == [3, 4]
        assert "timestamp_list" not in windows


def test_is_an_interaction() -> None:
    windows = Windows.of_all_prefixes(table(some_rows()), layout())
    assert isinstance(windows, Interaction)
    assert list(windows) == windows.columns
    assert "item_id_list" in windows
    assert "rating" not in windows
    assert windows.to("cpu")["item_id"].equal(windows["item_id"])
    assert windows.numpy()["item_id_list"].shape == (52, 4)
    assert len(windows.repeat(2)) == 104
    assert windows.repeat_interleave(2)["user_id"][:2].tolist() == windows["user_id"][[0, 0]].tolist()
    assert "52" in str(windows)
    with pytest.raises(KeyError):
        windows["rating"]
    with pytest.raises(TypeError):
        windows["rating"] = torch.zeros(52)


def test_shuffling_and_copies_share_the_table() -> None:
    windows = Windows.of_all_prefixes(table(some_rows()), layout())
    twin = copy.deepcopy(windows)
    twin.shuffle()
    assert twin.flat is windows.flat
    assert not np.array_equal(twin.target, windows.target)
    assert np.array_equal(np.sort(twin.target), windows.target)


def test_dropped_columns_stay_dropped() -> None:
    windows = Windows.of_all_prefixes(table(some_rows()), layout())
    windows.drop("timestamp")
    del windows["timestamp_list"]
    assert windows[[0, 1]].columns == ["user_id", "item_id", "item_length", "item_id_list"]
    assert "timestamp" not in windows[[0]].cut()
    with pytest.raises(ValueError, match="timestamp"):
        windows.drop("timestamp")


def test_sequence_fields_keep_their_shape() -> None:
    columns = {
        "user_id": torch.tensor([1, 1, 1]),
        "item_id": torch.tensor([1, 2, 3]),
        "tags": torch.arange(6).view(3, 2),
        "price": torch.rand(3, 2, 2),
    }
    batch = Windows.of_all_prefixes(FlatInteractions(columns, np.arange(3), "user_id"), layout()).cut()
    assert batch["tags_list"].tolist() == [[[0, 1], [0, 0], [0, 0], [0, 0]], [[0, 1], [2, 3], [0, 0], [0, 0]]]
    assert batch["price_list"].shape == (2, 4, 2, 2)


def test_one_interaction_gives_no_sample() -> None:
    windows = Windows.of_all_prefixes(table([(1, 1, 1), (2, 1, 1)]), layout())
    assert len(windows) == 0
    assert windows.cut()["item_id_list"].shape == (0, 4)


def test_lazy_histories_read_single_rows() -> None:
    windows = Windows.of_all_prefixes(table(some_rows()), layout())
    column, whole = windows["item_id_list"], windows.cut()["item_id_list"]
    assert len(column) == 52
    assert torch.equal(column[7], whole[7])
    assert torch.equal(column[np.int64(7)], whole[7])
    assert torch.equal(column[[3, 4]], whole[3:5])
    assert torch.equal(column[:5], whole[:5])
    assert np.array_equal(column.numpy(), whole.numpy())
    assert not hasattr(column, "_nothing")


@pytest.mark.parametrize("trims", [True, False])
def test_a_thousand_windows_in_a_millisecond(trims: bool) -> None:
    draw = np.random.default_rng(0)
    count = 200_000
    columns = {
        "user_id": torch.from_numpy(draw.integers(1, 20_000, size=count)),
        "item_id": torch.from_numpy(draw.integers(1, 5_000, size=count)),
        "timestamp": torch.rand(count),
    }
    flat = FlatInteractions(columns, draw.integers(10**9, size=count).astype(np.float64), "user_id")
    windows = Windows.of_all_prefixes(flat, layout(trims=trims, max_length=20))
    index = draw.integers(len(windows), size=1_024)
    # the best of many: other work on the machine only ever adds time
    best = min(timeit.repeat(lambda: windows[index].cut(), number=1, repeat=200))
    assert best < 1e-3
