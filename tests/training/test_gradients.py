"""Gradients of two processes against their plain sums."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from recbole_mmm4rec.nn.collectives import TRAFFIC
from recbole_mmm4rec.training.gradients import LARGE_TABLE, sum_gradients
from tests.pair import in_two_processes

ROWS, WIDTH = LARGE_TABLE + 3, 4
MANY = torch.arange(ROWS) % 3 > 0

TOUCHED: dict[str, tuple[Tensor | None, Tensor | None]] = {
    "no gradient": (None, None),
    "nothing": (torch.tensor([], dtype=torch.int64), None),
    "one side": (torch.tensor([3]), None),
    "few": (torch.tensor([0, 7]), torch.tensor([7, ROWS - 1])),
    "many": (MANY.nonzero()[:, 0], (~MANY).nonzero()[:, 0]),
}
"""Rows of a large table that have a gradient in both processes; None: the table has none."""


def gradient(rows: Tensor | None, rank: int) -> Tensor | None:
    if rows is None:
        return None
    values = torch.randn(len(rows), WIDTH, generator=torch.Generator().manual_seed(rank))
    return torch.zeros(ROWS, WIDTH).index_copy(0, rows, values)


def tables(rank: int) -> dict[str, nn.Parameter]:
    found = {}
    for name, rows in TOUCHED.items():
        found[name] = nn.Parameter(torch.ones(ROWS, WIDTH))
        found[name].grad = gradient(rows[rank], rank)
    return found


def work(rank: int) -> dict[str, Tensor | None]:
    small = {name: nn.Parameter(torch.ones(2)) for name in ("both", "one", "none", "frozen")}
    small["half"] = nn.Parameter(torch.ones(2, 1, dtype=torch.bfloat16))
    small["scalar"] = nn.Parameter(torch.ones(()))
    small["frozen"].requires_grad_(False)
    small["both"].grad = torch.full((2,), float(rank + 1))
    small["half"].grad = torch.full((2, 1), float(rank + 1), dtype=torch.bfloat16)
    small["scalar"].grad = torch.tensor(float(rank))
    if rank == 0:
        small["one"].grad = torch.full((2,), 4.0)
    large = tables(rank)
    sum_gradients([*small.values(), *large.values()])
    before = TRAFFIC.bytes
    few = {name: table for name, table in tables(rank).items() if name in ("few", "one side")}
    sum_gradients(few.values())
    grads = {name: parameter.grad for name, parameter in (small | large).items()}
    return grads | {"bytes": torch.tensor(TRAFFIC.bytes - before)}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor | None]]:
    return in_two_processes(work, Path(tmp_path_factory.mktemp("two")))


def test_gradients_become_sums(two: list[dict[str, Tensor | None]]) -> None:
    expected = {"both": [3.0, 3.0], "one": [4.0, 4.0], "half": [[3.0], [3.0]], "scalar": 1.0}
    for end in two:
        found = {name: grad for name, grad in end.items() if name in expected and grad is not None}
        assert {name: grad.tolist() for name, grad in found.items()} == expected
        assert end["none"] is None
        assert end["frozen"] is None


@pytest.mark.parametrize("name", TOUCHED)
def test_large_tables_have_the_sum_of_all_rows(two: list[dict[str, Tensor | None]], name: str) -> None:
    parts = [gradient(rows, rank) for rank, rows in enumerate(TOUCHED[name])]
    for end in two:
        grad = end[name]
        if name == "no gradient":
            assert grad is None
            continue
        assert grad is not None
        assert torch.equal(grad, sum(part for part in parts if part is not None))


def test_of_a_large_table_only_the_rows_with_a_gradient_are_exchanged(
    two: list[dict[str, Tensor | None]],
) -> None:
    rows, flags = 3 + 1, 2
    for end in two:
        assert end["bytes"] is not None
        assert int(end["bytes"]) == 2 * ROWS + 4 * (rows * WIDTH + flags)


def test_alone_nothing_happens() -> None:
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.full((2,), 3.0)
    sum_gradients([parameter])
    assert parameter.grad.tolist() == [3.0, 3.0]
