"""A disk that is full: one line that names what was not written, and everything that was there stays."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.cli import main
from recbole_mmm4rec.prepare.room import enough_room
from tests.prepare.raw_files import AMAZON, dense_rows, meta, write_amazon


@contextmanager
def _small_files(most: int) -> Iterator[None]:
    """No file may become larger than ``most`` bytes, so that writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw files with pictures, the dataset ``shop`` of them, its halves ``a`` and ``b``, and vectors."""
    root = tmp_path_factory.mktemp("room")
    raw = write_amazon(root / "raw", dense_rows(12, 24), meta(24))
    (raw / "photos").mkdir()
    for item in range(24):
        Image.effect_noise((20, 20), 50).save(raw / "photos" / f"I{item}.png")
    np.savez(root / "v.npz", ids=np.array(["I0", "I1"]), embeddings=np.ones((2, 500)))
    assert main(_prepare(root)) == 0
    assert main(["split", "shop", "--parts", "a", "b", f"--output={root}"]) == 0
    return root


def _prepare(root: Path) -> list[str]:
    encoders = ["--text_encoder=hashed", "--image_encoder=pixels", "--pictures=photos"]
    return ["shop", f"--source={root / 'raw'}", f"--output={root}", *AMAZON, *encoders, "--overwrite"]


def _split(root: Path) -> list[str]:
    return ["split", "shop", "--parts", "a", "b", f"--output={root}", "--overwrite"]


def _merge(root: Path) -> list[str]:
    return ["merge", "all", "--datasets", "a", "b", f"--output={root}"]


def _import(root: Path) -> list[str]:
    return [
        "import",
        "shop",
        "--modality=text",
        f"--file={root / 'v.npz'}",
        f"--output={root}",
        "--overwrite",
    ]


def _page(root: Path) -> list[str]:
    return ["inspect", "shop", f"--output={root}", f"--page={root / 'page.html'}"]


def _content(root: Path) -> dict[str, bytes]:
    """Every file but those of an unfinished preparation, which the next run goes on with."""
    paths = (path for path in root.rglob("*") if path.is_file() and ".shop.partial" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (_prepare, "shop"),
        (_split, "a"),
        (_merge, "all"),
        (_import, "shop.text.parquet"),
        (_page, "page.html"),
    ],
)
def test_no_room(
    whole: Path, capsys: pytest.CaptureFixture[str], command: Callable[[Path], list[str]], named: str
) -> None:
    """Each file of the dataset in turn is the first that does not fit."""
    before = _content(whole)
    sizes = sorted({len(content) for name, content in before.items() if name.startswith("shop/")})
    stopped = 0
    for size in [1, *(size for size in sizes if size > 1)]:
        with _small_files(size - 1):
            code = main(command(whole))
        told = capsys.readouterr().err
        if code == 0:
            break  # all that this command writes is smaller
        assert code == 2
        assert told.startswith("error: ")
        assert f"{named}: no room to write it" in told
        assert told.count("\n") == 1
        assert _content(whole) == before
        stopped += 1
    assert stopped >= (5 if command is _prepare else 1)


def test_the_next_run_goes_on(whole: Path) -> None:
    with _small_files(1000):
        assert main(_prepare(whole)) == 2
    assert (whole / ".shop.partial").is_dir()
    assert main(_prepare(whole)) == 0
    assert not (whole / ".shop.partial").exists()


def test_numpys_own_words_and_other_errors(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"^x: no room to write it \(No space left on device\)"),
        enough_room(Path("x")),
    ):
        raise OSError("8192 requested and 512 written")
    with pytest.raises(FileNotFoundError), enough_room(tmp_path):
        (tmp_path / "nothing").read_text()
