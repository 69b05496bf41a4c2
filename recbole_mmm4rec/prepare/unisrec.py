"""UniSRec's layout: sequences split into three files, items as row numbers, raw float32 text vectors."""

import logging
from collections import defaultdict
from pathlib import Path

import pyarrow as pa

from recbole_mmm4rec.columns import TEXT
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic import write_atomic
from recbole_mmm4rec.prepare.atomic_reading import read_all
from recbole_mmm4rec.prepare.feature_files import today, write_feature_file
from recbole_mmm4rec.prepare.ids import PAD, id_text
from recbole_mmm4rec.prepare.staging import staged_folder
from recbole_mmm4rec.prepare.tally import RowCount, Tally
from recbole_mmm4rec.prepare.vectors import read_raw, read_rows

LOGGER = logging.getLogger(__name__)
USER, HISTORY, ITEM = "user_id:token", "item_id_list:token_seq", "item_id:token"
SPLITS = ("train", "valid", "test")
ENCODER = "BERT [CLS] as UniSRec computes it"
Sample = tuple[list[str], str]
"""A history and the item that follows it, as numbers."""


class _Ids:
    """Numbers of users or items in the files -> ids by the rule of :mod:`.ids`; others are counted."""

    def __init__(self, what: str, index: Path) -> None:
        self._what, self._path = what, index
        self.index = _index(index)
        self._numbers: dict[str, str] = {}

    def of(self, number: str, rows: RowCount) -> str | None:
        """Return the id; None where there is none, which is a row that ``rows`` counts as skipped.

        Raises ``UserError`` for the id that RecBole keeps for itself, and for two numbers with one id.
        """
        raw = self.index.get(number, number)
        token, fault = id_text(raw)
        if token == PAD:
            raise UserError(
                f"{self._path}: the {self._what} is {PAD}, which RecBole keeps for empty positions"
            )
        if token is not None and '"' not in token:
            if self._numbers.setdefault(token, number) != number:
                other = self._numbers[token]
                spelled = f"{self.index.get(other, other)!r} and {raw!r}"
                raise UserError(f"{self._path}: {spelled} are one {self._what}")
            return token
        reason = f"{self._what} {fault or 'with a double quote'}" if token or fault else f"no {self._what}"
        rows.skip(f"{rows.table} skipped: {reason}", f"{self._what} number {number}")
        return None


def import_unisrec(name: str, source: Path, target: Path, overwrite: bool = False) -> None:
    """Make the dataset ``target`` from ``<name>.train.inter`` and its companions in ``source``.

    There are no times: rows keep each user's order. Numbers become tokens again by ``<name>.item2index`` and
    ``<name>.user2index``, if they are there. Raises ``UserError`` for a missing or damaged file.
    """
    users, items = _Ids("user", source / f"{name}.user2index"), _Ids("item", source / f"{name}.item2index")
    tally = Tally()
    with staged_folder(target, overwrite) as folder:
        _write_interactions(name, source, folder / f"{target.name}.inter", users, items, tally)
        numbers = _write_items(name, source, folder / f"{target.name}.item", items, tally)
        _write_vectors(name, source, folder, target.name, numbers, items, tally)
    tally.log()
    for rows in tally.tables.values():
        LOGGER.info("%s: %s", target.name, rows.line())


def _write_interactions(name: str, source: Path, path: Path, users: _Ids, items: _Ids, tally: Tally) -> None:
    rows, pairs = tally.rows("interactions"), []
    for number, sequence in _sequences(name, source).items():
        rows.met(len(sequence))
        for item in sequence:
            user, token = users.of(number, rows), None
            if user is not None:
                token = items.of(item, rows)
            if token is not None:
                pairs.append((user, token))
    if not pairs:
        raise UserError(f"{source}: no interaction is left of {rows.read:,}: {tally.reasons()}")
    rows.keep(len(pairs))
    columns = {USER: [user for user, _ in pairs], ITEM: [item for _, item in pairs]}
    write_atomic(path, {header: pa.array(ids, pa.string()) for header, ids in columns.items()})


def _sequences(name: str, source: Path) -> dict[str, list[str]]:
    """Each user's whole sequence: the first history, then every target from the oldest on."""
    samples: dict[str, list[Sample]] = defaultdict(list)
    for split in SPLITS:
        table = read_all(source / f"{name}.{split}.inter", [USER, HISTORY, ITEM])
        found: dict[str, list[Sample]] = defaultdict(list)
        for user, history, item in zip(*(column.to_pylist() for column in table.columns), strict=True):
            found[user].append((history.split(" "), item))
        for user, own in found.items():
            newest_first = len(own[0][0]) > len(own[-1][0])  # as UniSRec's script writes them
            samples[user] += own[::-1] if newest_first else own
    return {user: _sequence(own, f"{source}: user number {user}") for user, own in samples.items()}


def _sequence(samples: list[Sample], where: str) -> list[str]:
    """The items of histories, which may be cut to the last ones, and of the targets that follow them."""
    sequence = list(samples[0][0])
    for history, item in samples:
        if sequence[-len(history) :] != history:
            raise UserError(f"{where}: the history before item number {item} is not what came before")
        sequence.append(item)
    return sequence


def _index(path: Path) -> dict[str, str]:
    """Number -> token."""
    if not path.is_file():
        return {}
    pairs = read_rows(path)
    broken = next((pair for pair in pairs if len(pair) != 2), None)
    if broken is not None:
        raise UserError(f"{path}: two columns are expected, found {' '.join(broken)[:80]!r}")
    return {number: token for token, number in pairs}


def _write_items(name: str, source: Path, path: Path, items: _Ids, tally: Tally) -> list[str]:
    """Write the items' texts, given by number or by an id of the index; return the numbers of all of them."""
    table = read_all(source / f"{name}.text", [ITEM, "text:token_seq"])
    numbers, texts = (column.to_pylist() for column in table.columns)
    number_of = {token: number for number, token in items.index.items()}
    if number_of and all(number in number_of for number in numbers):
        numbers = [number_of[token] for token in numbers]
    rows = tally.rows("items")
    rows.met(len(numbers))
    tokens = [items.of(number, rows) for number in numbers]
    kept = [(token, text) for token, text in zip(tokens, texts, strict=True) if token is not None]
    rows.keep(len(kept))
    ids = pa.array([token for token, _ in kept], pa.string())
    write_atomic(path, {ITEM: ids, "text:token_seq": [text for _, text in kept]})
    return numbers


def _write_vectors(
    name: str, source: Path, folder: Path, dataset: str, numbers: list[str], items: _Ids, tally: Tally
) -> None:
    files = sorted(source.glob(f"{name}.feat*CLS"))
    if not files:
        LOGGER.warning("%s has no %s.feat*CLS: no text vectors", source, name)
        return
    count = len(items.index) or len(numbers)
    matrix = read_raw(files[0], count)
    absent = next((row for row in range(count) if items.index and str(row) not in items.index), None)
    if absent is not None:
        raise UserError(f"{source / name}.item2index: no item has number {absent}; the rows count from 0")
    ordered = [str(row) for row in range(count)] if items.index else numbers
    rows = tally.rows("vectors")
    rows.met(count)
    tokens = [items.of(number, rows) for number in ordered]
    kept = [row for row, token in enumerate(tokens) if token is not None]
    rows.keep(len(kept))
    metadata = {"encoder": ENCODER, "source": files[0].name, "date": today()}
    write_feature_file(folder, dataset, TEXT, [str(tokens[row]) for row in kept], matrix[kept], metadata)
