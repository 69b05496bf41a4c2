"""What finding a user's best items costs among more and more of them: a part of ``--bench=recommend``.

By the product with all items and by an approximate index. Costs do not depend on values, except that an index
finds what lies in clusters, so these made-up vectors do.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recbole_mmm4rec.benchmark.clock import Clock
from recbole_mmm4rec.benchmark.small_mmm4rec import WIDTH
from recbole_mmm4rec.recommend.neighbours import ItemIndex
from recbole_mmm4rec.recommend.ranking import best

CATALOGUES = (10_000, 100_000, 1_000_000)
PER_CLUSTER, QUERIES, K = 100, 200, 10


@dataclass
class Growth:
    """Of a catalogue of ``items``: CPU milliseconds per user of both ways, and of making the index.

    ``recall``: share of the ten best items that the index finds.
    """

    items: int
    exact_ms: float
    index_ms: float
    build_s: float
    recall: float

    @staticmethod
    def head() -> str:
        """Above the lines of several."""
        return f"{'items':>10}{'exact, ms':>12}{'index, ms':>12}{'build, s':>12}{f'recall@{K}':>12}"

    def line(self) -> str:
        """For a person."""
        costs = f"{self.exact_ms:>12.3f}{self.index_ms:>12.3f}{self.build_s:>12.1f}"
        return f"{self.items:>10,}{costs}{self.recall:>12.4f}"


def grown(items: int) -> Growth:
    """Both ways in a catalogue of ``items`` made-up vectors."""
    table, users = clustered(items)
    clock = Clock(torch.device("cpu"))
    with clock.part("build"):
        index = ItemIndex(table)
    shared = 0
    for user in users.split(1):
        with clock.part("exact"):
            wanted = _exact(table, user)
        with clock.part("index"):
            found = _indexed(table, index, user)
        shared += len(set(wanted.tolist()) & set(found.tolist()))
    parts = clock.medians()
    return Growth(
        items,
        parts["exact"]["cpu_ms"],
        parts["index"]["cpu_ms"],
        parts["build"]["cpu_ms"] / 1e3,
        shared / (K * len(users)),
    )


def clustered(items: int, width: int = WIDTH, users: int = QUERIES) -> tuple[Tensor, Tensor]:
    """(N + 1, D) vectors of different lengths in clusters, row 0 the pad's, and (U, D) users near them."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    centres = normal(max(1, items // PER_CLUSTER), width)
    owners = torch.randint(len(centres), (items,), generator=generator)
    table = torch.zeros(items + 1, width)
    table[1:] = centres[owners] + 0.5 * normal(items, width)
    table[1:] *= 0.5 + torch.rand(items, 1, generator=generator)
    near = torch.randint(len(centres), (users,), generator=generator)
    return table, centres[near] + 0.7 * normal(users, width)


def _exact(table: Tensor, user: Tensor) -> Tensor:
    scores = user @ table.T
    scores[:, 0] = -torch.inf
    return best(scores, K)[1][0]


def _indexed(table: Tensor, index: ItemIndex, user: Tensor) -> Tensor:
    found = index.nearest(user, K)
    scores: Any = torch.einsum("ud,ucd->uc", user, table[found])
    return found.gather(1, best(scores, K)[1])[0]
