"""A modality of another package: its files found, read, encoded, and trained on."""

import wave
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host import catalogue
from recbole_mmm4rec.prepare import modalities
from recbole_mmm4rec.prepare.modalities import Modality, register_modality
from recbole_mmm4rec.prepare.settings import Settings
from tests.prepare.raw_files import AMAZON, dense_rows, feature_rows, meta, run, write_amazon

CHOSEN = "--encoders={audio: loudness}"


class Loudness:
    """Mean and deviation of the samples."""

    metadata: dict[str, Any] = {"encoder": "loudness"}

    def encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([[np.abs(sound).mean(), sound.std()] for sound in batch], dtype=np.float32)


def find(source: Path, tokens: Sequence[str], _: Settings) -> dict[str, Path]:
    files = {token: source / "audio" / f"{token}.wav" for token in tokens}
    return {token: path for token, path in files.items() if path.is_file()}


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), dtype=np.int16).astype(np.float32)


AUDIO = Modality("audio", find, read, {"loudness": lambda _: Loudness()})


def plugin() -> None:
    register_modality(AUDIO)


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(modalities, "_registered", {})
    catalogue.load_plugins.cache_clear()
    yield
    catalogue.load_plugins.cache_clear()


def raw_files(tmp_path: Path) -> Path:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    (raw / "audio").mkdir()
    for number in (0, 2, 3):
        with wave.open(str(raw / "audio" / f"I{number}.wav"), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(np.full(50, 100 * number, np.int16).tobytes())
    return raw


def test_an_installed_package_adds_audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("audio", "tests.prepare.test_modalities:plugin", catalogue.PLUGINS)
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [point])
    assert run(raw_files(tmp_path), tmp_path, *AMAZON, CHOSEN, "--text_encoder=hashed") == 0
    vectors = feature_rows(tmp_path / "shop" / "shop.audio.parquet")
    # silence is a vector of zeros, as of an item without audio; three of six items have a file
    assert {token: list(vector) for token, vector in vectors.items()} == {"I2": [200, 0], "I3": [300, 0]}
    assert (tmp_path / "shop" / "shop.text.parquet").is_file()


def test_ready_vectors_win_over_the_encoder(tmp_path: Path) -> None:
    from recbole_mmm4rec.prepare.features import FeatureMaker

    register_modality(AUDIO)
    (tmp_path / "ready.parquet").touch()
    settings = Settings(encoders={"audio": "loudness"}, features={"audio": "ready.parquet"})
    assert FeatureMaker("shop", settings, tmp_path)._further == {}


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("{audio: other}", "encoders: audio: 'other' is not one of loudness"),
        ("{video: frames}", "no package offers the modality 'video'; registered are audio"),
        ("{text: minilm}", "encoders: text has its own key, text_encoder"),
        ("{audio: 3}", "encoders: {'audio': 3} is not what this key takes"),
    ],
)
def test_what_does_not_exist_is_one_line_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], chosen: str, message: str
) -> None:
    register_modality(AUDIO)
    assert run(raw_files(tmp_path), tmp_path, *AMAZON, f"--encoders={chosen}") == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize("name", ["text", "image", "a/b", "id"])
def test_names_that_cannot_be_registered(name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}'"):
        register_modality(Modality(name, find, read, {}))
