"""Two joined processes: what is made once is shared in memory, and files come from the other host."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.cluster.brought import brought
from recbole_mmm4rec.cluster.group import group, joined
from recbole_mmm4rec.cluster.one_per_host import one_per_host
from recbole_mmm4rec.cluster.place import Place
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.quick_start.attempts import earlier_state
from tests.forked import in_processes

pytestmark = pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="looks at memory in /proc")

ROWS, WIDTH = 3000, 64


def work(rank: int, port: int, folder: Path) -> None:
    (folder / str(rank)).mkdir()
    os.chdir(folder / str(rank))
    found: dict[str, Any] = {}
    with joined(Place(rank, 2, rank, "here", "127.0.0.1", port, rank == 0)):
        found["shared"] = share(rank)
    with joined(Place(rank, 2, 0, f"host {rank}", "127.0.0.1", port + 1, rank == 0)):
        found["brought"] = bring(rank)
        found["state"] = find_state(rank)
    assert group() is None
    torch.save(found, folder / f"end{rank}.pt")


def share(rank: int) -> dict[str, Any]:
    """A matrix that process 0 alone makes, and an object that each process has of its own."""
    calls = []
    config = {"rank": rank}

    def make() -> dict[str, Any]:
        calls.append(rank)
        return {"matrix": torch.arange(ROWS * WIDTH).view(ROWS, WIDTH).float(), "config": config}

    value = one_per_host(make, {"config": config})
    assert value["config"] is config
    file = file_of(value["matrix"])
    value["matrix"][0, 0] = rank + 7  # seen by no one else
    return {"calls": calls, "file": file, "matrix": value["matrix"], "error": refused(rank)}


def refused(rank: int) -> str:
    def fail() -> None:
        raise UserError(f"refused by {rank}")

    with pytest.raises(UserError) as error:
        one_per_host(fail)
    return str(error.value)


def file_of(tensor: torch.Tensor) -> str:
    """Device and inode of the file whose pages a tensor is."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, _, _, device, inode, *_ = line.split(maxsplit=5)
        first, last = (int(end, 16) for end in span.split("-"))
        if first <= tensor.data_ptr() < last:
            return f"{device} {inode}"
    return ""


def bring(rank: int) -> dict[str, Any]:
    path = Path(f"only{rank}")
    with brought("nowhere") as absent:
        assert absent == "nowhere"
    path.write_bytes(os.urandom(100_000))
    with brought("only1", owner=1) as here:
        return {"same": here == "only1", "content": Path(here).read_bytes()}


def find_state(rank: int) -> str | None:
    """What an attempt left on the host that now has process 1, found by process 0 and copied to its host."""
    saved = Path("saved")
    saved.mkdir()
    assert earlier_state({"checkpoint_dir": "saved"}, ["ours"]) is None
    if rank == 1:
        state = {"training": {"attempts": ["ours"], "best_file": "run.pth", "next_epoch": 3}}
        torch.save(state, saved / "run.last.pth")
        (saved / "run.pth").write_bytes(b"best")
    older = {"training": {"attempts": ["ours"], "best_file": "old.pth", "next_epoch": 2}}
    torch.save(older, saved / "old.last.pth")
    foreign = {"training": {**older["training"], "attempts": ["theirs"], "next_epoch": 9}}
    torch.save(foreign, saved / "its.last.pth")
    path = earlier_state({"checkpoint_dir": "saved"}, ["ours", "other"])
    assert (saved / "run.pth").read_bytes() == b"best"
    return path


def test_two_processes(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    in_processes(work, port, tmp_path)
    ends = [torch.load(tmp_path / f"end{rank}.pt", weights_only=False) for rank in range(2)]
    shared, files = [end["shared"] for end in ends], [end["brought"] for end in ends]
    assert [end["calls"] for end in shared] == [[0], []]
    assert shared[0]["file"] == shared[1]["file"]
    assert not shared[0]["file"].endswith(" 0")  # memory of a process's own belongs to no file
    assert [end["matrix"][0, 0].item() for end in shared] == [7, 8]
    assert torch.equal(shared[0]["matrix"][1:], shared[1]["matrix"][1:])
    assert [end["error"] for end in shared] == ["refused by 0"] * 2
    assert [end["same"] for end in files] == [False, True]
    assert files[0]["content"] == files[1]["content"] == (tmp_path / "1" / "only1").read_bytes()
    assert [end["state"] for end in ends] == ["saved/run.last.pth"] * 2
    assert (tmp_path / "0" / "saved" / "run.last.pth").is_file()
