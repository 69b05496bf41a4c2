"""Pictures of a dataset's items: from a folder, from links, or both; only what decodes counts."""

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic import write_atomic
from recbole_mmm4rec.prepare.pictures.download import DownloadOptions, download
from recbole_mmm4rec.prepare.pictures.names import AMBIGUOUS, composed, find_pictures
from recbole_mmm4rec.prepare.pictures.reading import UnusablePicture, read_picture
from recbole_mmm4rec.prepare.wording import counted

LOGGER = logging.getLogger(__name__)
NO_LINK = "no picture in the folder, no link in the metadata"


def gather_pictures(
    links: Mapping[str, str], folder: Path | None, options: DownloadOptions | None, target: Path, cache: Path
) -> tuple[dict[str, Path], dict[str, str]]:
    """Return (token -> readable picture, token -> why there is none) for the items, the keys of ``links``.

    ``links``: item -> link, empty where there is none. ``folder``: a folder of pictures named by item.
    ``options``: how to fetch what the folder lacks, None to fetch nothing. ``target`` takes fetched pictures,
    ``cache`` what must be known to go on after an interruption.
    """
    found, reasons = _from_folder(folder, links) if folder is not None else ({}, {})
    wanted = {token: link for token, link in links.items() if token not in found and link}
    if options is not None and wanted:
        fetched, failed = download(wanted, target, cache, options)
        found |= fetched
        reasons |= failed
    missing = {token: reasons.get(token, NO_LINK) for token in links if token not in found}
    for reason, count in Counter(missing.values()).most_common():
        LOGGER.warning("%s without a picture: %s", counted(count, "item"), reason)
    return found, missing


def write_missing(path: Path, missing: Mapping[str, str], links: Mapping[str, str]) -> None:
    """Write the table of items without a picture: item, reason, link."""
    tokens = sorted(missing)
    columns = {
        "item_id": tokens,
        "reason": [missing[token] for token in tokens],
        "link": [links.get(token, "") for token in tokens],
    }
    write_atomic(path, columns)


def _from_folder(folder: Path, tokens: Mapping[str, str]) -> tuple[dict[str, Path], dict[str, str]]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of pictures")
    matches = find_pictures(folder, tokens)
    good: dict[str, Path] = {}
    reasons = dict.fromkeys(matches.ambiguous, AMBIGUOUS)
    for token, paths in tqdm(matches.files.items(), desc="pictures", unit="file", leave=False, disable=None):
        for path in paths:
            try:
                read_picture(path)
                good[token] = path
                break
            except UnusablePicture as problem:
                reasons.setdefault(token, str(problem))
    _tell(
        "several pictures in the folder; the first that can be read is taken",
        {token: paths for token, paths in matches.files.items() if len(paths) > 1},
        folder,
    )
    _tell(
        "a picture in a folder that is called as another item; pictures are called as their items, "
        "their folders do not matter",
        {token: [path] for token, path in good.items() if _is_in_another(token, path, folder, tokens)},
        folder,
    )
    return good, reasons


def _is_in_another(token: str, path: Path, folder: Path, tokens: Mapping[str, str]) -> bool:
    """Whether this is ``1/2.jpg`` of ``2``, and ``1`` is an item, too, whose second picture it may be."""
    other = composed(path.parent.name)
    return path.parent != folder and composed(path.stem) == token != other and other in tokens


def _tell(what: str, matches: Mapping[str, list[Path]], folder: Path) -> None:
    """Tell what items have, with the first of them and some of its pictures."""
    for token, paths in list(matches.items())[:1]:
        names = ", ".join(str(path.relative_to(folder)) for path in paths[:3])
        LOGGER.warning("%s %s (%s: %s)", counted(len(matches), "item has", "items have"), what, token, names)
