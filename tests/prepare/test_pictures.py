"""Decoding: every odd picture is RGB afterwards, or has a reason."""

import os
import struct
import unicodedata
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recbole_mmm4rec.prepare.pictures.gather import NO_LINK, gather_pictures, write_missing
from recbole_mmm4rec.prepare.pictures.names import AMBIGUOUS, file_stem, find_pictures, stored_pictures
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
    with pytest.raises(UnusablePicture, match="not numbers"):
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


@pytest.mark.parametrize("side", [9_000, 12_000, 60_000])
def test_a_decompression_bomb_is_counted_with_its_reason(tmp_path: Path, side: int) -> None:
    """Also where warnings are errors, of which Pillow's was told as damage."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(_bomb(side, side))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, missing = gather_pictures({"a": ""}, tmp_path / "photos", None, tmp_path, tmp_path)
    assert (found, missing) == ({}, {"a": "too many pixels"})


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
    assert set(find_pictures(tmp_path, tokens).files) == set(tokens)
    assert set(stored_pictures(tmp_path, tokens)) == set(tokens)


CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases" / "pictures" / "raw" / "photos"


@pytest.mark.skipif(not CASES.is_dir(), reason="shared/cases/pictures is not beside the repository")
def test_pictures_of_every_kind(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    tokens = CASES.with_name("items.csv").read_text().splitlines()[1:]
    tokens = [token.split(",")[0] for token in tokens]
    found, missing = gather_pictures(dict.fromkeys(tokens, ""), CASES, None, tmp_path, tmp_path)
    assert missing == {
        "trunc": "damaged or truncated",
        "zero": "0 bytes",
        "html": "no picture, or of an unknown format",
        "bomb100M": "too many pixels",
        "bomb400M": "too many pixels",
        "onepx": "1 pixel wide or high, a placeholder",
        "svg": NO_LINK,
        "nothing": NO_LINK,
        "big62M": NO_LINK,
    }
    assert {token: found[token].name for token in ("CASE-A", "two", "0123", "jfif")} == {
        "CASE-A": "case-a.png",
        "two": "two.jpg",
        "0123": "0123.png",
        "jfif": "jfif.jfif",
    }
    assert "1 item has several pictures in the folder" in caplog.text
    assert "(two: two.jpg, two.png)" in caplog.text


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_in_either_form(tmp_path: Path, form: str) -> None:
    _touch(tmp_path, f"{unicodedata.normalize(form, 'Café')}.png")
    tokens = [unicodedata.normalize(other, name) for other in ("NFC", "NFD") for name in ("Café", "CAFÉ")]
    assert set(find_pictures(tmp_path, tokens[::2]).files) == set(tokens[::2])
    assert set(find_pictures(tmp_path, tokens[1:2]).files) == set(tokens[1:2])


def test_subfolders_and_paths(tmp_path: Path) -> None:
    _touch(tmp_path, "01/0123.png", "b/x.png", "a/x.png", "x.jpg", ".thumbnails/y.png", "a/deep/er/z.GIF")
    files = find_pictures(tmp_path, ["0123", "x", "a/x", "y", "z", "b/x"]).files
    names = {
        token: [path.relative_to(tmp_path).as_posix() for path in paths] for token, paths in files.items()
    }
    assert names == {
        "0123": ["01/0123.png"],
        "x": ["x.jpg"],  # the others are those of items with their paths
        "a/x": ["a/x.png"],
        "b/x": ["b/x.png"],
        "z": ["a/deep/er/z.GIF"],
    }
    assert len(find_pictures(tmp_path, ["x"]).files["x"]) == 3


def test_pictures_in_folders_of_items_are_told(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    for name in ("1/1.png", "1/2.png", "3/3.png", "other/4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    found, missing = gather_pictures(dict.fromkeys("1234", ""), tmp_path, None, tmp_path, tmp_path)
    assert (sorted(found), missing) == (["1", "2", "3", "4"], {})
    assert "1 item has a picture in a folder that is called as another item" in caplog.text
    assert "(2: 1/2.png)" in caplog.text


@pytest.mark.parametrize(
    ("names", "tokens", "files", "ambiguous"),
    [
        (["a.png"], ["a", "A"], {"a": "a.png"}, set()),  # the picture of "a" is not that of "A"
        (["a.png"], ["A"], {"A": "a.png"}, set()),
        (["AB.png"], ["ab", "Ab"], {}, {"ab", "Ab"}),
        (["Ab.png", "aB.png"], ["AB"], {}, {"AB"}),
        (["Ab.png", "Ab.jpg"], ["AB"], {"AB": "Ab.jpg"}, set()),
        (["straße.png"], ["STRASSE"], {"STRASSE": "straße.png"}, set()),
    ],
)
def test_another_case(
    tmp_path: Path, names: list[str], tokens: list[str], files: dict[str, str], ambiguous: set[str]
) -> None:
    _touch(tmp_path, *names)
    matches = find_pictures(tmp_path, tokens)
    assert {token: paths[0].name for token, paths in matches.files.items()} == files
    assert matches.ambiguous == ambiguous
    (tmp_path / "new").mkdir()
    missing = gather_pictures(dict.fromkeys(tokens, ""), tmp_path, None, tmp_path / "new", tmp_path)[1]
    assert {token for token, reason in missing.items() if reason == AMBIGUOUS} == ambiguous


def test_links_that_lead_nowhere_or_in_circles(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "good.png").write_bytes(picture_bytes("PNG"))
    (folder / "dangling.png").symlink_to("nothing")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "around").symlink_to(folder)
    (folder / "pipe").mkdir()
    os.mkfifo(folder / "pipe" / "pipe.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far.png").write_bytes(picture_bytes("PNG"))
    (folder / "there").symlink_to(tmp_path / "elsewhere")
    tokens = dict.fromkeys(["good", "dangling", "loop", "pipe", "far"], "")
    found, missing = gather_pictures(tokens, folder, None, tmp_path / "new", tmp_path)
    assert set(found) == {"good", "far"}
    assert missing == {
        "dangling": "cannot be opened (No such file or directory)",
        "loop": "cannot be opened (Too many levels of symbolic links)",
        "pipe": "not a file",
    }
