"""Decoding: every odd picture is RGB afterwards, or has a reason."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recbole_mmm4rec.prepare.pictures.gather import NO_LINK, gather_pictures, write_missing
from recbole_mmm4rec.prepare.pictures.names import file_stem, find_pictures
from recbole_mmm4rec.prepare.pictures.reading import UnusablePicture, picture_format, read_picture
from tests.prepare.picture_server import picture_bytes


def _pixel(path: Path) -> tuple[int, ...]:
    picture = read_picture(path)
    assert picture.mode == "RGB"
    return picture.getpixel((0, 0))  # type: ignore[return-value]


def test_transparency_is_white(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(path)
    assert _pixel(path) == (255, 255, 255)
    Image.new("RGBA", (4, 4), (255, 0, 0, 255)).save(path)
    assert _pixel(path) == (255, 0, 0)
    Image.new("LA", (4, 4), (9, 0)).save(path)
    assert _pixel(path) == (255, 255, 255)


def test_palette_with_transparency(tmp_path: Path) -> None:
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([10, 20, 30] + [0] * 765)
    picture.save(tmp_path / "a.png", transparency=0)
    assert _pixel(tmp_path / "a.png") == (255, 255, 255)
    picture.save(tmp_path / "b.png")
    assert _pixel(tmp_path / "b.png") == (10, 20, 30)


def test_cmyk_grey_and_16_bits(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    red, green, _ = _pixel(tmp_path / "a.jpg")
    assert red > 200
    assert green < 60
    Image.new("L", (8, 8), 77).save(tmp_path / "b.png")
    assert _pixel(tmp_path / "b.png") == (77, 77, 77)
    Image.fromarray(np.full((8, 8), 257 * 100, np.uint16)).save(tmp_path / "c.png")
    assert _pixel(tmp_path / "c.png") == (100, 100, 100)


@pytest.mark.parametrize(("dtype", "white"), [(np.float32, 1.0), (np.float32, 255.0), (np.int32, 255)])
def test_greys_of_32_bits_are_stretched(tmp_path: Path, dtype: type, white: float) -> None:
    greys = np.array([[white, 0], [0, white / 2]]).astype(dtype)
    Image.fromarray(greys).save(tmp_path / "a.tif")
    assert _pixel(tmp_path / "a.tif") == (255, 255, 255)
    assert np.asarray(read_picture(tmp_path / "a.tif"))[1, :, 0].tolist() == [0, pytest.approx(127, abs=1)]


def test_greys_that_are_no_numbers(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UnusablePicture, match="no numbers"):
        read_picture(tmp_path / "a.tif")


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert _pixel(tmp_path / "a.gif") == (255, 0, 0)


def test_a_turned_photograph_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg", exif=exif)
    assert read_picture(tmp_path / "a.jpg").size == (10, 20)


def _bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9999))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes"),
        (b"<html></html>", "no picture"),
        (b"%PDF-1.4", "no picture"),
        (picture_bytes("PNG", (1, 1)), "1 pixel"),
        (picture_bytes("PNG", (1, 50)), "1 pixel"),
        (picture_bytes("JPEG", (99, 99))[:1500], "damaged or truncated"),
        (picture_bytes("PNG", (99, 99))[:1500], "damaged or truncated"),
        (_bomb(60_000, 60_000), "too many pixels"),
        (_bomb(9_000, 9_000), "too many pixels"),
    ],
)
def test_unusable(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(UnusablePicture, match=reason):
        read_picture(path)


def test_the_ending_follows_the_content(tmp_path: Path) -> None:
    for kind, ending in (("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("TIFF", ".tif")):
        (tmp_path / "x").write_bytes(picture_bytes(kind))
        assert picture_format(tmp_path / "x") == ending


def test_a_folder_and_what_is_missing_from_it(tmp_path: Path) -> None:
    folder = tmp_path / "posters"
    folder.mkdir()
    (folder / "1.jpg").write_bytes(picture_bytes())
    (folder / "2.PNG").write_bytes(b"")
    (folder / "a%2Fb.webp").write_bytes(picture_bytes("WEBP"))
    (folder / "notes.txt").write_text("no picture")
    links = dict.fromkeys(["1", "2", "a/b", "3"], "")
    found, missing = gather_pictures(links, folder, None, tmp_path / "new", tmp_path)
    assert {token: path.name for token, path in found.items()} == {"1": "1.jpg", "a/b": "a%2Fb.webp"}
    assert missing == {"2": "0 bytes", "3": NO_LINK}
    write_missing(tmp_path / "missing.tsv", missing, links)
    assert (tmp_path / "missing.tsv").read_text().splitlines()[1] == "2\t0 bytes\t"


def test_file_names(tmp_path: Path) -> None:
    tokens = ["a", "../a", "..", ".", "a/b", "a\\b", "x" * 500, "x" * 501, "ü", "%2F", "C:", "a\0b"]
    stems = [file_stem(token) for token in tokens]
    assert len(set(stems)) == len(tokens)
    for stem in stems:
        path = tmp_path / f"{stem}.png"
        path.write_bytes(b"x")
        assert path.parent == tmp_path
    assert set(find_pictures(tmp_path, tokens)) == set(tokens)
