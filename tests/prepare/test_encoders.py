"""Encoders: order, batches, resuming, and agreement with vectors computed elsewhere."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.encoders import check_encoder, encode_images, encode_texts, shards
from recbole_mmm4rec.prepare.encoders.base import chosen_device
from recbole_mmm4rec.prepare.encoders.pixels import SIDE, PixelEncoder
from recbole_mmm4rec.prepare.encoders.shards import encode_in_shards
from recbole_mmm4rec.prepare.features import FeatureMaker
from recbole_mmm4rec.prepare.hashed_text import hashed_vectors, tfidf_vectors, words
from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.tally import Tally
from recbole_mmm4rec.prepare.text_cleaning import compose
from tests.prepare.picture_server import picture_bytes
from tests.prepare.raw_files import feature_rows, run, skipped

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "ml-latest-small"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="shared/data/ml-latest-small is not beside the repository"
)


class Recorder:
    """An encoder that notes its batches; a text's vector is its length and its first letter's number."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {"encoder": "recorder"}
        self.batches: list[list[str]] = []

    def encode(self, batch: Sequence[str]) -> np.ndarray:
        if any(text == "stop" for text in batch) and len(self.batches) < 100:
            self.batches += [[]] * 100
            raise KeyboardInterrupt
        self.batches.append(list(batch))
        return np.array([[len(text), ord(text[0])] for text in batch], dtype=np.float32)


def test_order_batches_and_resuming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_ROWS", 10)
    texts = [f"{number:03d}" + "x" * (number % 7) for number in range(33)]
    texts[25] = "stop"
    encoder = Recorder()
    with pytest.raises(KeyboardInterrupt):
        encode_in_shards(texts, str, encoder, tmp_path, 4)
    assert (
        len([batch for batch in encoder.batches if batch]) == 7
    )  # 4 + 4 + 2, twice, and one of the third shard
    again = Recorder()
    again.batches = [[]] * 100
    vectors = encode_in_shards(texts, str, again, tmp_path, 4)
    assert again.batches[100] == texts[20:24]  # two shards were there
    np.testing.assert_array_equal(vectors, [[len(text), ord(text[0])] for text in texts])
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".npy"]


def test_a_changed_text_or_encoder_is_encoded_again(tmp_path: Path) -> None:
    for texts, name, expected in (
        (["a", "b"], "1", 1),
        (["a", "b"], "1", 0),
        (["a", "c"], "1", 1),
        (["a", "b"], "2", 1),
    ):
        encoder = Recorder()
        encoder.metadata["encoder"] = name
        encode_in_shards(texts, str, encoder, tmp_path, 8)
        assert len(encoder.batches) == expected


def test_texts_keep_their_order_though_batched_by_length(tmp_path: Path) -> None:
    texts = {"a": "some longer words", "b": "word", "c": "words of middling", "d": "word"}
    vectors, metadata = encode_texts(texts, Settings(text_encoder="hashed", text="{title}"), tmp_path)
    assert metadata["template"] == "{title}"
    np.testing.assert_array_equal(vectors[1], vectors[3])
    assert not np.allclose(vectors[0], vectors[2])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


ONE_LETTER_WORDS = {
    "i0": "X",
    "i1": "Y",
    "i2": "本",
    "i3": "紙",
    "i4": "🙂",
    "i5": "iPhone 5 case",
    "i6": "iPhone 6 case",
    "i7": "T-shirt S",
}


@pytest.mark.parametrize("encoder", ["hashed", "tfidf"])
def test_words_of_one_character_count_and_a_text_without_a_word_is_counted(
    tmp_path: Path, encoder: str
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    rows = [f"u{user},{item},{user}\n" for user in range(8) for item in ONE_LETTER_WORDS]
    (raw / "interactions.csv").write_text("user_id,item_id,ts\n" + "".join(rows))
    titles = [f"{item},{title}\n" for item, title in ONE_LETTER_WORDS.items()]
    (raw / "items.csv").write_text("item_id,title\n" + "".join(titles))
    assert run(raw, tmp_path, "--time_column=ts", "--text={title}", f"--text_encoder={encoder}") == 0
    vectors = feature_rows(tmp_path / "shop" / "shop.text.parquet")
    assert sorted(vectors) == ["i0", "i1", "i2", "i3", "i5", "i6", "i7"]
    matrix = np.array([*vectors.values()])
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, rtol=1e-5)
    assert (matrix @ matrix.T - np.eye(7)).max() < 0.999
    told = skipped(tmp_path)["items whose text has nothing to encode: no text vector"]
    assert told == {"count": 1, "first": "item i4"}
    record = json.loads((tmp_path / "shop" / "shop.prepare.json").read_text())
    assert record["vectors"] == {"text": 7}


