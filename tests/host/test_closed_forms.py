"""Models of RecBole that are computed and not trained, each against an independent computation in numpy.

``X`` (users, items) is the training matrix without padding; expected scores are (users, items).
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole import data as recbole_data
from recbole.data.interaction import Interaction
from recbole.utils import init_seed

from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset
from recbole_mmm4rec.quick_start.training_run import build_model, select

USERS, ITEMS, BATCHES = 40, 25, (1, 256, 2048, 8192)


@pytest.fixture
def folder(in_tmp: Path) -> Path:
    """Items of falling popularity, no repeats."""
    rng = np.random.default_rng(0)
    chances = 1 / np.arange(1, ITEMS + 1)
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user in range(USERS):
        items = rng.choice(ITEMS, size=rng.integers(5, 12), replace=False, p=chances / chances.sum())
        lines += [f"u{user}\ti{item}\t{1000 * user + step}" for step, item in enumerate(items)]
    (in_tmp / "atomic_data" / "made").mkdir(parents=True)
    (in_tmp / "atomic_data" / "made" / "made.inter").write_text("\n".join(lines) + "\n")
    return in_tmp


def prepared(model: str, **values: Any) -> tuple[RunConfig, tuple[Any, ...]]:
    settings = {"topk": [1, 3, 10], "valid_metric": "NDCG@10", "metric_decimal_place": 15}
    config = RunConfig(model, "made", config_dict=settings | values)
    init_seed(config["seed"], True)
    return config, recbole_data.data_preparation(config, create_dataset(config))


def built(model: str, **values: Any) -> tuple[Any, np.ndarray]:
    """The model and the training matrix."""
    config, loaders = prepared(model, **values)
    return build_model(config, loaders[0]._dataset), loaders[0]._dataset.inter_matrix("csr").toarray()[1:, 1:]


def scores_of(model: Any) -> np.ndarray:
    users = torch.arange(1, model.n_users)
    scores = model.full_sort_predict(Interaction({"user_id": users})).view(len(users), -1)
    return scores.numpy()[:, 1:]


def assert_scores(model: Any, expected: np.ndarray, atol: float = 1e-5) -> None:
    """Of the full ranking and, up to a factor that is one for all, of single pairs."""
    np.testing.assert_allclose(scores_of(model), expected, atol=atol, rtol=1e-4)
    user, item = (grid.ravel() for grid in np.mgrid[1 : model.n_users, 1 : model.n_items])
    pairs = Interaction({"user_id": torch.from_numpy(user), "item_id": torch.from_numpy(item)})
    np.testing.assert_allclose(model.predict(pairs).numpy(), expected.ravel(), atol=atol, rtol=1e-4)


def test_pop_counts_the_training_interactions(folder: Path) -> None:
    model, matrix = built("Pop")
    counts = matrix.sum(0)
    assert_scores(model, np.tile(counts / counts.max(), (USERS, 1)), atol=1e-7)


def recall_by_counting(folder: Path, k: int) -> float:
    """Expected over ties: all but each user's last two items counted, seen ones left out, the last found."""
    text = (folder / "atomic_data" / "made" / "made.inter").read_text()
    rows = [line.split("\t")[:2] for line in text.splitlines()[1:]]
    histories: dict[str, list[str]] = {}
    for user, item in rows:
        histories.setdefault(user, []).append(item)
    items = sorted({item for _, item in rows})
    counts = {item: sum(item in history[:-2] for history in histories.values()) for item in items}
    hits = 0.0
    for history in histories.values():
        others = [counts[item] for item in items if item not in history]
        own = counts[history[-1]]
        above, level = sum(count > own for count in others), sum(count == own for count in others)
        hits += min(max(k - above, 0), level + 1) / (level + 1)
    return hits / len(histories)


@pytest.mark.parametrize("batch", BATCHES)
def test_the_recall_of_pop_is_that_of_counting_whatever_the_batch(batch: int, folder: Path) -> None:
    config, (train, valid, test) = prepared("Pop", train_batch_size=batch, rank_seen=False)
    result = select(config, train, valid).trainer.evaluate(test)
    for k in (1, 3, 10):
        assert result[f"recall@{k}"] == pytest.approx(recall_by_counting(folder, k), abs=1e-12)


def test_random_has_a_list_for_each_user_whatever_the_batch(folder: Path) -> None:
    model, _ = built("Random", seed=3)
    scores = scores_of(model)
    assert len({tuple(row) for row in scores}) == USERS
    assert abs(scores.mean() - 0.5) < 0.05
    assert_scores(model, scores, atol=0)
    one = model.full_sort_predict(Interaction({"user_id": torch.tensor([7])})).numpy()[1:]
    np.testing.assert_array_equal(one, scores[6])
    assert not np.array_equal(scores_of(built("Random", seed=4)[0]), scores)


def nearest_only(similarity: np.ndarray, kept: np.ndarray, k: int) -> np.ndarray:
    """``kept`` (items, items), after a check that its columns hold the k largest of ``similarity``'s."""
    np.testing.assert_allclose(kept, np.where(kept > 0, similarity, 0), atol=1e-6)
    largest = -np.sort(-similarity, axis=0)[:k]
    np.testing.assert_allclose(-np.sort(-kept, axis=0)[:k], largest, atol=1e-6)
    assert ((kept > 0).sum(0) <= k).all()
    return kept


