"""Categories of items, as a command names them: a file, or a field of a dataset's items."""

from __future__ import annotations

from pathlib import Path

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.dataset_facts import read_items
from recbole_mmm4rec.recommend.histories import ITEM
from recbole_mmm4rec.recommend.history_files import blocks_of, texts_of

CATEGORY = "category"
SUFFIXES = (".csv", ".parquet")


def categories_of(name: str, dataset: Path | None) -> dict[str, str]:
    """Id of an item -> its category; items without one are left out.

    Args:
        name: of a ``.csv`` or ``.parquet`` file with the columns ``item_id`` and ``category``, or of a field
            of the dataset's items.
        dataset: the dataset's folder.

    Raises:
        UserError: a file that cannot be read, or with an item of two categories; no such field; a field
            without a dataset.
    """
    if name.endswith(SUFFIXES):
        return _of_file(Path(name))
    if dataset is None:
        ends = " or ".join(SUFFIXES)
        raise UserError(f"--categories: '{name}' is no {ends} file; a field needs --dataset, which has it")
    return read_items(dataset).categories(name)


def _of_file(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    done = 0
    for block in blocks_of(path, (ITEM, CATEGORY)):
        items, categories = (texts_of(path, block, name, done) for name in (ITEM, CATEGORY))
        for item, category in zip(items, categories, strict=True):
            if category and found.setdefault(item, category) != category:
                raise UserError(f'{path}: item "{item}" has two categories, {found[item]} and {category}')
        done += block.num_rows
    if not found:
        raise UserError(f"{path}: no item has a category")
    return found