def test_texts_without_any_word_make_no_file(tmp_path: Path) -> None:
    tally = Tally()
    maker = FeatureMaker("d", Settings(text_encoder="hashed"), tmp_path)
    assert maker.write(["a", "b"], {"a": "🙂", "b": "..."}, {}, tmp_path, tmp_path, tally) == {}
    assert tally.counts.total() == 2
    assert not list(tmp_path.glob("*.parquet"))


def test_vectors_of_the_former_hashings_are_not_taken_for_comparable() -> None:
    former = {
        "hashed words, fixed random projection",
        "hashed words of one character or more, fixed random projection",
    }
    assert hashed_vectors(["a"])[1]["encoder"] not in former


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("红色连衣裙", "红色 色连 连衣 衣裙"),
        ("红 裙", "红 裙"),
        ("ワイヤレス イヤホン2個", "ワイ イヤ ヤレ レス イヤ ヤホ ホン 2 個"),
        ("무선 이어폰", "무선 이어 어폰"),
        ("iPhone 5手机壳case", "iPhone 5 手机 机壳 case"),
        ("𠮷野家", "𠮷野 野家"),
        ("Café d'été №5 snake_case", "Café d été 5 snake_case"),
        ("...", ""),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert words(text) == expected.split()


def test_words_without_such_letters_are_those_of_scikit_learn() -> None:
    texts = ["T-shirt, 100% coton & été_2", "a  b\tc\n", "привет мир", "สวัสดี", "x²", "é", ""]
    assert [words(text) for text in texts] == [re.findall(r"(?u)\b\w+\b", text) for text in texts]


@pytest.mark.parametrize(
    ("title", "near", "far"),
    [
        ("红色连衣裙夏季新款", "红色连衣裙冬季新款", "无线蓝牙耳机"),
        ("ワイヤレスイヤホン", "ワイヤレスマウス", "花柄ワンピース"),
        ("블루투스이어폰", "블루투스스피커", "여름원피스"),
    ],
)
def test_titles_that_are_equal_in_part_are_near(title: str, near: str, far: str) -> None:
    """A run without spaces used to be one word: two titles that differ in one letter were unrelated."""
    one, other, stranger = hashed_vectors([title, near, far])[0]
    assert one @ other > 0.35
    assert abs(one @ stranger) < 0.25
    tfidf = tfidf_vectors([title, near, far, "帽子"])[0]
    assert tfidf[0] @ tfidf[1] > 0.2


def test_pixels(tmp_path: Path) -> None:
    pictures = {}
    for number, colour in enumerate(("red", "blue", "red")):
        pictures[str(number)] = tmp_path / f"{number}.png"
        Image.new("RGB", (30, 30), colour).save(pictures[str(number)])
    vectors, metadata = encode_images(pictures, Settings(image_encoder="pixels", batch_size=2), tmp_path)
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-5)
    assert vectors[0] @ vectors[1] < 0.9
    assert metadata["dimension"] == vectors.shape[1]


def test_pictures_wait_for_the_encoder_at_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, encode = [], PixelEncoder.encode

    def spy(encoder: PixelEncoder, batch: Sequence[Image.Image]) -> np.ndarray:
        sizes.extend(picture.size for picture in batch)
        return encode(encoder, batch)

    (tmp_path / "a.png").write_bytes(picture_bytes("PNG", (300, 200)))
    with Image.open(tmp_path / "a.png") as large:
        expected = PixelEncoder().encode([large])
    monkeypatch.setattr(PixelEncoder, "encode", spy)
    vectors, _ = encode_images({"a": tmp_path / "a.png"}, Settings(image_encoder="pixels"), tmp_path)
    np.testing.assert_array_equal(vectors, expected)
    assert sizes == [(SIDE, SIDE)]


@pytest.mark.parametrize("device", ["foo", "cuda:99", ["cpu"]])
def test_a_device_that_is_not_there(device: object) -> None:
    with pytest.raises(UserError, match=r"^encoder_options: device: .* cannot be used"):
        chosen_device({"device": device})


@pytest.mark.parametrize("texts", [["one"], ["...", "!"], ["same", "same"]])
def test_tfidf_of_too_little(tmp_path: Path, texts: list[str]) -> None:
    with pytest.raises(UserError, match="two texts and two different words"):
        encode_texts(dict(enumerate(texts)), Settings(text_encoder="tfidf"), tmp_path)


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"onnxruntime.*recbole-mmm4rec\[offline-encoders\]"):
        check_encoder("text_encoder", "minilm")
    with pytest.raises(UserError, match=r"recbole-mmm4rec\[open-clip\]"):
        check_encoder("image_encoder", "open_clip")