@pytest.mark.parametrize("method", ["item", "user"])
@pytest.mark.parametrize("shrink", [0.0, 2.0])
@pytest.mark.parametrize("k", [1000, 6])
def test_item_knn_is_cosine_neighbourhoods(method: str, shrink: float, k: int, folder: Path) -> None:
    model, matrix = built("ItemKNN", knn_method=method, shrink=shrink, k=k)
    chosen = matrix if method == "item" else matrix.T
    norms = np.sqrt((chosen**2).sum(0))
    similarity = chosen.T @ chosen / (np.outer(norms, norms) + shrink + 1e-6)
    np.fill_diagonal(similarity, 0)
    weights = model.w.toarray()[1:, 1:]
    nearest = nearest_only(similarity, weights if method == "item" else weights.T, k)
    assert_scores(model, matrix @ nearest if method == "item" else nearest.T @ matrix)


@pytest.mark.parametrize("method", ["item", "user"])
@pytest.mark.parametrize("beta", [1.0, 0.3])
@pytest.mark.parametrize("k", [1000, 6])
def test_asymmetric_knn(method: str, beta: float, k: int, folder: Path) -> None:
    """Aiolli 2013: cosines with exponents alpha and 1 - alpha, scores over norms with beta and 1 - beta."""
    model, matrix = built("AsymKNN", knn_method=method, alpha=0.7, beta=beta, q=2, k=k)
    chosen = matrix if method == "item" else matrix.T
    counts = chosen.sum(0)
    similarity = chosen.T @ chosen / (np.outer(counts**0.3, counts**0.7) + 1e-6)  # column: the one predicted
    np.fill_diagonal(similarity, 0)
    weights = model.w.toarray()[1:, 1:]
    nearest = nearest_only(similarity, weights if method == "item" else weights.T, k)
    norms = (nearest**2).sum(0)
    if method == "item":
        scores = matrix @ nearest / (np.outer(matrix.sum(1) ** beta, norms ** (1 - beta)) + 1e-6)
    else:
        scores = nearest.T @ matrix / (np.outer(norms**beta, matrix.sum(0) ** (1 - beta)) + 1e-6)
    assert_scores(model, scores**2)


def test_ease_is_its_formula(folder: Path) -> None:
    model, matrix = built("EASE", reg_weight=20.0)
    inverse = np.linalg.inv(matrix.T @ matrix + 20 * np.eye(matrix.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    assert_scores(model, matrix @ weights)


def descended(gram: np.ndarray, ridge: np.ndarray, lasso: float) -> np.ndarray:
    """Minimum of |X - XB|^2 / 2 + ridge B^2 / 2 + lasso |B|, B >= 0 with a zero diagonal, by coordinates."""
    weights = np.zeros_like(gram)
    for _ in range(3000):
        for row in range(len(gram)):
            rest = gram[row] - gram[row] @ weights + gram[row, row] * weights[row]
            weights[row] = np.maximum(rest - lasso, 0) / (gram[row, row] + ridge[row] + 1e-12)
            weights[row, row] = 0
    return weights


def test_slim_minimises_its_objective(folder: Path) -> None:
    """scikit-learn divides the squares by the number of rows, which here has the padding user's."""
    model, matrix = built("SLIMElastic", alpha=0.03, l1_ratio=0.3)
    gram, rows = matrix.T @ matrix, USERS + 1
    weights = descended(gram, np.full(len(gram), rows * 0.03 * 0.7), rows * 0.03 * 0.3)
    assert (weights > 0.01).sum() > 50
    assert_scores(model, matrix @ weights, atol=0.02)


@pytest.mark.parametrize("centred", [False, True])
def test_admm_slim_minimises_its_objective(centred: bool, folder: Path) -> None:
    model, matrix = built(
        "ADMMSLIM", lambda1=0.5, lambda2=8.0, alpha=0.5, rho=20.0, k=3000, center_columns=centred
    )
    means = matrix.mean(0)
    inputs = matrix - means if centred else matrix
    weights = descended(inputs.T @ inputs, 8 * np.sqrt(means), 0.5)
    assert (weights > 0.01).sum() > 50
    assert_scores(model, inputs @ weights + means * centred, atol=1e-3)


def test_nceplrec_is_a_regression_on_a_weighted_decomposition(folder: Path) -> None:
    model, matrix = built("NCEPLRec", beta=0.8, rank=25, reg_weight=5.0)
    weighted = matrix * np.maximum(np.log(USERS / np.maximum(matrix.sum(0), 1e-9) ** 0.8), 0)
    _, sizes, right = np.linalg.svd(weighted, full_matrices=False)
    users = matrix @ right.T @ np.diag(np.sqrt(sizes))
    items = np.linalg.solve(users.T @ users + 5 * np.eye(len(sizes)), users.T @ matrix)
    assert_scores(model, users @ items)


@pytest.mark.parametrize("model", ["Pop", "Random", "ItemKNN", "AsymKNN", "EASE", "ADMMSLIM", "NCEPLRec"])
def test_an_evaluation_repeats_whatever_its_batches(model: str, folder: Path) -> None:
    results = []
    for batch in (1, 60, 100_000):
        config, (train, valid, test) = prepared(model, eval_batch_size=batch, rank_seen=False, epochs=1)
        chosen = select(config, train, valid)
        results += [chosen.trainer.evaluate(test), chosen.trainer.evaluate(test)]
    assert all(result == pytest.approx(results[0], abs=1e-12) for result in results[1:])
