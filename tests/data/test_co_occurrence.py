"""Counts of pairs against loops over pairs, and what of a dataset is counted."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from recbole_mmm4rec.data import co_occurrence
from recbole_mmm4rec.data.co_occurrence import borrowed, lent, near_pairs, strongest
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from tests.conftest import write_interactions

ITEMS = 9


def histories(seed: int) -> list[list[int]]:
    """Of lengths from 1 on, with items that come twice."""
    generator = np.random.default_rng(seed)
    return [generator.integers(1, ITEMS, generator.integers(1, 7)).tolist() for _ in range(8)]


def flat(lists: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    owners = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    return np.array([item for one in lists for item in one], dtype=np.int64), owners


def counted_by_hand(lists: list[list[int]], reach: int) -> np.ndarray:
    total: dict[tuple[int, int], float] = defaultdict(float)
    for one in lists:
        for i, a in enumerate(one):
            for j, b in enumerate(one):
                if a != b and i != j and abs(i - j) <= reach:
                    total[a, b] += 1 / abs(i - j)
    matrix = np.zeros((ITEMS, ITEMS), np.float32)
    for pair, value in total.items():
        matrix[pair] = value
    return matrix


@pytest.mark.parametrize("reach", [1, 3, 50])
@pytest.mark.parametrize("seed", [0, 1])
def test_pairs_are_those_of_two_loops(seed: int, reach: int) -> None:
    lists = histories(seed)
    found = near_pairs(*flat(lists), ITEMS, reach).toarray()
    np.testing.assert_allclose(found, counted_by_hand(lists, reach), rtol=1e-6)


@pytest.mark.parametrize("lists", [[], [[3]], [[3], [4]], [[5, 5, 5]]], ids=str)
def test_histories_without_a_pair_count_nothing(lists: list[list[int]]) -> None:
    assert near_pairs(*flat(lists), ITEMS, 10).nnz == 0


@pytest.mark.parametrize("most", [1, 2, 100])
def test_the_strongest_of_every_row_come_first(most: int) -> None:
    generator = np.random.default_rng(0)
    dense = generator.integers(0, 4, (6, 6)).astype(np.float32)  # small numbers, so that many are equal
    dense[2] = 0
    columns, values = strongest(scipy.sparse.csr_matrix(dense), most)
    assert columns.shape == values.shape
    for row in range(6):
        wanted = sorted((-v, c) for c, v in enumerate(dense[row]) if v)[:most]
        count = len(wanted)
        assert [(-v, c) for c, v in zip(columns[row], values[row], strict=True)][:count] == wanted
        assert not values[row, count:].any()
        assert not columns[row, count:].any()


@pytest.mark.parametrize("block", [1, 3, 100])
@pytest.mark.parametrize("most", [1, 3, 100])
def test_lent_rows_are_those_of_whole_products(
    most: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(1)
    matrix, alike = generator.random((2, 7, 7)).astype(np.float32) * (generator.random((2, 7, 7)) < 0.3)
    alike[:, 3] = matrix[3] = matrix[:, 3] = 0  # an item that nobody is like, without a count
    alike[3] = 0
    monkeypatch.setattr(co_occurrence, "_CELLS", 7 * block)
    columns, values = lent(*map(scipy.sparse.csr_matrix, (matrix, alike)), most)
    whole = (np.eye(7) + alike) @ matrix @ (np.eye(7) + alike).T
    assert_strongest(columns, values, whole, most)


def assert_strongest(columns: np.ndarray, values: np.ndarray, whole: np.ndarray, most: int) -> None:
    """Of every row of the whole, but for its diagonal, the largest; of equal ones any."""
    np.fill_diagonal(whole, 0)
    assert columns.shape == values.shape == (len(whole), columns.shape[1])
    for row in range(len(whole)):
        wanted = sorted(whole[row][whole[row] > 0], reverse=True)[:most]
        np.testing.assert_allclose(values[row, : len(wanted)], wanted, rtol=1e-5)
        np.testing.assert_allclose(whole[row, columns[row, : len(wanted)]], wanted, rtol=1e-5)
        assert not values[row, len(wanted) :].any()
        assert not columns[row, len(wanted) :].any()


@pytest.mark.parametrize("block", [1, 3, 100])
@pytest.mark.parametrize("most", [1, 3, 100])
@pytest.mark.parametrize("earlier", [range(7), [0, 4, 2], [0]], ids=str)
def test_later_items_borrow_rows_and_columns_of_whole_products(
    earlier: Sequence[int], most: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(2)
    matrix = generator.random((7, 7)).astype(np.float32) * (generator.random((7, 7)) < 0.3)
    alike = generator.random((3, 7)).astype(np.float32) * (generator.random((3, 7)) < 0.5)
    near = generator.random((3, 7)).astype(np.float32) * (generator.random((3, 7)) < 0.5)
    alike[1] = near[1] = 0  # like nobody
    monkeypatch.setattr(co_occurrence, "_ROWS", block)
    kept, own = np.array(earlier), len(earlier)
    given, lent_by, near_to = map(scipy.sparse.csr_matrix, (matrix, alike, near))
    columns, values = borrowed(given, kept, lent_by, near_to, most)
    weights = np.concatenate([np.eye(7)[kept], alike])
    whole = weights @ matrix @ weights.T
    whole[own:, :own] += near[:, kept]
    whole[:own, own:] += near[:, kept].T
    assert_strongest(columns, values, whole, most)
    assert not values[own + 1].any()


def test_nothing_is_lent_where_nothing_was_counted() -> None:
    empty = scipy.sparse.csr_matrix((4, 4), dtype=np.float32)
    columns, values = lent(empty, scipy.sparse.identity(4, np.float32, "csr"), 10)
    assert columns.tolist() == [[0]] * 4
    assert not values.any()


def test_nothing_at_all_is_one_empty_column() -> None:
    columns, values = strongest(scipy.sparse.csr_matrix((4, 4), dtype=np.float32), 10)
    assert columns.tolist() == [[0]] * 4
    assert not values.any()


@pytest.mark.parametrize("split", [{"LS": "valid_and_test"}, {"TS": [0.8, 0.1, 0.1]}], ids=str)
def test_only_what_training_shows_is_counted(
    split: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What validation and test ask for is in none of the events, and all else is, once."""
    monkeypatch.chdir(tmp_path)
    write_interactions(tmp_path / "atomic_data" / "tiny", "tiny", times=True)
    by = "user" if "LS" in split else None
    evaluation = {"split": split, "order": "TO", "mode": "full", "group_by": by}
    changes = {"MAX_ITEM_LIST_LENGTH": 3, "eval_args": evaluation, "use_gpu": False}
    config = RunConfig("BSARec", "tiny", config_dict=changes)
    train, _, _ = prepare_loaders(config, create_dataset(config))
    rows = train.dataset.inter_feat
    windows = zip(rows.target, rows.history, strict=True)
    shown = {at for end, length in windows for at in range(end - length, end + 1)}
    items, users = train.dataset.events()
    columns = rows.flat.columns
    assert items.tolist() == columns["item_id"][sorted(shown)].tolist()
    assert users.tolist() == columns["user_id"][sorted(shown)].tolist()
    assert 0 < len(items) < len(rows.flat)
