"""What is made once on each host, and shared by its processes in memory.

The first process of a host makes an object, such as a dataset, and pickles it into a temporary file. All
processes of the host then map the arrays and tensors in it: they are in memory once, as pages of that file.
Nothing of it passes between hosts.
"""

import io
import pickle
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from recbole_mmm4rec.cluster.group import Group, group
from recbole_mmm4rec.errors import UserError

T = TypeVar("T")

_ALIGNMENT = 64  # bytes


def one_per_host(make: Callable[[], T], own: Mapping[str, Any] | None = None) -> T:
    """What ``make`` returns, called once on each host.

    Args:
        make: called in the first process of the host, and in a run of one process.
        own: objects that the result refers to, by any names; each process has its own in their place.

    Returns:
        In several processes an equal object in each, whose arrays are shared until one writes into them.

    Raises:
        UserError: as ``make`` did, in all processes of the host.
    """
    here = group()
    if here is None or len(here.here) == 1:
        return make()
    if not here.is_first_here:
        outcome = _told(here, None)
        if isinstance(outcome, UserError):
            raise UserError(str(outcome))
        value = _mapped(outcome, own or {})
        dist.barrier(here.neighbours)
        return value
    with tempfile.TemporaryDirectory(prefix="recbole_mmm4rec-") as folder:
        path = Path(folder, "shared")
        try:
            _write(path, make(), own or {})
        except UserError as error:
            _told(here, error)
            raise
        _told(here, str(path))
        value = _mapped(str(path), own or {})
        dist.barrier(here.neighbours)  # all have mapped the file, whose name is no longer needed
    return value


def _told(here: Group, value: Any) -> Any:
    """What the first process of the host says."""
    box = [value]
    dist.broadcast_object_list(box, src=here.here[0], group=here.neighbours)
    return box[0]


class _Pickler(pickle.Pickler):
    """Tensors as arrays, which protocol 5 can leave outside of the pickle; ``own`` objects by their names."""

    def __init__(self, stream: Any, own: Mapping[str, Any], outside: Callable[[Any], None]) -> None:
        super().__init__(stream, protocol=5, buffer_callback=outside)
        self.names = {id(value): name for name, value in own.items()}

    def persistent_id(self, value: Any) -> str | None:
        return self.names.get(id(value))

    def reducer_override(self, value: Any) -> Any:
        plain = type(value) is Tensor and value.device.type == "cpu" and not value.requires_grad
        if plain and value.layout == torch.strided and value.dtype != torch.bfloat16:
            return torch.from_numpy, (value.contiguous().numpy(),)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: Any, own: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        super().__init__(stream, buffers=buffers)
        self.own = own

    def persistent_load(self, name: str) -> Any:
        return self.own[name]


def _write(path: Path, value: Any, own: Mapping[str, Any]) -> None:
    """The arrays, the pickle of the rest, and at the end where they are."""
    spans: list[tuple[int, int]] = []
    try:
        with path.open("wb") as file:

            def outside(buffer: pickle.PickleBuffer) -> None:
                file.write(b"\0" * (-file.tell() % _ALIGNMENT))
                spans.append((file.tell(), buffer.raw().nbytes))
                file.write(buffer.raw())

            rest = io.BytesIO()
            _Pickler(rest, own, outside).dump(value)
            start = file.tell()
            file.write(rest.getbuffer())
            index = pickle.dumps((start, spans))
            file.write(index + len(index).to_bytes(8, "little"))
    except OSError as error:
        raise UserError(
            f"{path.parent.parent}: no room to share the dataset between the processes of this host "
            f"({error.strerror or error}); TMPDIR names another folder"
        ) from error


def _mapped(path: str, own: Mapping[str, Any]) -> Any:
    whole: Any = np.memmap(path, dtype=np.uint8, mode="c")  # who writes into it gets a page of its own
    size = int.from_bytes(whole[-8:].tobytes(), "little")
    start, spans = pickle.loads(whole[-8 - size : -8].tobytes())
    buffers = [memoryview(whole)[at : at + length] for at, length in spans]
    stream = io.BytesIO(memoryview(whole)[start : len(whole) - 8 - size])
    return _Unpickler(stream, own, buffers).load()
