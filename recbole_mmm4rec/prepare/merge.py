"""Several datasets -> one for pre-training; users and items carry the name of their domain."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.columns import FEATURE_SUFFIX
from recbole_mmm4rec.data.feature_files import FeatureFile, open_features
from recbole_mmm4rec.data.modalities import feature_files
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic import IDS, ITEM, USER, copy_batches
from recbole_mmm4rec.prepare.atomic_reading import TIME, as_numbers, read_all, read_batches, read_header
from recbole_mmm4rec.prepare.comparable import check_comparable
from recbole_mmm4rec.prepare.feature_rows import Rows, write_rows
from recbole_mmm4rec.prepare.staging import staged_folder

LOGGER = logging.getLogger(__name__)
SEPARATOR = "/"


def merge(
    name: str,
    domains: Sequence[str],
    root: Path,
    modalities: Sequence[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write the union of the datasets ``domains`` under ``root`` as ``<root>/<name>``.

    A token becomes ``<domain>/<token>``: the same user in two domains counts as two, as in the paper's
    pre-training set. Columns that a domain lacks are left out; where these are the times, rows stand in
    their order. So is the file of users where a domain has none. ``modalities``: those to take, all when
    None. Raises ``UserError``, also where the vectors of two domains are not comparable.
    """
    if len(domains) < 2 or len(set(domains)) != len(domains):
        raise UserError("merge: at least two different datasets are needed")
    if name in domains:
        raise UserError(f"merge: '{name}' cannot be both the result and one of the datasets joined")
    modalities = _modalities(domains, root) if modalities is None else modalities
    for modality in modalities:
        check_comparable(modality, _files(modality, domains, root))
    with staged_folder(root / name, overwrite) as folder:
        for suffix, ids in _tables(name, domains, root).items():
            _merge_atomic(folder / f"{name}.{suffix}", suffix, ids, domains, root)
        for modality in modalities:
            path = folder / f"{name}.{modality}{FEATURE_SUFFIX}"
            _merge_features(path, _files(modality, domains, root))
    LOGGER.info("%s: %s", name, " + ".join(domains))


def _tables(name: str, domains: Sequence[str], root: Path) -> dict[str, tuple[str, ...]]:
    """Atomic files to write, by suffix, and the ids that each must have; the file of users is optional."""
    tables: dict[str, tuple[str, ...]] = {"inter": IDS, "item": (ITEM,)}
    without = [domain for domain in domains if not _path(domain, "user", root).is_file()]
    if not without:
        return tables | {"user": (USER,)}
    if len(without) < len(domains):
        LOGGER.warning("%s.user: left out, not every dataset has one: %s", name, ", ".join(without))
    return tables


def _path(domain: str, suffix: str, root: Path) -> Path:
    return root / domain / f"{domain}.{suffix}"


def _merge_atomic(path: Path, suffix: str, ids: tuple[str, ...], domains: Sequence[str], root: Path) -> None:
    headers = [read_header(_path(domain, suffix, root), ids) for domain in domains]
    columns = [name for name in headers[0] if all(name in header for header in headers)]
    dropped = sorted({name for header in headers for name in header} - set(columns))
    if dropped:
        LOGGER.warning("%s: not in every dataset and left out: %s", path.name, ", ".join(dropped))
    sorts = {domain: TIME in dropped and TIME in h for domain, h in zip(domains, headers, strict=True)}
    rows = (
        (domain, batch)
        for domain in domains
        for batch in _batches(_path(domain, suffix, root), columns, sorts[domain])
    )
    copy_batches(path, columns, (_prefixed(batch, domain) for domain, batch in rows))


def _batches(path: Path, columns: list[str], by_time: bool) -> Iterable[pa.RecordBatch]:
    """The rows of one dataset, in the order of their times where these are left out of the result."""
    if not by_time:
        return read_batches(path, columns)
    table = read_all(path, [*columns, TIME])
    order = pc.sort_indices(as_numbers(path, TIME, table[TIME]))  # rows of one time keep their order
    return table.take(order).select(columns).to_batches()


def _prefixed(batch: pa.RecordBatch, domain: str) -> pa.RecordBatch:
    columns = [
        pc.binary_join_element_wise(domain, column, SEPARATOR) if name in IDS else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _modalities(domains: Sequence[str], root: Path) -> list[str]:
    return sorted({modality for domain in domains for modality in feature_files(root / domain, domain)})


def _files(modality: str, domains: Sequence[str], root: Path) -> dict[str, FeatureFile]:
    paths = {domain: feature_files(root / domain, domain).get(modality) for domain in domains}
    return {domain: open_features(path) for domain, path in paths.items() if path is not None}


def _merge_features(path: Path, files: dict[str, FeatureFile]) -> None:
    parts = []
    for domain, file in files.items():
        tokens = np.array([f"{domain}{SEPARATOR}{token}" for token in file.tokens], dtype=object)
        parts.append(Rows(file, tokens, np.ones(len(tokens), dtype=bool)))
    write_rows(path, parts, dict(next(iter(files.values())).metadata) | {"merged": list(files)})
