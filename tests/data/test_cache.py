"""Datasets saved by RecBole's ``save_dataset``: used when nothing changed, never when anything did."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recbole.data import create_dataset, data_preparation
from recbole.data import dataset as recbole_datasets

from recbole_mmm4rec.data import MultiModalDataset, write_features
from recbole_mmm4rec.data.cache import COMPARED_KEYS, compare_own_keys, dataset_arguments
from tests.data.conftest import MakeConfig, TextOnly, Trimming, Writer


@pytest.fixture
def saved(
    make_config: MakeConfig,
    write_inter: Writer,
    random_rows: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Save a dataset with text features as RecBole does; return its folder."""
    for model in (Trimming, TextOnly):
        monkeypatch.setattr(recbole_datasets, f"{model.__name__}Dataset", MultiModalDataset, raising=False)
    folder = write_inter(random_rows()).parent
    write_features(folder / "shop.text.parquet", ["001", "002"], np.ones((2, 3), np.float32), {})
    create_dataset(make_config(save_dataset=True))
    return folder


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the datasets that are built from files."""
    built: list[str] = []
    original = MultiModalDataset._from_scratch

    def count(self: MultiModalDataset) -> None:
        built.append(self.dataset_name)
        original(self)

    monkeypatch.setattr(MultiModalDataset, "_from_scratch", count)
    return built


def test_used_when_nothing_changed(make_config: MakeConfig, saved: Path, loads: list[str]) -> None:
    dataset = create_dataset(make_config())
    assert not loads
    assert dataset.features["text"].matrix.sum() == 6
    assert len(dataset.build()[0])


def test_a_copy_of_a_live_dataset_is_not_compared(make_config: MakeConfig, saved: Path) -> None:
    dataset = create_dataset(config := make_config())
    os.utime(saved / "shop.inter", ns=(1, 1))
    assert len(dataset.build()) == 3
    assert config["data_path"] is not None


@pytest.mark.parametrize(
    "keys",
    [
        {"modalities": ["text"]},
        {"full_modality_only": True},
        {"hold_out": False},
        {"stage": "pretrain"},
        {"model": TextOnly},
        {"numerical_features": ["timestamp"]},
        {"MAX_ITEM_LIST_LENGTH": 7},
    ],
)
def test_built_anew_when_a_key_changed(
    make_config: MakeConfig, saved: Path, loads: list[str], keys: dict[str, Any]
) -> None:
    create_dataset(make_config(**keys))
    assert loads == ["shop"]


@pytest.mark.parametrize("change", ["touch", "grow", "new", "gone"])
def test_built_anew_when_a_file_changed(
    make_config: MakeConfig, saved: Path, loads: list[str], change: str, caplog: pytest.LogCaptureFixture
) -> None:
    text, inter = saved / "shop.text.parquet", saved / "shop.inter"
    if change == "touch":
        os.utime(inter, ns=(1, 1))
    elif change == "grow":
        inter.write_text(inter.read_text() + "new\t001\t9\n")
    elif change == "new":
        write_features(saved / "shop.image.parquet", ["001"], np.ones((1, 2), np.float32), {})
    else:
        text.unlink()
    create_dataset(make_config())
    assert loads == ["shop"]
    assert sum("its saved dataset is not used" in line for line in caplog.messages) == 1


def test_saved_dataloaders_are_compared_too(make_config: MakeConfig, saved: Path) -> None:
    config = make_config(save_dataloaders=True)
    data_preparation(config, create_dataset(config))
    held = data_preparation(make_config(), create_dataset(make_config()))
    assert held[1]
    changed = make_config(hold_out=False)
    _, valid, _ = data_preparation(changed, create_dataset(changed))
    assert not valid


def test_recboles_list_gets_each_key_once() -> None:
    compare_own_keys()
    assert all(dataset_arguments.count(key) == 1 for key in COMPARED_KEYS)
