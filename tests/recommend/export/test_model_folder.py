"""safetensors, JSON and model card: the same recommender comes back, and nothing of the machine is told."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.export import model_folder
from recbole_mmm4rec.recommend.export.forms import export
from recbole_mmm4rec.recommend.loading import load
from tests.recommend.trained import home, recommender, trained


@pytest.mark.parametrize("model", ["MMM4Rec", "MISSRec", "VQRec", "SASRec"])
def test_the_same_recommender_comes_back(model: str, in_tmp: Path) -> None:
    path = trained(model)[0]
    export(path, "safetensors", "shared/model")
    before, after = load(path, "cpu"), load("shared/model", "cpu")
    histories, times = [["i1", "i2"], ["i7"]], [[1.5e9, 1.5e9 + 3], [1.5e9]]
    pd.testing.assert_frame_equal(before.recommend(histories, times), after.recommend(histories, times))
    assert {name: f.metadata for name, f in before.catalogue.features.items()} == {
        name: f.metadata for name, f in after.catalogue.features.items()
    }
    whole = b"".join(file.read_bytes() for file in Path("shared/model").iterdir())
    for place in (str(home()), str(Path(__file__).parents[3]), str(in_tmp)):
        assert place.encode() not in whole
    assert sorted(file.name for file in Path("shared/model").iterdir()) == sorted(
        ["README.md", "config.json", "items.json", "model.safetensors"]
    )


def test_the_card_says_what_the_checkpoint_knows(in_tmp: Path) -> None:
    path, trainer, _ = trained("MMM4Rec")
    export(path, "safetensors", "model", "mit")
    card = Path("model/README.md").read_text()
    _, header, body = card.split("---\n", 2)
    facts = yaml.safe_load(header)
    assert facts["license"] == "mit"
    assert facts["datasets"] == ["tiny"]
    assert {"sequential-recommendation", "MMM4Rec", "text", "image"} <= set(facts["tags"])
    assert facts["metrics"] == ["recall"]
    measured = {part["name"]: part["value"] for part in facts["model-index"][0]["results"][0]["metrics"]}
    best = trainer.record.valid[trainer.record.best_epoch]
    assert measured == pytest.approx(best)
    for name, value in best.items():
        assert f"| {name} | {value:.4f} |" in body
    code = body.split("```python\n")[1].split("```")[0]
    ran: dict[str, object] = {}
    exec(
        code.replace("path/to/this/folder", "model").replace("recommender.rec", "lists = recommender.rec"),
        ran,
    )
    assert len(ran["lists"]) == 5  # type: ignore[arg-type]


def diverge(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    next(value for name, value in tensors.items() if "layers" in name).fill_(torch.nan)
    save_file(tensors, folder / "model.safetensors")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "weights": lambda f: (f / "model.safetensors").write_bytes(b"no tensors"),
    "diverged": diverge,
    "config": lambda f: (f / "config.json").write_text("{"),
    "format": lambda f: (f / "config.json").write_text('{"format": "other"}'),
    "parts": lambda f: (f / "config.json").write_text('{"format": "recbole_mmm4rec/1"}'),
    "no items": lambda f: (f / "items.json").unlink(),
    "numbers": lambda f: (f / "items.json").write_text("[1, 2]"),
    "few items": lambda f: (f / "items.json").write_text('["[PAD]", "a"]'),
    "features": lambda f: (f / "config.json").write_text(
        (f / "config.json").read_text().replace('"image": {', '"sound": {', 1)
    ),
}


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("weights", "model.safetensors: not a file of safetensors"),
        ("diverged", r"model.safetensors: weights are not numbers \(NaN\) in layers"),
        ("config", "config.json: not a JSON file"),
        ("format", "config.json: not a model of this package"),
        ("parts", "config.json: part 'has_time' is missing or unreadable"),
        ("no items", "items.json: no such file"),
        ("numbers", "items.json: ids of items are texts"),
        ("few items", "features are unreadable"),
        ("features", "config.json: part 'features.sound.vectors' is missing"),
    ],
)
def test_what_is_damaged_is_one_line(kind: str, line: str, in_tmp: Path) -> None:
    export(trained("MMM4Rec")[0], "safetensors", "model")
    DAMAGES[kind](Path("model"))
    with pytest.raises(UserError, match=line) as caught:
        load("model", "cpu")
    assert "\n" not in str(caught.value)


def test_an_output_in_the_way_stays_as_it_is(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = trained("SASRec")[0]
    Path("full").mkdir()
    Path("full/file").write_text("mine")
    for target in ("full", "full/file"):
        with pytest.raises(UserError, match=f"{target}: exists and is not an empty folder"):
            export(path, "safetensors", target)
    Path("empty").mkdir()

    def fails(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(model_folder, "write_card", fails)
    with pytest.raises(OSError, match="disk full"):
        export(path, "safetensors", "empty")
    assert sorted(file.name for file in in_tmp.iterdir()) == ["empty", "full"]
    assert not list(Path("empty").iterdir())
    shutil.rmtree("empty")
    with pytest.raises(UserError, match="not one of onnx, safetensors, vectors"):
        export(path, "pickle", "empty")
    with pytest.raises(UserError, match=r"no such checkpoint file"):
        export("none.pth", "safetensors", "empty")
    assert not Path("empty").exists()


@pytest.mark.parametrize("model", ["MMM4Rec", "MISSRec", "SASRec"])
def test_item_vectors_are_those_that_are_encoded(model: str, in_tmp: Path) -> None:
    path = trained(model)[0]
    export(path, "vectors", "deep/items.parquet")
    export(path, "vectors", "items.npz")
    wanted = recommender(model).encode_items()
    table = pq.read_table("deep/items.parquet")
    assert table["item_id"].to_pylist() == wanted.index.tolist()
    np.testing.assert_array_equal(np.stack(table["vector"].to_numpy()), wanted.to_numpy())
    with np.load("items.npz", allow_pickle=False) as arrays:
        assert arrays["item_id"].tolist() == wanted.index.tolist()
        np.testing.assert_array_equal(arrays["vector"], wanted.to_numpy())
    with pytest.raises(UserError, match=r"items.csv: a file of item vectors ends in .parquet or .npz"):
        export(path, "vectors", "items.csv")


def test_settings_are_those_of_the_run_without_what_belongs_to_it(in_tmp: Path) -> None:
    export(trained("MMM4Rec")[0], "safetensors", "model")
    facts = json.loads(Path("model/config.json").read_text())
    assert facts["settings"]["hidden_size"] == 16
    assert facts["settings"]["pretrained"] is None
    assert "device" not in facts["settings"]
