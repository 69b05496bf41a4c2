"""Small datasets on disk and RecBole configs that do not read the test runner's command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recbole.config import Config
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils.enum_type import InputType

Row = tuple[Any, ...]
MakeConfig = Callable[..., Config]
Writer = Callable[..., Path]


class Trimming(SequentialRecommender):
    """Stands for this package's models: short batches, exact times, text and image."""

    input_type = InputType.POINTWISE
    trims_history = True
    modalities = ("text", "image")


class TextOnly(Trimming):
    modalities = ("text",)


@pytest.fixture
def make_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeConfig:
    """Return a maker of configs for datasets under ``tmp_path``."""

    def make(dataset: str = "shop", model: Any = Trimming, **keys: Any) -> Config:
        monkeypatch.setattr(sys, "argv", ["test"])
        defaults: dict[str, Any] = {
            "data_path": str(tmp_path),
            "checkpoint_dir": str(tmp_path / "saved"),
            "load_col": None,
            "train_neg_sample_args": None,
            "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"},
            "MAX_ITEM_LIST_LENGTH": 4,
            "train_batch_size": 3,
            "use_gpu": False,
            "loss_type": "CE",
        }
        return Config(model=model, dataset=dataset, config_dict=defaults | keys)

    return make


@pytest.fixture
def write_inter(tmp_path: Path) -> Writer:
    """Return a writer of ``<name>/<name>.inter``."""

    def write(
        rows: Iterable[Row],
        name: str = "shop",
        header: str = "user_id:token\titem_id:token\ttimestamp:float",
        suffix: str = "inter",
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.{suffix}"
        lines = [header, *("\t".join(str(cell) for cell in row) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def random_rows() -> Callable[..., list[Row]]:
    """Return a maker of random interactions whose times fit float32, so that RecBole's order is ours."""

    def make(users: int = 23, items: int = 11, count: int = 300, times: int = 40, seed: int = 0) -> list[Row]:
        draw = np.random.default_rng(seed)
        return [
            (f"u{draw.integers(users)}", f"00{draw.integers(items)}", int(draw.integers(times)))
            for _ in range(count)
        ]

    return make


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of the real datasets, or skip."""
    folder = Path(os.environ.get("MMM4REC_SHARED", Path(__file__).parents[3] / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the real datasets in {folder} (MMM4REC_SHARED)")
    return folder
