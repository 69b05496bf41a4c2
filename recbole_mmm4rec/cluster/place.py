"""Where a process stands among those of a run: by torchrun's environment, or by who started it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from recbole_mmm4rec.errors import UserError

NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun, and launchers like it, tell a process."""


@dataclass(frozen=True)
class Place:
    """One process of a run.

    Attributes:
        rank: its number among all, from 0.
        world_size: how many there are.
        local_rank: its number on its host, from 0.
        host: a name for its host that no other host of the run has.
        address, port: where the processes meet.
        holds_store: it opens that port; else another process does.
    """

    rank: int
    world_size: int
    local_rank: int
    host: str
    address: str
    port: int
    holds_store: bool

    def __str__(self) -> str:
        return f"process {self.rank} of {self.world_size}"


def torchrun_place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """The place that torchrun gave this process; None where no launcher started it.

    Raises:
        UserError: a part of it is missing: as many separate runs would do the same work.
    """
    if not {"RANK", "WORLD_SIZE"} <= environment.keys():
        return None
    missing = [name for name in NEEDED if name not in environment]
    if missing and environment["WORLD_SIZE"] == "1":
        return None
    if missing:
        raise UserError(
            f"environment: RANK and WORLD_SIZE without {', '.join(missing)}; torchrun sets them all, "
            "a run of one process has none"
        )
    rank, size, local_rank, port = (
        _number(environment, name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")
    )
    if rank >= size:
        raise UserError(f"environment: RANK {rank} is not below WORLD_SIZE {size}")
    return Place(
        rank=rank,
        world_size=size,
        local_rank=local_rank,
        host=environment.get("GROUP_RANK") or os.uname().nodename,
        address=environment["MASTER_ADDR"],
        port=port,
        holds_store=rank == 0 and environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True",
    )


def _number(environment: Mapping[str, str], name: str) -> int:
    value = environment[name]
    if not value.isdigit():
        raise UserError(f"environment: {name} is '{value}', not a whole number")
    return int(value)
