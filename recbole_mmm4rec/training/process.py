"""What a process of this package's own sets for its speed before it trains.

Such processes are the command line's and those that it starts. A program that imports the package keeps its
own settings.
"""

from recbole_mmm4rec.training.allocator import keep_memory
from recbole_mmm4rec.training.denormals import flush_denormals


def prepare_process() -> None:
    """Keep freed memory and flush denormals. Neither is inherited by a process that is started."""
    keep_memory()
    flush_denormals()
