"""Random number generators of a run, as plain tensors: what a resumed run needs to draw the same numbers."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbole_mmm4rec.nn import sharing


def capture_random_state(generator: torch.Generator | None = None) -> dict[str, Any]:
    """State of every generator that training draws from.

    Args:
        generator: the data loader's own generator (it shuffles), when it has one.

    Returns:
        Tensors, lists of ints and numbers only, so that ``torch.load(weights_only=True)`` reads it back.
    """
    version, words, gauss = random.getstate()
    shared = sharing.generator()
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": [version, list(words), gauss],
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached],
        "loader": None if generator is None else generator.get_state(),
        "shared": None if shared is None else shared.get_state(),
    }


def restore_random_state(state: dict[str, Any], generator: torch.Generator | None = None) -> None:
    """Put every generator back where :func:`capture_random_state` found it."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    _restore_numpy(*state["numpy"])
    if generator is not None and state["loader"] is not None:
        generator.set_state(state["loader"])
    shared = sharing.generator()
    if shared is not None and state.get("shared") is not None:
        shared.set_state(state["shared"])


@contextmanager
def kept_random_state(generator: torch.Generator | None = None) -> Iterator[None]:
    """Numbers drawn within it are not missing afterwards; arguments as of :func:`capture_random_state`."""
    state = capture_random_state(generator)
    try:
        yield
    finally:
        restore_random_state(state, generator)


def _restore_numpy(keys: Tensor, position: int, has_gauss: int, cached: float) -> None:
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached))
