"""Checkpoint files that no other run shares, for every trainer."""

import itertools
import os
from typing import Any

from recbole_mmm4rec.training import distributed


class OwnFiles:
    """Mixin for every trainer: its files have names that no other run gives.

    RecBole's name holds the second it was made in (trainer.py, line 131), so that two runs can share it and
    the processes of one run can differ. The names of its decision trees' temporary files do, too (line 902).
    """

    config: Any
    model: Any
    saved_model_file: str

    def __init__(self, config: Any, model: Any) -> None:
        # RecBole looks, then makes: of two processes that start together the second would fail
        os.makedirs(config["checkpoint_dir"], exist_ok=True)
        super().__init__(config, model)  # type: ignore[call-arg]
        for attribute in ("saved_model_file", "temp_file", "temp_best_file"):
            if hasattr(self, attribute):
                name = distributed.broadcast_object(own_name(getattr(self, attribute)))
                setattr(self, attribute, name)


_given: set[str] = set()
"""Names that :func:`own_name` has given out in this process."""


def own_name(path: str) -> str:
    """A file name for one run only: with the process's number and, from the second such name on, a counter.

    A file that is there counts as a name too: processes of two containers can have the same number.
    """
    stem, suffix = os.path.splitext(path)
    stem = f"{stem}-{os.getpid()}"
    counted = (f"{stem}-{count}" if count else stem for count in itertools.count())
    name = next(name for name in counted if name not in _given and not os.path.exists(f"{name}{suffix}"))
    _given.add(name)
    return f"{name}{suffix}"
