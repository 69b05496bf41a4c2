"""Lists by an approximate index against those of the exact product: few items missing, all filters right."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from recbole_mmm4rec import extras
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend import lists
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.lists import exact_lists, indexed_lists
from recbole_mmm4rec.recommend.loading import load
from recbole_mmm4rec.recommend.neighbours import ItemIndex
from recbole_mmm4rec.recommend.ranking import Filters
from tests.recommend.trained import recommender, trained

ITEMS, WIDTH, USERS = 5_000, 16, 60


class Products:
    """What lists ask of a scorer: users near the centres of clusters of items of different lengths."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        centres = torch.randn(50, WIDTH, generator=generator)
        vectors = centres.repeat(ITEMS // 50, 1) + 0.5 * torch.randn(ITEMS, WIDTH, generator=generator)
        vectors = vectors * (0.5 + torch.rand(ITEMS, 1, generator=generator))
        self.table = torch.cat([torch.zeros(1, WIDTH), vectors])
        self.users = torch.randn(USERS, WIDTH, generator=generator) + centres[torch.arange(USERS) % 50]
        self.items, self.device, self.asked = ITEMS + 1, torch.device("cpu"), 0

    def candidates(self) -> torch.Tensor:
        return self.table

    def user_vectors(self, histories: Histories) -> torch.Tensor:
        return self.users[torch.from_numpy(histories.users.astype(np.int64))]

    def of_items(self, users: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ud,ucd->uc", users, self.table[numbers])

    def counted(self, histories: Histories) -> None:
        return None

    def scores(self, histories: Histories) -> torch.Tensor:
        self.asked += len(histories)
        scores = self.user_vectors(histories) @ self.table.T
        scores[:, 0] = -torch.inf
        return scores


@pytest.fixture(scope="module")
def scorer() -> Any:
    return Products()


@pytest.fixture(scope="module")
def index(scorer: Any) -> ItemIndex:
    return ItemIndex(scorer.candidates())


def filters_of(histories: Histories, seen: bool = False, **given: Any) -> Filters:
    tokens = ["[PAD]", *(f"i{n}" for n in range(1, ITEMS + 1))]
    return Filters(Catalogue(tokens, {}, False), histories.users, given.get("allow"), given.get("deny"), seen)


def histories_of(scorer: Any, best: int) -> Histories:
    """Users who have seen their own best items."""
    scores = scorer.users @ scorer.table[1:].T
    chosen = scores.topk(best, dim=1).indices.numpy() + 1
    return Histories(np.arange(USERS).astype(object), chosen.ravel(), np.arange(USERS + 1) * best, None)


@pytest.mark.parametrize(
    ("seen", "given"),
    [
        (False, {}),
        (True, {}),
        (False, {"deny": [f"i{n}" for n in range(1, ITEMS, 40)]}),
        (True, {"deny": {3: ["i5", "i6"], 7: [f"i{n}" for n in range(1, 400)]}}),
    ],
)
def test_an_index_finds_nearly_all(scorer: Any, index: ItemIndex, seen: bool, given: dict[str, Any]) -> None:
    histories, rows = histories_of(scorer, 12), np.arange(USERS)
    filters = filters_of(histories, seen, **given)
    before = scorer.asked
    values, numbers = indexed_lists(scorer, index, histories, rows, filters, 10)
    assert scorer.asked == before  # no product with all items
    right, wanted = exact_lists(scorer, histories, rows, filters, 10)
    common = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(numbers, wanted, strict=True)])
    assert common >= 0.99
    assert (np.diff(values, axis=1) <= 0).all()
    same = (numbers == wanted).all(1)
    np.testing.assert_allclose(values[same], right[same], rtol=1e-5)
    if seen:
        assert all(
            not set(n) & set(histories.of(np.array([u])).items) for u, n in enumerate(numbers.tolist())
        )
    alone = indexed_lists(scorer, index, histories.of(rows[3:4]), rows[3:4], filters, 10)
    np.testing.assert_array_equal(alone[1][0], numbers[3])


