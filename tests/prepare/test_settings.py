"""Keys of a dataset: what their values may be, and feature files that are named but absent."""

import logging
from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.features import FeatureMaker
from recbole_mmm4rec.prepare.settings import read_settings


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch_size", 0),
        ("batch_size", -1),
        ("batch_size", True),
        ("min_interactions", 0),
        ("interactions", [1, 2]),
        ("item_fields", ["title", None]),
        ("pictures", ["posters"]),
        ("features", {"image": 3}),
        ("features", ["image.parquet"]),
    ],
)
def test_values(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"^{key}: .* is not what this key takes"):
        read_settings("shop", tmp_path, {key: value})


@pytest.mark.parametrize("content", ["variants: 3", "variants: [table]", "variants: [{interactions: [1]}]"])
def test_variants(tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(UserError):
        read_settings("mine", tmp_path, {}, tmp_path / "mine.yaml")


def test_a_feature_file_that_a_user_names_must_be_there(tmp_path: Path) -> None:
    features = {"image": "none.parquet"}
    with pytest.raises(UserError, match=r"features: image: no file .*none\.parquet"):
        read_settings("shop", tmp_path, {"features": features})
    (tmp_path / "mine.yaml").write_text(f"features: {features}")
    with pytest.raises(UserError, match=r"features: image: no file .*none\.parquet"):
        read_settings("mine", tmp_path, {}, tmp_path / "mine.yaml")
    (tmp_path / "none.parquet").touch()
    assert read_settings("shop", tmp_path, {"features": features}).features == features


def test_an_absent_feature_file_of_our_own_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = read_settings(
        "ml-latest-small", tmp_path, {"text_encoder": "hashed", "image_encoder": "pixels"}
    )
    with caplog.at_level(logging.WARNING):
        assert FeatureMaker("ml-latest-small", settings, tmp_path).ready == {}
    assert "text.minilm.parquet: no such file" in caplog.text
