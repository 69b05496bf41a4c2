"""A run that torchrun starts again (``--max-restarts``) goes on where it was; the command is the same again.

The process that starts others, torchrun's agent, outlives them. So every training state says which agents'
processes wrote it, and a process looks in ``checkpoint_dir`` for a state of its own agent's.
"""

import os
from collections.abc import Mapping, Sequence
from logging import getLogger
from pathlib import Path
from shutil import copyfile
from typing import Any, NamedTuple

import psutil
import torch

from recbole_mmm4rec.cluster.brought import brought
from recbole_mmm4rec.files import replacing
from recbole_mmm4rec.quick_start.run_key import settings_of, short_hash
from recbole_mmm4rec.training import distributed


class Found(NamedTuple):
    """A training state: epochs that it has behind it, its file, and the file of the best model or ''."""

    epochs: int
    path: str
    best: str


def attempts_of(config: Any) -> list[str]:
    """The agents of this run, each as a short hash of it and of the settings; none without torchrun."""
    own = _own_attempt(config)
    return sorted({attempt for attempt in distributed.gather_objects(own) if attempt})


def _own_attempt(config: Any, environment: Mapping[str, str] = os.environ) -> str:
    if "TORCHELASTIC_RUN_ID" not in environment:
        return ""
    agent = psutil.Process(os.getppid())
    facts = [os.uname().nodename, agent.pid, agent.create_time(), environment["TORCHELASTIC_RUN_ID"]]
    return short_hash([facts, settings_of(config)])


def earlier_state(config: Any, attempts: Sequence[str]) -> str | None:
    """The newest state of an earlier attempt at this run; None for the first attempt.

    Where it lies on another host than that of process 0, as hosts have come or gone, its files are copied
    into ``checkpoint_dir`` there.
    """
    if not attempts:
        return None
    found = distributed.gather_objects(_newest(Path(config["checkpoint_dir"]), attempts))
    states = [(state.epochs, -rank) for rank, state in enumerate(found) if state]
    if not states:
        return None
    owner = -max(states)[1]
    state = found[owner]
    for path in filter(None, (state.path, state.best)):
        with brought(path, owner) as here:
            if distributed.rank() == 0 and not Path(path).exists():
                with replacing(Path(path)) as temporary:
                    copyfile(here, temporary)
    getLogger().info(f"started again: the run goes on from epoch {state.epochs}, {state.path}")
    return state.path


def _newest(folder: Path, attempts: Sequence[str]) -> Found | None:
    """That of ``folder`` with the most epochs."""
    states = filter(None, (_state(path, attempts) for path in folder.glob("*.pth")))
    return max(states, default=None)


def _state(path: Path, attempts: Sequence[str]) -> Found | None:
    """What a file is, if one of ``attempts`` wrote it: our training state, or RecBole's checkpoint."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if path.name.endswith(".last.pth"):
            training = content["training"]
            best = path.with_name(training["best_file"])
            wrote, epochs = training["attempts"], int(training["next_epoch"])
            kept = str(best) if best.is_file() else ""
        else:
            wrote, epochs, kept = content["attempts"], int(content["epoch"]) + 1, ""
        return Found(epochs, str(path), kept) if set(wrote) & set(attempts) else None
    except Exception:  # another file, or a damaged one
        return None
