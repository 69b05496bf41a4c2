"""The small MMM4Rec of the ``--bench`` measurements: wide enough to be a model, quick enough for a laptop."""

from typing import Any

WIDTH = 64
SMALL_MMM4REC: dict[str, Any] = {
    "fidelity": "repaired",
    "hidden_size": WIDTH,
    "inner_size": WIDTH,
    "head_dim": 16,
    "d_state": 16,
}
"""Keys of its configuration; all others are the paper's."""
