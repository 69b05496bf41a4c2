"""Item token <-> picture file."""

import hashlib
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from urllib.parse import quote

from recbole_mmm4rec.errors import UserError

ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff")
AMBIGUOUS = "only files that differ in upper and lower case, and more than one item or file fits"
_LONGEST = 200
_STEM = attrgetter("stem")


@dataclass(frozen=True)
class Matches:
    """``files``: token -> its pictures, the one to try first in front; ``ambiguous``: tokens with files that
    may be another item's.
    """

    files: dict[str, list[Path]]
    ambiguous: set[str]


def file_stem(token: str) -> str:
    """Return a file name for any token: no separators, no dots in front, never too long, one per token."""
    stem = quote(token, safe=" ()+,=@&$!'")
    if len(stem) > _LONGEST:
        stem = f"{stem[:100]}-{hashlib.sha256(token.encode()).hexdigest()[:32]}"
    return f"%2E{stem[1:]}" if stem.startswith(".") else stem


def find_pictures(folder: Path, tokens: Iterable[str]) -> Matches:
    """Find the pictures in ``folder`` and the folders in it that are called as the tokens.

    A picture is called as an item by its path in ``folder`` without the ending or, where no item is called
    so, by its name; accents may be written in either form of Unicode. A name that differs in upper and lower
    case counts where it is nobody else's and fits one item only.
    """
    paths = sorted(_pictures(folder), key=lambda path: (len(path.parts), path))
    files = _exact(paths, folder, tokens)
    taken = {path for found in files.values() for path in found}
    rest = [path for path in paths if path not in taken]
    loose = _index(rest, _folded, _STEM, partial(_inside, folder))
    near = {
        token: found for token in tokens if token not in files and (found := _look_up(loose, token, _folded))
    }
    claims = Counter(path for found in near.values() for path in found)
    ambiguous = {
        token
        for token, found in near.items()
        if len({composed(path.stem) for path in found}) > 1 or any(claims[path] > 1 for path in found)
    }
    files.update((token, found) for token, found in near.items() if token not in ambiguous)
    return Matches(files, ambiguous)


def pictures_in(folders: Sequence[Path], tokens: Iterable[str]) -> dict[str, list[Path]]:
    """Return token -> its pictures in all of some folders, the one to try first in front.

    Tokens without any are left out. Raises ``UserError`` for a folder that is not there.
    """
    files: dict[str, list[Path]] = {}
    wanted = sorted(tokens)
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder of pictures")
        for token, paths in find_pictures(folder, wanted).files.items():
            files.setdefault(token, []).extend(paths)
    return files


def stored_pictures(folder: Path, tokens: Iterable[str]) -> dict[str, Path]:
    """Return the files of ``folder`` itself that were written as ``file_stem`` says, token -> path."""
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in ENDINGS}
    return {token: files[stem] for token in tokens if (stem := file_stem(token)) in files}


def _pictures(folder: Path) -> Iterator[Path]:
    """Yield the files with a picture's ending; a folder that links lead to again is entered once."""
    entered = {_identity(folder)}
    for place, folders, names in os.walk(folder, followlinks=True):
        found = {name: _identity(Path(place, name)) for name in sorted(folders) if not name.startswith(".")}
        folders[:] = [name for name, identity in found.items() if identity not in entered]
        entered.update(found.values())
        yield from (Path(place, name) for name in names if Path(name).suffix.lower() in ENDINGS)


def _identity(folder: Path) -> tuple[int, int]:
    state = folder.stat()
    return state.st_dev, state.st_ino


def _exact(paths: Sequence[Path], folder: Path, tokens: Iterable[str]) -> dict[str, list[Path]]:
    """Token -> pictures called so; one whose path is an item's is not that of an item with its name."""
    by_path = _index(paths, composed, partial(_inside, folder))
    files = {token: found for token in tokens if (found := _look_up(by_path, token, composed))}
    taken = {path for found in files.values() for path in found}
    by_name = _index([path for path in paths if path not in taken], composed, _STEM)
    for token in tokens:
        if found := _look_up(by_name, token, composed):
            files[token] = [*files.get(token, ()), *found]
    return files


def _index(
    paths: Iterable[Path], form: Callable[[str], str], *names: Callable[[Path], str]
) -> dict[str, list[Path]]:
    """What paths are called, in the given form -> the paths."""
    index = defaultdict(list)
    for path in paths:
        for name in {called(path) for called in names}:
            index[form(name)].append(path)
    return index


def _inside(folder: Path, path: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _look_up(index: dict[str, list[Path]], token: str, form: Callable[[str], str]) -> list[Path]:
    return index.get(form(token)) or index.get(form(file_stem(token))) or []


def composed(name: str) -> str:
    """An accent and its letter are one character on some systems and two on others."""
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return composed(name.casefold())