def _usable(key: str, name: str) -> bool:
    try:
        check_encoder(key, name)
    except UserError:
        return False
    return True


needs_offline = pytest.mark.skipif(
    not _usable("text_encoder", "minilm") or not _usable("image_encoder", "efficientnet-lite0"),
    reason="the extra offline-encoders is not installed",
)
needs_open_clip = pytest.mark.skipif(
    not _usable("text_encoder", "open_clip"), reason="the extra open-clip is not installed"
)


def _cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left * right).sum(axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


@needs_offline
@needs_shared
def test_minilm_agrees_with_vectors_computed_elsewhere(tmp_path: Path) -> None:
    with (SHARED / "movies.csv").open() as file:
        rows = list(csv.DictReader(file))[::100]
    form = "Title: {title}. Genres: {genres}."
    texts = {
        row["movieId"]: compose(form, "", {"title": row["title"], "genres": row["genres"].replace("|", ", ")})
        for row in rows
    }
    vectors, _ = encode_texts(texts, Settings(text_encoder="minilm", text=form), tmp_path)
    expected = feature_rows(SHARED / "text.minilm.parquet")
    assert _cosines(vectors, np.array([expected[token] for token in texts])).min() > 0.999


@needs_offline
@needs_shared
def test_efficientnet_finds_each_poster_again(tmp_path: Path) -> None:
    """The stored vectors come from larger posters than the stored ones, so they are like, not equal."""
    table = pq.read_table(SHARED / "image.efficientnet-lite0.parquet").slice(0, 400)
    tokens = table["item_id"].to_pylist()
    stored = np.array(table["embedding"].to_pylist(), dtype=np.float32)
    stored /= np.linalg.norm(stored, axis=1, keepdims=True)
    pictures = {token: SHARED / "posters" / f"{token}.jpg" for token in tokens[:8]}
    vectors, metadata = encode_images(pictures, Settings(image_encoder="efficientnet-lite0"), tmp_path)
    assert vectors.shape == (8, 1280)
    assert "weights" in metadata
    assert ((vectors @ stored.T).argmax(axis=1) == np.arange(8)).mean() >= 0.75
    alone, _ = encode_images(
        pictures, Settings(image_encoder="efficientnet-lite0", batch_size=3), tmp_path / "b"
    )
    np.testing.assert_allclose(alone, vectors, rtol=1e-3, atol=1e-4)


TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@needs_open_clip
def test_open_clip_with_random_weights(tmp_path: Path) -> None:
    """Both towers: shapes, order, batching, and what the metadata says."""
    from recbole_mmm4rec.prepare.encoders.open_clip_towers import import_open_clip

    (tmp_path / "tiny-clip.json").write_text(json.dumps(TINY))
    import_open_clip().add_model_config(tmp_path / "tiny-clip.json")
    options = {"model": "tiny-clip", "pretrained": "random"}
    settings = Settings(
        text_encoder="open_clip", image_encoder="open_clip", encoder_options=options, batch_size=2
    )
    texts = {"a": "red hat", "b": "a blue coat", "c": "red hat"}
    vectors, metadata = encode_texts(texts, settings, tmp_path / "t")
    assert vectors.shape == (3, 24)
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-5)
    assert metadata["encoder"] == "open_clip tiny-clip (random)"
    assert len(metadata["weights"]) == 16
    pictures = {}
    for number in range(3):
        pictures[str(number)] = tmp_path / f"{number}.png"
        pictures[str(number)].write_bytes(picture_bytes("PNG", (40, 30), "RGBA"))
    images, _ = encode_images(pictures, settings, tmp_path / "i")
    assert images.shape == (3, 24)
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, rtol=1e-5)


@needs_open_clip
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model": "ViT-Z"}, "no model 'ViT-Z'"),
        ({"modell": "x"}, "unknown key 'modell'"),
        ({"model": "RN50", "pretrained": "/no/such/file.pt"}, "cannot be loaded"),
    ],
)
def test_open_clip_that_cannot_be_loaded(tmp_path: Path, options: dict[str, str], told: str) -> None:
    settings = Settings(text_encoder="open_clip", encoder_options=options)
    with pytest.raises(UserError, match=told):
        encode_texts({"a": "x"}, settings, tmp_path)
