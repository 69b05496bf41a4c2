"""How many processes do a run, and where: the flags of RecBole's own script."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from recbole_mmm4rec.cluster.limits import Limits
from recbole_mmm4rec.cluster.place import Place
from recbole_mmm4rec.errors import UserError

LOCALHOST = "localhost"
PORT = 5678
"""RecBole's."""


@dataclass(frozen=True)
class Launch:
    """The processes that one call starts on its host.

    Attributes:
        nproc: how many.
        world_size: of all hosts together; None: only these.
        ip, port: of the host whose ``group_offset`` is 0; None: RecBole's, or on one host any free port.
        group_offset: processes on the hosts before this one.
        heartbeat_timeout, collective_timeout: seconds, see :class:`~recbole_mmm4rec.cluster.limits.Limits`.
    """

    nproc: int = 1
    world_size: int | None = None
    ip: str = LOCALHOST
    port: int | None = None
    group_offset: int = 0
    heartbeat_timeout: float = Limits.heartbeat
    collective_timeout: float = Limits.collective

    def __post_init__(self) -> None:
        if self.nproc < 1:
            raise UserError(f"--nproc expects a number of processes from 1, got {self.nproc}")
        if self.group_offset + self.nproc > self.size:
            raise UserError(
                f"--world_size={self.size} is less than the {self.group_offset} processes before this host "
                f"(--group_offset) and its own {self.nproc} (--nproc)"
            )
        if not 0 < (PORT if self.port is None else self.port) < 2**16:
            raise UserError(f"--port expects a number from 1 to 65535, got {self.port}")
        for name in ("heartbeat_timeout", "collective_timeout"):
            if not getattr(self, name) >= 3:
                raise UserError(f"--{name} expects seconds from 3, got {getattr(self, name)}")

    @classmethod
    def of_flags(cls, flags: dict[str, str]) -> "Launch":
        """Take its flags out of a command line's.

        Raises:
            UserError: one that is not a number, or numbers that do not go together.
        """
        given: dict[str, Any] = {}
        for key in fields(cls):
            if key.name in flags:
                value = flags.pop(key.name)
                given[key.name] = value if key.name == "ip" else _number(key.name, value)
        return cls(**given)

    @property
    def size(self) -> int:
        """Processes of all hosts."""
        return self.nproc if self.world_size is None else self.world_size

    @property
    def one_host(self) -> bool:
        """Whether no other host takes part."""
        return self.size == self.nproc

    @property
    def limits(self) -> Limits:
        """How long the processes wait for each other."""
        return Limits(heartbeat=self.heartbeat_timeout, collective=self.collective_timeout)

    def place(self, local_rank: int, port: int) -> Place:
        """That of a process which this call starts."""
        rank = self.group_offset + local_rank
        return Place(rank, self.size, local_rank, f"group {self.group_offset}", self.ip, port, rank == 0)

    def given(self) -> Mapping[str, Any]:
        """What differs from a run of one process; times to wait do not count."""
        start = Launch()
        names = ("nproc", "world_size", "ip", "port", "group_offset")
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(start, name)}


def _number(flag: str, value: str) -> int | None:
    if flag == "world_size" and value in ("-1", "0"):  # RecBole's way to say: only these
        return None
    if not value.isdigit():
        raise UserError(f"--{flag} expects a whole number, got '{value}'")
    return int(value)
