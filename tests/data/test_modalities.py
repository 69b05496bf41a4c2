"""Which feature files are read, and which lie there unused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recbole.data.dataset import Dataset
from recbole.model.sequential_recommender import SASRec

from recbole_mmm4rec.data import MultiModalDataset, write_features
from recbole_mmm4rec.data.modalities import choose_feature_files, feature_files
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.exact_order import exactly_ordered
from tests.data.conftest import MakeConfig, TextOnly, Trimming, Writer


def add(folder: Path, modality: str, tokens: list[str], name: str = "shop") -> Path:
    path = folder / f"{name}.{modality}.parquet"
    write_features(path, tokens, np.ones((len(tokens), 2), np.float32), {})
    return path


def choose(wanted: Any, model: Any, folder: Path) -> list[str]:
    return list(choose_feature_files(wanted, model, folder, "shop"))


def test_all_files_in_the_models_order(tmp_path: Path) -> None:
    assert choose(None, Trimming, tmp_path) == []
    for modality in ("text", "image"):
        add(tmp_path, modality, ["a"])
    for other in ("shop.inter", "shop.item", "shop.link", "shopping.text.parquet", "shop.x.text.parquet"):
        (tmp_path / other).write_text("item_id:token\tembedding:token\n")
    (tmp_path / "shop.folder").mkdir()
    assert choose(None, Trimming, tmp_path) == ["text", "image"]
    assert choose(["image", "text"], Trimming, tmp_path) == ["text", "image"]
    assert choose("image", Trimming, tmp_path) == ["image"]
    assert choose([], Trimming, tmp_path) == []


def test_a_file_that_the_model_cannot_use_is_left_out(tmp_path: Path) -> None:
    add(tmp_path, "text", ["a"])
    add(tmp_path, "image", ["a"])
    assert choose(None, TextOnly, tmp_path) == ["text"]
    with pytest.raises(UserError, match='TextOnly takes at most 1, not "text", "image"'):
        choose(["text", "image"], TextOnly, tmp_path)


def left_out(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if "leaves out" in line]


def test_what_is_left_out_is_said_in_one_line(
    make_config: MakeConfig, write_inter: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    folder = prepare(write_inter)
    add(folder, "text_worddrop", ["a", "b", "c"])
    with caplog.at_level("INFO"):
        dataset = MultiModalDataset(make_config(model=TextOnly))
    assert list(dataset.features) == ["text"]
    files = "shop.image.parquet, shop.text_worddrop.parquet"
    assert left_out(caplog) == [f'TextOnly leaves out {files} in {folder}: it uses "text" by itself']
    caplog.clear()
    for model, named in ((TextOnly, ["text"]), ("SASRec", None)):
        with caplog.at_level("INFO"):
            MultiModalDataset(make_config(model=model, modalities=named))
    assert not left_out(caplog)


def test_text_form_counts_as_a_feature_file(tmp_path: Path) -> None:
    (tmp_path / "shop.text").write_text("item_id:token\tembedding:float_seq\na\t1\n")
    (tmp_path / "shop.sound").write_text("item_id:token\tembedding:float_seq\na\t1\n")
    assert list(feature_files(tmp_path, "shop")) == ["sound", "text"]
    assert choose(None, Trimming, tmp_path) == ["text"]
    add(tmp_path, "text", ["a"])
    with pytest.raises(UserError, match="a second file for text"):
        choose(["text"], Trimming, tmp_path)


def test_named_and_missing(tmp_path: Path) -> None:
    add(tmp_path, "text", ["a"])
    with pytest.raises(UserError, match=r"shop\.image\.parquet: feature file missing"):
        choose(["text", "image"], Trimming, tmp_path)


def test_recboles_own_models_ignore_files_unless_told_to_use_them(tmp_path: Path) -> None:
    add(tmp_path, "text", ["a"])
    assert choose(None, SASRec, tmp_path) == []
    assert choose(None, None, tmp_path) == []
    with pytest.raises(UserError, match='SASRec cannot use "text"; it uses no features'):
        choose(["text"], SASRec, tmp_path)


@pytest.mark.parametrize("wanted", [3, {"text": 1}, [1], True])
def test_names_are_wanted(tmp_path: Path, wanted: Any) -> None:
    with pytest.raises(UserError, match="a list of names"):
        choose(wanted, Trimming, tmp_path)


def test_odd_names_of_datasets(tmp_path: Path) -> None:
    add(tmp_path, "text", ["a"], name="a[1]*.b")
    assert list(feature_files(tmp_path, "a[1]*.b")) == ["text"]


def prepare(write_inter: Writer) -> Path:
    rows = [(f"u{n % 3}", item, n) for n, item in enumerate("abcdabcdabcd")]
    folder = write_inter(rows).parent
    write_inter(
        [(item, n) for n, item in enumerate("abcde")], header="item_id:token\tprice:float", suffix="item"
    )
    add(folder, "text", ["a", "b", "c", "z"])
    add(folder, "image", ["c", "b", "e"])
    return folder


@pytest.mark.parametrize(
    ("model", "wanted", "only", "kept"),
    [
        (Trimming, None, True, ["b", "c"]),
        (Trimming, ["text"], True, ["a", "b", "c"]),
        ("SASRec", None, True, ["b", "c"]),
        (Trimming, ["text"], ["text", "image"], ["b", "c"]),
        ("SASRec", None, "text", ["a", "b", "c"]),
    ],
)
def test_only_items_with_every_modality(
    make_config: MakeConfig,
    write_inter: Writer,
    model: Any,
    wanted: Any,
    only: Any,
    kept: list[str],
) -> None:
    prepare(write_inter)
    dataset = MultiModalDataset(make_config(model=model, modalities=wanted, full_modality_only=only))
    assert sorted(dataset.field2id_token["item_id"][1:]) == kept
    assert all(feature.present[1:].all() for feature in dataset.features.values())
    assert dataset.inter_num == 3 * len(kept)


@pytest.mark.parametrize(
    ("only", "said"),
    [
        (True, "full_modality_only: 2 of 4 items have image and text"),
        ("text", "full_modality_only: 3 of 4 items have text"),
        (["image"], "full_modality_only: 2 of 4 items have image"),
    ],
)
def test_recboles_own_datasets_keep_the_same_items(
    make_config: MakeConfig, write_inter: Writer, caplog: pytest.LogCaptureFixture, only: Any, said: str
) -> None:
    """Models of single interactions used to keep all items without a word; none said which files counted."""
    prepare(write_inter)
    kept = []
    for kind in (MultiModalDataset, exactly_ordered(Dataset)):
        caplog.clear()
        with caplog.at_level("INFO"):
            dataset = kind(make_config(model="SASRec", full_modality_only=only))
        kept.append(sorted(dataset.field2id_token["item_id"][1:]))
        assert [line for line in caplog.messages if line.startswith("full_modality_only")] == [said]
    assert kept[0] == kept[1]


def test_full_modality_comes_before_the_core(make_config: MakeConfig, write_inter: Writer) -> None:
    folder = write_inter([("u", "a", 1), ("u", "b", 2), ("v", "a", 3), ("v", "c", 4), ("v", "a", 5)]).parent
    add(folder, "text", ["a", "b"])
    keys = {"modalities": ["text"], "full_modality_only": True, "user_inter_num_interval": "[2,inf)"}
    dataset = MultiModalDataset(make_config(**keys, item_inter_num_interval="[2,inf)"))
    assert dataset.field2id_token["user_id"].tolist() == ["[PAD]", "v"]


def test_full_modality_without_files(make_config: MakeConfig, write_inter: Writer) -> None:
    write_inter([("u", "a", 1), ("u", "b", 2)])
    with pytest.raises(UserError, match=r"full_modality_only: .* has no feature file"):
        MultiModalDataset(make_config(full_modality_only=True))


def test_full_modality_by_a_file_that_is_not_there(make_config: MakeConfig, write_inter: Writer) -> None:
    prepare(write_inter)
    with pytest.raises(UserError, match=r"full_modality_only: .* has no audio file"):
        MultiModalDataset(make_config(modalities=["text"], full_modality_only=["audio"]))


class AnyTwo(Trimming):
    """Takes two of any names, and a companion of its texts."""

    most_modalities = 2
    companions = ("text_worddrop",)


def test_modalities_of_any_name(tmp_path: Path) -> None:
    for modality in ("text", "image", "audio", "text_worddrop"):
        add(tmp_path, modality, ["a"])
    assert choose(None, AnyTwo, tmp_path) == ["text", "image", "text_worddrop"]
    assert choose(["audio", "text"], AnyTwo, tmp_path) == ["text", "audio"]
    assert choose(["audio"], AnyTwo, tmp_path) == ["audio"]
    assert choose(["audio", "text_worddrop", "image"], AnyTwo, tmp_path) == [
        "image",
        "text_worddrop",
        "audio",
    ]
    with pytest.raises(UserError, match='AnyTwo takes at most 2, not "text", "image", "audio"'):
        choose(["text", "image", "audio"], AnyTwo, tmp_path)
    assert choose(["audio"], TextOnly, tmp_path) == ["audio"]


@pytest.mark.parametrize("name", ["id", "present", "item", "keys", ".hidden"])
def test_names_that_a_model_needs_itself(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}' (cannot be the name of a modality|has a meaning)"):
        choose([name], Trimming, tmp_path)


def test_a_name_twice(tmp_path: Path) -> None:
    add(tmp_path, "text", ["a"])
    with pytest.raises(UserError, match="modalities: 'text' is named twice"):
        choose(["text", "text"], Trimming, tmp_path)
