"""UniSRec's layout: sequences split into three files, items as row numbers, raw float32 text vectors."""

import logging
from collections import defaultdict
from pathlib import Path

from recbole_mmm4rec.columns import TEXT
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic import write_atomic
from recbole_mmm4rec.prepare.atomic_reading import read_all
from recbole_mmm4rec.prepare.feature_files import today, write_feature_file
from recbole_mmm4rec.prepare.staging import staged_folder
from recbole_mmm4rec.prepare.vectors import read_raw, read_rows

LOGGER = logging.getLogger(__name__)
USER, HISTORY, ITEM = "user_id:token", "item_id_list:token_seq", "item_id:token"
SPLITS = ("train", "valid", "test")
ENCODER = "BERT [CLS] as UniSRec computes it"


def import_unisrec(name: str, source: Path, target: Path, overwrite: bool = False) -> None:
    """Make the dataset ``target`` from ``<name>.train.inter`` and its companions in ``source``.

    There are no times: rows keep each user's order. Numbers become tokens again by ``<name>.item2index`` and
    ``<name>.user2index``, if they are there. Raises ``UserError`` for a missing or damaged file.
    """
    items, users = _index(source / f"{name}.item2index"), _index(source / f"{name}.user2index")
    rows = [(user, item) for user, sequence in _sequences(name, source).items() for item in sequence]
    with staged_folder(target, overwrite) as folder:
        columns = {
            USER: [users.get(user, user) for user, _ in rows],
            ITEM: [items.get(item, item) for _, item in rows],
        }
        write_atomic(folder / f"{target.name}.inter", columns)
        tokens = _write_items(name, source, folder / f"{target.name}.item", items)
        _write_vectors(name, source, folder, target.name, tokens, items)
    LOGGER.info("%s: %s interactions", target.name, f"{len(rows):,}")


def _sequences(name: str, source: Path) -> dict[str, list[str]]:
    """Each user's whole sequence: the first history, then every target in the order of the files."""
    sequences: dict[str, list[str]] = defaultdict(list)
    for split in SPLITS:
        table = read_all(source / f"{name}.{split}.inter", [USER, HISTORY, ITEM])
        for user, history, item in zip(*(column.to_pylist() for column in table.columns), strict=True):
            if not sequences[user]:
                sequences[user] += history.split(" ")
            sequences[user].append(item)
    return sequences


def _index(path: Path) -> dict[str, str]:
    """Number -> token."""
    if not path.is_file():
        return {}
    pairs = read_rows(path)
    broken = next((pair for pair in pairs if len(pair) != 2), None)
    if broken is not None:
        raise UserError(f"{path}: two columns are expected, found {' '.join(broken)[:80]!r}")
    return {number: token for token, number in pairs}


def _write_items(name: str, source: Path, path: Path, items: dict[str, str]) -> list[str]:
    table = read_all(source / f"{name}.text", [ITEM, "text:token_seq"])
    numbers, texts = (column.to_pylist() for column in table.columns)
    tokens = [items.get(number, number) for number in numbers]
    write_atomic(path, {ITEM: tokens, "text:token_seq": texts})
    return tokens


def _write_vectors(
    name: str, source: Path, folder: Path, dataset: str, tokens: list[str], items: dict[str, str]
) -> None:
    files = sorted(source.glob(f"{name}.feat*CLS"))
    if not files:
        LOGGER.warning("%s has no %s.feat*CLS: no text vectors", source, name)
        return
    count = len(items) or len(tokens)
    matrix = read_raw(files[0], count)
    absent = next((row for row in range(count) if items and str(row) not in items), None)
    if absent is not None:
        raise UserError(f"{source / name}.item2index: no item has number {absent}; the rows count from 0")
    ordered = [items[str(row)] for row in range(count)] if items else tokens
    metadata = {"encoder": ENCODER, "source": files[0].name, "date": today()}
    write_feature_file(folder, dataset, TEXT, ordered, matrix, metadata)
