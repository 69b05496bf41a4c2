"""Interests: de-duplicated without a loop, and clustered as often as wanted with the same result."""

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.model.missrec.interests import CLUSTERINGS, InterestTable

N, D = 40, 5


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def present() -> dict[str, Tensor]:
    return {"text": torch.arange(N) > 2, "image": torch.arange(N) % 3 == 1}


def vectors() -> dict[str, Tensor]:
    draws = torch.randn(2, N, D, generator=generator())
    return {"text": draws[0], "image": draws[1]}


def by_hand(clusters: Tensor, item_seq: Tensor, keep_zero: bool) -> list[list[int]]:
    sets = [sorted({int(c) for item in row for c in clusters[item]}) for row in item_seq]
    return sets if keep_zero else [[c for c in row if c] for row in sets]


@pytest.mark.parametrize("keep_zero", [False, True])
@pytest.mark.parametrize("numbers", [1, 4, 30])
def test_tokens_are_the_different_clusters_of_a_history(numbers: int, keep_zero: bool) -> None:
    table = InterestTable(present(), D, 0.5)
    table.clusters = torch.randint(0, numbers + 1, (N, 2), generator=generator())
    table.clusters[0] = 0
    item_seq = torch.randint(0, N, (50, 7), generator=generator())
    tokens = table.tokens(item_seq, keep_zero)
    expected = by_hand(table.clusters, item_seq, keep_zero)
    assert tokens.shape[1] == max(1, *map(len, expected))
    for row, interests in zip(tokens.tolist(), expected, strict=True):
        assert row == interests + [0] * (len(row) - len(interests))


def test_modalities_may_read_different_histories() -> None:
    table = InterestTable(present(), D, 0.5)
    table.clusters = torch.randint(1, 30, (N, 2), generator=generator())
    texts, pictures = torch.randint(0, N, (2, 20, 7), generator=generator())
    tokens = table.tokens(torch.stack([texts, pictures], dim=2))
    for row, seen in enumerate(zip(texts, pictures, strict=True)):
        expected = {int(c) for at, items in enumerate(seen) for c in table.clusters[items, at]}
        assert [c for c in tokens[row].tolist() if c] == sorted(expected)


def test_items_without_anything_have_one_empty_slot() -> None:
    table = InterestTable(present(), D, 0.5)
    assert table.tokens(torch.zeros(3, 4, dtype=torch.int64)).tolist() == [[0], [0], [0]]
    assert not table.vectors(table.tokens(torch.zeros(3, 4, dtype=torch.int64))).any()


@pytest.mark.parametrize("clustering", CLUSTERINGS)
def test_there_are_no_more_clusters_than_points(clustering: str) -> None:
    there = {"text": torch.arange(6) > 0}
    table = InterestTable(there, D, 1.5, clustering)
    table.fit({"text": torch.randn(6, D, generator=generator())})
    assert sorted(table.clusters[:, 0].tolist()) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("clustering", CLUSTERINGS)
def test_what_is_missing_is_in_no_cluster(clustering: str) -> None:
    there = present()
    table = InterestTable(there, D, 0.3, clustering)
    table.fit(vectors())
    assert table.count == -(-3 * int(sum(p.sum() for p in there.values())) // 10)
    for column, name in enumerate(there):
        assert torch.equal(table.clusters[:, column] > 0, there[name])
    assert table.clusters.max() == table.count
    assert (table.centroids[0] == 0).all()


@pytest.mark.parametrize("clustering", CLUSTERINGS)
def test_clusters_hold_near_points(clustering: str) -> None:
    table, moving = InterestTable(present(), D, 0.3, clustering, iterations=8), vectors()
    table.fit(moving)
    inside, around = [], []
    for column, (name, there) in enumerate(present().items()):
        own = moving[name][there] - table.vectors(table.clusters[there, column])
        inside.append(own.square().sum(1))
        around.append((moving[name][there] - moving[name][there].mean(0)).square().sum(1))
    assert torch.cat(inside).mean() < 0.5 * torch.cat(around).mean()


@pytest.mark.parametrize("clustering", CLUSTERINGS)
def test_a_saved_table_goes_on_as_if_never_saved(clustering: str) -> None:
    first, second = (InterestTable(present(), D, 0.4, clustering) for _ in range(2))
    first.fit(vectors())
    second.load_state_dict(first.state_dict())
    moved = {name: v + 0.3 for name, v in vectors().items()}
    for table in (first, second):
        table.fit(moved)
    assert torch.equal(first.clusters, second.clusters)
    assert torch.equal(first.centroids, second.centroids)


def test_centroids_follow_their_points_and_keep_their_numbers() -> None:
    table = InterestTable(present(), D, 0.4)
    for _ in range(6):
        table.fit(vectors())
    settled, centroids = table.clusters.clone(), table.centroids.clone()
    table.fit({name: v + 1e-4 for name, v in vectors().items()})
    assert torch.equal(table.clusters, settled)
    torch.testing.assert_close(table.centroids[1:], centroids[1:] + 1e-4)
