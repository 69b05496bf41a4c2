"""Training samples that share one pass of the encoder: the targets of a chunk of a user's interactions.

A causal encoder that has read n items has read every prefix of them on the way, so one sequence serves n
targets. Sequences are at most L long. A longer history is cut into chunks that overlap: the first one has the
targets after 1 to L items, every later one those after L / 2 to L of its own items. So every target is in
exactly one chunk, and sees all items before it or at least half of L.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from recbole.data.interaction import Interaction
from torch.utils.data import Sampler

from recbole_mmm4rec.columns import READ_AT
from recbole_mmm4rec.data.windows import Windows


def least_history(longest: int) -> int:
    """Items that a target sees at least where its history was cut: half of L, rounded up."""
    return (longest + 1) // 2


def chunk_starts(windows: Windows) -> np.ndarray:
    """Row of the flat interactions at which the chunk of every sample begins: (samples,) int64.

    It depends on the sample only, not on which others there are.
    """
    longest = windows.layout.max_length
    first = windows.flat.first_rows()[windows.target].astype(np.int64)
    stride = longest - least_history(longest) + 1
    beyond = windows.target - first - longest  # interactions before the target that do not fit
    return first + stride * np.where(beyond > 0, 1 + (beyond - 1) // stride, 0)


def cut_chunks(windows: Windows, starts: np.ndarray) -> Interaction:
    """The samples as a batch of sequences, one per chunk, and of targets.

    Args:
        windows: the samples of the batch, of a model of this package.
        starts: (samples,) their :func:`chunk_starts`.

    Returns:
        Histories (S, W), times and lengths (S,) of the chunks, as far as their last target needs them; items
        and users (T,) of the targets, in the order of the samples, and :data:`READ_AT` (T, 2) where the
        sequence up to a target ends.
    """
    chunks, row = np.unique(starts, return_inverse=True)
    position = windows.target - starts - 1
    length = np.zeros(len(chunks), dtype=np.int64)
    np.maximum.at(length, row, position + 1)
    sequences = Windows(windows.flat, windows.layout, chunks + length, length)
    sequences.dropped = windows.dropped
    layout, columns = windows.layout, dict(sequences.interaction)
    columns |= {name: windows[name] for name in (layout.user, layout.item) if name in columns}
    return Interaction(columns | {READ_AT: torch.from_numpy(np.stack([row, position], axis=1))})


class ChunkOrder(Sampler[int]):
    """Numbers of all samples, those of a chunk one after another, chunks in a random order.

    Batches of B numbers so have B targets and about B / (targets per chunk) sequences; where a batch ends
    within a chunk, both batches encode its sequence.

    Args:
        starts: (samples,) see :func:`chunk_starts`.
        shuffle: False: chunks in the order of their rows.
        generator: draws a new order for every epoch.
    """

    def __init__(self, starts: np.ndarray, shuffle: bool, generator: torch.Generator | None) -> None:
        self.chunk = np.unique(starts, return_inverse=True)[1]
        self.shuffle, self.generator = shuffle, generator

    def __len__(self) -> int:
        return len(self.chunk)

    def __iter__(self) -> Iterator[int]:
        return iter(self.order(self.generator).tolist())

    def order(self, generator: torch.Generator | None) -> np.ndarray:
        """(samples,) int64."""
        place = self.chunk
        if self.shuffle and len(self.chunk):
            place = torch.randperm(int(self.chunk.max()) + 1, generator=generator).numpy()[self.chunk]
        return np.argsort(place, kind="stable")
