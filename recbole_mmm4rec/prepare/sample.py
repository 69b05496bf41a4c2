"""``sample``: a smaller dataset of some users, on which many models can be compared in less time."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic_reading import read_all
from recbole_mmm4rec.prepare.partition import USER
from recbole_mmm4rec.prepare.split import INTERACTIONS, write_part
from recbole_mmm4rec.prepare.staging import staged_folder


def sample(name: str, dataset: str, root: Path, users: int, seed: int = 0, overwrite: bool = False) -> None:
    """Write ``<root>/<name>``: ``users`` users of ``<root>/<dataset>`` with all their interactions.

    The same dataset and seed give the same users, whatever the order of the rows. Rows keep their order and
    their tokens. The sample has the items of its interactions, with their features; filters on the number of
    interactions are not applied again. Raises ``UserError``; the sample appears whole or not at all.
    """
    if name == dataset:
        raise UserError(f"sample: '{name}' cannot be both the sample and the dataset that it is drawn from")
    source = root / dataset
    drawn = _drawn(source / f"{dataset}.{INTERACTIONS}", users, seed)
    record = {"sample": {"dataset": dataset, "users": users, "seed": seed}}
    with staged_folder(root / name, overwrite) as folder:
        write_part(root / name, folder, source, USER, drawn, record)


def _drawn(interactions: Path, users: int, seed: int) -> pa.Array:
    """Tokens of the users whose hashes with the seed are the smallest."""
    tokens = pc.unique(read_all(interactions, [USER]).column(0)).to_pylist()
    if not 1 <= users <= len(tokens):
        raise UserError(f"{interactions}: --users: {users:,} is not from 1 to {len(tokens):,}, its users")
    ranked = sorted(tokens, key=lambda token: hashlib.sha256(f"{seed}/{token}".encode()).digest())
    return pa.array(ranked[:users], pa.string())