@pytest.mark.parametrize(
    ("k", "given"),
    [
        (10, {"allow": ["i1", "i2", "i3"]}),
        (10, {"allow": {3: ["i9", "i8"]}}),
        (10, {"deny": [f"i{n}" for n in range(1, 3001)]}),
        (ITEMS, {}),
    ],
)
def test_where_an_index_is_of_no_use_lists_are_exact(
    scorer: Any, index: ItemIndex, k: int, given: dict[str, Any]
) -> None:
    histories, rows = histories_of(scorer, 3), np.arange(USERS)
    filters = filters_of(histories, True, **given)
    values, numbers = indexed_lists(scorer, index, histories, rows, filters, k)
    right, wanted = exact_lists(scorer, histories, rows, filters, k)
    there = right > -np.inf
    np.testing.assert_array_equal(there, values > -np.inf)
    np.testing.assert_array_equal(numbers[there], wanted[there])


def test_users_whom_the_index_leaves_too_few_get_exact_lists(scorer: Any) -> None:
    histories, rows = histories_of(scorer, 3), np.arange(USERS)
    filters = filters_of(histories, True)

    class Poor:
        def nearest(self, users: torch.Tensor, count: int) -> torch.Tensor:
            found = torch.zeros(len(users), count, dtype=torch.int64)
            found[::2] = torch.arange(1, count + 1)
            return found

    values, numbers = indexed_lists(scorer, Poor(), histories, rows, filters, 10)  # type: ignore[arg-type]
    right, wanted = exact_lists(scorer, histories, rows, filters, 10)
    np.testing.assert_array_equal(numbers[1::2], wanted[1::2])
    np.testing.assert_allclose(values[1::2], right[1::2])
    assert (numbers[::2] <= 13).all()


def test_equal_scores_come_in_the_order_of_the_catalogue() -> None:
    scorer: Any = Products()
    scorer.table[1:] = scorer.table[1]
    histories, rows = histories_of(scorer, 1), np.arange(USERS)
    found = torch.arange(20, 0, -1).expand(USERS, -1).sort(dim=1).values
    index: Any = SimpleNamespace(nearest=lambda users, count: found)
    _, numbers = indexed_lists(scorer, index, histories, rows, filters_of(histories), 5)
    assert numbers.tolist() == [[1, 2, 3, 4, 5]] * USERS


@pytest.mark.parametrize("model", ["MMM4Rec", "SASRec"])
def test_a_recommender_with_an_index(model: str, in_tmp: Path) -> None:
    path = trained(model)[0]
    exact, fast = load(path, "cpu"), load(path, "cpu", index="ann")
    histories = {"u": ["i1", "i2"], "v": ["i7"]}
    times = {"u": [1.5e9, 1.5e9 + 9], "v": [1.5e9]}
    given = {"times": times, "k": 5, "deny": ["i3"], "exclude_seen": True}
    pd.testing.assert_frame_equal(fast.recommend(histories, **given), exact.recommend(histories, **given))
    if model == "MMM4Rec":
        vectors = {"text": np.ones((1, 12)), "image": np.ones((1, 8))}
        for known in (exact, fast):
            known.add_items(["new"], vectors=vectors)
        pd.testing.assert_frame_equal(fast.recommend(histories, **given), exact.recommend(histories, **given))
        assert fast.with_catalogue(["a", "b"], vectors={"text": np.eye(2, 12)}).index == "ann"


def test_an_index_is_kept_in_a_file(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = trained("SASRecT")[0]
    first = load(path, "cpu", index="deep/items.usearch").recommend(["i1"], k=5)
    assert [file.name for file in Path("deep").iterdir()] == ["items.usearch"]
    before = Path("deep/items.usearch").stat().st_mtime_ns
    pd.testing.assert_frame_equal(load(path, "cpu", index="deep/items.usearch").recommend(["i1"], k=5), first)
    assert Path("deep/items.usearch").stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"items.usearch: (an index of other item vectors|not an index)"):
        load(trained("UniSRec")[0], "cpu", index="deep/items.usearch")
    Path("bad.usearch").write_bytes(b"not an index")
    with pytest.raises(UserError, match=r"bad.usearch: not an index of this catalogue"):
        load(path, "cpu", index="bad.usearch")
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=re.escape("pip install 'recbole-mmm4rec[ann]'")):
        load(path, "cpu", index="ann")


def test_scores_that_are_not_products_have_no_index() -> None:
    made = recommender("MISSRec", item_mm_fusion="dynamic_instance")
    with pytest.raises(UserError, match="index: scores of MISSRec are not products"):
        lists.index_of(made.scorer, "ann", "MISSRec")
