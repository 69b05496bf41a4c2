"""The drawn shop: deterministic, and each group's purchases follow from its own input alone."""

from pathlib import Path

import numpy as np
import pytest

from recbole_mmm4rec.prepare.demo_shop import PARTS, build_demo_shop
from recbole_mmm4rec.prepare.demo_shop.catalogue import KINDS, NOUNS, THEMES, draw_catalogue, successor
from recbole_mmm4rec.prepare.demo_shop.shoppers import DAY, GROUPS, HOUR, draw_journey
from tests.prepare.raw_files import feature_rows, rows_of


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "demo-shop"
    folder.mkdir()
    build_demo_shop("demo-shop", folder)
    return folder


def _histories(folder: Path) -> dict[str, list[tuple[int, str]]]:
    histories: dict[str, list[tuple[int, str]]] = {}
    for row in rows_of(folder / f"{folder.name}.inter"):
        histories.setdefault(row["user_id:token"], []).append(
            (int(row["timestamp:float"]), row["item_id:token"])
        )
    return histories


def _groups(folder: Path) -> dict[str, str]:
    return {row["user_id:token"]: row["group:token"] for row in rows_of(folder / f"{folder.name}.user")}


def test_files(shop: Path) -> None:
    items = {row["item_id:token"] for row in rows_of(shop / "demo-shop.item")}
    assert len(items) == 720
    assert {path.stem for path in (shop / "images").iterdir()} == items
    for modality in ("text", "image"):
        assert set(feature_rows(shop / f"demo-shop.{modality}.parquet")) == items
    groups = _groups(shop)
    assert {group: list(groups.values()).count(group) for group in GROUPS} == dict.fromkeys(GROUPS, 500)
    assert {len(history) for history in _histories(shop).values()} == set(range(8, 13))


def test_the_same_every_time(shop: Path, tmp_path: Path) -> None:
    again = tmp_path / "demo-shop"
    again.mkdir()
    build_demo_shop("demo-shop", again)
    for path in sorted(shop.rglob("*.*")):
        if path.is_file():
            assert path.read_bytes() == (again / path.relative_to(shop)).read_bytes(), path.name


def test_parts_share_no_token() -> None:
    tokens = [
        set(draw_catalogue(np.random.default_rng(seed), prefix).tokens) for prefix, seed in PARTS.values()
    ]
    assert len(set.union(*tokens)) == sum(map(len, tokens))


def _hits(folder: Path, modality: str) -> dict[str, float]:
    """Recall@10 of each group's last item, by likeness to the mean of the history's vectors."""
    rows = feature_rows(folder / f"{folder.name}.{modality}.parquet")
    index = {token: row for row, token in enumerate(rows)}
    matrix = np.array(list(rows.values()), dtype=np.float32)
    matrix -= matrix.mean(axis=0)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    hits: dict[str, list[bool]] = {group: [] for group in GROUPS}
    groups = _groups(folder)
    for user, history in _histories(folder).items():
        items = [index[token] for _, token in history]
        scores = matrix @ matrix[items[:-1]].mean(axis=0)
        scores[items[:-1]] = -np.inf
        hits[groups[user]].append(bool((scores > scores[items[-1]]).sum() < 10))
    return {group: float(np.mean(values)) for group, values in hits.items()}


def test_taste_shows_in_one_modality_alone(shop: Path) -> None:
    text, image = _hits(shop, "text"), _hits(shop, "image")
    assert text["text"] > 0.9
    assert image["picture"] > 0.5
    assert max(text["picture"], image["text"]) < 0.05


def test_time_users_follow_the_gap_before() -> None:
    rng = np.random.default_rng(5)
    shop = draw_catalogue(rng, "x")
    long_gaps = 0
    for _ in range(50):
        journey = draw_journey(rng, shop, "time")
        for position in range(2, len(journey.items)):
            gap = journey.times[position - 1] - journey.times[position - 2]
            assert 50 < gap <= 2 * HOUR or gap >= 10 * DAY - 1
            kind = int(shop.kind[journey.items[position - 1]])
            expected = successor(kind) if gap > DAY else kind
            assert shop.kind[journey.items[position]] == expected
            long_gaps += gap > DAY
    assert 100 < long_gaps < 350


def test_other_groups_have_the_same_gaps() -> None:
    rng = np.random.default_rng(6)
    shop = draw_catalogue(rng, "x")
    shares = {}
    for group in GROUPS:
        gaps = np.concatenate([np.diff(draw_journey(rng, shop, group).times) for _ in range(150)])
        shares[group] = (gaps > DAY).mean()
    assert max(shares.values()) - min(shares.values()) < 0.08


def test_rules() -> None:
    assert len(NOUNS) == len(set(NOUNS)) == KINDS
    assert len(THEMES) == len(set(THEMES)) == 36
    assert sorted(map(successor, range(KINDS))) == list(range(KINDS))
    assert all(successor(kind) != kind for kind in range(KINDS))
