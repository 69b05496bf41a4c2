"""Files that one process has, for processes on other hosts."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist

from recbole_mmm4rec.cluster.group import Group, group

_BLOCK = 1 << 26  # bytes


@contextmanager
def brought(path: str, owner: int = 0) -> Iterator[str]:
    """The file ``path`` of process ``owner`` on every host, for as long as this holds.

    Yields:
        ``path`` itself on the owner's host, and where the owner has no such file; elsewhere a copy of that
        name in a temporary folder.
    """
    here = group()
    if here is None or len(here.first_ranks) == 1:
        yield path
        return
    source = here.hosts.index(here.hosts[owner])
    box = [Path(path).stat().st_size if here.place.rank == owner and Path(path).is_file() else None]
    dist.broadcast_object_list(box, src=owner, group=here.everyone)
    if box[0] is None:
        yield path
        return
    if here.hosts[owner] == here.place.host:
        if here.is_first_here:
            _send(Path(path), here, source)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="recbole_mmm4rec-") as folder:
        name = [str(Path(folder, Path(path).name))]
        if here.is_first_here:
            _receive(Path(name[0]), box[0], here, source)
        dist.broadcast_object_list(name, src=here.here[0], group=here.neighbours)
        yield name[0]
        dist.barrier(here.neighbours)


def _send(path: Path, here: Group, source: int) -> None:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            tensor = torch.frombuffer(bytearray(block), dtype=torch.uint8)
            dist.broadcast(tensor, src=source, group=here.first_of_hosts)


def _receive(path: Path, size: int, here: Group, source: int) -> None:
    with path.open("wb") as file:
        while file.tell() < size:
            tensor = torch.empty(min(_BLOCK, size - file.tell()), dtype=torch.uint8)
            dist.broadcast(tensor, src=source, group=here.first_of_hosts)
            file.write(tensor.numpy().tobytes())
