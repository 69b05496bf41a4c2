"""The whole preparation of a raw dataset on one screen."""

import json
import logging
from pathlib import Path

import numpy as np

from recbole_mmm4rec.columns import IMAGES
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.features import FeatureMaker
from recbole_mmm4rec.prepare.large.choice import chosen_filters
from recbole_mmm4rec.prepare.pictures import gather_pictures, write_missing
from recbole_mmm4rec.prepare.pictures.download import DownloadOptions
from recbole_mmm4rec.prepare.raw_dataset import RawDataset, read_dataset
from recbole_mmm4rec.prepare.record import picture_folders, record_path
from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.sources import open_source
from recbole_mmm4rec.prepare.statistics import Statistics
from recbole_mmm4rec.prepare.tally import Tally
from recbole_mmm4rec.prepare.workspace import Workspace, workspace
from recbole_mmm4rec.prepare.write_dataset import write_interactions, write_items

LOGGER = logging.getLogger(__name__)


def prepare(
    name: str,
    settings: Settings,
    folder: Path,
    target: Path,
    overwrite: bool = False,
    memory: int | None = None,
) -> Statistics:
    """Make the dataset ``name`` as the folder ``target`` from the raw files in ``folder``.

    ``memory``: bytes that the interactions may take, None for what is available; more of them are sorted on
    disk (extra ``large``), with the same result. An interrupted run leaves ``target`` alone and is continued
    by the next one. Raises ``UserError``.
    """
    if settings.pictures and overwrite:
        _refuse_own_pictures(folder / settings.pictures, target)
    source = open_source(settings, folder)
    maker = FeatureMaker(name, settings, folder)
    options = DownloadOptions.checked(settings.download_options) if settings.download else None
    tally = Tally()
    with workspace(target, overwrite) as work:
        sorting, where = work.cache / "sorting", folder.resolve().name
        with chosen_filters(source.interaction_files, sorting, memory, where) as filters:
            raw = read_dataset(source, settings, filters, work.cache / "items.arrow", where, tally)
            write_interactions(work.dataset / f"{name}.inter", raw.interactions, raw.has_rating, raw.has_time)
        write_items(work.dataset / f"{name}.item", raw.items)
        pictures = _pictures(name, raw, settings, folder, work, options)
        covered = maker.write(raw.items.tokens, raw.texts, pictures, work.dataset, work.cache, tally)
        with_picture = len(pictures) or covered.get("image", 0)
        statistics = _statistics(raw, with_picture)
        folders = picture_folders(folder / settings.pictures, target=target) if settings.pictures else {}
        _write_record(record_path(work.dataset, name), settings, statistics, covered, tally, folders)
        _keep_fetched(pictures, work)
    tally.log()
    for rows in tally.tables.values():
        LOGGER.info(rows.line())
    LOGGER.info(statistics.row(name))
    return statistics


def _refuse_own_pictures(pictures: Path, target: Path) -> None:
    if pictures.is_dir() and target.is_dir() and pictures.resolve().is_relative_to(target.resolve()):
        raise UserError(f"{pictures}: lies in {target}, which --overwrite replaces; move it out first")


def _pictures(
    name: str,
    raw: RawDataset,
    settings: Settings,
    folder: Path,
    work: Workspace,
    options: DownloadOptions | None,
) -> dict[str, Path]:
    listed = folder / settings.pictures if settings.pictures else None
    if listed is not None and not listed.is_dir() and options is not None:
        listed = None  # the folder of a first download does not exist yet
    if listed is None and options is None:
        return {}
    links: dict[str, str] = {}
    for batch in raw.items.batches():
        links |= zip(batch.tokens, batch.pictures, strict=True)
    found, missing = gather_pictures(links, listed, options, work.cache / IMAGES, work.cache)
    write_missing(work.dataset / f"{name}.missing-pictures.tsv", missing, links)
    return found


def _keep_fetched(pictures: dict[str, Path], work: Workspace) -> None:
    """Move what was fetched for items of this dataset into it."""
    fetched = {path for path in pictures.values() if path.parent == work.cache / IMAGES}
    if fetched:
        (work.dataset / IMAGES).mkdir()
    for path in fetched:
        path.rename(work.dataset / IMAGES / path.name)


def _statistics(raw: RawDataset, pictures: int) -> Statistics:
    users = int(np.count_nonzero(raw.interactions.user_counts))
    return Statistics(users, len(raw.items.tokens), pictures, len(raw.interactions))


def _write_record(
    path: Path,
    settings: Settings,
    statistics: Statistics,
    covered: dict[str, int],
    tally: Tally,
    folders: dict[str, list[str]],
) -> None:
    record = {
        **folders,
        "settings": settings.as_dict(),
        "statistics": statistics.as_dict(),
        "vectors": covered,
        "rows": {table: rows.as_dict() for table, rows in tally.tables.items()},
        "skipped": tally.as_dict(),
    }
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
