"""Pictures of a dataset's items: the first file of several that can be used."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.dataset_facts import read_dataset, thumbnail

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "images").mkdir(parents=True)
    (folder / "shop.item").write_text("item_id:token\ttitle:token_seq\na\tA\nb\tB\nc\tC\n")
    (folder / "images" / "a.jpg").write_bytes(b"")
    Image.new("RGB", (8, 4), BLUE).save(folder / "images" / "a.png")
    (folder / "images" / "b.jpg").write_bytes(b"")
    (folder / "images" / "b.png").write_text("no picture")
    return folder


def test_the_next_file_stands_in_for_a_damaged_one(dataset: Path) -> None:
    pictures = read_dataset(dataset, dataset / "images").pictures
    assert [path.name for path in pictures["a"]] == ["a.jpg", "a.png"]
    picture = Image.open(BytesIO(thumbnail(pictures["a"], 4)))
    assert (picture.format, picture.size) == ("JPEG", (4, 2))
    assert picture.getpixel((0, 0))[2] > 200  # type: ignore[index]


def test_an_item_whose_files_are_all_damaged_has_the_reason_of_the_first(dataset: Path) -> None:
    pictures = read_dataset(dataset, dataset / "images").pictures
    with pytest.raises(UserError, match=r"^the picture cannot be used: 0 bytes$"):
        thumbnail(pictures["b"])
    assert "c" not in pictures


def test_a_folder_of_pictures_that_is_not_there(dataset: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such folder of pictures"):
        read_dataset(dataset, dataset / "nowhere")
