"""A checkpoint is enough: without the dataset, in silence, and without running anything in it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recbole_mmm4rec
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.loading import check_recommendable
from recbole_mmm4rec.recommend.rebuild import Blueprint
from recbole_mmm4rec.recommend.recommender import Recommender
from tests.recommend.trained import recommender, trained


def test_nothing_but_the_file_is_needed_and_nothing_is_written(
    in_tmp: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(trained("MMM4Rec")[0], in_tmp / "model.pth")
    state = torch.get_rng_state()
    known = recbole_mmm4rec.load("model.pth", device="cpu")
    assert isinstance(known, recbole_mmm4rec.Recommender)
    assert len(known.recommend(["i1"], [1.5e9], k=3)) == 3
    assert torch.equal(torch.get_rng_state(), state)
    assert [path.name for path in in_tmp.iterdir()] == ["model.pth"]
    assert capsys.readouterr() == ("", "")
    assert not caplog.records
    assert "MMM4Rec, 57 items; text: 56 of 57" in repr(known)


def test_features_are_those_of_the_dataset() -> None:
    path, _, loader = trained("MMM4Rec")
    saved = torch.load(path, weights_only=True)["items"]
    assert saved["has_time"] is True
    known = recommender("MMM4Rec").catalogue
    for name, feature in loader._dataset.features.items():
        assert torch.equal(known.features[name].matrix, feature.matrix)
        assert torch.equal(known.features[name].present, feature.present)
        assert known.features[name].metadata == feature.metadata
        assert len(saved["features"][name]["vectors"]) == int(feature.present.sum())


def test_half_precision_stays_and_the_state_has_no_features() -> None:
    path, *_ = trained("MMM4Rec")
    state = path.with_suffix(".last.pth")
    assert torch.load(state, weights_only=True).get("items") is None
    with pytest.raises(UserError, match="a run continues from it; the model is the file beside it"):
        recbole_mmm4rec.load(state)
    halved = torch.load(path, weights_only=True)
    for part in halved["items"]["features"].values():
        part["vectors"] = part["vectors"].half()
    torch.save(halved, path.with_name("half.pth"))
    known = recbole_mmm4rec.load(path.with_name("half.pth"), "cpu")
    assert known.catalogue.features["text"].matrix.dtype == torch.float16
    assert len(known.recommend(["i1"], [1.5e9], k=3)) == 3


def test_without_its_features_a_model_of_content_is_refused_in_one_line() -> None:
    path, *_ = trained("MMM4Rec", (("save_features", False),))
    with pytest.raises(UserError, match=r"no features of its items \(image, text\).*save_features"):
        recbole_mmm4rec.load(path)
    assert len(recommender("TiM4Rec", save_features=False).recommend(["i1"], [1.5e9], k=3)) == 3
    assert len(recommender("S3RecT", save_features=False).recommend(["i1"], k=3)) == 3


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)


DAMAGES: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "presence": lambda raw, text: text.update(present=text["present"][:-1]),
    "nan": lambda raw, text: text["vectors"][3].fill_(torch.nan),
    "count": lambda raw, text: text.update(vectors=text["vectors"][:-1]),
    "type": lambda raw, text: text.update(vectors=text["vectors"].long()),
    "metadata": lambda raw, text: text.update(metadata="{"),
    "part": lambda raw, text: raw.update(items={"features": []}),
    "tokens": lambda raw, text: raw.update(item_tokens=raw["item_tokens"][:1]),
    "weights": lambda raw, text: raw["state_dict"].pop("layers.0.text_norm.weight"),
    "diverged": lambda raw, text: raw["state_dict"]["layers.0.text_norm.weight"].fill_(torch.nan),
    "width": lambda raw, text: raw.update(
        config=raw["config"].replace('"hidden_size": 16', '"hidden_size": 32')
    ),
    "model": lambda raw, text: raw.update(config=raw["config"].replace('"MMM4Rec"', '"MMM5Rec"')),
}


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("presence", "features are unreadable"),
        ("nan", "not finite"),
        ("count", "55 vectors"),
        ("type", "int64"),
        ("metadata", "features: text: metadata: expected a JSON object"),
        ("part", "items: features: expected keys and values"),
        ("tokens", "names no items"),
        ("diverged", r"weights are not numbers \(NaN\) in layers.0.text_norm.weight; its training"),
        ("weights", "weights do not fit MMM4Rec: layers"),
        ("width", "weights do not fit MMM4Rec: size mismatch"),
        ("model", "unknown model 'MMM5Rec'; did you mean"),
    ],
)
def test_what_is_damaged_is_one_line(kind: str, line: str, in_tmp: Path) -> None:
    raw = torch.load(trained("MMM4Rec")[0], weights_only=True)
    DAMAGES[kind](raw, raw["items"]["features"]["text"])
    torch.save(raw, "bad.pth")
    with pytest.raises(UserError, match=line) as caught:
        recbole_mmm4rec.load("bad.pth", "cpu")
    assert "\n" not in str(caught.value)


def test_what_is_no_checkpoint_of_ours(in_tmp: Path) -> None:
    torch.save({"bomb": Bomb()}, "bomb.pth")
    Path("text.pth").write_text("hello")
    Path("folder").mkdir()
    torch.save({"model": {"a": torch.zeros(1)}}, "released.pth")
    for name, line in {
        "bomb.pth": "not loaded",
        "text.pth": "not a checkpoint",
        "folder": "a folder",
        "none.pth": "no such checkpoint file",
        "released.pth": "released MMM4Rec code",
    }.items():
        with pytest.raises(UserError, match=rf"{name}.*{line}"):
            recbole_mmm4rec.load(name)
    assert not Path("exploded").exists()
    with pytest.raises(UserError, match="device: 'tpu9'"):
        recbole_mmm4rec.load(trained("SASRec")[0], "tpu9")


def test_models_of_other_kinds_say_why() -> None:
    path, *_ = trained("SASRec")
    raw = torch.load(path, weights_only=True)
    raw["config"] = raw["config"].replace('"model": "SASRec"', '"model": "BPR"')
    torch.save(raw, path.with_name("bpr.pth"))
    with pytest.raises(UserError, match="BPR is not a sequential model"):
        recbole_mmm4rec.load(path.with_name("bpr.pth"))
    torch.save({"config": {"model": "BPR"}, "state_dict": {}}, path.with_name("host.pth"))
    with pytest.raises(UserError, match="a checkpoint of BPR by a trainer of RecBole's"):
        recbole_mmm4rec.load(path.with_name("host.pth"))


def test_weights_are_kept_once() -> None:
    known: Recommender = recommender("MMM4Rec")
    own = known.scorer.model.state_dict()
    assert all(known.blueprint.state[name].data_ptr() == own[name].data_ptr() for name in own)


def test_rows_of_new_items_are_the_mean_of_all() -> None:
    known = recommender("HM4SR")
    before = known.scorer.model.ids.embedding.weight.clone()
    known.add_items(["new"], vectors={"image": np.ones((1, 8))})
    after = known.scorer.model.ids.embedding.weight
    torch.testing.assert_close(after[:-1], before)
    torch.testing.assert_close(after[-1], before[1:].mean(0))


def test_whether_a_checkpoint_recommends_is_said_without_building_its_model(
    monkeypatch: pytest.MonkeyPatch, in_tmp: Path
) -> None:
    raw = torch.load(trained("MMM4Rec")[0], weights_only=True)
    raw["items"]["features"].pop("text")
    torch.save(raw, "featureless.pth")

    def fails(*_: object) -> None:
        raise AssertionError("built")

    monkeypatch.setattr(Blueprint, "built", fails)
    check_recommendable(trained("MMM4Rec")[0])
    with pytest.raises(UserError, match=r"holds no features of its items \(text\)"):
        check_recommendable("featureless.pth")
    with pytest.raises(UserError, match="no such checkpoint file"):
        check_recommendable("none.pth")
