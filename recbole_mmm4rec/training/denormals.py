"""Flush denormal numbers to zero on a CPU.

Many processors compute with floats below the smallest normal number (1.2e-38 in float32) in microcode, many
times slower than with others. Beside the others in their sums they are zeros. The scan of state-space
duality cuts decays before they become or make any (:mod:`recbole_mmm4rec.nn.ssd`); this flag is for the rest.
"""

import numpy as np
import torch


def flush_denormals() -> bool:
    """Treat denormals as zero in this thread and in those that it starts: call it before any other work.

    A setting of the process: a program that only imports the package keeps its own arithmetic.

    Returns:
        whether the processor can.
    """
    for kind in (np.float32, np.float64):
        np.finfo(kind)  # numpy looks for denormals once, and would warn later that it finds none
    return torch.set_flush_denormal(True)
