"""Joining the processes of a run, and leaving them: together, or with one line where one of them failed."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from recbole_mmm4rec.cluster.limits import Limits
from recbole_mmm4rec.cluster.meeting import meet
from recbole_mmm4rec.cluster.place import Place
from recbole_mmm4rec.cluster.watch import FAILED, PERIOD, Watch
from recbole_mmm4rec.errors import UserError, in_one_line

_PATIENCE = timedelta(days=30)
"""Of exchanges around work that takes as long as it takes; the watch ends them where a process is dead."""


@dataclass(frozen=True)
class Group:
    """What a process knows of the others.

    Attributes:
        place: its own.
        hosts: the host of every process, by rank.
        everyone: for exchanges of all processes around work of unequal length.
        neighbours: the same of the processes on this host.
        first_of_hosts: the same of the first process of each host; None in the others.
    """

    place: Place
    hosts: tuple[str, ...]
    everyone: Any
    neighbours: Any
    first_of_hosts: Any

    @property
    def is_first_here(self) -> bool:
        """Whether it is the first process on its host."""
        return self.hosts.index(self.place.host) == self.place.rank

    @property
    def first_ranks(self) -> list[int]:
        """The first process of each host."""
        return sorted(self.hosts.index(host) for host in set(self.hosts))

    @property
    def here(self) -> list[int]:
        """The processes on this host."""
        return [rank for rank, host in enumerate(self.hosts) if host == self.place.host]


_group: Group | None = None


def group() -> Group | None:
    """What this process has joined; None for a run of one process."""
    return _group


def everyone() -> Any:
    """The patient process group of all, where there is one; else PyTorch's default."""
    return None if _group is None else _group.everyone


def say_on_stderr(line: str) -> None:
    """How a process of the command line tells its user why it ends."""
    sys.stderr.write(f"error: {line}\n")


@contextmanager
def joined(
    place: Place | None, limits: Limits | None = None, speak: Callable[[str], None] = say_on_stderr
) -> Iterator[None]:
    """Within it this process is one of the run's; gloo connects CPUs and NCCL connects GPUs.

    Args:
        place: None or one of a single process: nothing to join. So is a place within another ``joined``.
        limits: how long to wait for others.
        speak: tells the one line where the process ends at once, as another one failed.

    Raises:
        UserError: the processes did not meet, or another one failed: its reason.
        SystemExit: the same where another process of this host says it.
    """
    if place is None or place.world_size == 1 or _group is not None:
        yield
        return
    watch = _join(place, limits or Limits(), speak)
    try:
        yield
        dist.barrier(everyone())
        watch.stop()
        dist.barrier(everyone())  # no one closes the store while another one still reads it
    except BaseException as error:
        _fail(watch, error)
        raise
    finally:
        _leave(watch)


def _join(place: Place, limits: Limits, speak: Callable[[str], None]) -> Watch:
    global _group
    store = _connected(place, limits.meeting, place.holds_store)
    word = meet(store, place.rank, place.world_size, limits.meeting)
    own = _connected(place, limits.heartbeat, False)
    watch = Watch(place, dist.PrefixStore(f"watch/{word}", own), limits, speak, speak is say_on_stderr)
    watch.prepare()
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
        store=dist.PrefixStore(word, store),
        rank=place.rank,
        world_size=place.world_size,
        timeout=timedelta(seconds=limits.collective),
    )
    _group = _know(place)  # by exchanges, after which all have prepared their watch
    watch.start()
    return watch


def _connected(place: Place, seconds: float, opens: bool) -> dist.TCPStore:
    try:
        return dist.TCPStore(
            place.address,
            place.port,
            is_master=opens,
            wait_for_workers=False,
            timeout=timedelta(seconds=seconds),
        )
    except (RuntimeError, ValueError, OSError) as error:
        reason = in_one_line(error)
        what = "cannot be opened" if opens else f"no answer within {seconds:g} s"
        raise UserError(f"{place}: {place.address}:{place.port}: {what} ({reason})") from error


def _know(place: Place) -> Group:
    """Who is where, and the groups of processes that follow from it."""
    everyone = dist.new_group(backend="gloo", timeout=_PATIENCE)
    hosts: list[Any] = [None] * place.world_size
    dist.all_gather_object(hosts, place.host, group=everyone)
    neighbours = None
    for host in sorted(set(hosts)):
        ranks = [rank for rank, there in enumerate(hosts) if there == host]
        made = dist.new_group(ranks, backend="gloo", timeout=_PATIENCE)
        neighbours = made if host == place.host else neighbours
    firsts = sorted(hosts.index(host) for host in set(hosts))
    made = dist.new_group(firsts, backend="gloo", timeout=_PATIENCE)
    return Group(place, tuple(hosts), everyone, neighbours, made if place.rank in firsts else None)


def _fail(watch: Watch, error: BaseException) -> None:
    """Leave the reason for the others, or take theirs."""
    watch.stop_judging()
    if isinstance(error, KeyboardInterrupt | SystemExit):
        watch.tell("interrupted")
        return
    lost = _is_lost(error)
    reason = watch.reason(3 * PERIOD) if lost else ""
    line = reason or (_loss(error, watch.limits) if lost else _line(error))
    speaks = watch.tell(line.removeprefix(f"{watch.place}: "))
    if watch.place.holds_store:
        watch.wait_for_readers()
    if not speaks:
        watch.let_speak()
        raise SystemExit(FAILED) from error
    if lost:
        raise UserError(line) from error


def _line(error: BaseException) -> str:
    text = in_one_line(error, 300)
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


def _is_lost(error: BaseException) -> bool:
    """Whether an exchange failed, and not this process's own work."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _loss(error: BaseException, limits: Limits) -> str:
    if "imed out" in str(error):
        return f"no answer from another process for {limits.collective:g} s within a step of training"
    return "the connection to another process is lost"


def _leave(watch: Watch) -> None:
    global _group
    watch.stop()
    _group = None
    with suppress(RuntimeError):
        dist.destroy_process_group()
